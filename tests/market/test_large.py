"""Twenty thousand nodes clear in a few seconds, on a tree and on a mesh.

A hundred thousand are for the benchmarks.
"""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.verify import check_clearing
from isojoule.valuation.battery import CURVE_ROLE, BatteryRows, battery_curves
from isojoule.valuation.curve import Pieces
from tests.market.books import clear


def batteries(grid: Grid, seed: int) -> Book:
    """A battery at every node, filled at random, a tenth of them full or empty."""
    n = grid.node_count
    rng = np.random.default_rng(seed)
    share = np.clip(rng.uniform(-0.05, 1.05, n), 0.0, 1.0)
    one = np.ones(n)
    rows = BatteryRows(
        1000.0 * share, 1000.0 * one, 0 * one, 0 * one, 0 * one, np.inf * one, np.inf * one,
        one, one, 0.1 * one, 1.1 * one, 1.1 * one, 1.1 * one, 0 * one,
        rng.choice([0.5, 1.0, 2.0], n), one,
    )  # fmt: skip
    curves = battery_curves(rows)
    ids = tuple(f"p{i}" for i in range(n))
    index = np.arange(n, dtype=np.int32)
    return Book(
        "EUR", Interval(0, 1.0), "transport", ids, ids, index, index, np.full(n, 2, np.uint8),
        np.repeat(index, 5), Pieces(*(c.ravel() for c in curves.pieces)), np.tile(CURVE_ROLE, n),
        curves.overflow_j, 0 * one, curves.short_j, 0 * one,
    )  # fmt: skip


def tree(n: int, seed: int) -> Grid:
    rng = np.random.default_rng(seed)
    head = np.arange(1, n)
    return links(n, (rng.random(n - 1) * head).astype(int), head, seed)


def mesh(n: int, seed: int) -> Grid:
    """A random geometric graph: every node and its three nearest."""
    from scipy.spatial import cKDTree

    at = np.random.default_rng(seed).random((n, 2))
    near = cKDTree(at).query(at, 4)[1][:, 1:]
    pairs = np.sort(np.stack([np.repeat(np.arange(n), 3), near.ravel()]), axis=0)
    tail, head = np.unique(pairs, axis=1)
    return links(n, tail, head, seed)


def links(n: int, tail: np.ndarray, head: np.ndarray, seed: int) -> Grid:
    rng = np.random.default_rng(seed + 1)
    m = tail.size
    return Grid(
        tuple(f"n{i}" for i in range(n)),
        tuple(f"l{i}" for i in range(m)),
        tail.astype(np.int32),
        head.astype(np.int32),
        rng.choice([50.0, 200.0, np.inf], m),
        rng.choice([0, 5_000_000, 20_000_000], m),
        rng.choice([0.0, 1e-5], m),
        voltage_v=np.ones(m),
    )


@pytest.mark.parametrize("make", [tree, mesh])
def test_twenty_thousand_nodes(make: object) -> None:
    grid = make(20_000, 1)  # type: ignore[operator]
    book = batteries(grid, 2)
    found = clear(book, grid)
    check_clearing(book, grid, found)
    assert found.certificate.kind == "dual"
    assert np.count_nonzero(found.flow_uj) > 10_000
