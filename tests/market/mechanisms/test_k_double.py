"""The k-double auction: the interval by its formula, beside `uniform-price`, to the microjoule.

Spec: docs/spec/auctions.md, U5, U17 to U19. Prices per J. That bids 2v/3 + 1/12 and asks 2c/3 + 1/4
gain 9/64 is asked of both rules in test_uniform_price.py.
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
from isojoule.market.mechanisms.k_double import KDouble
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Battery, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import (
    HERE,
    at_one_place,
    buyers_and_sellers,
    cleared,
    interval,
    most_gains,
    refused,
)

NAME = "k-double"
PRICES = st.lists(st.integers(0, 12).map(float), max_size=6)
KAPPA = st.sampled_from([0.0, 0.3, 0.5, 1.0])
STEPS = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3)),
    max_size=6,
)


class TestKDouble(MechanismConformance):
    sample = "steps"

    @pytest.fixture
    def mechanism(self) -> KDouble:
        return KDouble()


@given(PRICES, PRICES, KAPPA)
@settings(max_examples=100, deadline=None)
def test_price_of_units(bids: list[float], asks: list[float], kappa: float) -> None:
    """U5, U18: `kappa` of the way between the formula's two ends, or the finite end."""
    book = buyers_and_sellers(bids, asks)
    c = cleared(NAME, book, kappa=kappa)
    low, high = interval(bids, asks)
    if np.isfinite(low) and np.isfinite(high):
        true = kappa * high + (1 - kappa) * low
    else:
        true = low if np.isfinite(low) else high if np.isfinite(high) else np.nan
    assert c.price_per_j[0] == pytest.approx(true, abs=1e-12, nan_ok=True)
    assert (c.certificate.lowest[0], c.certificate.highest[0]) == (low, high)
    assert c.certificate.gap == 0
    assert c.welfare == pytest.approx(most_gains(book), abs=1e-9)


@given(STEPS, KAPPA, st.binary(max_size=1))
@settings(max_examples=100, deadline=None)
def test_steps_beside_uniform_price(
    rows: list[tuple[bool, list[tuple[int, int]]]], kappa: float, seed: bytes
) -> None:
    """U17 to U19: the same price and, but for microjoules, the same energies."""
    offers = []
    for i, (buys, steps) in enumerate(rows):
        ordered = sorted(steps, key=lambda s: s[1], reverse=buys)
        offers.append(offer(f"p{i}", "here", (buy if buys else sell)(*ordered)))
    book = at_one_place(offers)
    one, other = (
        cleared(NAME, book, kappa=kappa, seed=seed),
        cleared("uniform-price", book, kappa=kappa),
    )
    assert one.price_per_j[0] == pytest.approx(other.price_per_j[0], abs=1e-9, nan_ok=True)
    bids, asks = ({s[1] for b, steps in rows if b == buys for s in steps} for buys in (True, False))
    if not bids & asks:  # at one price it is all the same whether they trade
        assert np.max(np.abs(one.energy_uj - other.energy_uj), initial=0) <= 8
    assert one.welfare == pytest.approx(most_gains(book), abs=1e-6)
    assert 0 <= one.operator["rounding"] <= len(rows)


def test_next_bid() -> None:
    """U5: buyers at 10 and 9, sellers at 1 and 20 clear at 9 to 10."""
    book = buyers_and_sellers([10, 9], [1, 20])
    for kappa, price in ((0.0, 9.0), (0.25, 9.25), (1.0, 10.0)):
        assert cleared(NAME, book, kappa=kappa).price_per_j[0] == price


def test_alike_share_to_the_microjoule() -> None:
    """U18: 1 J for three who want 1 J each, and one microjoule for whom the hash says."""
    book = buyers_and_sellers([5, 5, 5], [1])
    got = set()
    for n in range(12):
        energies = cleared(NAME, book, seed=bytes([n])).energy_uj[:3].tolist()
        assert sorted(energies) == [333_333, 333_333, 333_334]
        got.add(energies.index(333_334))
    assert got == {0, 1, 2}


def test_refusals() -> None:
    """U1, U17: each with its remedy."""
    wired = grid_of(2, [{"ends": (0, 1)}])
    out = get(NAME).clear(book_of(wired, [offer("a", 0, sell((1, 1)))]), wired)
    assert "would ignore the links" in str(out)
    for spec, words in (
        (sell((1, 2.0, 3.0)), "'a' has a price that changes"),
        (Utility(2.0, None), "'a' has no limit"),
        (Battery(uj(1), uj(2), v_min_per_j=1, v_max_per_j=2), "offer 'a' has a price"),
    ):
        assert words in refused(NAME, at_one_place([offer("a", "here", spec)]))
    whole = at_one_place([offer("a", "here", sell((1, 1)), all_or_nothing=True)])
    assert "offer 'a' is all-or-nothing" in refused(NAME, whole)
    dear = [offer("a", "here", sell((10, 1e9))), offer("b", "here", buy((10, 2e9)))]
    assert "payments pass" in refused(NAME, at_one_place(dear))
    large = [offer(f"a{i}", "here", sell((3e12, 1e-9))) for i in range(2)]
    assert "2**62 microjoules" in refused(NAME, at_one_place(large))


@pytest.mark.parametrize("kappa", [-0.1, 1.1, "half", True, float("nan")])
def test_kappa_is_a_share(kappa: object) -> None:
    with pytest.raises(InputError, match="kappa"):
        get(NAME, kappa=kappa)


def test_forged_numbers_are_found() -> None:
    """U19: another price, too, within the interval and with the payments that belong to it."""
    book = buyers_and_sellers([10, 9], [1, 20])
    c, other = cleared(NAME, book), cleared(NAME, book, kappa=1.0)
    cert = c.certificate
    for forged in (
        replace(other, parameters={"kappa": 0.5}),
        replace(c, payment_nano=other.payment_nano),
        replace(c, operator={"rounding": 1}),
        replace(c, operator={"spread": 0}),
        replace(c, certificate=replace(cert, lowest=cert.lowest - 1)),
        replace(c, certificate=replace(cert, duals=cert.duals + 50)),
        replace(c, welfare=c.welfare + 1e-3),
        replace(c, state={"count": 1}),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)


@pytest.mark.parametrize(
    ("bids", "asks", "words"),
    [
        ([10, 9], [1, 20], "every price from 9 EUR/J to 10 EUR/J clears, and 50 % of the way up"),
        ([5, 5], [1], "those who bid it get only a part"),
        ([7], [5, 5], "those who ask it sell only a part"),
        ([7], [], "nobody is on the other side"),
    ],
)
def test_words(bids: list[float], asks: list[float], words: str) -> None:
    """M14."""
    book = buyers_and_sellers(bids, asks)
    assert words in explain(book, HERE, cleared(NAME, book), "here")
