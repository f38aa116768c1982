"""The life of bonds in a ledger, beside a naive account. docs/spec/collateral.md, B7 to B11."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from isojoule.core.transfer import Account, Kind, Limit, Transfer
from isojoule.settlement.collateral import Bonds, Held, Outcome, Promise, Side, Terms
from isojoule.settlement.collateral.bonds import Name, name_of
from isojoule.settlement.collateral.nouns import ESCROW, GUARANTEE
from isojoule.settlement.collateral.sizes import bond_nano, penalty_of
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.refused import Refused

PARTIES = ("member/ada", "member/bo")
OTHERS = ("utility", "member/cy")
FUND = 3_000
TERMS = Terms(
    "EUR", highest_per_j=0.009, lowest_per_j=-0.001, fine_per_j=0.001, most_credit_nano=1_500,
    least_share=0.5, prior_uj=100,
)  # fmt: skip
OWN = 4_000
"""What each party has, nano-units; a price of 0.001 makes one of a microjoule."""


def account(name: str) -> Account:
    limited = name in PARTIES or name == GUARANTEE
    return Account(name, "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS if limited else Limit.NONE)


@dataclass
class Known:
    """What is remembered of one bond: amounts, claims, and whether it ended."""

    promise: Promise
    own: int
    lent: int
    open: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    outcome: Outcome | None = None
    slashed: int = 0


class World:
    """Bonds, and a naive account of who has what."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        names = (*PARTIES, *OTHERS, GUARANTEE, "bank")
        self.ledger.open_accounts([account(name) for name in names], 0)
        bank = account("bank").id
        paid_in = [(PARTIES[0], OWN), (PARTIES[1], OWN), (GUARANTEE, FUND)]
        self.ledger.post(
            [Transfer(n, bank, account(w).id, a) for n, (w, a) in enumerate(paid_in, 1)], 0
        )
        self.bonds = Bonds(self.ledger, TERMS, 0)
        self.money = dict.fromkeys((*PARTIES, *OTHERS, GUARANTEE, "operator"), 0) | dict(paid_in)
        self.known: dict[Name, Known] = {}
        self.history: dict[str, list[tuple[int, int]]] = {party: [] for party in PARTIES}

    def credit(self, party: str) -> int:
        """B6 from the beginning."""
        promised = 100 + sum(q for q, _ in self.history[party])
        delivered = sum(q - s for q, s in self.history[party])
        most = max(0, 1_500 * (2 * delivered - promised) // promised)
        mine = [k for k in self.known.values() if k.promise.party == party]
        owed = sum(max(0, k.slashed - k.own) for k in mine)
        return max(0, most - owed - sum(k.lent for k in mine if k.outcome is None))

    def free(self, name: str) -> int:
        """What an account can still give."""
        reserved = 0
        for k in self.known.values():
            if k.outcome is None:
                reserved += k.own * (k.promise.party == name) + k.lent * (name == GUARANTEE)
        return self.money[name] - reserved

    def pledge(self, promise: Promise) -> None:
        answer = self.bonds.pledge(promise, 1)
        name = name_of(promise)
        if name in self.known:
            assert isinstance(answer, Held) == (self.known[name].promise == promise)
        else:
            bond = bond_nano(promise, TERMS)
            lent = min(bond, self.credit(promise.party))
            able = self.free(promise.party) >= bond - lent and self.free(GUARANTEE) >= lent
            assert isinstance(answer, Held) == able, (answer, bond, lent)
            if able:
                self.known[name] = Known(promise, bond - lent, lent)
        self.check()

    def freeze(self, name: Name, claim: str) -> None:
        answer = self.bonds.freeze(name, claim, 2)
        k = self.known.get(name)
        fine = k is not None and k.outcome is None and claim not in k.ended
        assert isinstance(answer, Held) == fine
        if fine and k is not None:
            k.open.add(claim)
        self.check()

    def thaw(self, name: Name, claim: str) -> None:
        answer = self.bonds.thaw(name, claim, 2)
        k = self.known.get(name)
        fine = k is not None and claim in k.open | k.ended
        assert isinstance(answer, Held) == fine
        if fine and k is not None:
            k.open.discard(claim)
            k.ended.add(claim)
        self.check()

    def resolve(self, name: Name, outcome: Outcome) -> None:
        answer = self.bonds.resolve(name, outcome, 3)
        k = self.known.get(name)
        fine = k is not None and (k.outcome == outcome or (k.outcome is None and not k.open))
        assert isinstance(answer, Held) == fine, answer
        if not fine or k is None:
            self.check()
            return
        assert isinstance(answer, Held) and answer.penalty is not None
        assert answer.bond_nano == answer.returned_nano + answer.penalty.total_nano
        if k.outcome is None:
            promise = k.promise
            short = max(0, promise.quantity_uj - outcome.delivered_uj - outcome.curtailed_uj)
            self.history[promise.party].append((promise.quantity_uj, short))
            penalty = penalty_of(Held(promise, k.own, k.lent), outcome, TERMS)
            k.outcome, k.slashed = outcome, penalty.total_nano
            assert k.slashed <= k.own + k.lent
            assert k.slashed == 0 or short > 0
            self.money[promise.party] -= min(k.own, k.slashed)
            self.money[GUARANTEE] -= max(0, k.slashed - k.own)
            self.money["operator"] += penalty.fine_nano
            got = penalty.harm_nano
            whole = sum(weight for _, weight in outcome.harmed)
            for who, weight in outcome.harmed:  # none gets less than its exact share, rounded down
                least = penalty.harm_nano * weight // whole
                mine = self.balance(who) - self.money[who]
                assert least <= mine <= least + 1
                self.money[who] += mine
                got -= mine
            assert got == 0
        self.check()

    def balance(self, name: str) -> int:
        found = self.ledger.account(account(name).id)
        assert found is not None
        return found[1].net

    def check(self) -> None:
        """Nothing is made or lost, and escrow keeps nothing."""
        for name, money in self.money.items():
            assert self.balance(name) == money, name
        found = self.ledger.account(account(ESCROW).id)
        assert found is not None
        escrow = found[1]
        waiting = sum(k.own + k.lent for k in self.known.values() if k.outcome is None)
        assert (escrow.net, escrow.credits_pending, escrow.debits_pending) == (0, waiting, 0)
        ends = [t.pending_id for t in self.ledger.transfers() if t.kind in (Kind.POST, Kind.VOID)]
        assert len(ends) == len(set(ends))


class Ways:
    """Random steps; `pick(n)` gives a number below n."""

    def __init__(self) -> None:
        self.world = World()

    def step(self, pick) -> None:  # type: ignore[no-untyped-def]
        name = ("m", f"o{pick(3)}", 900 * pick(2))
        what = pick(8)
        if what < 3:
            self.world.pledge(self.promise(name, pick))
        elif what == 3:
            self.world.freeze(name, f"c{pick(2)}")
        elif what == 4:
            self.world.thaw(name, f"c{pick(2)}")
        else:
            self.world.resolve(name, self.outcome(name, pick))

    def promise(self, name: Name, pick) -> Promise:  # type: ignore[no-untyped-def]
        known = self.world.known.get(name)
        if known is not None and pick(3):
            return known.promise
        side = (Side.SELL, Side.BUY)[pick(2)]
        price = (0.0, 0.002, 0.008, 0.02)[pick(4)]
        return Promise(*name, PARTIES[pick(2)], side, 1 + pick(300), price)

    def outcome(self, name: Name, pick) -> Outcome:  # type: ignore[no-untyped-def]
        known = self.world.known.get(name)
        if known is not None and known.outcome is not None and pick(2):
            return known.outcome
        whole = known.promise.quantity_uj if known else 100
        delivered = (0, whole, whole // 2, whole - 1)[pick(4)]
        harmed = ((("utility", 1),), (("utility", 1 + pick(3)), ("member/cy", 2)))[pick(2)]
        price = (0.009, -0.001, 0.004, 0.05)[pick(4)]
        return Outcome(delivered, (0, whole // 3)[pick(2)], price, harmed, (0, 50)[pick(2)])


@pytest.mark.parametrize("part", range(4))
def test_random_ways(part: int) -> None:
    """10,000 steps; seeds are numbers, so a failure names the way that led there."""
    for way in range(part * 50, (part + 1) * 50):
        random, ways = Random(way), Ways()
        try:
            for _ in range(50):
                ways.step(random.randrange)
        except AssertionError as error:
            raise AssertionError(f"way {way}") from error


class Machine(RuleBasedStateMachine):
    """The same, made as short as it can be where something fails."""

    def __init__(self) -> None:
        super().__init__()
        self.ways = Ways()

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self.ways.step(lambda n: data.draw(st.integers(0, n - 1)))


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def sell(quantity: int = 100, price: float = 0.001, offer: str = "o") -> Promise:
    return Promise("m", offer, 900, "member/ada", Side.SELL, quantity, price)


def short_by(energy: int, price: float = 0.005) -> Outcome:
    return Outcome(100 - energy, 0, price, (("utility", 1),))


def test_a_bond_as_a_ledger() -> None:
    """100 uJ at 0.001, at most 0.009, fine 0.001: 900. 30 short at 0.005: 120 harm, 30 fine."""
    world = World()
    held = world.bonds.pledge(sell(), 1)
    assert isinstance(held, Held) and held.bond_nano == pytest.approx(900, abs=1)
    settled = world.bonds.resolve(name_of(sell()), short_by(30), 2)
    assert isinstance(settled, Held) and settled.penalty is not None
    assert tuple(settled.penalty) == pytest.approx((120, 30), abs=1)
    assert world.balance("utility") == settled.penalty.harm_nano
    assert world.balance("operator") == settled.penalty.fine_nano
    assert world.balance("member/ada") == OWN - settled.penalty.total_nano


def test_refusals_say_why() -> None:
    """B2, B7, B8, B10."""
    world = World()
    name = name_of(sell())
    bonds = world.bonds
    too_much = bonds.pledge(sell(10_000), 1)
    assert isinstance(too_much, Refused) and "has not so much left" in too_much.reason
    bonds.pledge(sell(), 1)
    cases = [
        (bonds.pledge(sell(99), 1), "for another promise"),
        (bonds.pledge(sell(0, offer="p"), 1), "not positive"),
        (bonds.thaw(name, "c", 1), "no claim 'c'"),
        (bonds.freeze(name, "", 1), "needs a name"),
        (bonds.resolve(("m", "q", 0), short_by(1), 1), "no such bond"),
        (bonds.resolve(name, short_by(1)._replace(harmed=()), 1), "nobody was harmed"),
        (bonds.resolve(name, short_by(1)._replace(paid_nano=-1), 1), "negative"),
        (bonds.resolve(name, short_by(1)._replace(harmed=(("nobody", 1),)), 1), "no such credit"),
    ]
    for answer, reason in cases:
        assert isinstance(answer, Refused) and reason in answer.reason
    assert isinstance(bonds.freeze(name, "c", 1), Held)
    frozen = bonds.resolve(name, short_by(1), 1)
    assert isinstance(frozen, Refused) and frozen.reason == "the bond is frozen by c"
    assert isinstance(bonds.thaw(name, "c", 1), Held)
    assert isinstance(bonds.resolve(name, short_by(1), 1), Held)
    other = bonds.resolve(name, short_by(2), 1)
    assert isinstance(other, Refused) and "another outcome" in other.reason


def test_a_reliable_party_is_lent_a_part_and_owes_what_the_fund_lost() -> None:
    """B6, B9: after 900 uJ delivered of 900 the fund stands in for 1500 * 0.8 = 1200."""
    world = World()
    for n in range(3):
        promise = sell(300, 0.008, f"past-{n}")  # a bond of 600
        world.pledge(promise)
        world.resolve(name_of(promise), Outcome(300, 0, 0.0, (("utility", 1),)))
    assert world.bonds.credit_left_nano("member/ada") == 1200
    promise = sell(200)  # a bond of 1800
    world.pledge(promise)
    held = next(h for h in world.bonds.held() if h.promise == promise)
    assert (held.lent_nano, held.own_nano) == (1200, held.bond_nano - 1200)
    assert world.bonds.credit_left_nano("member/ada") == 0
    world.resolve(name_of(promise), Outcome(0, 0, 0.009, (("utility", 1),)))
    held = next(h for h in world.bonds.held() if h.promise == promise)
    assert held.owed_nano == held.bond_nano - held.own_nano == 1200
    assert world.balance(GUARANTEE) == FUND - 1200


def test_only_the_last_promises_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """B6: what was broken long ago is forgotten."""
    monkeypatch.setattr("isojoule.settlement.collateral.bonds.WINDOW", 3)
    world = World()
    for n, got in enumerate((0, 300, 300, 300)):
        promise = sell(300, 0.008, f"past-{n}")
        assert isinstance(world.bonds.pledge(promise, 1), Held)
        told = Outcome(got, 0, 0.0, (("utility", 1),))
        assert isinstance(world.bonds.resolve(name_of(promise), told, 2), Held)
    assert world.bonds.credit_left_nano("member/ada") == 1200
