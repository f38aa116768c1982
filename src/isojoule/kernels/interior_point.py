"""Primal-dual interior point for concave flow on a graph.

    maximise   sum_p U_p(x_p) - sum_a price_a f_a - 1/2 sum_a curvature_a f_a**2
    subject to sum_{a into v} (g_a f_a - r_a f_a**2) - sum_{a out of v} f_a
                   - sum_{p at v} x_p + inject_v = 0            at every node v
               lo <= x, f <= hi

Theory of operation. Pieces x and arcs f are eliminated from the Newton system one by one (their
Hessian is diagonal), which leaves one equation per node: the matrix A W A' + D of a weighted
graph, factored on a fixed pattern (`isojoule.kernels.ldl`). Steps follow Mehrotra's predictor
and corrector (Mehrotra 1992, SIAM J. Optim. 2:575; Nocedal, Wright 2006, ch. 14 and 19). The
multipliers of the node equations are the nodal prices. Flat pieces and free lossless arcs have
no curvature of their own; a floor on the curvature of the *step* (a proximal step) keeps the
system regular and leaves the solution alone.

Everything is scaled inside: energies by the typical width of a piece, prices by their typical
size. Inputs and outputs are in J and money per J.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.ldl import Pattern, factor, solve

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

MAX_STEPS = 200
CURVATURE_FLOOR = 1e-10
PATIENCE = 80
"""Steps without progress before it gives up. Where energy has no worth, or quadratic losses are
slight, early steps can lead far off; it comes back after 30 or so."""
LEAST_SLACK = 1e-40
"""Distance kept from a bound, scaled. Slacks are kept beside y, which has not their digits."""


NEAR = 1e-6
"""What is nearer to a bound than this (scaled), and than its multiplier, stands there."""


class Program(NamedTuple):
    """Data of the program. Pieces (P,), arcs (A,), nodes (n,).

    `arc_slot` says where an arc's off-diagonal entry lies in the pattern, -1 for a loop.
    """

    piece_node: Index
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    arc_tail: Index
    arc_head: Index
    arc_slot: Index
    gain: Floats
    loss_per_j: Floats
    curvature: Floats
    price: Floats
    arc_lo: Floats
    arc_hi: Floats
    inject: Floats


class Solution(NamedTuple):
    """Outcome: x (P,), f (A,), prices (n,), multiplier signs, steps taken and scaled residual.

    `x_side` and `f_side`: -1 at the lower bound, 1 at the upper, 0 inside (by comparing slack
    and multiplier).
    """

    x: Floats
    f: Floats
    price: Floats
    x_side: NDArray[np.int8]
    f_side: NDArray[np.int8]
    steps: int
    residual: float


@inline
def _scale(values: Floats, dust: float) -> float:
    """Geometric mean of what is more than the share `dust` of the largest; 1 if there is none."""
    largest = 0.0
    for v in values:
        if v < math.inf:
            largest = max(largest, v)
    total = 0.0
    count = 0
    for v in values:
        if v > dust * largest and v < math.inf:
            total += math.log(v)
            count += 1
    return math.exp(total / count) if count else 1.0


@inline
def reach(s: float, ds: float, z: float, dz: float, alpha: float) -> float:
    """Longest step <= alpha that keeps slack and multiplier nonnegative."""
    if ds < 0.0 and -s > ds * alpha:
        alpha = -s / ds
    if dz < 0.0 and -z > dz * alpha:
        alpha = -z / dz
    return alpha


@kernel
def maximise(program: Program, pattern: Pattern, tolerance: float) -> Solution:
    """Solve the program to a scaled residual below `tolerance` (or as near as it gets).

    The residual is the largest of: imbalance at a node, price mismatch of a variable, mean
    complementarity. No input is changed.
    """
    n = program.inject.size
    pieces = program.lo.size
    arcs = program.gain.size
    total = pieces + arcs

    energy = _scale(program.hi - program.lo, 1e-6)
    money = _scale((np.abs(program.a) + program.b) * (program.hi > program.lo), 1e-15)

    lo = np.concatenate((program.lo, program.arc_lo)) / energy
    hi = np.concatenate((program.hi, program.arc_hi)) / energy
    a, b = program.a / money, program.b / money
    c1 = program.c1 * energy
    r = program.loss_per_j * energy
    price = program.price / money
    curved = program.curvature * (energy / money)
    inject = program.inject / energy

    y = np.zeros(total)
    sl = np.full(total, math.inf)
    su = np.full(total, math.inf)
    zl = np.zeros(total)
    zu = np.zeros(total)
    fixed = np.zeros(total, np.bool_)
    pairs = 0
    for i in range(total):
        if not hi[i] - lo[i] > 1e-12:
            fixed[i] = True
            y[i] = lo[i]
            continue
        has_lo, has_hi = lo[i] > -math.inf, hi[i] < math.inf
        width = min(hi[i] - lo[i], 2.0)
        if has_lo and has_hi and lo[i] < -0.5 * width and hi[i] > 0.5 * width:
            y[i] = 0.0
        elif has_lo:
            y[i] = lo[i] + 0.5 * width
        elif has_hi:
            y[i] = hi[i] - 0.5 * width
        if has_lo:
            zl[i] = 1.0
            sl[i] = y[i] - lo[i]
            pairs += 1
        if has_hi:
            zu[i] = 1.0
            su[i] = hi[i] - y[i]
            pairs += 1
    # where t ends at the upper bound; a curve that ends at t = 0 is steep there if k < 1
    end = np.zeros(pieces)
    for i in range(pieces):
        if b[i] > 0.0 and hi[i] < math.inf:
            end[i] = program.c0[i] - c1[i] * hi[i]
            if end[i] < 1e-14:
                end[i] = 0.0

    lam = np.ones(n)
    dlam = np.zeros(n)
    rd = np.zeros(total)
    rp = np.zeros(n)
    weight = np.zeros(total)
    slope = np.ones(arcs)
    shift = np.zeros(total)
    dy = np.zeros(total)
    dzl = np.zeros(total)
    dzu = np.zeros(total)
    diagonal = np.zeros(n)
    upper = np.zeros(pattern.column_rows.size)
    l_values = np.zeros(pattern.l_rows.size)
    d = np.ones(n)
    work = np.zeros(n)
    rhs = np.zeros(n)

    best = math.inf
    best_y, best_lam = y.copy(), lam.copy()
    best_zl, best_zu = zl.copy(), zu.copy()
    best_sl, best_su = sl.copy(), su.copy()
    stalled = 0
    step = 0
    for step in range(MAX_STEPS):
        # residuals and curvature
        mu = 0.0
        worst = 0.0
        for v in range(n):
            rp[v] = inject[v]
        for i in range(pieces):
            node = program.piece_node[i]
            rp[node] -= y[i]
            if fixed[i]:
                continue
            h = 0.0
            m = a[i]
            if b[i] > 0.0:
                t = program.c0[i] - c1[i] * y[i]
                if hi[i] < math.inf and c1[i] * su[i] < 0.5:
                    t = end[i] + c1[i] * su[i]
                t = max(t, 1e-300)
                if program.k[i] == 1.0:
                    m += b[i] * t
                    h = b[i] * c1[i]
                else:
                    power = t ** program.k[i]
                    m += b[i] * power
                    h = min(b[i] * c1[i] * program.k[i] * power / t, 1e30)
            rd[i] = m - lam[node] + zl[i] - zu[i]
            weight[i] = h
        for e in range(arcs):
            i = pieces + e
            tail, head = program.arc_tail[e], program.arc_head[e]
            slope[e] = program.gain[e] - 2.0 * r[e] * y[i]
            rp[tail] -= y[i]
            rp[head] += (program.gain[e] - r[e] * y[i]) * y[i]
            if fixed[i]:
                continue
            rd[i] = slope[e] * lam[head] - lam[tail] - price[e] - curved[e] * y[i] + zl[i] - zu[i]
            weight[i] = 2.0 * r[e] * max(lam[head], 0.0) + curved[e]
        for i in range(total):
            if fixed[i]:
                continue
            if step == 0:  # start with multipliers that explain the mismatch of prices
                if rd[i] > 0.0 and hi[i] < math.inf:
                    zu[i] += rd[i]
                    rd[i] = 0.0
                elif rd[i] < 0.0 and lo[i] > -math.inf:
                    zl[i] -= rd[i]
                    rd[i] = 0.0
            if lo[i] > -math.inf:
                mu += zl[i] * sl[i]
                weight[i] += zl[i] / sl[i]
            if hi[i] < math.inf:
                mu += zu[i] * su[i]
                weight[i] += zu[i] / su[i]
            weight[i] = 1.0 / max(weight[i], CURVATURE_FLOOR)
            if not abs(rd[i]) <= worst:  # a nan must not pass
                worst = abs(rd[i])
        for v in range(n):
            if not abs(rp[v]) <= worst:
                worst = abs(rp[v])
        if pairs:
            mu /= pairs
        if not mu <= worst:
            worst = mu
        if worst < best:
            stalled = stalled if worst > 0.9 * best else 0
            best = worst
            best_y[:], best_lam[:], best_zl[:], best_zu[:] = y, lam, zl, zu
            best_sl[:], best_su[:] = sl, su
        stalled += 1
        if (
            best < tolerance
            or stalled > (PATIENCE if best > 1e-9 else 4)
            or not math.isfinite(worst)
        ):
            break

        # node matrix
        diagonal[:] = 0.0
        upper[:] = 0.0
        for i in range(pieces):
            if not fixed[i]:
                diagonal[pattern.place[program.piece_node[i]]] += weight[i]
        for e in range(arcs):
            i = pieces + e
            if fixed[i]:
                continue
            tail, head = pattern.place[program.arc_tail[e]], pattern.place[program.arc_head[e]]
            if program.arc_slot[e] < 0:
                diagonal[tail] += weight[i] * (1.0 - slope[e]) ** 2
            else:
                diagonal[tail] += weight[i]
                diagonal[head] += weight[i] * slope[e] ** 2
                upper[program.arc_slot[e]] -= weight[i] * slope[e]
        for v in range(n):
            if diagonal[v] == 0.0:
                diagonal[v] = 1.0
        factor(pattern, diagonal, upper, l_values, d, work)

        # predictor, then corrector
        sigma_mu = 0.0
        alpha = 1.0
        for phase in range(2):
            for i in range(total):
                if fixed[i]:
                    continue
                s = rd[i]
                if lo[i] > -math.inf:
                    slack = sl[i]
                    c = sigma_mu
                    if phase:
                        c -= dy[i] * dzl[i]
                    s += c / slack - zl[i]
                if hi[i] < math.inf:
                    slack = su[i]
                    c = sigma_mu
                    if phase:
                        c += dy[i] * dzu[i]
                    s -= c / slack - zu[i]
                shift[i] = s
            for v in range(n):
                rhs[v] = -rp[v]
            for i in range(pieces):
                if not fixed[i]:
                    rhs[program.piece_node[i]] += shift[i] * weight[i]
            for e in range(arcs):
                i = pieces + e
                if not fixed[i]:
                    rhs[program.arc_head[e]] -= slope[e] * shift[i] * weight[i]
                    rhs[program.arc_tail[e]] += shift[i] * weight[i]
            for v in range(n):
                work[pattern.place[v]] = rhs[v]
            solve(pattern, l_values, d, work)
            for v in range(n):
                dlam[v] = work[pattern.place[v]]
            work[:] = 0.0
            longest = 1.0
            for i in range(total):
                if fixed[i]:
                    continue
                if i < pieces:
                    move = weight[i] * (shift[i] - dlam[program.piece_node[i]])
                else:
                    e = i - pieces
                    move = weight[i] * (
                        shift[i] + slope[e] * dlam[program.arc_head[e]] - dlam[program.arc_tail[e]]
                    )
                if lo[i] > -math.inf:
                    slack = sl[i]
                    c = sigma_mu
                    if phase:
                        c -= dy[i] * dzl[i]
                    dzl[i] = (c - zl[i] * move) / slack - zl[i]
                    longest = reach(slack, move, zl[i], dzl[i], longest)
                if hi[i] < math.inf:
                    slack = su[i]
                    c = sigma_mu
                    if phase:
                        c += dy[i] * dzu[i]
                    dzu[i] = (c + zu[i] * move) / slack - zu[i]
                    longest = reach(slack, -move, zu[i], dzu[i], longest)
                dy[i] = move
            if phase == 0:
                after = 0.0
                for i in range(total):
                    if fixed[i]:
                        continue
                    if lo[i] > -math.inf:
                        after += (sl[i] + longest * dy[i]) * (zl[i] + longest * dzl[i])
                    if hi[i] < math.inf:
                        after += (su[i] - longest * dy[i]) * (zu[i] + longest * dzu[i])
                if pairs and mu > 0.0:
                    ratio = after / pairs / mu
                    sigma_mu = mu * min(1.0, ratio * ratio * ratio)
            else:
                alpha = min(1.0, max(0.99, 1.0 - mu) * longest)
        for i in range(total):
            if fixed[i]:
                continue
            y[i] += alpha * dy[i]
            if lo[i] > -math.inf:
                zl[i] += alpha * dzl[i]
                sl[i] = max(sl[i] + alpha * dy[i], LEAST_SLACK)
                if zl[i] < 1e-300:
                    zl[i] = 1e-300
            if hi[i] < math.inf:
                zu[i] += alpha * dzu[i]
                su[i] = max(su[i] - alpha * dy[i], LEAST_SLACK)
                if zu[i] < 1e-300:
                    zu[i] = 1e-300
        for v in range(n):
            lam[v] += alpha * dlam[v]

    side = np.zeros(total, np.int8)
    for i in range(total):
        # a narrow piece is near both: the larger multiplier tells
        at_lo = best_sl[i] < min(best_zl[i], NEAR) and best_zl[i] >= best_zu[i]
        if fixed[i] or at_lo:
            side[i] = -1
        elif best_su[i] < min(best_zu[i], NEAR):
            side[i] = 1
    return Solution(
        best_y[:pieces] * energy,
        best_y[pieces:] * energy,
        best_lam * money,
        side[:pieces],
        side[pieces:],
        step,
        best,
    )
