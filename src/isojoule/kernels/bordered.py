"""Primal-dual interior point for concave flow on a graph with a few rows beside its balances.

    maximise   sum_p U_p(x_p) - sum_a price_a f_a
    subject to sum_{a into v} (g_a f_a - r_a f_a**2) - sum_{a out of v} f_a
                   - sum_{p at v} x_p + inject_v = 0            at every node v
               row_lo <= C (x, f) <= row_hi                     in every row
               lo <= x, f <= hi

Theory of operation. As `isojoule.kernels.interior_point`. The value of each row is one more
variable, so that every variable is eliminated from the Newton system, and what is left is

    [ M   G ]   one equation per node: a weighted graph, factored on a fixed pattern,
    [ G'  S ]   and a dense border, one equation per row.

The border is projected, S - G' inv(M) G = sum of w (c - B' inv(M) G)(c - B' inv(M) G)' over the
variables, which is never below 0, whatever the digits (`isojoule.kernels.border`). A step takes
O(rows**2 * variables), so rows must be few: those that bind, or may.

It starts from what is known, moved a little inside its bounds, or from nothing. All quantities are
scaled by the caller, so that typical ones are near 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import (
    Bordered,
    eliminate,
    gather,
    in_order,
    solve_bordered,
    times_prices,
)
from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.interior_point import reach
from isojoule.kernels.ldl import Pattern

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

MAX_STEPS = 100
CURVATURE_FLOOR = 1e-10
PATIENCE = 15
"""Steps without progress before it gives up; four once the residual is below 1e-9."""
LEAST_SLACK = 1e-40
NEAR = 1e-6
"""What is nearer to a bound than this, and than its multiplier, stands there."""
INSIDE = 1e-2
"""How far inside its bounds a known start is moved, scaled, and the least multiplier there."""

__all__ = ["Bordered", "Point", "maximise_bordered"]


class Point(NamedTuple):
    """Variables (P + A + R,), prices of nodes (n,) and of rows (R,).

    `side` is -1 where a variable stands at its lower bound, 1 at its upper, else 0. A price of a
    row is above 0 where its upper limit binds.
    """

    y: Floats
    node: Floats
    row: Floats
    side: NDArray[np.int8]
    steps: int
    residual: float


@inline
def _begin(y0: float, lo: float, hi: float, warm: bool) -> float:
    """Where a variable starts: near what is known, or where there is room."""
    has_lo, has_hi = lo > -math.inf, hi < math.inf
    if warm:
        room = INSIDE * min(hi - lo, 1.0)
        return min(max(y0, lo + room), hi - room)
    width = min(hi - lo, 2.0)
    if has_lo and has_hi and lo < -0.5 * width and hi > 0.5 * width:
        return 0.0
    if has_lo:
        return lo + 0.5 * width
    return hi - 0.5 * width if has_hi else 0.0


@kernel
def maximise_bordered(
    program: Bordered, pattern: Pattern, start: Point, warm: bool, tolerance: float
) -> Point:
    """Solve the program to a residual below `tolerance`, or as near as it gets.

    `start` counts if `warm`. The residual is the largest imbalance, mismatch of prices and mean
    complementarity. No input is changed.
    """
    place = pattern.place
    p = in_order(program, pattern)
    pieces, arcs, n, rows = p.a.size, p.gain.size, p.inject.size, p.rows.shape[0]
    total = pieces + arcs + rows
    lo, hi = p.lo, p.hi
    y, zl, zu = np.zeros(total), np.zeros(total), np.zeros(total)
    sl, su = np.full(total, math.inf), np.full(total, math.inf)
    fixed = np.zeros(total, np.bool_)
    pairs = 0
    for i in range(total):
        if not hi[i] - lo[i] > 1e-12:
            fixed[i] = True
            y[i] = lo[i]
            continue
        y[i] = _begin(start.y[i], lo[i], hi[i], warm)
        if lo[i] > -math.inf:
            sl[i] = y[i] - lo[i]
            zl[i] = INSIDE**2 / sl[i] if warm else 1.0
            pairs += 1
        if hi[i] < math.inf:
            su[i] = hi[i] - y[i]
            zu[i] = INSIDE**2 / su[i] if warm else 1.0
            pairs += 1
    end = np.zeros(pieces)  # as in `interior_point`
    for i in range(pieces):
        if p.b[i] > 0.0 and hi[i] < math.inf:
            end[i] = p.c0[i] - p.c1[i] * hi[i]
            if end[i] < 1e-14:
                end[i] = 0.0
    lam, nu = np.ones(n), np.zeros(rows)
    if warm:
        lam[:] = start.node[pattern.order]
        nu[:] = start.row
    rd, weight, shift, cost = np.zeros(total), np.zeros(total), np.zeros(total), np.zeros(total)
    dy, dzl, dzu = np.zeros(total), np.zeros(total), np.zeros(total)
    rp, rr, dlam, dnu = np.zeros(n), np.zeros(rows), np.zeros(n), np.zeros(rows)
    slope = np.ones(arcs)
    l_values, d = np.zeros(pattern.l_rows.size), np.ones(n)
    border, dense, against = np.zeros((rows, n)), np.zeros((rows, rows)), np.zeros((rows, n))
    best = math.inf
    best_y, best_lam, best_nu = y.copy(), lam.copy(), nu.copy()
    side = np.zeros(total, np.int8)
    stalled, step = 0, 0
    for step in range(MAX_STEPS):
        for e in range(arcs):
            slope[e] = p.gain[e] - 2.0 * p.loss[e] * y[pieces + e]
        gather(p, slope, y, rp, rr)
        for v in range(n):
            rp[v] = p.inject[v] - rp[v]
        for e in range(arcs):  # what `slope` counts too little of a loss
            rp[p.arc_head[e]] += p.loss[e] * y[pieces + e] ** 2
        for r in range(rows):
            rr[r] = -rr[r]
        times_prices(p, slope, lam, nu, cost)
        mu, worst = 0.0, 0.0
        for i in range(total):
            if fixed[i]:
                rd[i] = weight[i] = 0.0
                continue
            h, m = 0.0, 0.0
            if i < pieces:
                m = p.a[i]
                if p.b[i] > 0.0:
                    t = p.c0[i] - p.c1[i] * y[i]
                    if hi[i] < math.inf and p.c1[i] * su[i] < 0.5:
                        t = end[i] + p.c1[i] * su[i]
                    t = max(t, 1e-300)
                    if p.k[i] == 1.0:
                        m += p.b[i] * t
                        h = p.b[i] * p.c1[i]
                    else:
                        power = t ** p.k[i]
                        m += p.b[i] * power
                        h = min(p.b[i] * p.c1[i] * p.k[i] * power / t, 1e30)
            elif i < pieces + arcs:
                e = i - pieces
                m = -p.price[e]
                h = 2.0 * p.loss[e] * max(lam[p.arc_head[e]], 0.0)
            rd[i] = m - cost[i] + zl[i] - zu[i]
            if step == 0:  # start with multipliers that explain the mismatch of prices
                if rd[i] > 0.0 and hi[i] < math.inf:
                    zu[i] += rd[i]
                    rd[i] = 0.0
                elif rd[i] < 0.0 and lo[i] > -math.inf:
                    zl[i] -= rd[i]
                    rd[i] = 0.0
            if lo[i] > -math.inf:
                mu += zl[i] * sl[i]
                h += zl[i] / sl[i]
            if hi[i] < math.inf:
                mu += zu[i] * su[i]
                h += zu[i] / su[i]
            weight[i] = 1.0 / max(h, CURVATURE_FLOOR)
            if not abs(rd[i]) <= worst:  # a nan must not pass
                worst = abs(rd[i])
        for v in range(n):
            if not abs(rp[v]) <= worst:
                worst = abs(rp[v])
        for r in range(rows):
            if not abs(rr[r]) <= worst:
                worst = abs(rr[r])
        if pairs:
            mu /= pairs
        if not mu <= worst:
            worst = mu
        if worst < best:
            stalled = stalled if worst > 0.9 * best else 0
            best = worst
            best_y[:], best_lam[:], best_nu[:] = y, lam, nu
            for i in range(total):
                at_lo = fixed[i] or (sl[i] < min(zl[i], NEAR) and zl[i] >= zu[i])
                side[i] = -1 if at_lo else (1 if su[i] < min(zu[i], NEAR) else 0)
        stalled += 1
        if (
            best < tolerance
            or stalled > (PATIENCE if best > 1e-9 else 4)
            or not math.isfinite(worst)
        ):
            break
        eliminate(p, pattern, slope, weight, l_values, d, against, border, dense)
        sigma_mu, alpha = 0.0, 1.0
        for phase in range(2):
            for i in range(total):
                s = rd[i]
                if lo[i] > -math.inf and not fixed[i]:
                    s += (sigma_mu - (dy[i] * dzl[i] if phase else 0.0)) / sl[i] - zl[i]
                if hi[i] < math.inf and not fixed[i]:
                    s -= (sigma_mu + (dy[i] * dzu[i] if phase else 0.0)) / su[i] - zu[i]
                shift[i] = s
                cost[i] = weight[i] * s
            gather(p, slope, cost, dlam, dnu)
            for v in range(n):
                dlam[v] -= rp[v]
            for r in range(rows):
                dnu[r] -= rr[r]
            solve_bordered(pattern, l_values, d, border, dense, against, dlam, dnu)
            times_prices(p, slope, dlam, dnu, cost)
            longest, after = 1.0, 0.0
            for i in range(total):
                if fixed[i]:
                    continue
                move = weight[i] * (shift[i] - cost[i])
                if lo[i] > -math.inf:
                    c = sigma_mu - (dy[i] * dzl[i] if phase else 0.0)
                    dzl[i] = (c - zl[i] * move) / sl[i] - zl[i]
                    longest = reach(sl[i], move, zl[i], dzl[i], longest)
                if hi[i] < math.inf:
                    c = sigma_mu + (dy[i] * dzu[i] if phase else 0.0)
                    dzu[i] = (c + zu[i] * move) / su[i] - zu[i]
                    longest = reach(su[i], -move, zu[i], dzu[i], longest)
                dy[i] = move
            if phase == 0:
                for i in range(total):
                    if lo[i] > -math.inf and not fixed[i]:
                        after += (sl[i] + longest * dy[i]) * (zl[i] + longest * dzl[i])
                    if hi[i] < math.inf and not fixed[i]:
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
                zl[i] = max(zl[i] + alpha * dzl[i], 1e-300)
                sl[i] = max(sl[i] + alpha * dy[i], LEAST_SLACK)
            if hi[i] < math.inf:
                zu[i] = max(zu[i] + alpha * dzu[i], 1e-300)
                su[i] = max(su[i] - alpha * dy[i], LEAST_SLACK)
        for v in range(n):
            lam[v] += alpha * dlam[v]
        for r in range(rows):
            nu[r] += alpha * dnu[r]
    return Point(best_y, best_lam[place], best_nu, side, step, best)
