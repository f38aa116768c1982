"""Everybody pays the own offer: fractions as the second implementation, enumeration as referee.

Spec: docs/spec/auctions.md, U1, U3, U7 and U8. Prices per J.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.pay_as_bid import PayAsBid
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Battery, Bundle, Leg
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import (
    HERE,
    at_one_place,
    buyers_and_sellers,
    cleared,
    most_gains,
    refused,
)

NAME = "pay-as-bid"
STEPS = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99_999_999)), min_size=1, max_size=3),
    ),
    max_size=6,
)


class TestPayAsBid(MechanismConformance):
    @pytest.fixture
    def mechanism(self) -> PayAsBid:
        return PayAsBid()


@given(STEPS)
@settings(max_examples=80, deadline=None)
def test_steps(rows: list[tuple[bool, list[tuple[int, int]]]]) -> None:
    """U7, U8: step by step in fractions; the spread is all of the gains, by HiGHS."""
    offers = []
    for i, (buys, steps) in enumerate(rows):
        prices = sorted((p / 10 for _, p in steps), reverse=buys)
        made = [(float(e), p) for (e, _), p in zip(steps, prices, strict=True)]
        offers.append(offer(f"p{i}", "here", (buy if buys else sell)(*made)))
    book = at_one_place(offers)
    c = cleared(NAME, book)
    count = 0
    for i, o in enumerate(book.offers):
        left, paid = int(c.energy_uj[i]), 0
        spec = o.spec
        for step in spec.buy or spec.sell:  # type: ignore[union-attr]
            energy = min(abs(left), step.energy_uj) * (1 if left > 0 else -1)
            paid += math.ceil(Fraction(step.price_per_j) * energy * 1000)
            left -= energy
            count += 1
        assert left == 0
        assert int(c.payment_nano[i]) == paid
    largest = max((p / 10 for _, steps in rows for _, p in steps), default=0.0)
    most = most_gains(book)
    assert c.operator["spread"] * 1e-9 == pytest.approx(most, rel=1e-9, abs=1e-5 * largest)
    assert sum(c.operator.values()) == int(c.payment_nano.sum())
    digits = 4e-15 * abs(c.operator["spread"])  # what a float leaves open
    assert -1 - digits <= c.operator["rounding"] <= count + 1 + digits
    backwards = cleared(NAME, at_one_place(offers[::-1]))
    assert backwards.payment_nano.tolist() == c.payment_nano.tolist()


def test_curves_are_integrated() -> None:
    """U7: a sloped bid from 8 to 2 over 3 J and a battery, by hand."""
    pack = Battery(uj(10), uj(10), v_min_per_j=1.0, v_max_per_j=5.0)
    book = at_one_place([offer("car", "here", buy((3, 8.0, 2.0))), offer("pack", "here", pack)])
    c = cleared(NAME, book)
    # the car's bid 8 - 2q meets the battery's ask 1 + 0.4q
    q = 7 / 2.4
    assert c.energy_uj[0] == pytest.approx(q * 1e6, abs=3)
    q, given_j = int(c.energy_uj[0]) * 1e-6, -int(c.energy_uj[1]) * 1e-6
    assert c.payment_nano[0] == pytest.approx((8 * q - q**2) * 1e9, abs=1.5)
    assert c.payment_nano[0] >= (8 * q - q**2) * 1e9 - 1e-3  # payers up
    assert c.payment_nano[1] == pytest.approx(-(given_j + 0.2 * given_j**2) * 1e9, abs=1.5)
    one = cleared(NAME, replace(book, offers=()))  # a simulation's book
    assert one.payment_nano.tolist() == c.payment_nano.tolist()
    for more in (2, -(10**6)):
        paid = c.payment_nano + np.array([more, 0])
        lines = {**c.operator, "rounding": c.operator["rounding"] + more}
        with pytest.raises(VerificationError, match="its own offer comes to"):
            check_clearing(book, HERE, replace(c, payment_nano=paid, operator=lines))


WHOLE = [
    offer("ada", "here", sell((3, 1.0)), all_or_nothing=True),
    offer("dan", "here", sell((2, 2.0))),
    offer("bo", "here", buy((2, 6.0)), all_or_nothing=True),
    offer("cleo", "", Bundle((Leg("here", uj(2)),), 9.0)),
    offer("eve", "here", buy((1, 5.0))),
]


def test_indivisible_offers_against_enumeration() -> None:
    """U7: all choices tried by hand; who is taken pays its whole bid."""
    book = at_one_place(WHOLE)
    c = cleared(NAME, book)
    best = -math.inf
    for ada, bo, cleo in product((0, 1), repeat=3):
        need = 2 * bo + 2 * cleo - 3 * ada  # eve takes up to 1 more, dan gives up to 2
        for eve in (0.0, 1.0, -need, 2.0 - need):
            dan = need + eve
            if 0 <= eve <= 1 and 0 <= dan <= 2:
                best = max(best, 12 * bo + 9 * cleo + 5 * eve - 3 * ada - 2 * dan)
    assert c.welfare == pytest.approx(best)
    by_id = dict(zip(book.offer_ids, zip(c.energy_uj, c.payment_nano, strict=True), strict=True))
    assert by_id["ada"] == (-uj(3), -3_000_000_000)
    assert by_id["bo"] == (uj(2), 12_000_000_000)
    assert by_id["cleo"] == (uj(2), 9_000_000_000)
    assert c.operator["spread"] == round(best * 1e9)


@given(
    st.lists(st.integers(0, 9).map(float), min_size=1, max_size=4),
    st.lists(st.integers(0, 9).map(float), min_size=1, max_size=4),
    st.lists(st.tuples(st.booleans(), st.integers(0, 9).map(float)), min_size=1, max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_an_operator_gains_nothing_by_planting(
    bids: list[float], asks: list[float], planted: list[tuple[bool, float]]
) -> None:
    """Akbarpour, Li 2020: what is left to the operator is already the most that offers allow."""
    honest = cleared(NAME, buyers_and_sellers(bids, asks)).surplus_nano
    book = buyers_and_sellers(bids, asks)
    plants = [
        offer(f"planted{i}", "here", (buy if buys else sell)((1, v)))
        for i, (buys, v) in enumerate(planted)
    ]
    both = at_one_place([*book.offers, *plants])
    c = cleared(NAME, both)
    mine = np.array([name.startswith("planted") for name in both.offer_ids])
    if int(c.energy_uj[mine].sum()) < -100:
        return  # it has no energy to sell
    # what plants receive is worth nothing to it
    assert c.surplus_nano - int(c.payment_nano[mine].sum()) <= honest + 10_000


def test_refusals() -> None:
    """U1 and M13."""
    wired = grid_of(2, [{"ends": (0, 1)}])
    out = get(NAME).clear(book_of(wired, [offer("a", 0, sell((1, 1)))]), wired)
    assert "would ignore the links" in str(out)
    dear = [offer("a", "here", sell((10, 1e9))), offer("b", "here", buy((10, 2e9)))]
    assert "payments pass" in refused(NAME, at_one_place(dear))


def test_forged_money_does_not_verify() -> None:
    """U7, U8."""
    book = buyers_and_sellers([10, 9], [1, 20])
    c = cleared(NAME, book)
    less = c.payment_nano - np.array([1, 0, 0, 0])
    lines = {"spread": c.operator["spread"] - 1, "rounding": c.operator["rounding"] + 1}
    for forged, place in (
        (replace(c, payment_nano=less), "offer 'b0'"),
        (replace(c, operator=lines), "operator.spread"),
        (replace(c, operator={"spread": c.operator["spread"] + 1, "rounding": 0}), "operator"),
        (replace(c, operator={"rounding": c.surplus_nano}), "operator"),
    ):
        with pytest.raises(VerificationError) as caught:
            check_clearing(book, HERE, forged)
        assert caught.value.place == place


def test_words() -> None:
    """U8: the price is nobody's."""
    book = buyers_and_sellers([10, 9], [1, 20])
    assert "Nobody pays that" in explain(book, HERE, cleared(NAME, book), "here")
