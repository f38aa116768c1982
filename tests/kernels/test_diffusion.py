"""Curves of nodes, turns of links, whole microjoules (docs/spec/diffusion.md, D2, D3, D8)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid.formulation import network_of
from isojoule.kernels.diffusion import END, FIRST, HIGH, LOW, in_whole, stand
from isojoule.kernels.diffusion_order import colours
from isojoule.market.allocation import bounds_uj, columns_of
from isojoule.market.mechanisms.diffusion_naive import Node, piece_of
from isojoule.market.mechanisms.diffusion_run import curves_of
from isojoule.valuation import Utility
from tests.market.books import REAL, SMALL, Sizes, book_of, grid_of, offer, random_case


@given(st.integers(2, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40))
def test_links_of_one_colour_share_no_node(nodes: int, ends: list[tuple[int, int]]) -> None:
    """D3, and each has the least colour that those before it left."""
    pairs = [(a % nodes, b % nodes) for a, b in ends if a % nodes != b % nodes]
    tail = np.array([a for a, _ in pairs], np.int64)
    head = np.array([b for _, b in pairs], np.int64)
    turn = np.random.default_rng(len(pairs)).permutation(len(pairs)).astype(np.int64)
    colour = colours(nodes, tail, head, turn)
    used: dict[int, set[int]] = {v: set() for v in range(nodes)}
    for e in turn:
        taken = used[pairs[e][0]] | used[pairs[e][1]]
        assert colour[e] == min(set(range(len(taken) + 1)) - taken)
        for v in pairs[e]:
            used[v].add(int(colour[e]))


@pytest.mark.parametrize("sizes", [SMALL, REAL], ids=["small", "real"])
@pytest.mark.parametrize("seed", range(40))
def test_curve_of_a_node_against_halving(seed: int, sizes: Sizes) -> None:
    """D2: bid, ask and shares at many z, against the naive ladder of prices."""
    case = random_case(seed, sizes, "mesh")
    network = network_of(case.grid, "transport", 1.0)
    columns = columns_of(case.book, network)
    curves = curves_of(columns, network.nodes)
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    rows = list(zip(*(column.tolist() for column in columns.pieces), strict=True))
    where = np.random.default_rng(seed).uniform(size=(12, network.nodes))
    where[0], where[1] = 0.0, 1.0
    for share in where:
        wide = np.clip(curves.node[:, [LOW, HIGH]], -1e14, 1e14)
        z = np.rint(wide[:, 0] + share * (wide[:, 1] - wide[:, 0])).astype(np.int64)
        bid, ask, x = stand(*curves.packed, z, 0)
        for v in range(network.nodes):
            mine = np.flatnonzero(columns.offer_node == v)
            naive = Node([], int(low[mine].sum()), int(high[mine].sum()), int(z[v]))
            at = curves.source[curves.node[v, FIRST] : curves.node[v, END]]
            naive.pieces = [piece_of(int(columns.offer[i]), *rows[i]) for i in at]
            naive.ready()
            dear = max([abs(p.top) for p in naive.pieces if p.hi > p.lo], default=1.0)
            for found, worth in ((bid[v], naive.bid), (ask[v], naive.ask)):
                around = [worth(int(z[v]) + d) for d in (-1e-2, 0, 1e-2)]
                assert around[2] - 1e-9 * dear <= found <= around[0] + 1e-9 * dear
                assert math.isfinite(found) == math.isfinite(around[1])
            mine_x = x[curves.node[v, FIRST] : curves.node[v, END]]
            size = max([abs(p.hi) + abs(p.lo) for p in naive.pieces if math.isfinite(p.hi - p.lo)],
                       default=1.0)  # fmt: skip
            assert mine_x == pytest.approx(naive.x, abs=1e-4 * size)
            assert mine_x.sum() == pytest.approx(z[v] * 1e-6, rel=1e-9, abs=3e-6)


def test_an_endless_node_is_named() -> None:
    grid = grid_of(2)
    cheap, dear = Utility(0.1, None), Utility(None, 0.3)
    book = book_of(grid, [offer("a", 1, cheap), offer("b", 1, dear)])
    network = network_of(grid, "transport", 1.0)
    assert curves_of(columns_of(book, network), 2).endless == 1


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(-1e-3, 1e-3), st.integers(0, 3)), min_size=2, max_size=9),
    st.integers(-4, 4),
)
def test_whole_microjoules_add_up(rows: list[tuple[float, int]], more: int) -> None:
    """D8: within bounds, no further from what is wanted than needed, equal in any order."""
    wanted = np.array([w for w, _ in rows])
    low = np.floor(wanted * 1e6).astype(np.int64) - np.array([d for _, d in rows])
    high = np.ceil(wanted * 1e6).astype(np.int64) + np.array([d for _, d in rows])
    z = int(np.clip(round(float(wanted.sum()) * 1e6) + more, low.sum(), high.sum()))
    ends = np.array([[0, len(rows)]], np.int64)
    every = np.arange(len(rows))
    energy = in_whole(ends, np.array([z]), every, wanted, low, high)
    assert energy.sum() == z
    assert np.all((low <= energy) & (energy <= high))
    assert np.all(np.abs(energy - wanted * 1e6) <= 1.001 + abs(more) + len(rows))
