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

from isojoule.core.errors import InputError
from isojoule.market import Refusal
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.posted_naive import posted_price
from isojoule.market.mechanisms.posted_price import Schedule
from isojoule.market.mechanisms.vrgda import Vrgda
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import buy, sell, uj
from tests.market.mechanisms.sessions import GRID, HALVING, S, at, book_at
from tests.market.mechanisms.sessions import clear_vrgda as clear

DAY_S = 86_400.0
PAPER = Vrgda(target_price_per_j=69.42, decay=0.31, decay_s=DAY_S, rate_per_s=2 / DAY_S, unit_j=1.0)


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
    """Q15: LinearNFT.t.sol, LinearVRGDA.t.sol and LogisticNFT.t.sol, p0 69.42 and decay 0.31.

    github.com/transmissions11/VRGDAs.
    """
    s = Schedule(69.42, 0.31, DAY_S, rate / DAY_S, most, False)
    since = days * 86_400 * S
    for found in (s.price_per_j(units, since), posted_price(s, units, since)):
        assert found == pytest.approx(price, rel=1e-12, abs=0)


def test_cases_of_the_authors() -> None:
    """Q15: the tests of github.com/transmissions11/VRGDAs; time in days."""
    linear = Schedule(69.42, 0.31, DAY_S, 2 / DAY_S, 0, False)
    # test/correctness: 25 sold after 10 days, and its formula in Python
    ahead = linear.price_per_j(25, int(10 * DAY_S) * S)
    assert ahead == pytest.approx(69.42 * 0.69 ** (10 - 26 / 2), rel=1e-12)
    # LogisticVRGDA.t.sol: 876 of 6392 sold after 120 days, within 2 percent of the target
    logistic = Schedule(69.42, 0.31, DAY_S, 0.0023 / DAY_S, 6392, False)
    on_time = logistic.price_per_j(876, int(120 * DAY_S) * S)
    assert on_time is not None and abs(on_time / 69.42 - 1) < 0.02
    # testAlwaysTargetPriceInRightConditions: at its due time every unit has the target price
    for sold in (0, 1, 100, 6391):
        limit = 6393
        due_days = -math.log(2 * limit / (sold + 1 + limit) - 1) / 0.0023
        price = logistic.price_per_j(sold, round(due_days * DAY_S * S))
        assert price == pytest.approx(69.42, rel=1e-9)
    assert logistic.price_per_j(6392, 0) is None


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
