"""The common store: known answers, a purse that never falls short, sessions, conformance.

Spec: docs/spec/sequential.md, Q30 to Q36. Prices per J, sizes in J.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, sqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.units import parse_exact
from isojoule.market import Clearing, Mechanism, Refusal, Sequential
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.bonding_curve import BondingCurve
from isojoule.market.mechanisms.bonding_curve_naive import Invariant
from isojoule.market.mechanisms.bonding_curve_pool import Curve
from isojoule.market.messages import Cancel, Submit
from isojoule.market.sequential import fold, frame_of, in_order
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Sample, Seeded, lies, samples
from isojoule.testing.odd import twins
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import buy, sell, uj
from tests.market.mechanisms.sessions import GRID, S, at, book_at, same

ONE = BondingCurve(kappa=2, price_per_j=2.0, supply_j=1.0, exit_tax=0.0)
"""R = S = 1: S Joules cost S squared, the next one 2 S."""
POOL = at(1, "pool", Battery(uj(10), uj(20), v_min_per_j=1.0, v_max_per_j=1.0))


def clear(rule: BondingCurve, offers: list[Offer], state: Any = None) -> Clearing:
    book = book_at(offers)
    out = rule.clear(book, GRID, state=state)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def traded(rule: BondingCurve, *offers: Offer, state: Any = None) -> dict[str, Any]:
    """J received and money paid by each that came and traded."""
    c = clear(rule, [POOL, *offers], state)
    book = book_at([POOL, *offers])
    return {
        name: (int(c.energy_uj[i]) / 1e6, int(c.payment_nano[i]) / 1e9)
        for i, name in enumerate(book.offer_ids)
        if name != "pool" and c.energy_uj[i]
    }


def test_deposit() -> None:
    """Q30, `deposit`: R = S = 1, kappa 2, a deposit of 4, as in the Commons Stack's test_deposit.

    github.com/commons-stack/commons-simulator, abcurve.py and abcurve_test.py.
    """
    mints = 1.2360679774997898
    assert mints == pytest.approx(sqrt(5) - 1, abs=1e-15)
    law = Invariant(Fraction(1), 2)  # V0 = S**2 / R
    assert law.supply_at(law.price(1) * 5) == 5  # price in proportion to supply
    curve = ONE.curve()
    assert curve.reserve_nano(uj(1)) == 10**9
    more = int(mints * 1e6)
    for q, holds in ((more, True), (more + 1, False)):
        assert (curve.reserve_nano(uj(1) + q) - 10**9 <= 4 * 10**9) == holds
    # in a market: who draws 1.236067 J pays 4 but for what a microjoule costs
    got = traded(ONE, at(2, "bo", buy((1.236067, 99))))
    assert got["bo"] == (1.236067, pytest.approx(4.0, abs=5e-6))
    # and by a bid at the price there, 2 * sqrt(5)
    got = traded(ONE, at(2, "bo", buy((9, 2 * sqrt(5)))))
    assert got["bo"][0] == pytest.approx(mints, abs=1e-6)


def test_burn() -> None:
    """Q32, `burn`: from S = 1 half a Joule is brought, and 0.75 comes back: test_burn of the same.

    The curve gives what it gives before an exit tribute.
    """
    half = at(2, "ada", sell((0.5, 0)))
    assert traded(ONE, half) == {"ada": (-0.5, -0.75)}
    c = clear(replace(ONE, exit_tax=0.25), [POOL, half])
    assert c.payment_nano.min() == -562_500_000
    assert c.state == {"supply_j": "0.5", "reserve": "0.25", "tax": "0.1875"}
    assert (c.price_per_j[0], c.certificate.lowest[0]) == (1.0, 0.75)


@pytest.mark.parametrize(
    ("reserve", "supply", "price"),
    [(1.0, 1.0, 2.0), (2.0, 1.4142135623730951, 2.8284271247461903), (9.0, 3.0, 6.0)],
)
def test_supply_and_price_of_the_authors(reserve: float, supply: float, price: float) -> None:
    """Q30: test_get_token_supply, test_get_token_price of the Commons Stack; the last by hand."""
    curve, tiny = ONE.curve(), uj(supply)
    assert float(curve.reserve_nano(tiny)) / 1e9 == pytest.approx(reserve, rel=2e-6)
    assert float(curve.price_nano(tiny)) / 1e3 == pytest.approx(price, rel=1e-6)


def test_a_day_by_hand() -> None:
    """Q33 and Q34."""
    # S: 1, 2, 3: pays 3, then 5
    rows = [at(2, "bo", buy((1, 9))), at(3, "cleo", buy((1, 9)))]
    assert traded(ONE, *rows) == {"bo": (1.0, 3.0), "cleo": (1.0, 5.0)}
    # back again, at what the last ones paid
    rows.append(at(4, "ada", sell((2, 0))))
    assert traded(ONE, *rows)["ada"] == (-2.0, -8.0)
    # bid 3: until 2 S = 3; ask 1: until 2 S = 1
    assert traded(ONE, at(2, "bo", buy((9, 3))))["bo"] == (0.5, 1.25)
    assert traded(ONE, at(2, "ada", sell((9, 1))))["ada"] == (-0.5, -0.75)
    # nothing is taken beyond what has been drawn
    assert traded(ONE, at(2, "ada", sell((9, -5))))["ada"] == (-1.0, -1.0)
    # steps, a load, all or nothing
    assert traded(ONE, at(2, "bo", buy((1, 9), (1, 4.5))))["bo"] == (1.25, pytest.approx(4.0625))
    assert traded(ONE, at(2, "bo", Load(uj(2), 50.0)))["bo"] == (2.0, 8.0)
    assert traded(ONE, at(2, "bo", buy((2, 3)), all_or_nothing=True)) == {}
    # the battery has ten Joules
    assert traded(ONE, at(2, "bo", buy((99, 1e6))))["bo"][0] == 10.0
    # one price
    flat = replace(ONE, kappa=1)
    assert traded(flat, at(2, "bo", buy((3, 2))), at(3, "ada", sell((5, 2)))) == {
        "bo": (3.0, 6.0),
        "ada": (-4.0, -8.0),
    }


def test_state_goes_on() -> None:
    """Q35: two intervals are one, and a purse that falls short is refused."""
    early, late = at(2, "bo", buy((1, 99))), at(3, "cleo", buy((2, 99)))
    one = clear(ONE, [POOL, early])
    assert one.state == {"supply_j": "2", "reserve": "4", "tax": "0"}
    two, both = clear(ONE, [POOL, late], one.state), clear(ONE, [POOL, early, late])
    assert two.state == both.state and two.matches[-1][2:] == both.matches[-1][2:]
    for wrong in (
        {"supply_j": "2"}, {"supply_j": "2", "reserve": "3.9", "tax": "0"}, {"a": "b"},
        {"supply_j": "-1", "reserve": "3.9", "tax": "0"},
        {"supply_j": 2, "reserve": "4", "tax": "0"},
    ):  # fmt: skip
        out = ONE.clear(book_at([POOL]), GRID, state=wrong)  # type: ignore[arg-type]
        assert isinstance(out, Refusal) and "state" in out.reason and out.remedy


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 8), st.floats(1e-9, 1e3), st.integers(1, 10**13), st.integers(0, 10**13),
    st.floats(0, 1e4), st.integers(0, 10**13), st.floats(0, 0.99),
)  # fmt: skip
def test_amounts_agree_with_roots(
    kappa: int, price: float, at_uj: int, supply: int, bid: float, most: int, tax: float
) -> None:
    """Q33 and Q36: searches and roots end at the same microjoule."""
    curve = Curve(kappa, Fraction(price) * 1000, at_uj, Fraction(tax))
    v0 = Fraction(at_uj**kappa) / (Fraction(price) * 1000 * at_uj / kappa)
    law, nano = Invariant(v0, kappa), Fraction(bid) * 1000
    assert law.reserve(supply) == curve.reserve_nano(supply)
    assert law.price(supply) == curve.price_nano(supply)
    drawn = curve.drawn_uj(supply, nano, most)
    assert drawn == 0 or law.price(supply + drawn) <= nano
    assert drawn == most or law.price(supply + drawn + 1) > nano
    if kappa > 1:
        assert drawn == max(0, min(most, law.supply_at(nano) - supply))
    brought = curve.brought_uj(supply, nano, most)
    assert brought == 0 or (1 - curve.tax) * law.price(supply - brought) >= nano
    ends = brought in (most, supply)
    assert ends or (1 - curve.tax) * law.price(supply - brought - 1) < nano


@st.composite
def days(draw: st.DrawFn) -> tuple[BondingCurve, list[Offer], list[tuple[str, int]]]:
    """A curve, a pool, and who comes to it."""
    rule = BondingCurve(
        kappa=draw(st.sampled_from([1, 2, 2, 3, 7])),
        price_per_j=draw(st.sampled_from([2.0, 1 / 3])),
        supply_j=draw(st.sampled_from([1.0, 2.000001, 30.0])),
        exit_tax=draw(st.sampled_from([0.0, 0.05, 1 / 3])),
    )
    size = st.sampled_from([0.5, 1.0, 2.000001, 4.0, 1e-6])
    price = st.sampled_from([0.0, 1.0, 2.0, 4.0, 8.1, 20.0, 1 / 3, -1.0])
    specs: list[Any] = [POOL.spec, sell((3, 1)), replace(sell((2, 3)), buy=buy((1, 2)).buy)]
    offers = [at(draw(st.integers(0, 2)) * S, "pool", draw(st.sampled_from(specs)))]
    for i in range(draw(st.integers(0, 7))):
        make = draw(st.sampled_from([buy, sell]))
        rows = draw(st.lists(st.tuples(size, price), min_size=1, max_size=2))
        spec = make(*sorted(rows, key=lambda r: r[1], reverse=make is buy))
        ns = draw(st.sampled_from([0, S, 2 * S, 2 * S + 1, 5 * S]))
        whole = draw(st.sampled_from([False, False, True]))
        offers.append(at(ns, f"p{i}", spec, all_or_nothing=whole))
    return rule, offers, draw(st.sampled_from([[], [], [("pool", 2 * S)], [("pool", 0)]]))


@settings(max_examples=150, deadline=None)
@given(days())
def test_properties(case: tuple[BondingCurve, list[Offer], list[tuple[str, int]]]) -> None:
    """Energy and money balance, the purse covers what was drawn (Q32), sessions replay (Q3)."""
    rule, offers, gone = case
    state = {"cancelled": [{"id": n, "at_ns": str(t)} for n, t in gone]} if gone else {}
    c = clear(rule, offers, state)
    book, curve = book_at(offers), rule.curve()
    assert int(c.energy_uj.sum()) == 0 and int(c.payment_nano.sum()) == 0
    told = [parse_exact(c.state[k], d) for k, d in (("supply_j", 6), ("reserve", 9), ("tax", 9))]
    supply, reserve, tax = told
    assert supply >= 0 and reserve >= curve.reserve_nano(supply) and tax >= 0
    at_pool = book.offer_ids.index("pool")
    assert supply - curve.supply_uj == -int(c.energy_uj[at_pool])
    begun = -(-curve.reserve_nano(curve.supply_uj) // 1)
    assert begun - int(c.payment_nano[at_pool]) == reserve + tax
    for m in c.matches:
        sells, buys = book.offers[m.sell_offer], book.offers[m.buy_offer]
        if sells.id != "pool":
            assert m.payment_nano >= sells.spec.sell[0].price_per_j * m.energy_uj * 1000 - 2
        if buys.id != "pool":
            assert m.payment_nano <= buys.spec.buy[0].price_per_j * m.energy_uj * 1000 + 2
    assert isinstance(rule, Sequential)
    now = rule.first(frame_of(book, GRID), GRID)
    for message, when in in_order(list(book.offers), [(Cancel(n, "pool"), t) for n, t in gone]):
        now, events = rule.step(now, message, when)
        assert events
    live = rule.close(now, book)
    assert same(c, live) and same(c, fold(rule, book, GRID, state=state))
    assert len(rule.reasons(book, GRID, c)) == book.offer_count


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        ([POOL, replace(POOL, id="other", at_ns=2)], "its offer already"),
        ([POOL, at(2, "grid", Utility(30.0, 8.0))], "utility"),
        ([POOL, at(2, "bo", replace(sell((1, 5)), buy=buy((1, 4)).buy))], "both sells and buys"),
        ([at(1, "pool", sell((1, 0)), immediate=True)], "waits for those"),
        ([POOL, at(2, "bo", POOL.spec)], "battery"),
    ],
)
def test_refusals(offers: list[Offer], why: str) -> None:
    """Q6 and Q34."""
    out = ONE.clear(book_at(offers), GRID)
    assert isinstance(out, Refusal) and why in out.reason and out.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"pool": ""}, {"kappa": 0}, {"kappa": 9}, {"kappa": 2.0}, {"kappa": True},
        {"price_per_j": 0.0}, {"supply_j": -1.0}, {"supply_j": 1e-9}, {"supply_j": 1e13},
        {"exit_tax": 1.0}, {"exit_tax": -0.1}, {"price_per_j": inf},
    ],
)  # fmt: skip
def test_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get("bonding-curve", **wrong)


def test_messages() -> None:
    """Q1, Q2 and Q34."""
    state: Any = ONE.first(frame_of(book_at([]), GRID), GRID)
    told = []
    for message, now in (
        (Submit(POOL), 1),
        (Submit(at(2, "bo", buy((2, 4)))), 2),
        (Submit(at(1, "cleo", buy((2, 5)))), 1),
        (Cancel("bo", "bo"), 3),
        (Cancel("eve", "eve"), 3),
        (Cancel("pool", "bo"), 3),
        (Cancel("pool", "pool"), 3),
        (Cancel("pool", "pool"), 3),
    ):
        state, events = ONE.step(state, message, now)
        told.append([(e["event"], e.get("energy_j", e.get("reason"))) for e in events])
    assert told[:2] == [[("accepted", "20")], [("traded", "1"), ("dropped", "1")]]
    assert [e[0][0] for e in told[2:]] == [*["refused"] * 4, "cancelled", "refused"]


def test_words() -> None:
    """M14."""
    rule = replace(ONE, exit_tax=0.25)
    offers = [
        POOL, at(2, "bo", buy((1, 9))), at(3, "cleo", buy((2, 5))), at(4, "dan", sell((1, 4))),
        at(5, "eve", sell((99, -1))), at(6, "fay", buy((1, 99))), at(7, "gus", buy((1, -1))),
    ]  # fmt: skip
    texts = rule.reasons(book_at(offers), GRID, clear(rule, offers))
    assert texts[1] == "filled at 3 EUR/J by pool"
    assert "the pool's price of 5 EUR/J was above its bid of 5" in texts[2]
    assert "less the exit tax, was below its ask of 4 EUR/J" in texts[3]
    assert texts[4].endswith("the pool could take no more")
    assert texts[5].startswith("filled") and "above its bid of -1" in texts[6]
    assert texts[0] == "took what was brought beyond what was drawn" or "gave" in texts[0]


@pytest.mark.parametrize(
    ("what", "place"),
    [
        (lambda c: replace(c, matches=c.matches[:1]), "trades"),
        (lambda c: replace(c, state={**c.state, "reserve": "9"}), "state"),
        (lambda c: replace(c, notes={**c.notes, "tax": "4"}), "notes"),
        (lambda c: replace(c, price_per_j=c.price_per_j + 1e-9), "node"),
        (lambda c: replace(c, parameters={**c.parameters, "exit_tax": 0.5}), "trades"),
        (
            lambda c: replace(c, state_before={"supply_j": "3", "reserve": "9", "tax": "0"}),
            "trades",
        ),
    ],
)
def test_alterations_are_found(what: Any, place: str) -> None:
    """Q36."""
    offers = [POOL, at(2, "bo", buy((1, 9))), at(3, "ada", sell((1, 0.1)))]
    with pytest.raises(VerificationError) as caught:
        check_clearing(book_at(offers), GRID, what(clear(ONE, offers)))
    assert place in caught.value.place


def in_time(found: Sample) -> Sample:
    """The seller is a pool, a battery; every other one that comes brings instead."""
    offers = sorted(found.offers, key=lambda o: (o.participant != "seller", o.id))
    start, timed = found.book.interval.start_s, []
    for i, o in enumerate(offers):
        spec: Any = o.spec
        if i == 0:
            spec = Battery(uj(3), uj(5), v_min_per_j=1.0, v_max_per_j=6.0)
        elif i % 2:
            spec = sell((1, spec.buy[0].price_per_j / 4))
        timed.append(replace(o, spec=spec, at_ns=(start + i) * S))
    return Sample(found.grid, tuple(timed), found.network)


class TestConformance(MechanismConformance):
    """The suite of all mechanisms: one pool, and those who come one after the other."""

    sample = "one-seller"

    @pytest.fixture
    def mechanism(self) -> BondingCurve:
        return BondingCurve("seller", kappa=2, price_per_j=5.0, supply_j=3.0, exit_tax=0.1)

    def books(self, mechanism: Mechanism) -> st.SearchStrategy[Sample]:
        return samples("one-seller", ("copperplate",)).map(in_time)

    def attack_incentive_compatible(self, mechanism: Mechanism) -> None:
        """Those who come lie: the claim is theirs."""

        def lie(draw: Any, found: Sample) -> Any:
            others = [name for name in found.book.participants if name != "seller"]
            return lies.misreport(draw, found, draw.of(others))

        self._attack("incentive_compatible", mechanism, lie)

    def test_has_a_worked_example(self, mechanism: Mechanism) -> None:
        """The example is in kWh, for the parameters that are there without saying."""
        super().test_has_a_worked_example(BondingCurve())

    def test_ties_are_broken_by_the_seed(self, mechanism: Mechanism) -> None:
        """Ties are broken by the order of arrival, in one nanosecond by id (Q2), by no seed."""
        found, alike = twins(Seeded(0), self.sample, ("copperplate",))
        first = mechanism.clear(found.book, found.grid, seed=b"one")
        assert same(first, mechanism.clear(found.book, found.grid, seed=b"other"))
        assert alike
