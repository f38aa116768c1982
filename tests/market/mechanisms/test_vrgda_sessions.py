"""Sessions of the posted price, forgeries, reasons, and conformance.

Spec: docs/spec/sequential.md, Q1 to Q4 and Q15 to Q22.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market import Clearing, Mechanism, Sequential
from isojoule.market.mechanisms.vrgda import Vrgda
from isojoule.market.messages import Cancel, Submit
from isojoule.market.sequential import fold, frame_of, in_order
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance, Sample, Seeded, lies, samples
from isojoule.testing.odd import twins
from isojoule.valuation import Offer
from tests.market.books import buy, sell
from tests.market.mechanisms.sessions import GRID, HALVING, S, at, book_at, copper, same
from tests.market.mechanisms.sessions import clear_vrgda as clear

# --- sessions ---------------------------------------------------------------------------------


@st.composite
def sales(draw: st.DrawFn) -> tuple[Vrgda, list[Offer], list[tuple[str, int]]]:
    """A poster, takers, and perhaps a withdrawal."""
    rule = replace(
        HALVING,
        side=draw(st.sampled_from(["sell", "buy"])),
        unit_j=draw(st.sampled_from([1.0, 0.7, 0.000003])),
        **draw(st.sampled_from([{}, {"schedule": "logistic", "most_units": 3}])),
    )
    size = st.sampled_from([0.5, 1.0, 2.000001, 4.0] if rule.unit_j > 0.1 else [1e-6, 1e-5, 2e-5])
    price = st.sampled_from([0.0, 1.0, 4.0, 8.0, 8.1, 20.0, 1 / 3])
    posts, takes = (sell, buy) if rule.side == "sell" else (buy, sell)

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


@settings(max_examples=120, deadline=None)
@given(sales(), st.data())
def test_properties(
    case: tuple[Vrgda, list[Offer], list[tuple[str, int]]], data: st.DataObject
) -> None:
    """Money and energy balance, nobody is worse off, prices hold, sessions are batches (Q3)."""
    rule, offers, gone = case
    state = {"cancelled": [{"id": n, "at_ns": str(t)} for n, t in gone]} if gone else {}
    c = clear(rule, offers, state)
    book = book_at(offers)
    assert int(c.energy_uj.sum()) == 0 and int(c.payment_nano.sum()) == 0
    for m in c.matches:
        sells, buys = book.offers[m.sell_offer], book.offers[m.buy_offer]
        assert sells.participant != buys.participant
        lowest, highest = sells.spec.sell[0].price_per_j, buys.spec.buy[0].price_per_j
        assert m.payment_nano >= lowest * m.energy_uj * 1000 - 1
        assert m.payment_nano <= highest * m.energy_uj * 1000 + 1000
    # live, step by step, and from any state again
    messages = list(in_order(list(book.offers), [(Cancel(n, "pat"), t) for n, t in gone]))
    state_now = rule.first(frame_of(book, GRID), GRID)
    states = [state_now]
    for message, now in messages:
        state_now, events = rule.step(state_now, message, now)
        assert events
        states.append(state_now)
    live = rule.close(state_now, book)
    assert same(c, live) and same(c, fold(rule, book, GRID, state=state))
    cut = data.draw(st.integers(0, len(messages)))
    state_now = states[cut]
    for message, now in messages[cut:]:
        state_now, _ = rule.step(state_now, message, now)
    assert same(live, rule.close(state_now, book))


@settings(max_examples=60, deadline=None)
@given(sales(), st.sampled_from([0.0, 0.5, 3.0, 7.9, 8.0, 12.0, 30.0]))
def test_a_taker_who_comes_once_gains_nothing_by_another_bid(
    case: tuple[Vrgda, list[Offer], list[tuple[str, int]]], bid: float
) -> None:
    """The claim of incentive compatibility, with its conditions."""
    rule, offers, _ = case
    take = buy if rule.side == "sell" else sell
    mine = at(3 * S, "eve", take((1, 8)))
    honest = clear(rule, [*offers, mine])
    lying = clear(rule, [*offers, at(3 * S, "eve", take((1, bid)))])
    place = book_at([*offers, mine]).offer_ids.index("eve")

    def utility(c: Clearing) -> float:
        return c.energy_uj[place] / 1e6 * 8 - c.payment_nano[place] / 1e9

    assert utility(lying) <= utility(honest) + 1e-7


def test_messages() -> None:
    """docs/spec/sequential.md, Q1, Q2 and Q18."""
    assert isinstance(HALVING, Sequential)
    state = HALVING.first(frame_of(copper([]), GRID), GRID)
    told = []
    for message, now in (
        (Submit(at(5, "pat", sell((2, 0)))), 5),
        (Submit(at(2 * S, "bo", buy((2, 5)))), 2 * S),
        (Submit(at(S, "cleo", buy((2, 5)))), S),
        (Cancel("bo", "bo"), 3 * S),
        (Cancel("eve", "eve"), 3 * S),
        (Cancel("pat", "bo"), 3 * S),
        (Cancel("pat", "pat"), 3 * S),
        (Cancel("pat", "pat"), 3 * S),
        (Submit(at(4 * S, "bo", buy((2, 5)))), 4 * S),
    ):
        state, events = HALVING.step(state, message, now)
        told.append([(e["event"], e.get("energy_j", e.get("reason"))) for e in events])
    assert told[:2] == [[("accepted", "2")], [("traded", "1"), ("dropped", "1")]]
    assert [events[0][0] for events in told[2:]] == [
        *["refused"] * 4,
        "cancelled",
        *["refused"] * 2,
    ]
    assert "out of order" in told[2][0][1] and "do not wait" in told[3][0][1]


def test_reasons() -> None:
    offers = [
        at(1, "pat", sell((9, 3))),
        at(2 * S, "bo", buy((1, 4))), at(2 * S + 1, "cleo", buy((1, 4))),
        at(2 * S + 2, "dan", buy((1, 8.5), (1, 8))), at(3 * S, "pat-car", buy((1, 99))),
    ]  # fmt: skip
    texts = HALVING.reasons(book_at(offers), GRID, clear(HALVING, offers))
    assert texts[0].startswith("partly filled at") and "no buyer came for more" in texts[0]
    assert texts[1] == "filled at 4 EUR/J by pat"
    assert texts[2] == ("not filled: the posted price of 8 EUR/J was above its bid of 4 EUR/J")
    assert texts[3].startswith("partly filled at 8 EUR/J by pat: the posted price")
    assert texts[4] == "not filled: it would have traded with itself"


@pytest.mark.parametrize(
    ("what", "place"),
    [
        (lambda c: replace(c, matches=c.matches[:1]), "trades"),
        (lambda c: replace(c, payment_nano=c.payment_nano + np.array([1, -1, 0])), "offer"),
        (lambda c: replace(c, energy_uj=c.energy_uj + np.array([1, -1, 0])), "offer"),
        (lambda c: replace(c, state={**c.state, "sold_j": "9"}), "state"),
        (lambda c: replace(c, state_before={"sold_j": "1", "start_ns": "0"}), "trades"),
        (lambda c: replace(c, state_before={"sold_j": "1"}), "state_before"),
        (lambda c: replace(c, notes={**c.notes, "sold_j": "4"}), "notes"),
        (lambda c: replace(c, price_per_j=np.nextafter(c.price_per_j, 99)), "node"),
        (lambda c: replace(c, welfare=c.welfare + 1e-6), "welfare"),
        (
            lambda c: replace(
                c, parameters={**c.parameters, "decay_s": 1.5, "target_price_per_j": 9.0}
            ),
            "trades",
        ),
    ],
)
def test_alterations_are_found(what: Any, place: str) -> None:
    """docs/spec/sequential.md, Q22."""
    offers = [at(1, "pat", sell((9, 3))), at(S, "bo", buy((1, 99))), at(2 * S, "eve", buy((1, 99)))]
    c = clear(HALVING, offers)
    with pytest.raises(VerificationError) as caught:
        check_clearing(book_at(offers), GRID, what(c))
    assert place in caught.value.place


def in_time(found: Sample) -> Sample:
    """The seller's offer first, then one taker a second."""
    offers = sorted(found.offers, key=lambda o: (o.participant != "seller", o.id))
    start = found.book.interval.start_s
    timed = tuple(replace(o, at_ns=(start + i) * S) for i, o in enumerate(offers))
    return Sample(found.grid, timed, found.network)


class TestConformance(MechanismConformance):
    """The suite of all mechanisms: one seller, takers who come one after the other."""

    sample = "one-seller"

    @pytest.fixture
    def mechanism(self) -> Vrgda:
        return HALVING

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
        super().test_has_a_worked_example(Vrgda())

    def test_ties_are_broken_by_the_seed(self, mechanism: Mechanism) -> None:
        """Ties are broken by the order of arrival, in one nanosecond by id (Q2), by no seed."""
        found, alike = twins(Seeded(0), self.sample, ("copperplate",))
        first = mechanism.clear(found.book, found.grid, seed=b"one")
        assert same(first, mechanism.clear(found.book, found.grid, seed=b"other"))
        assert alike
