"""The interior point for graphs with a few rows, against other solvers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array

from isojoule.kernels.bordered import Bordered, Point, maximise_bordered
from isojoule.kernels.ldl import Pattern, analyse
from isojoule.kernels.rows import RowProgram, maximise_rows

CALM = settings(derandomize=True, deadline=None, max_examples=60)
SEEDS = st.integers(0, 10**6)
TOLERANCE = 1e-13


def program_of(seed: int, *, curved: bool) -> tuple[Bordered, Pattern]:
    """A graph of up to six nodes with rows that no trade keeps; no part of it is without room."""
    rng = np.random.default_rng(seed)
    n, rows = int(rng.integers(1, 7)), int(rng.integers(0, 5))
    tail = [int(rng.integers(v)) for v in range(1, n)]
    ends = [(u, v + 1) for v, u in enumerate(tail)]
    if n > 2 and rng.random() < 0.5:
        ends.append((0, n - 1))
    ends += [(v, u) for u, v in ends]  # one arc each way
    arcs = len(ends)
    pieces = int(rng.integers(4, 14))
    sells = np.arange(pieces) % 2 == 0
    size = rng.uniform(0.2, 3.0, pieces)
    bent = curved & (rng.random(pieces) < 0.5)
    c0 = np.where(sells, 0.0, 1.0)
    # a curve falls by b over its width
    program = Bordered(
        rng.integers(0, n, pieces),
        rng.uniform(0.2, 2.0, pieces),
        np.where(bent, rng.uniform(0.1, 1.0, pieces), 0.0),
        c0,
        1.0 / size,
        np.where(rng.random(pieces) < 0.5, 1.0, 2.0),
        np.array([e[0] for e in ends], np.int64),
        np.array([e[1] for e in ends], np.int64),
        np.zeros(arcs, np.int64),
        np.where(rng.random(arcs) < 0.5, 1.0, 0.95),
        rng.uniform(0.0, 0.05, arcs) * curved,
        rng.uniform(0.01, 0.1, arcs),
        np.zeros(n),
        rng.uniform(-1.0, 1.0, (rows, pieces + arcs)),
        np.concatenate([np.where(sells, -size, 0.0), np.zeros(arcs), -rng.uniform(0.1, 1.0, rows)]),
        np.concatenate(
            [np.where(sells, 0.0, size), rng.uniform(0.5, 4.0, arcs), rng.uniform(0.1, 1.0, rows)]
        ),
    )
    pattern = analyse(n, program.arc_tail.astype(np.int32), program.arc_head.astype(np.int32))
    return program._replace(arc_slot=pattern.edge_slot), pattern


def nothing(p: Bordered) -> Point:
    n, rows = p.inject.size, p.rows.shape[0]
    none = np.zeros(p.lo.size)
    return Point(none, np.ones(n), np.zeros(rows), none.astype(np.int8), 0, np.inf)


def as_rows(p: Bordered) -> RowProgram:
    """The same for the solver of programs with any rows; the value of a row is a column."""
    pieces, arcs, n, rows = p.a.size, p.gain.size, p.inject.size, p.rows.shape[0]
    total = pieces + arcs + rows
    matrix, loss = np.zeros((n + rows, total)), np.zeros((n + rows, total))
    matrix[p.piece_node, np.arange(pieces)] -= 1.0
    for e in range(arcs):
        matrix[p.arc_tail[e], pieces + e] -= 1.0
        matrix[p.arc_head[e], pieces + e] += p.gain[e]
        loss[p.arc_head[e], pieces + e] += p.loss[e]
    matrix[n:, : pieces + arcs] = p.rows
    matrix[n:, pieces + arcs :] = -np.eye(rows)
    more, one = np.zeros(arcs + rows), np.ones(arcs + rows)
    return RowProgram(
        p.lo, p.hi, np.concatenate([p.a, -p.price, np.zeros(rows)]), np.append(p.b, more),
        np.append(p.c0, one), np.append(p.c1, more), np.append(p.k, one), csr_array(matrix),
        np.concatenate([-p.inject, np.zeros(rows)]), csr_array(loss),
    )  # fmt: skip


def worth(p: Bordered, y: np.ndarray) -> float:
    """What a point is worth."""
    pieces, arcs = p.a.size, p.gain.size
    x, f = y[:pieces], y[pieces : pieces + arcs]
    t0, t1 = p.c0, p.c0 - p.c1 * x
    curve = (np.maximum(t0, 0) ** (p.k + 1) - np.maximum(t1, 0) ** (p.k + 1)) / (p.k + 1) / p.c1
    return float(p.a @ x + p.b @ curve - p.price @ f)


def straight(p: Bordered) -> Bordered:
    """Curves of sellers count from the far end: they fall in x as well."""
    sells = p.lo[: p.a.size] < 0
    return p._replace(c0=np.where(sells, 0.0, p.c0), b=np.where(sells, 0.0, p.b))


@CALM
@given(SEEDS)
def test_linear_programs_as_by_the_simplex_method(seed: int) -> None:
    p, pattern = program_of(seed, curved=False)
    found = maximise_bordered(p, pattern, nothing(p), False, TOLERANCE)
    q = as_rows(p)
    judge = linprog(
        -q.a, A_eq=q.matrix.toarray(), b_eq=q.right, bounds=np.stack([q.lo, q.hi], axis=1)
    )
    assert found.residual < 1e-9
    assert worth(p, found.y) == pytest.approx(-judge.fun, rel=1e-9, abs=1e-9)


@CALM
@given(SEEDS)
def test_curves_and_losses_as_by_another_interior_point(seed: int) -> None:
    p, pattern = program_of(seed, curved=True)
    p = straight(p)
    found = maximise_bordered(p, pattern, nothing(p), False, TOLERANCE)
    judge = maximise_rows(as_rows(p))
    assert found.residual < 1e-9
    assert judge.residual < 1e-9
    assert worth(p, found.y) == pytest.approx(worth(p, judge.x), rel=1e-8, abs=1e-8)


@CALM
@given(SEEDS, st.integers(0, 3))
def test_a_start_changes_no_answer(seed: int, shut: int) -> None:
    """From the optimum with a piece more, and from nothing: the same."""
    p, pattern = program_of(seed, curved=True)
    p = straight(p)
    whole = maximise_bordered(p, pattern, nothing(p), False, TOLERANCE)
    lo, hi = p.lo.copy(), p.hi.copy()
    lo[shut] = hi[shut] = 0.0
    less = p._replace(lo=lo, hi=hi)
    warm = maximise_bordered(less, pattern, whole, True, TOLERANCE)
    cold = maximise_bordered(less, pattern, nothing(p), False, TOLERANCE)
    assert cold.residual < 1e-9
    if warm.residual < 1e-9:
        assert worth(less, warm.y) == pytest.approx(worth(less, cold.y), rel=1e-9, abs=1e-9)
        assert warm.y[shut] == 0.0


def test_two_places_and_a_row() -> None:
    """By hand: 1 + 2 cost; a row lets the cheap one deliver 2 of 3, so prices are 1 and 2."""
    p = Bordered(
        np.array([0, 0, 0]), np.array([1.0, 2.0, 9.0]), np.zeros(3), np.zeros(3), np.zeros(3),
        np.ones(3), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64),
        np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(1), np.array([[1.0, 0.0, 0.0]]),
        np.array([-5.0, -5.0, 0.0, -2.0]), np.array([0.0, 0.0, 3.0, 2.0]),
    )  # fmt: skip
    pattern = analyse(1, np.zeros(0, np.int32), np.zeros(0, np.int32))
    found = maximise_bordered(p, pattern, nothing(p), False, TOLERANCE)
    assert found.y == pytest.approx([-2.0, -1.0, 3.0, -2.0], abs=1e-9)
    assert found.node == pytest.approx([2.0], abs=1e-9)
    assert found.row == pytest.approx([-1.0], abs=1e-9)  # the lower limit binds
