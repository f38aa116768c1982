"""Commitments in a ledger: margins, calls, default, expiry. docs/spec/collateral.md, B12 to B16."""

from __future__ import annotations

from random import Random

import pytest

from isojoule.core.transfer import Account, Kind, Limit, Transfer
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments import Contract, Delivery, Margins, Position, Side
from isojoule.settlement.commitments.margins import due_nano, required_nano
from isojoule.settlement.commitments.rules import Step, agree, close, expire, mark, meet
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.refused import Refused

KWH = 3.6e6
KWH_UJ = 3_600_000_000_000
START = 1_000_000
TERMS = Margins("EUR", move_per_j=0.25, highest_per_j=2.0)
CONTRACT = Contract("m", "c", START, "ada", "bo", 1000, 0.5)
"""Prices are halves of halves, so that amounts are whole: 0.25 makes 250,000 of 1000 uJ."""


@pytest.mark.parametrize(
    ("delivered", "curtailed", "reference", "eur"),
    [(10, 0, 0.30, 1.00), (6, 0, 0.30, 1.80), (6, 4, 0.30, 0.60), (10, 0, 0.15, -0.50)],
)
def test_what_expiry_pays_by_hand(
    delivered: int, curtailed: int, reference: float, eur: float
) -> None:
    """The table of B16."""
    contract = Contract("m", "c", START, "ada", "bo", 10 * KWH_UJ, 0.2 / KWH)
    told = Delivery(delivered * KWH_UJ, curtailed * KWH_UJ, reference / KWH, 0.5 / KWH)
    assert due_nano(contract, told) == pytest.approx(eur * 1e9, abs=2)


class Desk:
    """A ledger, one contract, and who has what."""

    def __init__(self, ada: int = 10**7, bo: int = 10**7) -> None:
        self.ledger = MemoryLedger()
        limit = Limit.DEBITS_MUST_NOT_EXCEED_CREDITS
        accounts = [Account("ada", "EUR", limit), Account("bo", "EUR", limit)]
        accounts += [Account(ESCROW, "EUR"), Account("bank", "EUR")]
        self.ledger.open_accounts(accounts, 0)
        for number, (account, amount) in enumerate(zip(accounts, (ada, bo), strict=False), 1):
            self.ledger.post([Transfer(number, accounts[3].id, account.id, amount)], 0)
        self.position: Position | None = None
        self.begun = {"ada": ada, "bo": bo}

    def take(self, step: Step | Refused) -> bool:
        """Whether the step stands in the ledger; asked twice, it stands once."""
        if isinstance(step, Refused):
            return False
        if not all(answer.done for answer in self.ledger.post(step.transfers, 1)):
            return False
        head = self.ledger.head
        assert all(answer.done for answer in self.ledger.post(step.transfers, 1))
        assert self.ledger.head == head
        self.position = step.position
        self.check()
        return True

    def net(self, name: str) -> int:
        found = self.ledger.account(Account(name, "EUR").id)
        assert found is not None
        return found[1].net

    def check(self) -> None:
        """Escrow keeps nothing but what waits; nobody gains but what the other pays."""
        p = self.position
        assert p is not None
        found = self.ledger.account(Account(ESCROW, "EUR").id)
        assert found is not None
        waiting = sum(p.held_nano(side) for side in Side)
        assert (found[1].net, found[1].credits_pending) == (0, waiting)
        paid = 0
        if p.ended is not None:
            paid = p.ended.paid_nano * (1 if p.ended.payer is Side.SELL else -1)
            assert 0 <= p.ended.paid_nano <= p.ended.due_nano
            assert not p.margins and not p.calls
        assert self.net("ada") == self.begun["ada"] - paid
        assert self.net("bo") == self.begun["bo"] + paid
        ends = [t.pending_id for t in self.ledger.transfers() if t.kind in (Kind.POST, Kind.VOID)]
        assert len(ends) == len(set(ends))


def test_calls_as_a_story() -> None:
    """0.50 agreed; at 0.75 Ada is called for 0.25; at 0.50 it returns; at 1.00 she defaults."""
    desk = Desk()
    assert desk.take(agree(CONTRACT, 0.5, TERMS, 0))
    p = desk.position
    assert p is not None
    assert [p.held_nano(side) for side in (Side.SELL, Side.BUY)] == [250_000, 250_000]
    assert desk.take(mark(p, 0.75, TERMS, 100))
    p = desk.position
    assert [tuple(call) for call in p.calls] == [(Side.SELL, 250_000, 3700)]
    assert [p.held_nano(side) for side in (Side.SELL, Side.BUY)] == [250_000, 0]  # Bo's went back
    assert not desk.take(close(p, TERMS, 3699))
    assert desk.take(meet(p, Side.SELL, TERMS))
    assert desk.take(mark(desk.position, 0.5, TERMS, 200))
    p = desk.position
    assert p.held_nano(Side.SELL) == 250_000
    assert [call.side for call in p.calls] == [Side.BUY]
    assert desk.take(mark(p, 1.0, TERMS, 300))
    assert desk.take(mark(desk.position, 1.0, TERMS, 5000))  # a call that is open keeps its time
    assert desk.position.calls[0].due_s == 3900
    assert desk.take(close(desk.position, TERMS, 5000))
    ended = desk.position.ended
    assert ended is not None
    assert tuple(ended) == ("default", Side.SELL, 500_000, 250_000)
    assert ended.owed_nano == 250_000
    for again in (mark(desk.position, 1.0, TERMS, 1), meet(desk.position, Side.SELL, TERMS)):
        assert isinstance(again, Refused) and "has ended" in again.reason


def test_who_has_too_little_makes_no_contract() -> None:
    """B12: both margins, or none."""
    desk = Desk(bo=249_999)
    assert not desk.take(agree(CONTRACT, 0.5, TERMS, 0))
    found = desk.ledger.account(Account(ESCROW, "EUR").id)
    assert found is not None and found[1].credits_pending == 0
    for odd in (CONTRACT._replace(quantity_uj=0), CONTRACT._replace(buyer="ada")):
        assert isinstance(agree(odd, 0.5, TERMS, 0), Refused)


def test_shortly_before_the_interval_a_default_is_covered() -> None:
    """B13: nothing delivered at the highest price of imbalance costs 1.5 on each Joule."""
    desk = Desk()
    desk.take(agree(CONTRACT, 0.5, TERMS, 0))
    desk.take(mark(desk.position, 0.5, TERMS, START - TERMS.firm_s))  # type: ignore[arg-type]
    desk.take(meet(desk.position, Side.SELL, TERMS))  # type: ignore[arg-type]
    assert desk.take(expire(desk.position, Delivery(0, 0, 0.5, 2.0), TERMS))  # type: ignore[arg-type]
    assert desk.position is not None and desk.position.ended is not None
    assert tuple(desk.position.ended) == ("delivery", Side.SELL, 1_500_000, 1_500_000)


@pytest.mark.parametrize("part", range(4))
def test_random_ways(part: int) -> None:
    """400 contracts: what moved by no more than `move` since the last marking is covered."""
    for way in range(part * 100, (part + 1) * 100):
        random = Random(way)
        desk = Desk(ada=random.choice((10**7, 600_000)), bo=random.choice((10**7, 600_000)))
        price, now = random.choice((0.25, 0.5, 0.75)), 0
        if not desk.take(agree(CONTRACT, price, TERMS, now)):
            continue
        for _ in range(random.randint(0, 12)):
            p = desk.position
            assert p is not None
            what = random.randrange(4)
            if what == 0:
                price += random.uniform(-0.25, 0.25)
            if what in (0, 1):
                now += random.choice((0, 1000, 4000))
                desk.take(mark(p, price, TERMS, now))
            if what == 2:
                desk.take(meet(p, random.choice(list(Side)), TERMS))
            if what == 3:
                late = any(call.due_s <= now for call in p.calls)
                assert desk.take(close(p, TERMS, now)) == (late and p.ended is None)
            q = desk.position
            if q is not None and q.ended is None and not q.calls:
                for side in Side:
                    need = required_nano(q.contract, side, q.marked_per_j, TERMS, 0)
                    assert q.held_nano(side) >= need
        p = desk.position
        assert p is not None
        if p.ended is not None:
            continue
        covered = not p.calls
        moved = p.marked_per_j + random.uniform(-0.25, 0.25)
        got = random.choice((0, 400, 1000, 2000))
        told = Delivery(got, random.choice((0, 600)), moved, moved)
        assert desk.take(expire(p, told, TERMS))
        ended = desk.position.ended
        assert ended is not None
        if covered:
            assert ended.owed_nano == 0, way
        assert isinstance(expire(desk.position, told, TERMS), Refused)
