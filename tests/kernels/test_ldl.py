"""The factorisation agrees with a dense solver on any graph."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.kernels.ldl import analyse, factor, solve


def check(nodes: int, tail: np.ndarray, head: np.ndarray, rng: np.random.Generator) -> int:
    """Solve a random M-matrix on this graph both ways; returns the entries of L."""
    pattern = analyse(nodes, tail.astype(np.int32), head.astype(np.int32))
    weight = 10.0 ** rng.uniform(-3, 3, tail.size)
    gain = rng.uniform(0.5, 1.0, tail.size)
    dense = np.diag(10.0 ** rng.uniform(-3, 1, nodes))
    diagonal = np.diag(dense).copy()[pattern.order]
    upper = np.zeros(pattern.column_rows.size)
    for e in range(tail.size):
        a, b, g = int(tail[e]), int(head[e]), gain[e]
        if a == b:
            continue
        dense[a, a] += weight[e]
        dense[b, b] += weight[e] * g * g
        dense[a, b] -= weight[e] * g
        dense[b, a] -= weight[e] * g
        diagonal[pattern.place[a]] += weight[e]
        diagonal[pattern.place[b]] += weight[e] * g * g
        upper[pattern.edge_slot[e]] -= weight[e] * g
    right = rng.normal(size=nodes)
    l_values, d, work = np.zeros(pattern.l_rows.size), np.ones(nodes), np.zeros(nodes)
    factor(pattern, diagonal, upper, l_values, d, work)
    x = right[pattern.order].copy()
    solve(pattern, l_values, d, x)
    answer = np.empty(nodes)
    answer[pattern.order] = x
    assert answer == pytest.approx(np.linalg.solve(dense, right), rel=1e-8, abs=1e-10)
    return pattern.l_rows.size


@pytest.mark.parametrize("seed", range(20))
def test_trees_have_no_fill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 60))
    head = np.arange(1, nodes)
    tail = np.array([rng.integers(0, i) for i in head], int)
    assert check(nodes, tail, head, rng) == nodes - 1


@pytest.mark.parametrize("seed", range(30))
def test_meshes_with_parallel_edges_loops_and_islands(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    nodes = int(rng.integers(1, 50))
    edges = int(rng.integers(0, 3 * nodes))
    check(nodes, rng.integers(0, nodes, edges), rng.integers(0, nodes, edges), rng)


def test_a_grid_of_squares() -> None:
    at = np.arange(144).reshape(12, 12)
    tail = np.concatenate([at[:, :-1].ravel(), at[:-1].ravel()])
    head = np.concatenate([at[:, 1:].ravel(), at[1:].ravel()])
    assert check(144, tail, head, np.random.default_rng(5)) < 12 * 144


def test_no_node_at_all() -> None:
    check(0, np.zeros(0, int), np.zeros(0, int), np.random.default_rng(0))
