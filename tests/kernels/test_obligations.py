"""Kernels of clearing, beside others' code."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.kernels.obligations import move_all, residual
from isojoule.kernels.obligations_parts import lift, rows_of, strong_parts


@pytest.mark.parametrize("density", [0.5, 1.0, 2.0, 6.0])
def test_strong_parts_are_those_of_scipy(density: float) -> None:
    """And an arc leads to its own part, or to a lower one."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        nodes = int(rng.integers(1, 60))
        arcs = int(density * nodes)
        tail = rng.integers(0, nodes, arcs).astype(np.int32)
        head = rng.integers(0, nodes, arcs).astype(np.int32)
        start, order = rows_of(nodes, tail)
        part = strong_parts(start, order, head)
        graph = coo_array((np.ones(arcs), (tail, head)), (nodes, nodes))
        many, label = connected_components(graph, connection="strong")
        pairs = set(zip(part.tolist(), label.tolist(), strict=True))
        assert len(pairs) == many == part.max() + 1
        assert np.all(part[tail] >= part[head])


def test_a_long_path_needs_no_recursion() -> None:
    nodes = 200_000
    tail = np.arange(nodes - 1, dtype=np.int32)
    start, order = rows_of(nodes, tail)
    part = strong_parts(start, order, tail + np.int32(1))
    assert part.tolist() == list(range(nodes))[::-1]


def test_lift_makes_arcs_between_parts_dear_enough() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        nodes = 40
        tail = rng.integers(0, nodes, 60).astype(np.int32)
        head = rng.integers(0, nodes, 60).astype(np.int32)
        cost = rng.choice([-3, 1], 60)
        start, order = rows_of(nodes, tail)
        part = strong_parts(start, order, head)
        potential = rng.integers(-9, 9, nodes)
        before = potential.copy()
        lift(start, order, head, cost, part, potential)
        across = part[tail] != part[head]
        assert across.any()
        assert np.all((cost + potential[tail] - potential[head])[across] >= 0)
        moved = potential - before
        assert all(len(set(moved[part == p].tolist())) == 1 for p in range(part.max() + 1))


def test_the_cheapest_ways_are_taken_first() -> None:
    """A known answer: 4 units over the way of cost 2, the other 3 over that of cost 3."""
    tail = np.array([0, 1, 0], np.int32)
    head = np.array([1, 2, 2], np.int32)
    graph = residual(3, tail, head, np.array([9, 4, 9]), np.array([1, 1, 3]))
    excess = np.array([7, 0, -7])
    label = move_all(graph, excess)
    assert excess.tolist() == [0, 0, 0]
    moved = np.array([9, 4, 9]) - graph.left[graph.place]
    assert moved.tolist() == [4, 4, 3]
    of = np.repeat(np.arange(3), np.diff(graph.start))
    some = graph.left > 0
    assert np.all((label[of] <= label[graph.to] + graph.cost)[some])
