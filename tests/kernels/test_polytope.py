"""Ends and the nearest point of small polytopes, against other solvers."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from isojoule.kernels.polytope import ends, middle

INF = np.inf


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ends_and_nearest_as_other_solvers_find_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 8)), int(rng.integers(1, 5))
    more = rng.uniform(-1, 1, (n, d - 1)) * (rng.random((n, d - 1)) < 0.8)
    rows = np.hstack([np.ones((n, 1)), more])
    inside = np.abs(rng.normal(size=d))
    value = rows @ inside
    low = np.where(rng.random(n) < 0.5, value - rng.random(n), -INF)
    high = np.where(rng.random(n) < 0.5, value + rng.random(n), INF)
    tight = rng.random(n) < 0.2
    low[tight] = high[tight] = value[tight]
    least = np.append(-INF, np.zeros(d - 1))
    found = ends(rows, low, high, least, np.full(d, INF))

    a = np.vstack([rows, -rows])
    b = np.concatenate([high, -low])
    a, b = a[np.isfinite(b)], b[np.isfinite(b)]
    bounds = [(None, None), *[(0, None)] * (d - 1)]
    for i in range(n):
        for sign, mine in ((1, found.lowest[i]), (-1, found.highest[i])):
            true = linprog(sign * rows[i], a, b, bounds=bounds)
            expected = sign * true.fun if true.status == 0 else -sign * INF
            assert mine == pytest.approx(expected, abs=1e-7)
    assert np.all(found.nearest >= low - 1e-9)
    assert np.all(found.nearest <= high + 1e-9)
    assert np.all(found.parameters[1:] >= -1e-9)
    assert rows @ found.parameters == pytest.approx(found.nearest, abs=1e-9)
    target = middle(found.lowest, found.highest)
    aimed = np.isfinite(target)
    if aimed.any():
        p = cp.Variable(d)
        limits = [p[1:] >= 0] if d > 1 else []
        limits += [a @ p <= b] if b.size else []
        far = cp.Minimize(cp.sum_squares(rows[aimed] @ p - target[aimed]))
        problem = cp.Problem(far, limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a referee that doubts its own answer does not count
            best = problem.solve(solver=cp.CLARABEL)
        if problem.status == cp.OPTIMAL:
            assert np.sum((found.nearest - target)[aimed] ** 2) <= best + 1e-6


def test_a_segment_by_hand() -> None:
    """v1 = p, v2 = p + q with 1 <= v1 <= 2, v2 = 4, q >= 0."""
    rows = np.array([[1.0, 0.0], [1.0, 1.0]])
    found = ends(
        rows, np.array([1.0, 4.0]), np.array([2.0, 4.0]), np.array([-INF, 0.0]), np.full(2, INF)
    )
    assert found.lowest == pytest.approx([1.0, 4.0], abs=1e-14)
    assert found.highest == pytest.approx([2.0, 4.0], abs=1e-14)
    assert found.nearest == pytest.approx([1.5, 4.0], abs=1e-14)
    assert found.parameters == pytest.approx([1.5, 2.5], abs=1e-14)


def test_ends_that_are_nowhere() -> None:
    """One end alone is taken; where there is none, nothing is said."""
    rows = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    none = np.full(3, INF)
    least = np.array([-INF, 0.0])
    found = ends(rows, np.array([3.0, -INF, -INF]), none, least, np.full(2, INF))
    assert found.lowest.tolist() == pytest.approx([3.0, 3.0, -INF])
    assert np.all(np.isposinf(found.highest))
    assert found.nearest[:2] == pytest.approx([3.0, 3.0], abs=1e-6)
    free = ends(rows, -none, none, least, np.full(2, INF))
    assert np.all(np.isneginf(free.lowest))
    assert np.all(np.isposinf(free.highest))


def test_the_middles_need_not_be_in_it() -> None:
    """Three shares of 1, each 0 to 1: their middles add up to 1.5."""
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    low, high = np.array([0.0, 0, 0, 1]), np.array([INF, INF, INF, 1])
    found = ends(rows, low, high, np.full(3, -INF), np.full(3, INF))
    assert found.highest == pytest.approx(np.ones(4), abs=1e-12)
    assert found.nearest == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1], abs=1e-12)


def test_bounds_that_cross_by_their_last_digits_are_one_value() -> None:
    rows = np.ones((2, 1))
    low, high = np.array([1.0, 1.0 - 1e-13]), np.array([1.0 - 1e-13, 1.0 - 2e-13])
    found = ends(rows, low, high, np.array([-INF]), np.array([INF]))
    assert found.nearest == pytest.approx([1.0, 1.0], abs=1e-12)
    assert np.array_equal(found.lowest, found.highest)
