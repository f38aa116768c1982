"""McAfee's double auction: the rule on sorted lists, truth against every lie on a grid.

Spec: docs/spec/auctions.md, U9 to U13. Prices per J, units of 1 J.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.mcafee import McAfee
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from isojoule.valuation import Battery, Bundle, Leg, Load, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.places import (
    HERE,
    at,
    at_one_place,
    buyers_and_sellers,
    cleared,
    gains,
    most_gains,
    pairs,
    refused,
)

NAME = "mcafee"
PRICES = st.lists(st.integers(0, 12).map(float), max_size=7)
LONG = st.lists(st.integers(0, 999_999_999).map(lambda n: n / 7), max_size=5)


class TestMcAfee(MechanismConformance):
    sample = "unit"

    @pytest.fixture
    def mechanism(self) -> McAfee:
        return McAfee()


@pytest.mark.parametrize(
    ("bids", "asks", "pairs_trade", "pay", "get", "plainly"),
    [
        ([9], [4], 0, None, None, (0, None, None)),
        ([9, 8], [4], 0, None, None, (0, None, None)),
        ([9], [4, 3], 0, None, None, (0, None, None)),
        ([9, 8], [4, 3], 1, 8, 4, (1, 8, 4)),
        ([9, 4], [8, 3], 1, 6, 6, (0, None, None)),
        ([17, 14, 13, 9, 6], [1, 4, 5, 8, 11], 4, 8.5, 8.5, (3, 9, 8)),
        ([17, 14, 13, 9, 6], [1, 4, 5, 8, 13], 3, 9, 8, (3, 9, 8)),
    ],
)
def test_examples_of_others(
    bids: list[float],
    asks: list[float],
    pairs_trade: int,
    pay: float | None,
    get: float | None,
    plainly: tuple[int, float | None, float | None],
) -> None:
    """U10, U14: E. Segal-Halevi's code, github.com/erelsgl/auctions, mcafee_protocol.py and demo.

    `plainly` is what that code gives without the first proposal: `trade-reduction`.
    """
    book = buyers_and_sellers(bids, asks)
    for name, (trade, buyers, sellers) in (
        (NAME, (pairs_trade, pay, get)), ("trade-reduction", plainly)
    ):  # fmt: skip
        c = cleared(name, book)
        energy, paid = c.energy_uj, c.payment_nano
        assert (energy > 0).sum() == (energy < 0).sum() == trade
        assert set(paid[energy > 0] / 1e9) == ({buyers} if trade else set())
        assert set(-paid[energy < 0] / 1e9) == ({sellers} if trade else set())


def check_by_the_paper(bids: list[float], asks: list[float], size_j: float = 1.0) -> None:
    """U10, U12: who trades at what, from sorted lists; how much is left; nobody loses."""
    book = buyers_and_sellers(bids, asks, size_j)
    c = cleared(NAME, book, seed=b"x")
    b, s = sorted(bids, reverse=True), sorted(asks)
    k = pairs(b, s)
    # without a next bid or ask there is no p: nan lies nowhere
    p = (at(b, k + 1, math.nan) + at(s, k + 1, math.nan)) / 2
    full = k > 0 and s[k - 1] <= p <= b[k - 1]
    trades = k if full else max(k - 1, 0)
    pays, gets = (p, p) if full else (at(b, k, 0.0), at(s, k, 0.0))
    scale = size_j * max([1.0, *bids, *asks])
    bought, sold = c.energy_uj > 0, c.energy_uj < 0
    assert bought.sum() == sold.sum() == trades
    assert set(np.abs(c.energy_uj).tolist()) <= {0, uj(size_j)}
    assert c.payment_nano[bought] * 1e-9 == pytest.approx(pays * size_j, rel=1e-12, abs=2e-9)
    assert c.payment_nano[sold] * 1e-9 == pytest.approx(-gets * size_j, rel=1e-12, abs=2e-9)
    kept = (pays - gets) * trades * size_j
    assert c.operator["reduction"] * 1e-9 == pytest.approx(kept, rel=1e-9, abs=1e-15 * scale + 2e-9)
    assert 0 <= c.operator["rounding"] <= 2 * trades + 1
    if full:
        assert c.price_per_j[0] == p
    else:
        assert np.isnan(c.price_per_j[0])
    best = math.fsum(x - y for x, y in zip(b[:k], s[:k], strict=True)) * size_j
    assert c.certificate.welfare_bound == pytest.approx(best, rel=1e-9, abs=1e-9 * scale)
    assert c.certificate.welfare_bound == pytest.approx(most_gains(book), rel=1e-6, abs=1e-6)
    for name in book.participants:
        assert gains(book, c, name) >= -1e-9 - 1e-12 * scale


@given(PRICES, PRICES)
@settings(max_examples=150, deadline=None)
def test_small_prices_with_ties(bids: list[float], asks: list[float]) -> None:
    """U10 to U13."""
    check_by_the_paper(bids, asks)


@given(LONG, LONG, st.sampled_from([0.001, 3.0]))
@settings(max_examples=60, deadline=None)
def test_prices_of_nine_digits(bids: list[float], asks: list[float], size_j: float) -> None:
    """U10 to U13."""
    check_by_the_paper(bids, asks, size_j)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=30, deadline=None)
def test_nobody_gains_by_lying(bids: list[int], asks: list[int], data: st.DataObject) -> None:
    """U10: for one trader, every lie on a grid twice as fine, and staying away."""
    rows = [("buy", float(v)) for v in bids] + [("sell", float(v)) for v in asks]
    liar = data.draw(st.integers(0, len(rows) - 1))
    truth = at_one_place([_unit(i, side, price) for i, (side, price) in enumerate(rows)])
    side, value = rows[liar]
    name = f"p{liar}"
    honest = gains(truth, cleared(NAME, truth), name)
    sign = 1 if side == "buy" else -1
    for twice in range(-1, 14):
        told = [*rows[:liar], (side, twice / 2), *rows[liar + 1 :]]
        book = at_one_place([_unit(i, s, price) for i, (s, price) in enumerate(told)])
        out = get(NAME).clear(book, HERE)
        i = book.offer_ids.index(name)
        worth = value * int(out.energy_uj[i]) * 1e-6
        assert worth - int(out.payment_nano[i]) * 1e-9 <= honest + 1e-8, (sign, twice)


def _unit(i: int, side: str, price: float, **more: object):  # type: ignore[no-untyped-def]
    return offer(f"p{i}", "here", (buy if side == "buy" else sell)((1, price)), **more)


def test_ties_go_by_the_seed() -> None:
    """U11: neither the place in the input nor the id decides."""
    first: Counter[str] = Counter()
    for n in range(40):
        book = buyers_and_sellers([5, 5, 5], [1, 9])
        c = cleared(NAME, book, seed=bytes([n]))
        assert (
            not c.energy_uj.any()
        )  # p = 7: the last pair, which is one of three alike, makes room
        words = Reader(book, HERE, c)
        room = [i for i in range(3) if words.reason(i).startswith("not taken")]
        assert len(room) == 1
        first[book.offer_ids[room[0]]] += 1
    assert min(first[f"b{i}"] for i in range(3)) > 3
    rows = list(buyers_and_sellers([5, 5, 5], [1, 1, 9]).offers)
    one = cleared(NAME, at_one_place(rows), seed=b"s")
    Random(4).shuffle(rows)
    other = cleared(NAME, at_one_place(rows), seed=b"s")
    assert other.energy_uj.tolist() == one.energy_uj.tolist()


def test_offers_of_nothing_and_flags_change_nothing() -> None:
    """U9: what is empty is left out; all-or-nothing units trade whole anyway."""
    plain = buyers_and_sellers([9, 8, 2], [1, 3, 7])
    c = cleared(NAME, plain)
    rows = [*plain.offers, offer("none", "here", buy((0, 100.0)))]
    rows.append(replace(plain.offers[0], id="b0-too", spec=buy((0, 9.0))))
    found = cleared(NAME, at_one_place(rows))
    assert sorted(found.payment_nano.tolist()) == sorted([*c.payment_nano.tolist(), 0, 0])
    flags = [replace(o, all_or_nothing=True) for o in plain.offers]
    flagged = cleared(NAME, at_one_place(flags))
    assert flagged.payment_nano.tolist() == c.payment_nano.tolist()
    assert flagged.taken is not None
    assert flagged.taken.tolist() == (c.energy_uj != 0).tolist()
    load = cleared(NAME, at_one_place([offer("b0", "here", Load(uj(1), 9.0)), *plain.offers[1:]]))
    assert load.payment_nano.tolist() == c.payment_nano.tolist()


def test_a_book_of_columns() -> None:
    """A simulation's book has no rows."""
    book = buyers_and_sellers([9, 8, 2], [1, 3, 7])
    one, other = cleared(NAME, book), cleared(NAME, replace(book, offers=()))
    assert other.payment_nano.tolist() == one.payment_nano.tolist()


@pytest.mark.parametrize(
    ("offers", "words"),
    [
        ([offer("a", "here", sell((1, 2.0, 3.0)))], "'a' has a price that changes"),
        ([offer("a", "here", sell((1, 2), (1, 3)))], "'a' has several steps"),
        ([offer("a", "here", Utility(2.0, None))], "'a' has no limit"),
        ([offer("a", "here", Battery(uj(1), uj(2), v_min_per_j=1, v_max_per_j=2))], "offer 'a'"),
        ([offer("a", "", Bundle((Leg("here", uj(1)),), 1.0))], "'a' is a bundle"),
        (
            [offer("a", "here", sell((1, 2))), offer("b", "here", buy((2, 3)))],
            "offers 'a' and 'b' are not of one size",
        ),
        (
            [replace(offer("a", "here", sell((1, 2))), id=i) for i in ("x", "y")],
            "participant 'a' has several offers",
        ),
        (
            [offer(f"{s.__name__}{i}", "here", s((50, p)))
             for i in range(2) for s, p in ((buy, 9e8), (sell, 8e8))],
            "payments pass",
        ),
    ],
)  # fmt: skip
def test_refusals(offers: list, words: str) -> None:  # type: ignore[type-arg]
    """U9 and M13."""
    assert words in refused(NAME, at_one_place(offers))


def test_links_are_refused() -> None:
    """U1."""
    wired = grid_of(2, [{"ends": (0, 1)}])
    out = get(NAME).clear(book_of(wired, [offer("a", 0, sell((1, 1)))]), wired)
    assert "would ignore the links" in str(out)


@pytest.mark.parametrize(
    ("bids", "asks"), [([17, 14, 13, 9, 6], [1, 4, 5, 8, 11]), ([9, 8, 7, 4], [2, 3, 4, 12])]
)
def test_every_forged_number_is_found(bids: list[float], asks: list[float]) -> None:
    """U12, U13: whatever is stored follows from the book, and is derived again."""
    book = buyers_and_sellers(bids, asks)
    c = cleared(NAME, book)
    other = cleared(NAME, buyers_and_sellers([b + 1 for b in bids], asks))
    cert = c.certificate
    swapped = c.energy_uj.copy()
    swapped[[0, len(bids) - 1]] = swapped[[len(bids) - 1, 0]]
    for forged in (
        replace(c, energy_uj=swapped),
        replace(c, payment_nano=c.payment_nano + np.eye(1, c.payment_nano.size, 2, np.int64)[0]),
        replace(c, operator={"reduction": 1, "rounding": c.surplus_nano - 1}),
        replace(c, price_per_j=c.price_per_j + 1 if np.isfinite(c.price_per_j[0]) else cert.lowest),
        replace(c, welfare=c.welfare + 1e-3),
        replace(c, certificate=replace(cert, lowest=cert.lowest - 1)),
        replace(c, certificate=replace(cert, highest=other.certificate.highest + 1)),
        replace(c, certificate=replace(cert, duals=cert.duals + 50)),
        replace(c, certificate=replace(cert, duals=cert.duals * np.nan)),
        replace(c, certificate=replace(cert, gap=cert.gap + 1)),
        replace(c, notes={"price": 8.0}),
        replace(c, state={"count": 1}),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)


def test_words() -> None:
    """M14: why, without naming the rule."""
    book = buyers_and_sellers([9, 8, 7, 4], [2, 3, 4, 12])
    c = cleared(NAME, book)
    reader = Reader(book, HERE, c)
    words = dict(zip(book.offer_ids, map(reader.reason, range(8)), strict=True))
    assert words["b0"] == "filled"
    assert words["b2"] == words["s2"]
    assert words["b2"].startswith("not taken: the last pair makes room")
    assert words["b3"].startswith("price: the ask left for it, 12 EUR/J, is above its bid")
    assert words["s3"].startswith("price: the bid left for it, 4 EUR/J, is below its ask")
    assert "buyers pay 7 EUR/J and sellers get 4 EUR/J" in explain(book, HERE, c, "here")
    alone = buyers_and_sellers([9, 8], [2])
    out = cleared(NAME, alone)
    assert Reader(alone, HERE, out).reason(1).startswith("price: no ask is left for its bid")
    assert "the only pair that could trade makes room" in explain(alone, HERE, out, "here")
    four = buyers_and_sellers([17, 14, 13, 9, 6], [1, 4, 5, 8, 11])
    assert "the middle between the first bid" in explain(four, HERE, cleared(NAME, four), "here")
    none = buyers_and_sellers([1], [2])
    assert "no bid meets an ask" in explain(none, HERE, cleared(NAME, none), "here")
