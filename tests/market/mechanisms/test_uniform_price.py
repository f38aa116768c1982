"""One price for all: the interval by its formula, welfare by HiGHS, bilateral trade by the paper.

Spec: docs/spec/auctions.md, U1 to U6. Prices per J, units of 1 J.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import InputError, VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.uniform_price import UniformPrice
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Battery, Bundle, Leg, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import (
    HERE,
    at_one_place,
    buyers_and_sellers,
    cleared,
    gains,
    interval,
    most_gains,
    refused,
)

NAME = "uniform-price"
PRICES = st.lists(st.integers(0, 12).map(float), max_size=6)
KAPPA = st.sampled_from([0.0, 0.3, 0.5, 1.0])


class TestUniformPrice(MechanismConformance):
    @pytest.fixture
    def mechanism(self) -> UniformPrice:
        return UniformPrice()


@given(PRICES, PRICES, KAPPA)
@settings(max_examples=120, deadline=None)
def test_price_of_units(bids: list[float], asks: list[float], kappa: float) -> None:
    """U2, U5: `kappa` of the way between the formula's two ends, or the finite end."""
    book = buyers_and_sellers(bids, asks)
    c = cleared(NAME, book, kappa=kappa)
    low, high = interval(bids, asks)
    if np.isfinite(low) and np.isfinite(high):
        true = kappa * high + (1 - kappa) * low
    else:
        true = low if np.isfinite(low) else high if np.isfinite(high) else np.nan
    assert c.price_per_j[0] == pytest.approx(true, abs=1e-9, nan_ok=True)
    assert c.welfare == pytest.approx(most_gains(book), abs=1e-6)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 999_999_999)),
        max_size=7,
    ),
    KAPPA,
)
@settings(max_examples=80, deadline=None)
def test_any_sizes(rows: list[tuple[bool, int, int]], kappa: float) -> None:
    """U3 to U6: prices of nine digits, sizes of nothing; gains, price, money, nobody loses."""
    offers = [
        offer(f"p{i}", "here", (buy if buys else sell)((size, price / 10)))
        for i, (buys, size, price) in enumerate(rows)
    ]
    book = at_one_place(offers)
    c = cleared(NAME, book, kappa=kappa)
    price = float(c.price_per_j[0])
    largest = max((r[2] / 10 for r in rows), default=0.0)
    assert c.welfare == pytest.approx(most_gains(book), rel=1e-9, abs=1e-5 * largest)
    assert c.operator.keys() == {"rounding"}
    assert 0 <= c.operator["rounding"] <= len(rows)
    for i, _ in enumerate(rows):
        energy, paid = int(c.energy_uj[i]), int(c.payment_nano[i])
        if energy:
            assert 0 <= paid - price * energy * 1e3 <= 1 + 1e-15 * abs(paid) * 4
            # integers leave dust of a few microjoules
            assert gains(book, c, f"p{i}") >= -1e-5 * largest - 1e-9
    backwards = cleared(NAME, at_one_place(offers[::-1]), kappa=kappa)
    assert backwards.energy_uj.tolist() == c.energy_uj.tolist()
    assert backwards.payment_nano.tolist() == c.payment_nano.tolist()


def test_alike_share() -> None:
    """U4: those who bid the price share what is left."""
    c = cleared(NAME, buyers_and_sellers([5, 5, 9], [1, 1]))
    assert c.energy_uj[:3].tolist() == pytest.approx([500_000, 500_000, 1_000_000], abs=3)
    assert c.price_per_j[0] == 5


@pytest.mark.parametrize(
    ("bids", "asks", "price"),
    [([], [], np.nan), ([4], [], 4), ([], [4], 4), ([3], [4], 3.5), ([4], [3], 3.5)],
)
def test_few(bids: list[float], asks: list[float], price: float) -> None:
    """U5: an empty book, one trader, one pair."""
    c = cleared(NAME, buyers_and_sellers(bids, asks))
    assert c.price_per_j[0] == pytest.approx(price, nan_ok=True)
    assert c.energy_uj.any() == (bids == [4] and asks == [3])


def test_a_book_of_columns() -> None:
    """A simulation's book has no rows: the same clearing, which verifies."""
    battery = Battery(uj(5), uj(10), v_min_per_j=1.0, v_max_per_j=9.0, k=2.0)
    offers = [offer("pack", "here", battery), offer("car", "here", buy((3, 8.0, 2.0)))]
    offers.append(offer("utility", "here", Utility(7.0, 1.5)))
    book = at_one_place(offers)
    columns = replace(book, offers=())
    one, other = cleared(NAME, book), cleared(NAME, columns)
    assert one.energy_uj.any()
    assert other.energy_uj.tolist() == one.energy_uj.tolist()
    assert other.payment_nano.tolist() == one.payment_nano.tolist()


@pytest.mark.parametrize("name", [NAME, "k-double"])
def test_bilateral_trade_of_the_paper(name: str) -> None:
    """Chatterjee, Samuelson 1983: 9/64 of a possible 1/6.

    The midpoint rule on n x n values misses both integrals by a power of n alone, where
    n = 4m + 2: summed by hand, 9/64 - 1/(16 n^2) and 1/6 - 1/(6 n^2).
    """
    n = 22
    values = [(i + 0.5) / n for i in range(n)]
    traded = possible = 0.0
    for v in values:
        for c in values:
            out = cleared(name, buyers_and_sellers([2 * v / 3 + 1 / 12], [2 * c / 3 + 1 / 4]))
            traded += (v - c) * int(out.energy_uj[0]) * 1e-6
            possible += max(v - c, 0.0)
    assert traded / n**2 == pytest.approx(9 / 64 - 1 / (16 * n**2), abs=1e-6)
    assert possible / n**2 == pytest.approx(1 / 6 - 1 / (6 * n**2), abs=1e-12)


@pytest.mark.parametrize("value", [0.5, 0.8, 1.0])
def test_the_paper_s_bid_is_better_than_the_truth(value: float) -> None:
    """Against the asks of Chatterjee, Samuelson: better than the truth, and than bidding less."""

    def expected(bid: float) -> float:
        total = 0.0
        for i in range(24):
            book = buyers_and_sellers([bid], [2 * (i + 0.5) / 24 / 3 + 1 / 4])
            out = cleared(NAME, book)
            total += value * int(out.energy_uj[0]) * 1e-6 - int(out.payment_nano[0]) * 1e-9
        return total / 24

    best = 2 * value / 3 + 1 / 12
    assert expected(best) > expected(value) + 1e-3
    assert expected(best) > expected(best - 0.2) + 1e-3


def test_refusals() -> None:
    """U1, U4 and M13: each with its remedy."""
    wired = grid_of(2, [{"ends": (0, 1)}])
    book = book_of(wired, [offer("a", 0, sell((1, 1))), offer("b", 1, buy((1, 2)))])
    out = get(NAME).clear(book, wired)
    assert "would ignore the links of network 'transport'" in str(out)
    assert "equilibrium" in str(out)
    whole = at_one_place([offer("a", "here", sell((1, 1)), all_or_nothing=True)])
    assert "offer 'a' is all-or-nothing" in refused(NAME, whole)
    bundle = at_one_place([offer("a", "", Bundle((Leg("here", uj(1)),), 1.0))])
    assert "a bundle" in refused(NAME, bundle)
    endless = [offer("u", "here", Utility(1.0, None)), offer("v", "here", Utility(None, 2.0))]
    assert "no limit" in refused(NAME, at_one_place(endless))
    dear = [offer("a", "here", sell((10, 1e9))), offer("b", "here", buy((10, 2e9)))]
    assert "payments pass" in refused(NAME, at_one_place(dear))


@pytest.mark.parametrize("kappa", [-0.1, 1.1, "half", True, float("nan")])
def test_kappa_is_a_share(kappa: object) -> None:
    with pytest.raises(InputError, match="kappa"):
        get(NAME, kappa=kappa)


def test_another_price_does_not_verify() -> None:
    """U6: within the interval, too, and with the payments that belong to it."""
    book = buyers_and_sellers([10, 9], [1, 20])
    c, other = cleared(NAME, book), cleared(NAME, book, kappa=1.0)
    for forged, place in (
        (replace(other, parameters={"kappa": 0.5}), "node 'here'"),
        (replace(c, payment_nano=other.payment_nano), "offer 'b0'"),
        (replace(c, operator={"rounding": 1}), "operator"),
        (replace(c, operator={"spread": 0}), "operator"),
    ):
        with pytest.raises(VerificationError) as caught:
            check_clearing(book, HERE, forged)
        assert caught.value.place == place


@pytest.mark.parametrize(
    ("kappa", "words"),
    [
        (0.0, "the lowest is taken"),
        (0.5, "the midpoint is taken"),
        (1.0, "the highest is taken"),
        (0.3, "the one 30 % of the way up is taken"),
    ],
)
def test_words(kappa: float, words: str) -> None:
    """M14."""
    book = buyers_and_sellers([10, 9], [1, 20])
    assert words in explain(book, HERE, cleared(NAME, book, kappa=kappa), "here")
