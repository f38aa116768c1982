"""From settled lines to transfers in a ledger. Spec: docs/spec/settlement.md, Y21 to Y27."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isojoule.settlement.booking as booking
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import ENERGY, Account, Kind, Limit, Transfer
from isojoule.settlement.booking import Booked, book, difference, dividends, with_readings, write
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.columns import Records, transfers_of
from isojoule.settlement.ledger.memory import MemoryLedger
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Code, Settled, settle
from isojoule.settlement.stretch import Stretch
from tests.settlement.stretches import KWH_UJ, random_stretch, some_rules, stretch_of

SEEDS = st.integers(0, 2**32)
MARKET = "street-1"


def ledger_of(*booked: Booked) -> MemoryLedger:
    """A ledger with all of it in."""
    ledger = MemoryLedger()
    for one in booked:
        assert list(write(ledger, one, 1)) == []
    return ledger


def nets(ledger: MemoryLedger) -> dict[tuple[str, str], int]:
    """Net of each account that is not at 0, by name and unit."""
    found = {(account.name, account.unit): balance.net for account, balance in ledger.accounts()}
    return {key: net for key, net in found.items() if net}


def sums(settled: Settled) -> dict[tuple[str, str], int]:
    """What accounts must stand at: energy received, and money received."""
    out: dict[tuple[str, str], int] = defaultdict(int)
    for line in settled.lines:
        for unit, part, sign in ((ENERGY, line.energy_uj, 1), ("EUR", line.money_nano, -1)):
            if part is not None:
                for at, party in enumerate(line.parties):
                    amount = sign * sum(part[:, at].tolist())
                    out[party, unit] += amount
                    out[line.other, unit] -= amount
    return {key: amount for key, amount in out.items() if amount}


def by_interval(stretch: Stretch) -> Stretch:
    return replace(stretch, group_s=stretch.time_s)


def transfers(booked: Booked) -> list[Transfer]:
    return [transfer for block in booked.blocks() for transfer in transfers_of(block)]


def test_one_interval_by_hand() -> None:
    """Y21 to Y24: energy first, then the money for it; one chain."""
    stretch = stretch_of()
    booked = book(stretch, settle(stretch, Rules()), MARKET)
    names = {account.id: account.name for account in booked.accounts}
    rows = transfers(booked)
    shown = [
        f"{names[t.debit]} -> {names[t.credit]} {t.amount} {'linked' if t.linked else ''}".strip()
        for t in rows
    ]
    assert shown == [
        f"member/ada -> market {2 * KWH_UJ} linked",
        "market -> member/ada 280000000 linked",
        f"market -> member/bo {KWH_UJ} linked",
        "member/bo -> market 200000000 linked",
        f"market -> utility {KWH_UJ} linked",
        "utility -> market 80000000",
    ]
    assert [t.code for t in rows] == [Code.TRADE] * 4 + [Code.UTILITY] * 2
    assert {t.for_s for t in rows} == {1_000_000} and {t.kind for t in rows} == {Kind.POSTED}
    assert {t.ref for t in rows} == {stretch.results_hash(slice(0, 1))}
    assert booked.count == 6 and booked.groups == (1_000_000,)
    assert len({t.id for t in rows}) == 6


@settings(max_examples=40, deadline=None)
@given(SEEDS, SEEDS)
def test_accounts_stand_at_the_sum_of_their_lines(seed: int, other: int) -> None:
    """Y25: in energy and in money; and all of it sums to 0."""
    stretch = random_stretch(seed)
    settled = settle(stretch, some_rules(other))
    stands = nets(ledger_of(book(stretch, settled, MARKET)))
    assert stands == sums(settled)
    for unit in (ENERGY, "EUR"):
        assert sum(net for (_, of), net in stands.items() if of == unit) == 0
    for at, name in enumerate(stretch.members):
        received = sum(stretch.metered_uj[:, at].tolist())
        assert stands.get((f"member/{name}", ENERGY), 0) == received
    assert not {name for name, _ in stands} & {"market", "balancing"}


@settings(max_examples=40, deadline=None)
@given(SEEDS, SEEDS)
def test_netting_changes_no_balance(seed: int, other: int) -> None:
    """Y22: by interval, by hour, all at once."""
    stretch = random_stretch(seed)
    settled = settle(stretch, some_rules(other))
    at_once = replace(stretch, group_s=np.zeros_like(stretch.time_s))
    counts = []
    for grouped in (by_interval(stretch), stretch, at_once):
        booked = book(grouped, settled, MARKET)
        assert nets(ledger_of(booked)) == sums(settled)
        counts.append(booked.count)
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_what_was_bought_and_sold_on_one_day_both_stand() -> None:
    """Y21: 2 kWh received for 0.40, 1 given for 0.10, and money alone for 0.05."""
    from isojoule.settlement.settle import Line

    stretch = random_stretch(1, intervals=4, members=1)
    line = Line(
        Code.TRADE,
        ("member/m0",),
        "market",
        np.array([[30], [-10], [5], [10]]),
        np.array([[1], [-1], [0], [1]]),
    )
    nothing = np.zeros((4, 1), np.int64)
    booked = book(stretch, Settled((line,), nothing, nothing, nothing), MARKET)
    names = {account.id: account.name for account in booked.accounts}
    assert [(names[t.debit], t.amount, t.linked) for t in transfers(booked)] == [
        ("market", 2, True), ("member/m0", 40, True),
        ("member/m0", 1, True), ("market", 10, True),
        ("member/m0", 5, False),
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(SEEDS, SEEDS)
def test_booking_again_writes_nothing(seed: int, other: int) -> None:
    """Y23."""
    stretch = random_stretch(seed)
    booked = book(stretch, settle(stretch, some_rules(other)), MARKET)
    ledger = ledger_of(booked)
    head = ledger.head
    assert list(write(ledger, booked, 2)) == []
    assert ledger.head == head
    other_market = book(stretch, settle(stretch, some_rules(other)), "street-2")
    assert list(write(ledger, other_market, 3)) == []
    assert ledger.size == head.size + booked.count


def test_other_results_under_the_same_name_are_refused() -> None:
    """Y23, Y24: the ids are the same, what they stand for is not. Nothing is written."""
    stretch = random_stretch(5)
    ledger = ledger_of(book(stretch, settle(stretch, Rules()), MARKET))
    head = ledger.head
    late = with_readings(stretch, stretch.metered_uj + 1)
    again = book(late, settle(late, Rules()), MARKET)
    refused = list(write(ledger, again, 2))
    assert ledger.head == head
    assert {one.answer.status for one in refused} == {Status.EXISTS_DIFFERENT}
    assert [one.group_s for one in refused] == list(again.groups)
    assert {one.row for one in refused} == {0}


@settings(max_examples=40, deadline=None)
@given(SEEDS, SEEDS, SEEDS)
def test_a_correction_makes_the_ledger_right(seed: int, other: int, late: int) -> None:
    """Y26: as if settled with the right readings from the start, by new transfers only."""
    rules = some_rules(other)
    wrong = random_stretch(seed)
    rng = np.random.default_rng(late)
    change = rng.integers(-KWH_UJ, KWH_UJ, wrong.metered_uj.shape)
    right = with_readings(wrong, wrong.metered_uj + change * (rng.random(change.shape) < 0.3))
    first, second = settle(wrong, rules), settle(right, rules)
    booked = book(wrong, first, MARKET)
    ledger = ledger_of(booked)
    before = list(ledger.transfers())
    correction = book(right, difference(second, first), MARKET, revision=1)
    assert list(write(ledger, correction, 2)) == []
    assert nets(ledger) == nets(ledger_of(book(right, second, MARKET)))
    assert list(ledger.transfers())[: len(before)] == before
    assert list(write(ledger, correction, 3)) == []


def test_a_correction_without_a_change_is_empty() -> None:
    """Y26."""
    settled = settle(random_stretch(2), some_rules(2))
    assert difference(settled, settled).lines == ()
    assert book(random_stretch(2), difference(settled, settled), MARKET, revision=1).count == 0


@settings(max_examples=20, deadline=None)
@given(SEEDS, SEEDS, st.integers(1, 400))
def test_blocks_only_part_the_work(seed: int, other: int, cells: int) -> None:
    """Y22: the transfers are the same, in the same order, however many are made at a time."""
    stretch = random_stretch(seed)
    booked = book(stretch, settle(stretch, some_rules(other)), MARKET)
    whole = transfers(booked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(booking, "_CELLS", cells)
        parts = list(booked.blocks())
        assert [t for part in parts for t in transfers_of(part)] == whole
        assert cells > 100 or len(parts) == 3
    starts = [t.for_s for t in whole]
    assert starts == sorted(starts)


class OneByOne:
    """A ledger that looks at each transfer by itself."""

    def __init__(self) -> None:
        self.inner = MemoryLedger()

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        return self.inner.open_accounts(accounts, now_ns)

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        return self.inner.post(transfers, now_ns)

    def post_records(self, records: Records, now_ns: int) -> dict[int, Answer]:
        answers = self.post(transfers_of(records), now_ns)
        return {row: a for row, a in enumerate(answers) if a.status is not Status.CREATED}

    def accounts(self) -> Iterator[Any]:
        return self.inner.accounts()


def test_any_ledger_will_do() -> None:
    stretch = random_stretch(4)
    booked = book(stretch, settle(stretch, some_rules(3)), MARKET)
    plain = OneByOne()
    assert list(write(plain, booked, 1)) == []  # type: ignore[arg-type]
    assert plain.inner.head == ledger_of(booked).head


def test_dividends_share_the_operators_line() -> None:
    """Y27: who is owed gets, who owes pays; once."""
    given = {"currency": "EUR", "market": MARKET, "period": "2026-06", "at_s": 9, "ref": bytes(32)}
    booked = dividends(members=("ada", "bo", "cy"), amounts_nano=(70, -20, 0), **given)  # type: ignore[arg-type]
    ledger = ledger_of(booked, booked)
    assert nets(ledger) == {
        ("operator", "EUR"): -50, ("member/ada", "EUR"): 70, ("member/bo", "EUR"): -20,
    }  # fmt: skip
    assert [t.code for t in ledger.transfers()] == [Code.DIVIDEND] * 2
    more = dividends(members=("ada", "bo", "cy"), amounts_nano=(-70, 0, 5), revision=1, **given)  # type: ignore[arg-type]
    assert not [*write(ledger, more, 2), *write(ledger, more, 2)]
    assert nets(ledger) == {
        ("operator", "EUR"): 15, ("member/bo", "EUR"): -20, ("member/cy", "EUR"): 5,
    }  # fmt: skip
    assert [t.code for t in ledger.transfers()][2:] == [Code.DIVIDEND_CHANGE] * 2
    assert dividends(members=(), amounts_nano=(), **given).count == 0  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the dividend is beyond"):
        dividends(members=("ada",), amounts_nano=(2**62,), **given)  # type: ignore[arg-type]


def test_an_account_with_a_limit_is_not_taken_for_ours() -> None:
    ledger = MemoryLedger()
    limited = Account("member/ada", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS)
    ledger.open_accounts([limited], 1)
    stretch = stretch_of()
    with pytest.raises(InvariantError, match="account 'member/ada' is there"):
        list(write(ledger, book(stretch, settle(stretch, Rules()), MARKET), 1))


def test_a_sum_that_does_not_fit_is_refused() -> None:
    """Y22: by day it does not, by interval it does."""
    count, each = 12, 2**60 - 2**52
    columns = np.repeat([[each, -each]], count, 0)
    nothing = np.zeros((count, 2), np.int64)
    stretch = replace(
        random_stretch(1, intervals=count, members=2),
        cleared_uj=columns, metered_uj=columns, payment_nano=nothing, earned_nano=nothing,
        worked_nano=nothing, group_s=np.zeros(count, np.int64),
        **{name: np.zeros(count, np.int64)
           for name in ("utility_uj", "utility_nano", "tie_uj", "loss_uj")},
    )  # fmt: skip
    settled = settle(stretch, Rules())
    with pytest.raises(InputError, match="does not fit into 63 bits"):
        book(stretch, settled, MARKET).count  # noqa: B018
    stands = nets(ledger_of(book(by_interval(stretch), settled, MARKET)))
    assert stands["member/m0", ENERGY] == count * each
