"""The posted price: known answers of the paper, sales by hand, properties, conformance.

Spec: docs/spec/sequential.md, Q15 to Q22. Prices per J, sizes in J, one J a unit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.interval import Interval
from isojoule.market import Book, Clearing, Refusal, Sequential
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.vrgda import Vrgda
from isojoule.market.mechanisms.vrgda_naive import posted_price
from isojoule.market.mechanisms.vrgda_price import Schedule
from isojoule.market.messages import Cancel, Submit
from isojoule.market.sequential import fold, frame_of, in_order
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import buy, sell, uj
from tests.market.mechanisms.sessions import GRID, at, copper, same

DAY_S = 86_400.0
S = 10**9
"""Nanoseconds."""
PAPER = Vrgda(target_price_per_j=69.42, decay=0.31, decay_s=DAY_S, rate_per_s=2 / DAY_S, unit_j=1.0)
HALVING = Vrgda(target_price_per_j=8.0, decay=0.5, decay_s=1.0, rate_per_s=1.0, unit_j=1.0)
"""One J a second at 8: price 8 * 2**(n + 1 - t), n sold, t seconds."""


def clear(rule: Vrgda, offers: list[Offer], state: Any = None, start_s: int = 0) -> Clearing:
    book = book_at(offers, start_s)
    out = rule.clear(book, GRID, state=state)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, GRID, out)
    return out


def book_at(offers: list[Offer], start_s: int = 0) -> Book:
    return Book.from_offers(offers, GRID, interval=Interval(start_s, 900.0), network="copperplate")


def sold(rule: Vrgda, offers: list[Offer], state: Any = None, start_s: int = 0) -> dict[str, Any]:
    """J and money of each taker that traded."""
    c = clear(rule, offers, state, start_s)
    book = book_at(offers, start_s)
    taker = "buy_offer" if rule.side == "sell" else "sell_offer"
    return {
        book.offer_ids[getattr(m, taker)]: (m.energy_uj / 1e6, m.payment_nano / 1e9)
        for m in c.matches
    }


@pytest.mark.parametrize(
    ("most", "rate", "units", "days", "price"),
    [
        (0, 2.0, 0, 0, 83.571859212140979125),
        (0, 2.0, 239, 120, 69.42),
        (100, 0.1, 0, 0, 74.713094276091397864),
    ],
)
def test_the_paper(most: int, rate: float, units: int, days: int, price: float) -> None:
    """docs/spec/sequential.md, Q15; Variable Rate GDAs, Paradigm, 2022, p0 69.42 and decay 0.31."""
    s = Schedule(69.42, 0.31, DAY_S, rate / DAY_S, most, False)
    since = days * 86_400 * S
    for found in (s.price_per_j(units, since), posted_price(s, units, since)):
        assert found == pytest.approx(price, rel=1e-12, abs=0)


def test_the_price_in_a_market() -> None:
    """As the first test, through a whole clearing."""
    stock = at(1, "pat", sell((300, 0)))
    c = clear(PAPER, [stock, at(2, "bo", buy((1, 100)))], None, start_s=1)
    assert c.payment_nano.max() == math.ceil(83.571859212140979125e9)
    late = at(int(120 * DAY_S) * S, "bo", buy((1, 100)))
    c = clear(PAPER, [stock, late], {"sold_j": "239", "start_ns": "0"})
    assert c.payment_nano.max() / 1e9 == pytest.approx(69.42, abs=2e-9)  # rounded up
    assert c.state == {"sold_j": "240", "start_ns": "0"}


@settings(max_examples=150, deadline=None)
@given(
    st.floats(1e-9, 1e6), st.floats(0.001, 0.999), st.floats(1.0, 1e6), st.floats(1e-6, 10.0),
    st.integers(0, 500), st.integers(0, 10**15), st.booleans(), st.booleans(),
)  # fmt: skip
def test_both_implementations_give_the_same_double(
    target: float, decay: float, decay_s: float, rate: float, units: int, since: int,
    buys: bool, logistic: bool,
) -> None:  # fmt: skip
    """docs/spec/sequential.md, Q15 and Q22; and doubles agree where they do not overflow."""
    s = Schedule(target, decay, decay_s, rate, 300 if logistic else 0, buys)
    one, other = s.price_per_j(units, since), posted_price(s, units, since)
    assert one == other
    if logistic and units >= 300:
        assert one is None
        return
    due = (units + 1) / rate
    if logistic:
        due = -math.log(2 * 301 / (units + 1 + 301) - 1) / rate
    power = math.log1p(-decay) * (since / 1e9 - due) / decay_s
    if abs(power) < 500:
        near = target * math.exp(-power if buys else power)
        assert one == pytest.approx(near, rel=1e-9)


def test_a_sale_by_hand() -> None:
    """docs/spec/sequential.md, Q17 to Q19; the price is 8 * 2**(n + 1 - t)."""
    stock = at(1, "pat", sell((9, 3)))
    # at t = 2 units cost 4, 8, 16: bo takes one and a half at 4 and 8
    assert sold(HALVING, [stock, at(2 * S, "bo", buy((1.5, 8)))]) == {"bo": (1.5, 8.0)}
    # the next goes on inside the second unit
    offers = [stock, at(2 * S, "bo", buy((1.5, 8))), at(2 * S + 1, "cleo", buy((1, 8)))]
    assert sold(HALVING, offers)["cleo"] == (0.5, pytest.approx(4.0, rel=1e-6))
    # the reserve: at t = 9 the schedule says 8 * 2**-8
    assert sold(HALVING, [stock, at(9 * S, "bo", buy((2, 3)))]) == {"bo": (2.0, 6.0)}
    assert sold(HALVING, [stock, at(9 * S, "bo", buy((2, 2.9)))]) == {}
    # the dearer step of the stock has its own reserve
    steps = at(1, "pat", sell((1, 3), (1, 5)))
    assert sold(HALVING, [steps, at(9 * S, "bo", buy((3, 9)))]) == {"bo": (2.0, 8.0)}
    # the buyer's own steps: the second unit is not worth 8
    assert sold(HALVING, [stock, at(2 * S, "bo", buy((1, 9), (1, 7)))]) == {"bo": (1.0, 4.0)}
    # a load takes up to its lost load
    assert sold(HALVING, [stock, at(2 * S, "bo", Load(uj(3), 16.0))]) == {"bo": (3.0, 28.0)}


def test_buying_by_hand() -> None:
    """docs/spec/sequential.md, Q16; the price is 8 * 2**(t - n - 1), at most the poster's bid."""
    rule = replace(HALVING, side="buy")
    wants = at(1, "pat", buy((9, 10)))
    # at t = 2 units pay 16, but no more than 10; then 8, then 4
    assert sold(rule, [wants, at(2 * S, "bo", sell((3, 5)))]) == {"bo": (2.0, 18.0)}
    assert sold(rule, [wants, at(0 * S + 2, "bo", sell((3, 5)))]) == {}
    need = at(1, "pat", Load(uj(1), 10.0))
    assert sold(rule, [need, at(9 * S, "bo", sell((3, 5)))]) == {"bo": (1.0, 10.0)}


def test_sold_out() -> None:
    """docs/spec/sequential.md, Q15: a logistic schedule ends, whatever the stock."""
    rule = replace(HALVING, schedule="logistic", most_units=2)
    offers = [at(1, "pat", sell((9, 0))), at(90 * S, "bo", buy((5, 50)))]
    c = clear(rule, offers)
    assert c.energy_uj.max() == uj(2)
    assert c.notes["posted_price_per_j"] is None and np.isnan(c.price_per_j).all()
    texts = rule.reasons(book_at(offers), GRID, c)
    assert texts[1].endswith("nothing was there to buy")
    again = clear(rule, offers, c.state)
    assert not again.matches and again.state == c.state


def test_all_or_nothing_and_own_offers() -> None:
    """docs/spec/sequential.md, Q18."""
    stock = at(1, "pat-sun", sell((2, 0)))
    whole = at(2 * S, "bo", buy((3, 99)), all_or_nothing=True)
    c = clear(HALVING, [stock, whole, at(2 * S + 1, "cleo", buy((1, 4)))])
    assert c.taken is not None and c.taken.tolist() == [True, False, True]
    assert [m.energy_uj for m in c.matches] == [uj(1)]
    assert sold(HALVING, [stock, at(2 * S, "pat-car", buy((1, 99)))]) == {}
    # who comes before the poster, or after it has withdrawn
    assert sold(HALVING, [at(1, "bo", buy((1, 99))), at(2, "pat", sell((1, 0)))]) == {}
    gone = {"cancelled": [{"id": "pat-sun", "at_ns": 3}]}
    assert sold(HALVING, [stock, at(4, "bo", buy((1, 99)))], gone) == {}


def test_time() -> None:
    """docs/spec/sequential.md, Q20."""
    start = 1_000_000
    stock = at(0, "a-pat", sell((9, 0)))
    for when in (0, 5 * S, start * S):
        offers = [stock, at(when, "bo", buy((1, 16)))]
        assert sold(HALVING, offers, None, start) == {"bo": (1.0, 16.0)}
    assert sold(HALVING, [stock, at((start + 1) * S, "bo", buy((1, 8)))], None, start) == {
        "bo": (1.0, 8.0)
    }


def test_state_goes_on_over_intervals() -> None:
    """docs/spec/sequential.md, Q4 and Q21: two intervals sell as one does."""
    stock = at(0, "a-pat", sell((9, 0)))
    early, late = at(S, "bo", buy((1, 99))), at(901 * S, "cleo", buy((1, 1e-3)))
    c = clear(HALVING, [stock, early])
    assert c.state == {"sold_j": "1", "start_ns": "0"}
    second = clear(HALVING, [stock, late], c.state, 900)
    both = clear(HALVING, [stock, early, late])
    assert second.matches[-1][2:] == both.matches[-1][2:]
    assert second.state == both.state and second.state_before == c.state


@pytest.mark.parametrize(
    "state",
    [
        {"sold_j": "1"}, {"sold_j": 1, "start_ns": "0"}, {"sold_j": "-1", "start_ns": "0"},
        {"sold_j": "1.0", "start_ns": "0"}, {"sold_j": "1", "start_ns": "x"},
        {"sold_j": "1", "start_ns": "0", "more": 1}, {"sold_j": None, "start_ns": "0"},
    ],
)  # fmt: skip
def test_a_malformed_state_is_refused(state: Any) -> None:
    """docs/spec/sequential.md, Q4."""
    out = HALVING.clear(book_at([at(1, "pat", sell((1, 0)))]), GRID, state=state)
    assert isinstance(out, Refusal) and "state" in out.reason


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        ([at(1, "pat", sell((1, 0))), at(2, "sam", sell((1, 0)))], "posts the price already"),
        ([at(1, "grid", Utility(30.0, 8.0))], "utility"),
        ([at(1, "pat", replace(sell((1, 5)), buy=buy((1, 4)).buy))], "both sells and buys"),
        ([at(1, "pat", sell((1, 0)), immediate=True)], "waits for takers"),
        ([at(1, "pat", Battery(uj(1), uj(2), 1.0, 2.0))], "battery"),
        ([at(1, "bo", buy((2e6, 1)))], "units"),
    ],
)
def test_refusals(offers: list[Offer], why: str) -> None:
    """docs/spec/sequential.md, Q6, Q17 and Q19."""
    out = HALVING.clear(book_at(offers), GRID)
    assert isinstance(out, Refusal) and why in out.reason and out.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": "both"}, {"schedule": "cubic"}, {"decay": 1.0}, {"decay": 0}, {"decay_s": -1.0},
        {"rate_per_s": math.inf}, {"target_price_per_j": "x"}, {"unit_j": 1e-9},
        {"schedule": "logistic"}, {"most_units": 3}, {"unit_j": True},
    ],
)  # fmt: skip
def test_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        get("vrgda", **wrong)


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
    per = 3.6e6
    assert texts[0].startswith("partly filled at") and "no buyer came for more" in texts[0]
    assert texts[1] == f"filled at {4 * per:.4g} EUR/kWh by pat"
    assert texts[2] == (
        f"not filled: the posted price of {8 * per:.4g} EUR/kWh was above its bid of "
        f"{4 * per:.4g} EUR/kWh"
    )
    assert texts[3].startswith(f"partly filled at {8 * per:.4g} EUR/kWh by pat: the posted price")
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
