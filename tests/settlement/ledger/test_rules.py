"""What tables cannot say: expiries in their order, ids that are taken, odd clocks and numbers.

docs/spec/ledger.md, J5 to J12.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random

import pytest

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Kind, Transfer, stable_id
from isojoule.settlement.ledger import Answer, Balance, MemoryLedger, Status
from isojoule.settlement.ledger.columns import records_of
from isojoule.settlement.ledger.replay import replay
from isojoule.settlement.ledger.rules import apply_transfers
from tests.settlement.ledger.walk import ODD

SECOND = 10**9
ADA, BO = Account("ada", "EUR"), Account("bo", "EUR")


def opened() -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.open_accounts([ADA, BO], 0)
    return ledger


def reserve(number: int, timeout_s: int) -> Transfer:
    return Transfer(number, ADA.id, BO.id, number, Kind.PENDING, timeout_s=timeout_s)


@pytest.mark.parametrize("seed", range(5))
def test_expiries_in_the_order_of_their_time_then_of_writing(seed: int) -> None:
    """J12, many at once; some have ended before."""
    random = Random(seed)
    ledger = opened()
    asked = [reserve(number, random.randint(1, 9)) for number in range(1, 60)]
    ledger.post(asked, 0)
    ended = [t.id for t in asked if t.id % 7 == 0]
    ledger.post([Transfer(100 + i, 0, 0, 0, Kind.VOID, i) for i in ended], SECOND // 2)
    due = sorted((t.timeout_s, t.id) for t in asked if t.id not in ended and t.timeout_s <= 6)
    later = sum(t.timeout_s > 6 and t.id not in ended for t in asked)
    assert ledger.expire(6 * SECOND) == len(due)
    expired = [t.pending_id for t in ledger.transfers() if t.kind is Kind.EXPIRE]
    assert expired == [number for _, number in due]
    assert ledger.expire(99 * SECOND) == later
    assert ledger.account(ADA.id) == (ADA, Balance())


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_whoever_takes_the_id_of_an_expiry_stops_nothing(taken: int) -> None:
    """J12: the id follows from the words, and a number behind them."""
    ledger = opened()
    ids = [stable_id("isojoule.expiry.1", 1, *((n,) if n else ())) for n in range(4)]
    ledger.post([Transfer(i, BO.id, ADA.id, 5) for i in ids[:taken]], 0)
    ledger.post([reserve(1, 1)], 0)
    assert ledger.expire(SECOND) == 1
    written = list(ledger.transfers())
    assert (written[-1].kind, written[-1].id) == (Kind.EXPIRE, ids[taken])
    assert len({t.id for t in written}) == len(written)
    assert replay(ledger.entries()).head == ledger.head
    late = Transfer(ids[taken], BO.id, ADA.id, 5)
    assert ledger.post([late], SECOND) == [Answer(Status.EXISTS_DIFFERENT, about="debit")]


def test_the_id_of_an_expiry_may_be_asked_for_just_when_it_is_written() -> None:
    ledger = opened()
    ledger.post([reserve(1, 1)], 0)
    late = Transfer(stable_id("isojoule.expiry.1", 1), BO.id, ADA.id, 5)
    assert ledger.post_records(records_of([late]), SECOND) == {
        0: Answer(Status.EXISTS_DIFFERENT, about="debit")
    }


@pytest.mark.parametrize("now_ns", [-1, 2**62, 2**64])
def test_times_that_are_none(now_ns: int) -> None:
    """J12: a clock gone mad does not take the ledger with it."""
    ledger = opened()
    for ask in (
        lambda: ledger.post([], now_ns),
        lambda: ledger.expire(now_ns),
        lambda: ledger.open_accounts([], now_ns),
        lambda: ledger.post_records(records_of([]), now_ns),
    ):
        with pytest.raises(InputError, match="no time"):
            ask()
    assert ledger.clock_ns == 0


def test_the_latest_expiry_fits_63_bits() -> None:
    ledger = opened()
    ledger.post([reserve(1, 2**32 - 1)], 2**62 - 1)
    written = ledger.transfer(1)
    assert written is not None and written.expires_ns < 2**63


def test_bad_accounts_leave_nothing() -> None:
    """J6: an account that cannot be is no refusal, and none of its request is opened."""
    ledger = MemoryLedger()
    with pytest.raises(InputError):
        ledger.open_accounts([ADA, Account("", "EUR")], 5)
    assert ledger.size == 0 and list(ledger.accounts()) == [] and ledger.clock_ns == 0


class Strict:
    """A view that stands only ids that can be."""

    clock_ns = 0

    def _only(self, ids: Collection[int]) -> None:
        assert all(0 < i < 2**128 for i in ids)

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        self._only(ids)
        return {account.id: account for account in (ADA, BO) if account.id in ids}

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        self._only(ids)
        return {}

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        self._only(ids)
        return {}

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        self._only(ids)
        return {}

    def due(self, now_ns: int) -> Sequence[Transfer]:
        return ()


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_store_is_asked_for_ids_that_can_be(odd: dict[str, object]) -> None:
    t = Transfer(1, ADA.id, BO.id, 5)._replace(**odd)  # type: ignore[arg-type]
    effects = apply_transfers(Strict(), [t, Transfer(2, ADA.id, BO.id, 5)], 0)
    assert not effects.answers[0].done
    assert [w.id for w in effects.written] == ([] if t.linked else [2])
