"""Primal-dual interior point for a concave program with any rows.

    maximise   sum_j U_j(x_j)
    subject to sum_j (a_ij x_j - r_ij x_j**2) = right_i      in every row i
               lo <= x <= hi

U_j is the integral of a piece (see `isojoule.valuation.curve`); a linear worth has b = 0, and a
column that is worth nothing has a = b = 0. Either bound may be infinite: a slack has one, an angle
none. Losses r_ij >= 0 stand in rows that count what arrives, whose prices are 0 or more.

Theory of operation. As `isojoule.kernels.interior_point`, which is for graphs and faster there:
Mehrotra's predictor and corrector (1992, SIAM J. Optim. 2:575) on slacks that are kept beside x.
The Newton system keeps its columns, since a free column has no curvature to eliminate it by: the
sparse symmetric matrix

    -(H + P)   J'
       J       Q

is factored with partial pivoting. H is the curvature with what bounds add, J the matrix of the
rows at x; P and Q are small and bend the step alone, not the solution (a proximal step;
Friedlander, Orban 2012, Math. Program. Comput. 4:71). Steps are refined once.

Everything is scaled inside: quantities by the typical width of a column, worths by their typical
size, rows by their largest entry, and columns of no worth by theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array, diags_array
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_STEPS = 150
PATIENCE = 40
"""Steps without progress before it gives up; four once the residual is below 1e-9."""
BEND = 1e-10
"""Least curvature of the step, scaled, in columns (P) and rows (Q)."""
LEAST_SLACK = 1e-40
NEAR = 1e-6
"""What is nearer to a bound than this (scaled), and than its multiplier, stands there."""


class RowProgram(NamedTuple):
    """Data of the program: columns (n,), rows (m,).

    Attributes
    ----------
    lo, hi, a, b, c0, c1, k
        Columns, as in `isojoule.valuation.curve.Pieces`.
    matrix
        a_ij, sparse, shape (m, n).
    right
        Right-hand sides.
    loss
        r_ij, sparse, shape (m, n); None: no losses.
    """

    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    matrix: csr_array
    right: Floats
    loss: csr_array | None = None


class RowSolution(NamedTuple):
    """Outcome.

    Attributes
    ----------
    x
        Shape (n,).
    price
        Per row, worth of one unit more that arrives in it (of `right` less one), shape (m,).
    side
        Per column: -1 at the lower bound, 1 at the upper, 0 inside.
    steps, residual
        Steps taken; the largest imbalance of a row, mismatch of a column's worth, or product of a
        slack and its multiplier, scaled (the last by the width of a narrow column, too).
    """

    x: Floats
    price: Floats
    side: NDArray[np.int8]
    steps: int
    residual: float


class _Scaled(NamedTuple):
    """The program in scaled units, fixed columns taken out, and the way back."""

    p: RowProgram
    loss: csr_array
    column: Floats
    row: Floats
    money: float
    keep: Bools


class _Point(NamedTuple):
    """An iterate: columns, row prices, multipliers and slacks of the two bounds."""

    y: Floats
    lam: Floats
    zl: Floats
    zu: Floats
    sl: Floats
    su: Floats


def maximise_rows(program: RowProgram, tolerance: float = 1e-12) -> RowSolution:
    """Solve the program to a scaled residual below `tolerance`, or as near as it gets."""
    scaled = _scale(program)
    best, steps, residual = _iterate(scaled, tolerance)
    width = ~scaled.keep
    x = np.where(width, program.lo, 0.0)
    x[scaled.keep] = best.y * scaled.column
    side = np.where(width, -1, 0).astype(np.int8)
    at_lo = (best.sl < np.minimum(best.zl, NEAR)) & (best.zl >= best.zu)
    at_hi = (best.su < np.minimum(best.zu, NEAR)) & ~at_lo
    side[scaled.keep] = np.where(at_lo, -1, np.where(at_hi, 1, 0))
    price = best.lam * (scaled.money / scaled.row)
    return RowSolution(x, price, side, steps, residual)


def _typical(values: Floats, dust: float) -> float:
    """Geometric mean of what is more than the share `dust` of the largest; 1 if there is none."""
    values = values[np.isfinite(values)]
    some = values[values > dust * float(np.max(values, initial=0.0))]
    return float(np.exp(np.mean(np.log(some)))) if some.size else 1.0


def _scale(program: RowProgram) -> _Scaled:
    p = program
    size = np.abs(p.a) + p.b
    widths = p.hi - p.lo
    worth = size > 0
    energy = _typical(widths[worth] if np.any(np.isfinite(widths[worth])) else widths, 1e-6)
    money = _typical(size[worth & (widths > 0)], 1e-15)
    keep: Bools = widths > 1e-12 * energy
    matrix = csc_array(p.matrix)[:, keep]
    loss = csc_array(p.matrix.shape) if p.loss is None else csc_array(p.loss)
    rest = p.matrix @ np.where(keep, 0.0, p.lo) - loss @ np.where(keep, 0.0, p.lo) ** 2
    loss = loss[:, keep]

    # slacks do not decide the scale of their row; columns of no worth take that of their rows
    entries = abs(matrix).tocoo()
    i, j, v = entries.row, entries.col, entries.data
    i, j, v = i[v > 0], j[v > 0], v[v > 0]
    count = np.bincount(j, minlength=matrix.shape[1])
    slack = (count == 1) & ~worth[keep]
    free = ~worth[keep] & ~slack & np.isinf(p.lo[keep]) & np.isinf(p.hi[keep])
    column = np.ones(count.size)
    column[free] = np.exp(-_mean(j, np.log(v), count.size))[free]
    rows = p.right.size
    only = np.bincount(i, ~slack[j], rows) == 0  # rows of slacks alone
    for _ in range(3):
        row = np.zeros(rows)
        at = ~slack[j] | only[i]
        np.maximum.at(row, i[at], (v * column[j])[at])
        row[row == 0] = 1.0
        largest = np.zeros(count.size)
        np.maximum.at(largest, j, v / row[i])
        tied = (free | slack) & (largest > 0)
        column[tied] = 1.0 / largest[tied]
    unit = energy * column
    a = (diags_array(1.0 / row) @ matrix @ diags_array(column)).tocsr()
    r = (diags_array(1.0 / row) @ loss @ diags_array(column * unit)).tocsr()
    q = RowProgram(
        p.lo[keep] / unit,
        p.hi[keep] / unit,
        p.a[keep] * column / money,
        p.b[keep] * column / money,
        p.c0[keep],
        p.c1[keep] * unit,
        p.k[keep],
        a,
        (p.right - rest) / (energy * row),
    )
    return _Scaled(q, r, unit, row, money, keep)


def _mean(index: NDArray[np.int32], values: Floats, size: int) -> Floats:
    count = np.maximum(np.bincount(index, minlength=size), 1)
    out: Floats = np.bincount(index, values, size) / count
    return out


def _start(p: RowProgram) -> _Point:
    has_lo, has_hi = np.isfinite(p.lo), np.isfinite(p.hi)
    width = np.minimum(p.hi - p.lo, 2.0)
    about_0 = has_lo & has_hi & (p.lo < -0.5 * width) & (p.hi > 0.5 * width)
    with np.errstate(invalid="ignore"):
        y = np.where(has_lo, p.lo + 0.5 * width, np.where(has_hi, p.hi - 0.5 * width, 0.0))
    y = np.where(about_0, 0.0, y)
    sl = np.where(has_lo, y - np.where(has_lo, p.lo, 0.0), np.inf)
    su = np.where(has_hi, np.where(has_hi, p.hi, 0.0) - y, np.inf)
    return _Point(
        y, np.ones(p.right.size), has_lo.astype(np.float64), has_hi.astype(np.float64), sl, su
    )


def _iterate(s: _Scaled, tolerance: float) -> tuple[_Point, int, float]:
    p = s.p
    has_lo, has_hi = np.isfinite(p.lo), np.isfinite(p.hi)
    pairs = int(has_lo.sum() + has_hi.sum())
    width = np.minimum(p.hi - p.lo, 1.0)  # of a narrow column less will do
    narrow = np.concatenate([width[has_lo], width[has_hi]])
    curved = p.b > 0
    # where t ends at the upper bound: a curve that ends at t = 0 is steep there if k < 1
    end = np.zeros(p.lo.size)
    tight = curved & has_hi
    end[tight] = np.maximum(p.c0[tight] - p.c1[tight] * p.hi[tight], 0.0)
    end[end < 1e-14] = 0.0
    lossy = s.loss.nnz > 0
    now = _start(p)
    best, least, stalled, step = now, np.inf, 0, 0
    for step in range(MAX_STEPS):
        y, lam, zl, zu, sl, su = now
        t = p.c0 - p.c1 * y
        left = p.c1 * np.where(has_hi, su, 0.0)
        t = np.maximum(np.where(has_hi & (left < 0.5), end + left, t), 1e-300)
        power = np.where(curved, t**p.k, 0.0)
        worth = p.a + p.b * power
        h = np.where(curved, np.minimum(p.b * p.c1 * p.k * power / t, 1e30), 0.0)
        jacobian = p.matrix
        rp = p.matrix @ y - p.right
        if lossy:
            rp = rp - s.loss @ (y * y)
            jacobian = csr_array(p.matrix - s.loss @ diags_array(2.0 * y))
            h = h + 2.0 * (s.loss.T @ np.maximum(lam, 0.0))
        rd = worth + jacobian.T @ lam + zl - zu
        if step == 0:  # start with multipliers that explain the mismatch of worths
            zu = np.where(has_hi, zu + np.maximum(rd, 0.0), zu)
            zl = np.where(has_lo, zl + np.maximum(-rd, 0.0), zl)
            rd = np.where(((rd > 0) & has_hi) | ((rd < 0) & has_lo), 0.0, rd)
            now = now._replace(zl=zl, zu=zu)
        products = np.concatenate([zl[has_lo] * sl[has_lo], zu[has_hi] * su[has_hi]])
        mu = products.sum() / max(pairs, 1)
        worst = max(float(np.max(np.abs(v), initial=0.0)) for v in (rd, rp, products / narrow))
        if worst < least:
            stalled = stalled if worst > 0.9 * least else 0
            least, best = worst, now
        stalled += 1
        if (
            least < tolerance
            or stalled > (PATIENCE if least > 1e-9 else 4)
            or not np.isfinite(worst)
        ):
            break
        h = h + zl / sl + zu / su
        try:
            system = _System(jacobian, h)
        except RuntimeError:  # singular to the last digit
            break
        now = _step(system, now, rd, rp, float(mu), has_lo, has_hi, pairs)
    return best, step, least


class _System:
    """The factored Newton system."""

    def __init__(self, jacobian: csr_array, curvature: Floats) -> None:
        rows, columns = jacobian.shape
        h = np.maximum(curvature, BEND)
        # columns of great curvature are scaled down, so that all pivots are of one size
        self.scale = 1.0 / np.sqrt(np.maximum(h, 1.0))
        entries = jacobian.tocoo()
        values = entries.data * self.scale[entries.col]
        place, every = entries.row + columns, np.arange(columns)
        self.matrix = coo_array(
            (
                np.concatenate([-h * self.scale**2, values, values, np.full(rows, BEND)]),
                (
                    np.concatenate([every, place, entries.col, columns + np.arange(rows)]),
                    np.concatenate([every, entries.col, place, columns + np.arange(rows)]),
                ),
            ),
            shape=(rows + columns, rows + columns),
        ).tocsc()
        self.factors = splu(self.matrix)
        self.columns = columns

    def solve(self, worth: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Moves of columns and row prices: -H dy + J' dlam = worth, J dy + Q dlam = row."""
        right = np.concatenate([worth * self.scale, row])
        out = self.factors.solve(right)
        out += self.factors.solve(right - self.matrix @ out)
        return out[: self.columns] * self.scale, out[self.columns :]


def _step(
    system: _System, now: _Point, rd: Floats, rp: Floats, mu: float,
    has_lo: Bools, has_hi: Bools, pairs: int,
) -> _Point:  # fmt: skip
    """One step: predictor, then corrector."""
    y, lam, zl, zu, sl, su = now
    pull = np.zeros(y.size)
    push = np.zeros(y.size)
    target = 0.0
    dy = dlam = dzl = dzu = pull
    longest = 1.0
    for phase in range(2):
        to_lo = np.where(has_lo, (target - pull) / sl - zl, 0.0)
        to_hi = np.where(has_hi, (target - push) / su - zu, 0.0)
        dy, dlam = system.solve(-(rd + to_lo - to_hi), -rp)
        dzl = np.where(has_lo, to_lo - zl * dy / sl, 0.0)
        dzu = np.where(has_hi, to_hi + zu * dy / su, 0.0)
        longest = min(_reach(sl, dy), _reach(su, -dy), _reach(zl, dzl), _reach(zu, dzu))
        if phase == 0 and pairs:
            after = (sl + longest * dy)[has_lo] @ (zl + longest * dzl)[has_lo]
            after += (su - longest * dy)[has_hi] @ (zu + longest * dzu)[has_hi]
            ratio = max(float(after) / pairs / mu, 0.0) if mu > 0 else 0.0
            target = mu * min(1.0, ratio**3)
            pull, push = dy * dzl, -dy * dzu
    alpha = min(1.0, max(0.99, 1.0 - mu) * longest)
    return _Point(
        y + alpha * dy,
        lam + alpha * dlam,
        np.where(has_lo, np.maximum(zl + alpha * dzl, 1e-300), 0.0),
        np.where(has_hi, np.maximum(zu + alpha * dzu, 1e-300), 0.0),
        np.where(has_lo, np.maximum(sl + alpha * dy, LEAST_SLACK), np.inf),
        np.where(has_hi, np.maximum(su - alpha * dy, LEAST_SLACK), np.inf),
    )


def _reach(value: Floats, move: Floats) -> float:
    """Longest step <= 1 that keeps the values nonnegative."""
    falls = (move < 0) & np.isfinite(value)
    return float(np.min(-value[falls] / move[falls], initial=1.0))
