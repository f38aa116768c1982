"""Huang's auction: blocks of different sizes, the cut of the paper, truth in the price alone.

Huang, Scheller-Wolf, Sycara 2002, Comput. Intell. 18:596. Spec: docs/spec/auctions.md, U25 to U27.
Prices per J.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.errors import VerificationError
from isojoule.market.explain import explain
from isojoule.market.mechanisms import get
from isojoule.market.mechanisms.huang import Huang, cut
from isojoule.market.reasons import Reader
from isojoule.market.verify import check_clearing
from isojoule.testing import MechanismConformance
from tests.market.books import buy, offer, sell
from tests.market.mechanisms.blocks_at_one_place import Side, blocks, book_of_sides, gain, sides
from tests.market.mechanisms.places import HERE, at_one_place, buyers_and_sellers, cleared, refused

NAME = "huang"


class TestHuang(MechanismConformance):
    sample = "unit"

    @pytest.fixture
    def mechanism(self) -> Huang:
        return Huang()

    def books(self, mechanism: Any) -> st.SearchStrategy[Any]:
        return blocks()


def test_the_worked_example_by_hand() -> None:
    """U25, U26: the third buyer and the third seller make room; 5 J are wanted, 4 J are there."""
    rows: list[Side] = [
        (True, [(2, 10.0)]), (True, [(3, 8.0)]), (True, [(2, 6.0)]), (True, [(2, 2.0)]),
        (False, [(2, 1.0)]), (False, [(2, 3.0)]), (False, [(3, 4.0)]), (False, [(2, 7.0)]),
    ]  # fmt: skip
    book = book_of_sides(rows)
    c = cleared(NAME, book)
    halves = [1_500_000, 2_500_000, 0, 0, -2_000_000, -2_000_000, 0, 0]
    assert c.energy_uj.tolist() == halves
    assert c.payment_nano.tolist() == [9 * 10**9, 15 * 10**9, 0, 0, -8 * 10**9, -8 * 10**9, 0, 0]
    assert c.operator == {"reduction": 8 * 10**9, "rounding": 0}
    assert (c.certificate.lowest[0], c.certificate.highest[0]) == (4, 6)
    reader = Reader(book, HERE, c)
    words = [reader.reason(i) for i in range(8)]
    assert words[0].startswith("cut: its side has more than the other")
    assert words[2].endswith("its bid of 6 EUR/J is the price")
    assert words[6].endswith("its ask of 4 EUR/J is the price")
    assert words[3].startswith("price: no ask is left that suits its bid of 2 EUR/J")
    assert "buyers pay 6 EUR/J and sellers get 4 EUR/J" in explain(book, HERE, c, "here")


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_the_cut_of_the_paper(sizes: list[int], over: int) -> None:
    """U26: an equal part each, as fractions; who has less is left out, the others bear the rest."""
    over = min(over, sum(sizes))
    part = {i: Fraction(s) for i, s in enumerate(sizes)}
    bears, rest = set(part), Fraction(over)
    while bears and rest and min(part[i] for i in bears) < rest / len(bears):
        small = min(bears, key=lambda i: part[i])
        rest -= part[small]
        part[small] = Fraction(0)
        bears.remove(small)
    for i in bears:
        part[i] -= rest / len(bears)
    lots = np.arange(len(sizes), dtype=np.uint64)
    found = cut(np.array(sizes, np.int64), sum(sizes) - over, lots)
    assert found.sum() == sum(sizes) - over
    assert all(abs(Fraction(int(n)) - part[i]) < 1 for i, n in enumerate(found))
    assert np.all(found >= 0)


@pytest.mark.parametrize(
    ("sizes", "over", "left"),
    [
        ([1_000_000, 2_000_000, 3_000_000], 600_000, [800_000, 1_800_000, 2_800_000]),
        ([1_000_000, 500_000, 2_000_000], 1_800_000, [350_000, 0, 1_350_000]),
    ],
)
def test_the_cut_of_pymarket(sizes: list[int], over: int, left: list[int]) -> None:
    """U26: the examples of update_quantity, github.com/gus0k/pymarket, huang_auction.py."""
    found = cut(np.array(sizes, np.int64), sum(sizes) - over, np.arange(3, dtype=np.uint64))
    assert found.tolist() == left


@pytest.mark.parametrize(
    ("bids", "asks", "bought", "sold"),
    [
        # bids and asks as (J, price); None: nobody trades; else who trades how much, and the price
        ([(1, 3), (2, 1)], [(2, 2)], None, None),
        ([(1, 3), (2, 1), (0.2, 3.3)], [(2, 2), (0.3, 1)], (2, 0.2, 3), (1, 0.2, 2)),
        ([(1, 3), (2, 4), (5, 1)], [(4, 2), (1, 1), (5, 6)], (1, 1, 3), (1, 1, 2)),
    ],
)
def test_auctions_of_pymarket(
    bids: list[tuple[float, float]],
    asks: list[tuple[float, float]],
    bought: tuple[int, float, float] | None,
    sold: tuple[int, float, float] | None,
) -> None:
    """U25: the examples of huang_auction, and its test with dataset 0."""
    rows = [offer(f"b{i}", "here", buy(step)) for i, step in enumerate(bids)]
    rows += [offer(f"s{i}", "here", sell(step)) for i, step in enumerate(asks)]
    book = at_one_place(rows)
    c = cleared(NAME, book)
    got = {
        name: (energy / 1e6, paid / energy / 1e3)
        for name, energy, paid in zip(
            book.offer_ids, c.energy_uj.tolist(), c.payment_nano.tolist(), strict=True
        )
        if energy
    }
    if bought is None or sold is None:
        assert got == {}
    else:
        assert got == {f"b{bought[0]}": bought[1:], f"s{sold[0]}": (-sold[1], sold[2])}


@given(
    st.lists(st.integers(0, 12).map(float), max_size=6),
    st.lists(st.integers(0, 12).map(float), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_units_are_trade_reduction(bids: list[float], asks: list[float]) -> None:
    """U25: of blocks of one size it is `trade-reduction`."""
    book = buyers_and_sellers(bids, asks)
    one, other = cleared(NAME, book), cleared("trade-reduction", book)
    assert one.operator == other.operator
    assert sorted(one.payment_nano.tolist()) == sorted(other.payment_nano.tolist())


@st.composite
def books(draw: st.DrawFn) -> list[Side]:
    return sides(draw, 1)


@given(books(), st.binary(max_size=1), st.data())
@settings(max_examples=60, deadline=None)
def test_nobody_gains_by_another_price(truth: list[Side], seed: bytes, data: st.DataObject) -> None:
    """U27: of a known size, whatever the seed."""
    liar = data.draw(st.integers(0, len(truth) - 1))
    book, name = book_of_sides(truth), f"p{liar}"
    honest = gain(truth[liar], book, cleared(NAME, book, seed=seed), name)
    assert honest >= -1e-8
    buys, [(size, _)] = truth[liar]
    for twice in range(13):
        told: Side = (buys, [(size, twice / 2)])
        other = book_of_sides([*truth[:liar], told, *truth[liar + 1 :]])
        out = get(NAME).clear(other, HERE, seed=seed)
        assert gain(truth[liar], other, out, name) <= honest + 1e-8, told  # type: ignore[arg-type]


def test_refusals_and_forgeries() -> None:
    """U17, U25, U27."""
    steps = at_one_place([offer("a", "here", sell((1, 2), (1, 3)))])
    assert "'a' has several steps" in refused(NAME, steps)
    book = book_of_sides([(True, [(2, 9.0)]), (True, [(1, 8.0)]), (False, [(1, 1.0)]),
                          (False, [(3, 2.0)])])  # fmt: skip
    c = cleared(NAME, book)
    cert = c.certificate
    assert c.energy_uj.tolist() == [1_000_000, 0, -1_000_000, 0]
    for forged in (
        replace(c, operator={"reduction": c.surplus_nano - 1, "rounding": 1}),
        replace(c, price_per_j=cert.lowest),
        replace(c, notes={"price": 1.0}),
        replace(c, certificate=replace(cert, lowest=cert.lowest - 1)),
    ):
        with pytest.raises(VerificationError):
            check_clearing(book, HERE, forged)
    none = book_of_sides([(True, [(1, 1.0)]), (False, [(1, 2.0)])])
    assert "no bid meets an ask" in explain(none, HERE, cleared(NAME, none), "here")
    alone = book_of_sides([(True, [(1, 3.0)]), (False, [(1, 2.0)])])
    assert "who could trade makes room" in explain(alone, HERE, cleared(NAME, alone), "here")
