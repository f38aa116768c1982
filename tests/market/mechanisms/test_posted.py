"""Falling prices, one clock or many: known answers, sales by hand, properties, conformance.

Spec: docs/spec/sequential.md, Q17 to Q29. Prices per J, sizes in J.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Clearing, Mechanism, Refusal, Sequential
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.dutch import Dutch
from isojoule.market.mechanisms.gda import Gda
from isojoule.market.mechanisms.posted import Posted
from isojoule.market.mechanisms.posted_naive import age_cost, age_price, posted_price
from isojoule.market.mechanisms.posted_price import Clock, ContinuousGda, DiscreteGda
from isojoule.market.messages import Cancel
from isojoule.market.sequential import fold, frame_of, in_order
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Sample, Seeded, lies, samples
from isojoule.testing.odd import twins
from isojoule.valuation import Offer
from tests.market.books import buy, sell, uj
from tests.market.mechanisms.sessions import GRID, S, at, book_at, same

DUTCH = Dutch(start_price_per_j=10.0, end_price_per_j=0.0, lasts_s=10.0)
"""At t seconds: 10 - t."""
DISCRETE = Gda(start_price_per_j=8.0, growth=2.0, decay_per_s=math.log(2), unit_j=1.0)
"""With n sold after t seconds: 8 * 2**(n - t)."""
CONTINUOUS = Gda(form="continuous", start_price_per_j=8.0, decay_per_s=math.log(2), rate_w=1.0)
"""With s sold after t seconds: 8 * 2**(s - t), for s < t."""


def clear(rule: Posted, offers: list[Offer], state: Any = None, start_s: int = 0) -> Clearing:
    book = book_at(offers, start_s)
    out = rule.clear(book, GRID, state=state)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def sold(rule: Posted, offers: list[Offer], state: Any = None, start_s: int = 0) -> dict[str, Any]:
    """J and money of each taker that traded."""
    c = clear(rule, offers, state, start_s)
    book = book_at(offers, start_s)
    side = "buy_offer" if rule.side == "sell" else "sell_offer"
    return {
        book.offer_ids[getattr(m, side)]: (m.energy_uj / 1e6, m.payment_nano / 1e9)
        for m in c.matches
    }


def test_the_paper_discrete() -> None:
    """Q26; Gradual Dutch Auctions, Paradigm, 2022: (1000, 1.1, 0.5), m = 1, T = 10, q = 9."""
    s = DiscreteGda(1000.0, 1.1, 0.5, False)
    prices = [s.price_per_j(1 + i, 10 * S) for i in range(9)]
    assert sum(p for p in prices if p is not None) == pytest.approx(100.6475752644, rel=1e-12)
    assert prices == [posted_price(s, 1 + i, 10 * S) for i in range(9)]
    rule = Gda(start_price_per_j=1000.0, growth=1.1, decay_per_s=0.5, unit_j=1.0)
    offers = [at(1, "pat", sell((99, 0))), at(10 * S, "bo", buy((9, 1e4)))]
    c = clear(rule, offers, {"sold_j": "1", "start_ns": "0"})
    assert c.payment_nano.max() == pytest.approx(100.6475752644e9, abs=9)


def test_the_paper_continuous() -> None:
    """Q27: (k / decay) * (exp(decay q / r) - 1) / exp(decay T)."""
    k, decay, rate = 1000.0, 0.5, 3.0
    s = ContinuousGda(k / rate, decay, rate, False)
    q, age = 9.0, 10.0
    true = k / decay * (math.exp(decay * q / rate) - 1) / math.exp(decay * age)
    since = int((age + 6 / rate) * S)  # six Joules sold before
    assert s.cost_nano(uj(6), uj(15), since) == pytest.approx(true * 1e9, abs=1.5)
    assert s.cost_nano(uj(6), uj(15), since) == age_cost(s, uj(6), uj(9), since)
    rule = Gda(form="continuous", start_price_per_j=k / rate, decay_per_s=0.5, rate_w=3.0)
    offers = [at(1, "pat", sell((99, 0))), at(since, "bo", buy((9, 1e4)))]
    c = clear(rule, offers, {"sold_j": "6", "start_ns": "0"})
    assert c.payment_nano.max() == pytest.approx(true * 1e9, rel=1e-9)


@pytest.mark.parametrize(("sold", "after_s", "units"), [(1, 10, 9), (2, 10, 9), (4, 10, 9)])
def test_discrete_cases_of_the_authors(sold: int, after_s: int, units: int) -> None:
    """Q26: DiscreteGDA.t.sol, github.com/FrankieIsLost/gradual-dutch-auction, by its closed form.

    Start 1000, growth 1.1, decay 0.5. Its fourth case, 20 sold after 100 s, costs 1e-18.
    """
    s = DiscreteGda(1000.0, 1.1, 0.5, False)
    prices = [s.price_per_j(sold + i, after_s * S) for i in range(units)]
    whole = 1000 * 1.1**sold * (1.1**units - 1) / (0.1 * math.exp(0.5 * after_s))
    assert sum(p for p in prices if p is not None) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("age_s", "units", "cost"),
    [
        (10, 9, 1199.585425427096), (20, 8, 4.866704493807747),
        (30, 15, 1.1055569356546635), (40, 35, 164.16999312549035),
    ],
)  # fmt: skip
def test_continuous_cases_of_the_authors(age_s: int, units: int, cost: float) -> None:
    """Q27: ContinuousGDA.t.sol, the same: start 1000, decay 0.5, one unit a second.

    The costs are those of its analysis/gda.py. At another rate its start price is money a second.
    """
    s = ContinuousGda(1000.0, 0.5, 1.0, False)
    assert s.cost_nano(0, uj(units), age_s * S) == pytest.approx(cost * 1e9, rel=1e-12, abs=1)
    fast = ContinuousGda(1000.0, 0.5, 4.0, False)
    theirs = 1000 / 0.5 * (math.exp(0.5 * units / 4) - 1) / math.exp(0.5 * age_s)
    assert fast.cost_nano(0, uj(units), age_s * S) == pytest.approx(
        4 * theirs * 1e9, rel=1e-12, abs=1
    )


def test_the_clock_by_hand() -> None:
    """Q23 and Q24."""
    stock = at(1, "pat", sell((3, 2)))
    assert sold(DUTCH, [stock, at(4 * S, "bo", buy((1, 6)))]) == {"bo": (1.0, 6.0)}
    assert sold(DUTCH, [stock, at(4 * S, "bo", buy((1, 5.9)))]) == {}
    # first come, first served, and the reserve of 2 from the eighth second on
    rows = [at(4 * S, "bo", buy((2, 99))), at(9 * S, "cleo", buy((2, 99)))]
    assert sold(DUTCH, [stock, *rows]) == {"bo": (2.0, 12.0), "cleo": (1.0, 2.0)}
    # after the last second the hand stays
    free = at(1, "pat", sell((3, 0)))
    assert sold(DUTCH, [free, at(60 * S, "bo", buy((1, 0)))]) == {"bo": (1.0, 0.0)}
    # the whole interval of 900 s
    slow = replace(DUTCH, lasts_s=0.0)
    assert sold(slow, [stock, at(450 * S, "bo", buy((1, 99)))]) == {"bo": (1.0, 5.0)}


def test_the_clock_buying() -> None:
    """Q23 and Q24: the price rises, up to the poster's bid."""
    rule = Dutch("buy", 0.0, 10.0, 10.0)
    wants = at(1, "pat", buy((3, 7)))
    rows = [at(4 * S, "bo", sell((1, 4))), at(5 * S, "cleo", sell((1, 6)))]
    assert sold(rule, [wants, *rows]) == {"bo": (1.0, 4.0)}
    assert sold(rule, [wants, at(9 * S, "bo", sell((1, 4)))]) == {"bo": (1.0, 7.0)}


def test_discrete_by_hand() -> None:
    """Q26, Q18 and Q19: at t = 2 units cost 2, 4, 8."""
    stock = at(1, "pat", sell((9, 1)))
    assert sold(DISCRETE, [stock, at(2 * S, "bo", buy((1.5, 5)))])["bo"] == (
        1.5,
        pytest.approx(4.0),
    )
    assert sold(DISCRETE, [stock, at(2 * S, "bo", buy((9, 7)))])["bo"] == (2.0, pytest.approx(6.0))
    # at t = 6: 1/8, 1/4, 1/2, but no less than the reserve
    assert sold(DISCRETE, [stock, at(6 * S, "bo", buy((3, 7)))])["bo"] == (3.0, pytest.approx(3.0))
    buying = replace(DISCRETE, side="buy")
    wants = at(1, "pat", buy((9, 20)))
    # at t = 1: 16, 8, 4
    assert sold(buying, [wants, at(S, "bo", sell((9, 5)))])["bo"] == (2.0, pytest.approx(24.0))


def test_continuous_by_hand() -> None:
    """Q27 and Q28; the integral of 8 * 2**(s - t) is that over ln 2."""
    stock = at(1, "pat", sell((9, 0)))
    ln2 = math.log(2)
    got = sold(CONTINUOUS, [stock, at(2 * S, "bo", buy((1, 99)))])["bo"]
    assert got == (1.0, pytest.approx((4 - 2) / ln2))
    # what is not released cannot be bought, at any price
    got = sold(CONTINUOUS, [stock, at(2 * S, "bo", buy((5, 99)))])["bo"]
    assert got == (2.0, pytest.approx((8 - 2) / ln2))
    assert sold(CONTINUOUS, [stock, at(0 * S + 0, "bo", buy((5, 99)))]) == {}
    # up to where the price passes the bid: 8 * 2**(s - 2) = 5.657 at s = 1.5
    got = sold(CONTINUOUS, [stock, at(2 * S, "bo", buy((5, 8 / math.sqrt(2))))])["bo"]
    assert got[0] == pytest.approx(1.5, abs=2e-6)
    # a reserve of 4: a Joule at 4, then the curve
    dear = at(1, "pat", sell((9, 4)))
    got = sold(CONTINUOUS, [dear, at(2 * S, "bo", buy((5, 99)))])["bo"]
    assert got == (2.0, pytest.approx(4 + 4 / ln2, rel=1e-5))
    assert sold(CONTINUOUS, [dear, at(2 * S, "bo", buy((5, 3)))]) == {}
    # who comes next goes on where the one before stopped
    rows = [at(2 * S, "bo", buy((0.5, 99))), at(2 * S + 1, "cleo", buy((0.5, 99)))]
    both = sold(CONTINUOUS, [stock, *rows])
    assert sum(v[1] for v in both.values()) == pytest.approx(2 / ln2)
    buying = replace(CONTINUOUS, side="buy")
    wants = at(1, "pat", buy((9, 20)))
    got = sold(buying, [wants, at(S, "bo", sell((9, 10)))])["bo"]  # 16 * 2**-s down to 10
    assert got[0] == pytest.approx(math.log2(1.6), abs=2e-6)
    assert got[1] == pytest.approx((16 - 10) / ln2, rel=1e-5)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(1e-9, 1e6), st.floats(0.0, 1e6), st.floats(1e-6, 10.0), st.floats(1.001, 3.0),
    st.floats(1e-3, 1e6), st.integers(0, 300), st.integers(0, 10**13), st.booleans(),
)  # fmt: skip
def test_both_implementations_agree(
    start: float, end: float, decay: float, growth: float, rate: float, units: int, since: int,
    buys: bool,
) -> None:  # fmt: skip
    """Q29: the same double, the same nano-unit."""
    for s in (DiscreteGda(start, growth, decay, buys), Clock(start, end, rate, buys)):
        assert s.price_per_j(units, since) == posted_price(s, units, since)
    c = ContinuousGda(start, decay, rate, buys)
    if c.released_uj(since) > units and decay * since < 700e9:
        assert c.posted(1, units, since) == float(age_price(c, units, since))
        cost = c.cost_nano(units, units + 12345, since)
        if cost < 10**19:  # more is refused
            assert cost == age_cost(c, units, 12345, since)
        reach = c.reach_uj(start * 0.75 if not buys else start * 1.5, since)
        if 0 < reach < 2**62:
            bound = start * 1.5 if buys else start * 0.75
            before, after = (float(age_price(c, reach + i, since)) for i in (0, 1))
            assert before >= bound * (1 - 1e-15) if buys else before <= bound * (1 + 1e-15)
            assert after <= bound * (1 + 1e-15) if buys else after >= bound * (1 - 1e-15)


# --- sessions ---------------------------------------------------------------------------------


@st.composite
def sales(draw: st.DrawFn) -> tuple[Posted, list[Offer], list[tuple[str, int]]]:
    """A rule, a poster, takers, and perhaps a withdrawal."""
    side = draw(st.sampled_from(["sell", "buy"]))
    rule: Posted = draw(st.sampled_from([DUTCH, DISCRETE, CONTINUOUS]))
    if isinstance(rule, Dutch) and side == "buy":
        rule = Dutch("buy", 0.0, 10.0, 10.0)
    else:
        rule = replace(rule, side=side)
    size = st.sampled_from([0.5, 1.0, 2.000001, 4.0, 1e-6])
    price = st.sampled_from([0.0, 1.0, 4.0, 8.0, 8.1, 20.0, 1 / 3, -1.0])
    posts, takes = (sell, buy) if side == "sell" else (buy, sell)

    def steps(make: Any, most: int) -> Any:
        rows = draw(st.lists(st.tuples(size, price), min_size=1, max_size=most))
        return make(*sorted(rows, key=lambda r: r[1], reverse=make is buy))

    offers = [at(draw(st.integers(0, 2)) * S, "pat", steps(posts, 3))]
    for i in range(draw(st.integers(0, 6))):
        who = draw(st.sampled_from(["bo", "cleo", "pat"]))
        ns = draw(st.sampled_from([0, S, 2 * S, 2 * S + 1, 5 * S]))
        whole = draw(st.sampled_from([False, False, True]))
        offers.append(at(ns, f"{who}-{i}", steps(takes, 2), all_or_nothing=whole))
    gone = draw(st.sampled_from([[], [], [("pat", 2 * S)], [("pat", 0)]]))
    return rule, offers, gone


@settings(max_examples=150, deadline=None)
@given(sales())
def test_properties(case: tuple[Posted, list[Offer], list[tuple[str, int]]]) -> None:
    """Money and energy balance, nobody is worse off, a session is its batch (Q3)."""
    rule, offers, gone = case
    state = {"cancelled": [{"id": n, "at_ns": str(t)} for n, t in gone]} if gone else {}
    c = clear(rule, offers, state)
    book = book_at(offers)
    assert int(c.energy_uj.sum()) == 0 and int(c.payment_nano.sum()) == 0
    for m in c.matches:
        sells, buys = book.offers[m.sell_offer], book.offers[m.buy_offer]
        assert sells.participant != buys.participant
        assert m.payment_nano >= sells.spec.sell[0].price_per_j * m.energy_uj * 1000 - 9
        assert m.payment_nano <= buys.spec.buy[0].price_per_j * m.energy_uj * 1000 + 9000
    assert isinstance(rule, Sequential)
    now = rule.first(frame_of(book, GRID), GRID)
    cancels = [(Cancel(n, "pat"), t) for n, t in gone]
    for message, when in in_order(list(book.offers), cancels):
        now, events = rule.step(now, message, when)
        assert events
    live = rule.close(now, book)
    assert same(c, live) and same(c, fold(rule, book, GRID, state=state))
    assert len(rule.reasons(book, GRID, c)) == book.offer_count


def test_states() -> None:
    """Q25 and Q21: a clock begins anew, auctions run on."""
    stock = at(0, "a-pat", sell((9, 0)))
    late = at(901 * S, "bo", buy((1, 99)))
    assert sold(DUTCH, [stock, late], None, 900) == {"bo": (1.0, 9.0)}
    assert clear(DUTCH, [stock, late], None, 900).state == {}
    for rule in (DISCRETE, CONTINUOUS):
        one = clear(rule, [stock, at(2 * S, "bo", buy((1, 99)))])
        assert one.state == {"sold_j": "1", "start_ns": "0"}
        two = clear(rule, [stock, late], one.state, 900)
        both = clear(rule, [stock, at(2 * S, "bo", buy((1, 99))), replace(late, id="cleo")])
        assert two.matches[-1][2:] == both.matches[-1][2:] and two.state == both.state
    out = DUTCH.clear(book_at([stock]), GRID, state={"sold_j": "1", "start_ns": "0"})
    assert isinstance(out, Refusal) and "begins anew" in out.reason


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("dutch", {"side": "both"}), ("dutch", {"start_price_per_j": -1.0}),
        ("dutch", {"side": "buy"}), ("dutch", {"lasts_s": -1.0}), ("dutch", {"lasts_s": True}),
        ("gda", {"form": "other"}), ("gda", {"growth": 1.0}), ("gda", {"decay_per_s": 0.0}),
        ("gda", {"unit_j": 1e-9}), ("gda", {"rate_w": math.inf}), ("gda", {"side": ""}),
    ],
)  # fmt: skip
def test_parameters(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get(name, **wrong)


@pytest.mark.parametrize("rule", [DUTCH, DISCRETE, CONTINUOUS])
@pytest.mark.parametrize("what", ["matches", "state", "notes", "price"])
def test_alterations_are_found(rule: Posted, what: str) -> None:
    """Q29."""
    offers = [at(1, "pat", sell((9, 1))), at(S, "bo", buy((1, 99))), at(3 * S, "eve", buy((1, 99)))]
    c = clear(rule, offers)
    first = c.matches[0]
    forged = {
        "matches": replace(c, matches=(first._replace(payment_nano=1), *c.matches[1:])),
        "state": replace(c, state={"sold_j": "7", "start_ns": "0"}),
        "notes": replace(c, notes={**c.notes, "sold_j": "4"}),
        "price": replace(c, price_per_j=c.price_per_j + 1e-9),
    }[what]
    with pytest.raises(VerificationError):
        check_clearing(book_at(offers), GRID, forged)


# --- conformance ------------------------------------------------------------------------------


def in_time(found: Sample) -> Sample:
    """The seller's offer first, then one taker a second."""
    offers = sorted(found.offers, key=lambda o: (o.participant != "seller", o.id))
    start = found.book.interval.start_s
    timed = tuple(replace(o, at_ns=(start + i) * S) for i, o in enumerate(offers))
    return Sample(found.grid, timed, found.network)


class OneSeller(MechanismConformance):
    """The suite of all mechanisms: one seller, takers who come one after the other."""

    sample = "one-seller"

    def books(self, mechanism: Mechanism) -> st.SearchStrategy[Sample]:
        return samples("one-seller", ("copperplate",)).map(in_time)

    def attack_incentive_compatible(self, mechanism: Mechanism) -> None:
        """Takers lie: the claim is theirs, who come once."""

        def lie(draw: Any, found: Sample) -> Any:
            takers = [name for name in found.book.participants if name != "seller"]
            return lies.misreport(draw, found, draw.of(takers))

        self._attack("incentive_compatible", mechanism, lie)

    def test_has_a_worked_example(self, mechanism: Mechanism) -> None:
        """The example is in kWh, for the parameters that are there without saying."""
        super().test_has_a_worked_example(get(mechanism.name))

    def test_ties_are_broken_by_the_seed(self, mechanism: Mechanism) -> None:
        """Ties are broken by the order of arrival, in one nanosecond by id (Q2), by no seed."""
        found, alike = twins(Seeded(0), self.sample, ("copperplate",))
        first = mechanism.clear(found.book, found.grid, seed=b"one")
        assert same(first, mechanism.clear(found.book, found.grid, seed=b"other"))
        assert alike


class TestDutch(OneSeller):
    @pytest.fixture
    def mechanism(self) -> Dutch:
        return DUTCH


class TestDiscrete(OneSeller):
    @pytest.fixture
    def mechanism(self) -> Gda:
        return DISCRETE


class TestContinuous(OneSeller):
    @pytest.fixture
    def mechanism(self) -> Gda:
        return CONTINUOUS


del OneSeller, MechanismConformance  # run for the mechanisms alone
