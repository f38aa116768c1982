"""Factors that follow changes are those of the changed matrix."""

from __future__ import annotations

import numpy as np
import pytest

from isojoule.kernels.ldl import analyse, factor
from isojoule.kernels.ldl_change import change, solve_some

LEAST = 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_weights_that_come_and_go(seed: int) -> None:
    """Links and nodes gain and lose weight, one by one; a dense solver is the referee."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(2, 40))
    tail = rng.integers(0, nodes, 2 * nodes)
    head = (tail + rng.integers(1, nodes, 2 * nodes)) % nodes
    pattern = analyse(nodes, tail.astype(np.int32), head.astype(np.int32))
    own = 10.0 ** rng.uniform(-2, 1, nodes)
    l_values, d = np.zeros(pattern.l_rows.size), np.ones(nodes)
    factor(
        pattern, own.copy(), np.zeros(pattern.column_rows.size), l_values, d, np.zeros(nodes)
    )  # fmt: skip
    dense, vector = np.diag(own), np.zeros(nodes)
    changed, columns, count = np.zeros(nodes, bool), np.zeros(nodes, np.int64), 0
    first_d, first_l = d.copy(), l_values.copy()
    weights = np.zeros(tail.size)
    for e in rng.integers(0, tail.size, 4 * nodes).tolist():
        a, b = int(pattern.place[tail[e]]), int(pattern.place[head[e]])
        v = np.zeros(nodes)
        v[a], v[b] = 1.0, -0.9
        weight = 10.0 ** rng.uniform(-2, 3) if weights[e] == 0.0 else -weights[e]
        weights[e] += weight
        dense += weight * np.outer(v, v)
        vector[:] = v
        count = change(
            pattern.l_start, pattern.l_rows, l_values, d, vector, min(a, b), weight, LEAST,
            changed, columns, count,
        )  # fmt: skip
        assert not vector.any()
    right = rng.normal(size=nodes)
    x = right.copy()
    solve_some(pattern.l_start, pattern.l_rows, l_values, d, np.arange(nodes), x)
    assert x == pytest.approx(np.linalg.solve(dense, right), rel=1e-8, abs=1e-9)
    same = np.setdiff1d(np.arange(nodes), columns[:count])
    assert np.array_equal(d[same], first_d[same])
    for j in same.tolist():
        at = slice(pattern.l_start[j], pattern.l_start[j + 1])
        assert np.array_equal(l_values[at], first_l[at])


def test_blocks_stay_apart() -> None:
    """What is between two parts that no weight ties stays exactly 0, and is not solved for."""
    tail, head = np.array([0, 1, 3, 2]), np.array([1, 2, 4, 3])
    pattern = analyse(5, tail.astype(np.int32), head.astype(np.int32))
    own, l_values, d = np.full(5, 0.1), np.zeros(pattern.l_rows.size), np.ones(5)
    upper = np.zeros(pattern.column_rows.size)
    factor(pattern, own, upper, l_values, d, np.zeros(5))
    vector, changed = np.zeros(5), np.zeros(5, bool)
    columns, count = np.zeros(5, np.int64), 0
    for e in (0, 1, 2):  # not the last one, between 2 and 3
        a, b = pattern.place[tail[e]], pattern.place[head[e]]
        vector[a], vector[b] = 1.0, -1.0
        count = change(
            pattern.l_start, pattern.l_rows, l_values, d, vector, min(a, b), 1e6, LEAST, changed,
            columns, count,
        )  # fmt: skip
    x = np.zeros(5)
    x[pattern.place[4]] = 1.0
    some = np.sort(pattern.place[[3, 4]])
    solve_some(pattern.l_start, pattern.l_rows, l_values, d, some, x)
    assert np.all(x[pattern.place[[0, 1, 2]]] == 0.0)
    assert x[pattern.place[[3, 4]]] == pytest.approx([5.0, 5.0], rel=1e-5)
