"""Trade reduction by the rule's words, and against McAfee's rule, whose second half it is.

Spec: docs/spec/auctions.md, U9, U11, U14. Prices per J, units of 1 J.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms.trade_reduction import TradeReduction
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from tests.market.mechanisms.places import HERE, at, buyers_and_sellers, cleared, pairs

NAME = "trade-reduction"
PRICES = st.lists(st.integers(0, 12).map(float), max_size=7)


class TestTradeReduction(MechanismConformance):
    sample = "unit"

    @pytest.fixture
    def mechanism(self) -> TradeReduction:
        return TradeReduction()


@given(PRICES, PRICES)
@settings(max_examples=100, deadline=None)
def test_the_last_pair_sets_the_prices(bids: list[float], asks: list[float]) -> None:
    """U14: one pair less than could; buyers pay its bid, sellers get its ask."""
    c = cleared(NAME, buyers_and_sellers(bids, asks), seed=b"x")
    b, s = sorted(bids, reverse=True), sorted(asks)
    k = pairs(b, s)
    bought, sold = c.energy_uj > 0, c.energy_uj < 0
    assert bought.sum() == sold.sum() == max(k - 1, 0)
    pays, gets = at(b, k, 0.0), at(s, k, 0.0)
    assert set(c.payment_nano[bought].tolist()) <= {round(pays * 1e9)}
    assert set(c.payment_nano[sold].tolist()) <= {round(-gets * 1e9)}
    assert c.operator == {"reduction": round(max(k - 1, 0) * (pays - gets) * 1e9), "rounding": 0}
    if pays > gets:
        assert np.isnan(c.price_per_j[0])


@given(PRICES, PRICES)
@settings(max_examples=50, deadline=None)
def test_mcafee_never_trades_less(bids: list[float], asks: list[float]) -> None:
    """U10, U14: all of its pairs, or the same ones; it differs where its proposal fits."""
    book = buyers_and_sellers(bids, asks)
    one, other = cleared(NAME, book), cleared("mcafee", book)
    more = other.energy_uj.clip(0).sum() - one.energy_uj.clip(0).sum()
    assert more in (0, 1_000_000)
    if other.operator["reduction"]:
        assert other.operator == one.operator


def test_forged_numbers_are_found() -> None:
    """U13, U14."""
    book = buyers_and_sellers([9, 8, 7, 4], [2, 3, 4, 12])
    c = cleared(NAME, book)
    assert c.operator == {"reduction": 6 * 10**9, "rounding": 0}
    cert = c.certificate
    swapped = c.energy_uj.copy()
    swapped[[0, 3]] = swapped[[3, 0]]
    for forged in (
        replace(c, energy_uj=swapped),
        replace(c, operator={"reduction": 1, "rounding": c.surplus_nano - 1}),
        replace(c, price_per_j=cert.lowest),
        replace(c, certificate=replace(cert, lowest=cert.lowest - 1)),
        replace(c, certificate=replace(cert, gap=cert.gap + 1)),
        replace(c, mechanism="mcafee", operator={"reduction": 0, "rounding": 0}),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)


def test_words() -> None:
    """M14."""
    book = buyers_and_sellers([9, 8, 7, 4], [2, 3, 4, 12])
    c = cleared(NAME, book)
    reader = Reader(book, HERE, c)
    assert reader.reason(2).startswith("not taken: the last pair makes room")
    assert reader.reason(3).startswith("price: the ask left for it, 12 EUR/J, is above its bid")
    assert "buyers pay 7 EUR/J and sellers get 4 EUR/J" in explain(book, HERE, c, "here")
    same = buyers_and_sellers([9, 5], [1, 5])
    assert "bid and ask of the last pair" in explain(same, HERE, cleared(NAME, same), "here")
