"""One walk over the pieces says what the plain formulas say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid.formulation import Network, network_of
from isojoule.market.columns import (
    STANDING_WORTH,
    Columns,
    bounds_uj,
    columns_of,
    join_smooth,
    reach_of,
    survey_of,
)
from isojoule.testing.books import samples
from isojoule.valuation import Battery
from tests.market.books import (
    REAL,
    SMALL,
    Case,
    Sizes,
    book_of,
    buy,
    grid_of,
    offer,
    random_case,
    sell,
    uj,
)

CALM = settings(derandomize=True, deadline=None, max_examples=60)


def laid_out(case: Case) -> tuple[Network, Columns]:
    network = network_of(case.grid, case.network, 1.0)
    return network, columns_of(case.book, network)


def worths(columns: Columns) -> np.ndarray:
    p = columns.pieces
    return p.a + p.b * np.maximum(p.c0, 0.0) ** p.k


def naive_parts(
    network: Network, columns: Columns, inject: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which parts have a market, and a price for all others."""
    p, at, worth = columns.pieces, network.part[columns.node], worths(columns)
    ask, bid = np.full(network.parts, np.inf), np.full(network.parts, -np.inf)
    np.minimum.at(ask, at[p.lo < 0], worth[p.lo < 0])
    np.maximum.at(bid, at[p.hi > 0], worth[p.hi > 0])
    alive = np.isfinite(ask) & np.isfinite(bid)
    alive[network.part[inject != 0]] = True
    return alive, np.where(np.isfinite(ask), np.minimum(ask, 0.0), np.maximum(bid, 0.0))


def naive_reach(columns: Columns, capacity_j: np.ndarray) -> float:
    p = columns.pieces
    ends = np.concatenate([p.lo, p.hi])
    dearest = np.max(worths(columns), initial=0.0)
    cheapest = np.min(p.a[np.isneginf(p.lo)], initial=np.inf)
    ratio = float(dearest / cheapest) if cheapest > 0.0 else 0.0
    total = float(np.sum(np.abs(ends[np.isfinite(ends)])))
    if cheapest < np.max(p.a[np.isposinf(p.hi)], initial=-np.inf):
        total += float(np.sum(capacity_j[np.isfinite(capacity_j)]))
    return max(10.0, ratio) * total + 1.0


def naive_endless(columns: Columns) -> int:
    p = columns.pieces
    sells, buys = np.isneginf(p.lo), np.isposinf(p.hi)
    if not sells.any() or not buys.any():
        return -1
    cheapest = int(np.flatnonzero(sells)[np.argmin(p.a[sells])])
    return cheapest if p.a[cheapest] < p.a[buys].max() else -1


def naive_bounds(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    count, limit = columns.offer_node.size, float(NO_LIMIT_UJ)
    low = np.bincount(columns.offer, columns.pieces.lo, count) * UJ_PER_J
    high = np.bincount(columns.offer, columns.pieces.hi, count) * UJ_PER_J
    low = np.ceil(np.clip(low, -limit, limit) - 1e-3)
    high = np.floor(np.clip(high, -limit, limit) + 1e-3)
    return low.astype(np.int64), high.astype(np.int64)


def naive_joins(columns: Columns) -> np.ndarray:
    """The left one of each two pieces that are one formula."""
    p = columns.pieces
    wide = np.flatnonzero(p.hi - p.lo > 0)
    left, right = wide[:-1], wide[1:]
    same = (columns.offer[left] == columns.offer[right]) & (p.hi[left] == 0) & (p.lo[right] == 0)
    for c in p[2:]:
        same &= c[left] == c[right]
    return left[same]


def agrees(network: Network, columns: Columns, inject: np.ndarray) -> None:
    found = survey_of(network, columns, inject)
    alive, fallback = naive_parts(network, columns, inject)
    assert found.alive.tolist() == alive.tolist()
    assert found.fallback == pytest.approx(fallback, rel=1e-14)
    assert found.dead == np.count_nonzero(~alive)
    assert found.endless == naive_endless(columns)
    assert found.reach_j == pytest.approx(naive_reach(columns, network.capacity_j), rel=1e-12)
    assert found.reach_j == reach_of(columns.pieces, network.capacity_j)
    low, high = naive_bounds(columns)
    assert found.low_uj.tolist() == low.tolist()
    assert found.high_uj.tolist() == high.tolist()
    own = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    assert [b.tolist() for b in own] == [low.tolist(), high.tolist()]
    joins = naive_joins(columns)
    assert found.joins == joins.size
    joined = join_smooth(columns)
    assert joined.node.size == columns.node.size - joins.size
    if not joins.size:
        assert joined is columns


@CALM
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)), st.booleans())
def test_a_survey_says_what_the_formulas_say(seed: int, sizes: Sizes, given_: bool) -> None:
    case = random_case(seed, sizes)
    network, columns = laid_out(case)
    inject = np.zeros(network.nodes)
    inject[0] = 1.0 if given_ else 0.0
    agrees(network, columns, inject)


@CALM
@given(samples("utility", ("transport", "copperplate")))
def test_a_survey_of_books_with_ties(sample: object) -> None:
    network = network_of(sample.grid, sample.network, 1.0)  # type: ignore[attr-defined]
    columns = columns_of(sample.book, network)  # type: ignore[attr-defined]
    agrees(network, columns, np.zeros(network.nodes))


def test_a_battery_without_losses_is_one_piece_from_wall_to_wall() -> None:
    battery = Battery(uj(3.0), uj(10.0), v_min_per_j=1.0, v_max_per_j=2.0, k=1.0)
    grid = grid_of(1)
    network = network_of(grid, "transport", 1.0)
    columns = columns_of(book_of(grid, [offer("b", 0, battery)]), network)
    p = join_smooth(columns).pieces
    wide = p.hi > p.lo
    assert (p.lo[wide].tolist(), p.hi[wide].tolist()) == ([-3.0], [7.0])


def test_the_layout_is_kept_for_books_of_the_same_arrays() -> None:
    links = [{"ends": (0, 1), "standing_w": 2.0}]
    grid = grid_of(2, links)
    book = book_of(grid, [offer("a", 0, sell((5, 1.0))), offer("b", 1, buy((5, 3.0)))])
    other = book_of(grid, [offer("a", 1, sell((5, 1.0))), offer("b", 0, buy((5, 3.0)))])
    network = network_of(grid, "transport", 1.0)
    first, again = columns_of(book, network), columns_of(book, network)
    assert again.node is first.node
    assert first.node.tolist() == [0, 1, 0]
    assert first.counts.tolist() == [True, True, False]
    assert first.pieces.a.tolist() == [1.0, 3.0, STANDING_WORTH * 3.0]
    assert first.pieces.hi.tolist() == [0.0, 5.0, 2.0]
    moved = columns_of(other, network)
    assert moved.node.tolist() == [1, 0, 0]
    assert columns_of(book, network).node.tolist() == [0, 1, 0]


def test_no_worth_makes_a_standing_loss_worth_something() -> None:
    grid = grid_of(2, [{"ends": (0, 1), "standing_w": 2.0}])
    book = book_of(grid, [offer("a", 0, sell((5, 0.0)))])
    columns = columns_of(book, network_of(grid, "transport", 1.0))
    assert columns.pieces.a.tolist() == [0.0, STANDING_WORTH]
    assert math.isclose(reach_of(columns.pieces, np.zeros(0)), 71.0)
