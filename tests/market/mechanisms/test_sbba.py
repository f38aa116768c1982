"""SBBA: the paper's rule on sorted lists, truth against every lie, and a fair lottery.

Segal-Halevi, Hassidim, Aumann 2016, arXiv 1607.05139. Spec: docs/spec/auctions.md, U15, U16. Prices
per J, units of 1 J.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.sbba import Sbba
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from tests.market.mechanisms.places import HERE, at, buyers_and_sellers, cleared, gains, pairs

NAME = "sbba"
PRICES = st.lists(st.integers(0, 12).map(float), max_size=7)


class TestSbba(MechanismConformance):
    sample = "unit"

    @pytest.fixture
    def mechanism(self) -> Sbba:
        return Sbba()


@given(PRICES, PRICES, st.binary(max_size=2))
@settings(max_examples=120, deadline=None)
def test_the_rule_of_the_paper(bids: list[float], asks: list[float], seed: bytes) -> None:
    """U15: `k` pairs at the next ask, or `k - 1` at the last bid; all money is the traders'."""
    c = cleared(NAME, buyers_and_sellers(bids, asks), seed=seed)
    b, s = sorted(bids, reverse=True), sorted(asks)
    k = pairs(b, s)
    last_bid, next_ask = at(b, k, 0.0), at(s, k + 1, np.inf)
    trades = k if next_ask <= last_bid else max(k - 1, 0)
    price = min(last_bid, next_ask)
    bought, sold = c.energy_uj > 0, c.energy_uj < 0
    assert bought.sum() == sold.sum() == trades
    assert sorted(np.array(bids + asks)[bought].tolist(), reverse=True) == b[:trades]
    assert set(np.array(bids + asks)[sold].tolist()) <= set(s[:k])
    assert c.operator == {"rounding": 0}
    if trades:
        assert c.price_per_j[0] == price
        assert set(c.payment_nano[bought].tolist()) == {round(price * 1e9)}
    else:
        assert np.isnan(c.price_per_j[0])


@pytest.mark.parametrize(
    ("bids", "asks", "price", "buying", "may_sell"),
    [
        ([9], [4], None, 0, 0),
        ([9, 8], [4], None, 0, 0),
        ([9], [4, 3], 4, 1, 1),
        ([9, 8], [4, 3], 8, 1, 2),
    ],
)
def test_examples_of_the_author(
    bids: list[float], asks: list[float], price: float | None, buying: int, may_sell: int
) -> None:
    """U15: one buyer and one seller, in the order buyers, sellers, of E. Segal-Halevi's code.

    github.com/erelsgl/auctions, trade_reduction_protocol.py: the best `buying` buyers trade at the
    price with as many of the cheapest `may_sell` sellers, by lot.
    """
    sold: set[float] = set()
    for n in range(20):
        c = cleared(NAME, buyers_and_sellers(bids, asks), seed=bytes([n]))
        prices, energy = np.array([*bids, *asks]), c.energy_uj
        assert sorted(prices[energy > 0]) == sorted(sorted(bids, reverse=True)[:buying])
        assert (energy < 0).sum() == buying
        sold |= set(prices[energy < 0].tolist())
        assert np.isnan(c.price_per_j[0]) if price is None else c.price_per_j[0] == price
    assert sold == set(sorted(asks)[:may_sell])


@pytest.mark.parametrize("seed", [b"", b"a", b"b"])
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=12, deadline=None)
def test_nobody_gains_by_lying(
    seed: bytes, bids: list[int], asks: list[int], data: st.DataObject
) -> None:
    """U15: whatever the seed, and known beforehand: every lie on a grid twice as fine."""
    values = [*map(float, bids), *map(float, asks)]
    liar = data.draw(st.integers(0, len(values) - 1))

    def world(price: float) -> tuple:  # type: ignore[type-arg]
        told = [*values[:liar], price, *values[liar + 1 :]]
        return buyers_and_sellers(told[: len(bids)], told[len(bids) :]), None

    truth, _ = world(values[liar])
    name = f"b{liar}" if liar < len(bids) else f"s{liar - len(bids)}"
    honest = gains(truth, cleared(NAME, truth, seed=seed), name)
    for twice in range(-1, 14):
        book, _ = world(twice / 2)
        out = get(NAME).clear(book, HERE, seed=seed)
        i = book.offer_ids.index(name)
        worth = values[liar] * int(out.energy_uj[i]) * 1e-6
        assert worth - int(out.payment_nano[i]) * 1e-9 <= honest + 1e-8, twice


def test_the_lottery_is_fair() -> None:
    """U16: each of the sellers who could trade is left out about as often, whatever its ask."""
    book = buyers_and_sellers([9, 8, 7], [1, 2, 3])
    out: Counter[str] = Counter()
    for n in range(300):
        c = get(NAME).clear(book, HERE, seed=n.to_bytes(2, "big"))
        left = [name for name, e in zip(book.offer_ids, c.energy_uj, strict=True) if e == 0]
        assert left[0] == "b2"
        out[left[1]] += 1
    # each is binomial, mean 100, deviation 8
    assert out.keys() == {"s0", "s1", "s2"}
    assert all(70 <= times <= 130 for times in out.values())


def test_forged_numbers_are_found() -> None:
    """U13, U16: another seller left out, too, although the money is the same."""
    book = buyers_and_sellers([9, 8, 7], [1, 2, 3])
    c = cleared(NAME, book, seed=b"x")
    other = next(
        found
        for found in (cleared(NAME, book, seed=bytes([n])) for n in range(20))
        if found.energy_uj.tolist() != c.energy_uj.tolist()
    )
    cert = c.certificate
    for forged in (
        replace(other, seed=c.seed),
        replace(c, seed=other.seed),
        replace(c, operator={"reduction": 0, "rounding": 0}),
        replace(c, price_per_j=c.price_per_j + 1),
        replace(c, certificate=replace(cert, highest=cert.highest + 1)),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)


def test_words() -> None:
    """M14."""
    book = buyers_and_sellers([9, 8, 7, 1], [1, 2, 3])
    c = cleared(NAME, book)
    reader = Reader(book, HERE, c)
    words = [reader.reason(i) for i in range(book.offer_count)]
    assert words[2] == "not taken: its bid of 7 EUR/J is the price"
    assert words[3].startswith("price: no ask is left for its bid")
    assert sum("the lot fell on this one" in w for w in words) == 1
    assert "the last bid that could trade" in explain(book, HERE, c, "here")
    all_trade = buyers_and_sellers([9, 8], [1, 2, 5])
    told = explain(all_trade, HERE, cleared(NAME, all_trade), "here")
    assert "costs 5 EUR/J: the first ask that does not trade" in told
