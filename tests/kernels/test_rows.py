"""The interior point for programs with any rows, against other solvers."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array

from isojoule.kernels.interior_point import Program, maximise
from isojoule.kernels.ldl import analyse
from isojoule.kernels.rows import RowProgram, RowSolution, maximise_rows

SOLVED = 1e-9


def program_of(seed: int, *, sloped: bool, free: int) -> RowProgram:
    """A random program that has a solution: steps or sloped steps, and free columns."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(3, 12)), int(rng.integers(1, 6))
    matrix = rng.normal(size=(m, n)) * (rng.random((m, n)) < 0.6)
    angles = rng.normal(size=(m, free)) * 10.0 ** rng.uniform(-3, 3)
    lo = np.where(rng.random(n) < 0.8, -rng.uniform(0, 5, n), 0.0)
    hi = np.where(rng.random(n) < 0.8, rng.uniform(0.1, 5, n), 0.0)
    slope = rng.uniform(0.1, 2, n) * (sloped & (rng.random(n) < 0.7))
    none, one = np.zeros(free), np.ones(free)
    both = np.hstack([matrix, angles])
    within = np.concatenate([lo + (hi - lo) * rng.random(n), rng.normal(size=free)])
    return RowProgram(
        np.concatenate([lo, -np.inf * one]),
        np.concatenate([hi, np.inf * one]),
        np.concatenate([rng.uniform(-3, 3, n), none]),
        np.concatenate([slope, none]),
        np.concatenate([hi, none]),
        np.ones(n + free),
        np.ones(n + free),
        csr_array(both),
        both @ within,
    )


def worth_of(p: RowProgram, x: np.ndarray) -> float:
    """Worth of x, where all k are 1."""
    return float((p.a + p.b * p.c0) @ x - 0.5 * (p.b * p.c1) @ x**2)


def optimal(p: RowProgram, s: RowSolution) -> bool:
    """Whether x stands in its bounds and rows, and no column gains at the prices of the rows."""
    x, size = s.x, 1.0 + float(np.max(np.abs(s.x)))
    profit = p.a + p.b * (p.c0 - p.c1 * x) + p.matrix.T @ s.price
    dear = 1.0 + float(np.max(np.abs(s.price)))
    return bool(
        np.all(np.abs(p.matrix @ x - p.right) < 1e-8 * size * 1e3)
        and np.all(x >= p.lo - 1e-8 * size)
        and np.all(x <= p.hi + 1e-8 * size)
        and np.all((np.abs(profit) < 1e-6 * dear) | (s.side * profit > 0) | (p.hi == p.lo))
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_as_good_as_clarabel_on_sloped_programs(seed: int, free: int) -> None:
    p = program_of(seed, sloped=True, free=free)
    s = maximise_rows(p)
    assert s.residual < SOLVED
    assert optimal(p, s)
    x = cp.Variable(p.lo.size)
    bounded = np.isfinite(p.lo)
    worth = (p.a + p.b * p.c0) @ x - 0.5 * cp.sum(cp.multiply(p.b * p.c1, cp.square(x)))
    limits = [p.matrix.toarray() @ x == p.right, x[bounded] >= p.lo[bounded]]
    limits.append(x[bounded] <= p.hi[bounded])
    referee = cp.Problem(cp.Maximize(worth), limits)
    referee.solve(solver=cp.CLARABEL)
    assert worth_of(p, s.x) == pytest.approx(referee.value, abs=2e-6, rel=2e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_as_good_as_highs_on_steps(seed: int, free: int) -> None:
    p = program_of(seed, sloped=False, free=free)
    s = maximise_rows(p)
    assert s.residual < SOLVED
    referee = linprog(
        -p.a, A_eq=p.matrix, b_eq=p.right, bounds=np.stack([p.lo, p.hi], axis=1), method="highs"
    )
    assert worth_of(p, s.x) == pytest.approx(-referee.fun, abs=1e-8, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_same_as_the_flow_solver_on_lossy_graphs(seed: int) -> None:
    """Quadratic losses and curves of any power, where both solvers can be asked."""
    rng = np.random.default_rng(seed)
    n, arcs = int(rng.integers(2, 6)), int(rng.integers(1, 8))
    pieces = 2 * n
    node = np.tile(np.arange(n), 2)
    buys = np.arange(pieces) < n
    size = rng.uniform(1, 10, pieces)
    lo, hi = np.where(buys, 0.0, -size), np.where(buys, size, 0.0)
    a, b = rng.uniform(0.5, 1, pieces), rng.uniform(0.5, 3, pieces)
    k = rng.choice([0.5, 1.0, 2.5], pieces)
    c0, c1 = np.where(buys, 1.0, 0.5), 0.5 / size
    tail = rng.integers(0, n, arcs)
    head = (tail + rng.integers(1, n, arcs)) % n
    gain, r = rng.uniform(0.8, 1, arcs), rng.uniform(0.001, 0.02, arcs)
    most = np.minimum(rng.uniform(1, 20, arcs), gain / (2 * r))
    pattern = analyse(n, tail.astype(np.int32), head.astype(np.int32))
    zero = np.zeros(arcs)
    graph = maximise(
        Program(
            node, lo, hi, a, b, c0, c1, k, tail, head, pattern.edge_slot, gain, r, zero,
            np.full(arcs, 0.01), zero, most, np.zeros(n),
        ),
        pattern,
        1e-12,
    )  # fmt: skip
    at = np.arange(pieces), pieces + np.arange(arcs)
    value = np.concatenate([-np.ones(pieces), -np.ones(arcs), gain])
    place = np.concatenate([node, tail, head]), np.concatenate([*at, at[1]])
    s = maximise_rows(
        RowProgram(
            np.concatenate([lo, zero]),
            np.concatenate([hi, most]),
            np.concatenate([a, np.full(arcs, -0.01)]),
            np.concatenate([b, zero]),
            np.concatenate([c0, zero]),
            np.concatenate([c1, zero]),
            np.concatenate([k, zero + 1]),
            csr_array((value, place), shape=(n, pieces + arcs)),
            np.zeros(n),
            csr_array((r, (head, at[1])), shape=(n, pieces + arcs)),
        )
    )
    assert s.residual < SOLVED
    inside = node[s.side[:pieces] == 0]  # elsewhere several prices may do
    assert s.price[inside] == pytest.approx(graph.price[inside], rel=1e-6)
    assert s.x[:pieces] == pytest.approx(graph.x, abs=1e-5)
    assert s.x[pieces:] == pytest.approx(graph.f, abs=1e-5)


def test_a_slack_makes_a_limit() -> None:
    """Two sellers, the cheap one limited by a row: 2 x1 + x2 <= 3, by hand."""
    inf = np.inf
    s = maximise_rows(
        RowProgram(
            lo=np.array([-4.0, -4.0, 0.0, 0.0]),
            hi=np.array([0.0, 0.0, 2.0, inf]),
            a=np.array([1.0, 4.0, 9.0, 0.0]),
            b=np.zeros(4),
            c0=np.zeros(4),
            c1=np.zeros(4),
            k=np.ones(4),
            matrix=csr_array([[-1.0, -1.0, -1.0, 0.0], [-2.0, -1.0, 0.0, 1.0]]),
            right=np.array([0.0, 3.0]),
        )
    )
    # x1 + x2 = -2 and -2 x1 - x2 <= 3: the limit binds with x1 = x2 = -1
    assert s.x == pytest.approx([-1.0, -1.0, 2.0, 0.0], abs=1e-10)
    # a Joule more: two less of the second, and one more of the first
    assert s.price == pytest.approx([7.0, -3.0], abs=1e-9)
    assert s.side.tolist() == [0, 0, 1, -1]


def test_rows_that_say_the_same_twice_and_empty_rows() -> None:
    p = program_of(3, sloped=True, free=1)
    twice = csr_array(np.vstack([p.matrix.toarray(), p.matrix.toarray(), 0 * p.matrix.toarray()]))
    right = np.concatenate([p.right, p.right, 0 * p.right])
    s = maximise_rows(p._replace(matrix=twice, right=right))
    assert s.residual < SOLVED
    assert worth_of(p, s.x) == pytest.approx(worth_of(p, maximise_rows(p).x), rel=1e-9)


def test_units_do_not_matter() -> None:
    p = program_of(11, sloped=True, free=2)
    s = maximise_rows(p)
    big, dear = 1e7, 1e-6
    q = p._replace(
        lo=p.lo * big, hi=p.hi * big, a=p.a * dear, b=p.b * dear, c1=p.c1 / big, right=p.right * big
    )
    t = maximise_rows(q)
    assert t.residual < SOLVED
    assert t.x / big == pytest.approx(s.x, rel=1e-7, abs=1e-8)
    assert t.price / dear == pytest.approx(s.price, rel=1e-7, abs=1e-8)


def test_without_a_solution_it_says_so() -> None:
    p = program_of(5, sloped=True, free=0)
    far = p._replace(right=p.right + 1e4)
    assert maximise_rows(far).residual > 1e-3
