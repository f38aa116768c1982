"""The root of a summed demand, and flows along a forest (docs/spec/solvers.md, E6)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.incidence import incidence, walk
from isojoule.kernels.one_price import forest_flows, one_price
from isojoule.valuation.curve import Pieces, integral, inverse, marginal

amount = st.floats(0.0, 10.0).map(lambda v: round(v, 3))
piece = st.tuples(
    amount,
    st.booleans(),
    st.integers(0, 8),
    st.integers(0, 5),
    st.sampled_from([0.2, 1.0, 2.0, 8.0]),
)


def pieces_of(rows: list[tuple[float, bool, int, int, float]]) -> Pieces:
    """Pieces of this width, to sell or to buy, at a level and with a height, on a grid of ties."""
    table = []
    for width, sells, level, height, k in rows:
        c1 = 1.0 / width if width > 0 and height else 0.0
        c0 = 0.0 if sells and height else 1.0
        lo, hi = (-width, 0.0) if sells else (0.0, width)
        table.append((lo, hi, 0.25 * level, 0.25 * height, c0, c1, k))
    return columns(*table)


def columns(*rows: tuple[float, ...]) -> Pieces:
    """Pieces from rows of lo, hi, a, b, c0, c1, k."""
    return Pieces(*(np.array(c, float) for c in zip(*rows, strict=True)))


@given(st.lists(piece, min_size=1, max_size=8), st.floats(0.0, 1.0))
@settings(max_examples=150, deadline=None)
def test_the_price_and_the_amounts_fit(rows: list, share: float) -> None:
    """What is received adds up, and nobody would rather have another amount at the price."""
    p = pieces_of(rows)
    supply = float(p.lo.sum() + share * (p.hi.sum() - p.lo.sum()))
    x = np.zeros(p.lo.size)
    price = one_price(*p, supply, x)
    if math.isnan(price):  # an end, missed by the last digit of the sums
        assert share < 1e-12 or share > 1 - 1e-12
        return
    size = float(np.abs(p.lo).sum() + p.hi.sum()) + 1.0
    assert x.sum() == pytest.approx(supply, abs=1e-12 * size)
    assert np.all(x >= p.lo) and np.all(x <= p.hi)
    best = integral(p, inverse(p, np.full(x.size, price))) - price * inverse(
        p, np.full(x.size, price)
    )
    mine = integral(p, x) - price * x
    assert np.all(mine >= best - 1e-9 * size)


def test_between_two_steps_the_marks_are_searched() -> None:
    """A curve through no trade against a step: 0.5 per J at half of 10 J."""
    p = columns((0, 10, 0, 1, 1, 0.1, 1), (-9, 0, 0.5, 0, 1, 0, 1))
    x = np.zeros(2)
    assert one_price(*p, 0.0, x) == 0.5
    assert x == pytest.approx([5.0, -5.0], rel=1e-15)
    assert marginal(p, x)[0] == pytest.approx(0.5)


def test_unlimited_pieces_take_the_rest() -> None:
    p = columns((-np.inf, 0, 0.5, 0, 1, 0, 1), (0, 3, 2, 0, 1, 0, 1))
    x = np.zeros(2)
    assert one_price(*p, 0.0, x) == 0.5
    assert x.tolist() == [-3.0, 3.0]


@pytest.mark.parametrize("supply", [-10.0, 10.0])
def test_there_is_no_price_for_what_nobody_can_take(supply: float) -> None:
    p = columns((-2, 3, 0.5, 0, 1, 0, 1))
    assert math.isnan(one_price(*p, supply, np.zeros(1)))


def test_flows_along_a_forest_balance() -> None:
    rng = np.random.default_rng(5)
    tail, head = rng.integers(0, 30, 60), rng.integers(0, 30, 60)
    keep = tail != head
    tail, head = tail[keep], head[keep]
    usable = rng.random(tail.size) < 0.8
    start, incident = incidence(30, tail, head)
    _, order, up, link, _ = walk(tail, head, start, incident, usable)
    give = rng.normal(size=tail.size)
    over = np.zeros(30)
    np.add.at(over, tail[usable], give[usable])
    np.add.at(over, head[usable], -give[usable])
    flow = forest_flows(tail, order, up, link, over.copy())
    np.subtract.at(over, tail, flow)
    np.add.at(over, head, flow)
    assert np.abs(over).max() < 1e-12
    assert not flow[~usable].any()
