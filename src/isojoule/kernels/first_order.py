"""Accelerated first-order steps on flows, for graphs whose nodes all have a falling curve.

At every node one curve takes what is left over, so prices follow from the flows, and welfare is a
smooth concave function of the flows (and of what other pieces receive), within their bounds. Each
flow climbs by its profit over a bound on the curvature,

    f + (slope * lam_head - lam_tail - price) / (h_tail * deg_tail + slope * h_head * deg_head),

is clipped, and carried on by its momentum, which is dropped where it points downhill (Beck,
Teboulle 2009, doi 10.1137/080716542; O'Donoghue, Candes 2015, doi 10.1007/s10208-013-9150-3).
Beyond a bound a curve goes on straight. Where it ends there, the bound was a wall, and the point is
not the optimum: the imbalance that is left says so.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.interior_point import Program
from isojoule.kernels.primal_dual import Reached, gap_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHECK_EVERY = 20
"""Steps between two looks at the gap."""
ROOM = 2.0
"""A bound on a curvature that was too small is set to so many times what was seen,"""
LEAP = 8.0
"""but to no more than so many times what it was: one step too far must not stop all others."""
MOST_LOOSENED = 60
"""So often bounds that became too wide are lowered when the momentum is dropped. After that they
only rise, so that steps cannot go to and fro for ever."""
LEAST_T = 1e-12


@inline
def _curvature(b: float, c1: float, k: float, t: float) -> float:
    """Slope of b*t**k over the energy, without sign."""
    t = max(t, LEAST_T)
    return b * c1 if k == 1.0 else b * c1 * k * t ** (k - 1.0)


@kernel
def first_order(program: Program, main: Ints, reach: float, share: float, least: float,
                calm: float, most: int) -> Reached:  # fmt: skip
    """Solve the program, or come as near as `most` steps lead.

    Parameters
    ----------
    program
        In units in which typical energies and prices are near 1; no pattern is used.
    main
        (nodes,) the piece of each node that takes what is left over, with b, c1 > 0; -1 at nodes
        where nothing can happen.
    reach, share, least, calm, most
        As in `isojoule.kernels.primal_dual.primal_dual`; `calm` bounds what a step changes.

    Returns
    -------
    Where it stands. `off` is more than asked for if walls are in the way.
    """
    n = program.inject.size
    pieces = program.lo.size
    arcs = program.arc_lo.size
    total = pieces + arcs
    lo = np.concatenate((program.lo, program.arc_lo))
    hi = np.concatenate((program.hi, program.arc_hi))
    free = hi > lo
    z = np.zeros(total)
    degree = np.zeros(n)
    for i in range(total):
        z[i] = min(max(0.0, lo[i]), hi[i])
    for v in range(n):
        if main[v] >= 0:
            free[main[v]] = False
            z[main[v]] = 0.0
    for i in range(pieces):
        if free[i]:
            degree[program.piece_node[i]] += 1.0
    for e in range(arcs):
        if free[pieces + e]:
            degree[program.arc_tail[e]] += 1.0
            degree[program.arc_head[e]] += program.gain[e]
    y = z.copy()
    bound = np.zeros(n)
    lam = np.zeros(n)
    over = np.zeros(n)
    for v in range(n):
        m = main[v]
        if m >= 0:
            bound[v] = ROOM * _curvature(program.b[m], program.c1[m], program.k[m], program.c0[m])
            if program.k[m] == 1.0:
                bound[v] = program.b[m] * program.c1[m]
    x_out, f_out = z[:pieces].copy(), z[pieces:].copy()
    welfare, gap, off = 0.0, math.inf, math.inf
    error = math.inf
    momentum = 1.0
    drop = False
    loosened = 0
    closed = 0
    done = 0
    _leftover(program, y, pieces, over)
    while done < most:
        done += 1
        raised = loose = False
        for v in range(n):
            m = main[v]
            if m < 0:
                continue
            a, b, c1, k = program.a[m], program.b[m], program.c1[m], program.k[m]
            x = min(max(over[v], lo[m]), hi[m])
            t = program.c0[m] - c1 * x
            if k == 1.0:
                lam[v] = a + b * t - bound[v] * (over[v] - x)
            else:
                t = max(t, LEAST_T)
                power = b * t**k
                seen = c1 * k * power / t
                if seen > bound[v]:
                    bound[v] = min(ROOM * seen, LEAP * bound[v])
                    raised = True
                elif drop and loosened < MOST_LOOSENED and ROOM * LEAP * seen < bound[v]:
                    bound[v] = ROOM * LEAP * seen
                    loose = True
                lam[v] = a + power - bound[v] * (over[v] - x)
        if drop or raised:
            momentum = 1.0
        if loose:
            loosened += 1
        after = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
        beta = (momentum - 1.0) / after
        momentum = after
        over[:] = program.inject
        downhill = 0.0
        error = 0.0
        for i in range(pieces):
            if not free[i]:
                if main[program.piece_node[i]] != i:
                    over[program.piece_node[i]] -= z[i]
                continue
            v = program.piece_node[i]
            a, b, k = program.a[i], program.b[i], program.k[i]
            t = max(program.c0[i] - program.c1[i] * min(max(y[i], lo[i]), hi[i]), LEAST_T)
            curve = bound[v] * degree[v]
            worth = a
            if b > 0.0:
                worth += b * t if k == 1.0 else b * t**k
                curve += _curvature(b, program.c1[i], k, t)
            new = min(max(y[i] + (worth - lam[v]) / curve, lo[i]), hi[i])
            moved = new - z[i]
            downhill += (y[i] - new) * moved * curve
            error = max(error, abs(moved))
            z[i] = new
            y[i] = new + beta * moved
            over[v] -= y[i]
        for e in range(arcs):
            i = pieces + e
            if not free[i]:
                continue
            tail, head = program.arc_tail[e], program.arc_head[e]
            gain, r = program.gain[e], program.loss_per_j[e]
            here, there = lam[tail], lam[head]
            slope = gain - 2.0 * r * y[i]
            curve = bound[tail] * degree[tail] + gain * bound[head] * degree[head]
            curve += 2.0 * r * max(there, 0.0)
            new = y[i] + (slope * there - here - program.price[e]) / curve
            new = min(max(new, lo[i]), hi[i])
            moved = new - z[i]
            downhill += (y[i] - new) * moved * curve
            if not abs(moved) <= error:  # a nan must not pass
                error = abs(moved)
            z[i] = new
            ahead = new + beta * moved
            y[i] = ahead
            over[tail] -= ahead
            over[head] += (gain - r * ahead) * ahead
        drop = downhill > 0.0
        if done % CHECK_EVERY == 0 or error == 0.0:
            welfare, gap, off = _look(program, main, z, pieces, reach, x_out, f_out, lam)
            goal = max(share * abs(welfare), least)
            if not math.isfinite(gap + off) or (gap <= goal and off <= goal and error <= calm):
                break
            # straight on beyond a wall: nothing moves any more, and it does not balance
            closed = closed + 1 if off > goal and error <= max(calm, 1e-3 * off) else 0
            if closed >= 3:
                break
    return Reached(x_out, f_out, lam, done, welfare, gap, off, error)


@inline
def _leftover(program: Program, y: Floats, pieces: int, over: Floats) -> None:
    """What the main piece of each node has to take; y of the main pieces is 0."""
    over[:] = program.inject
    for i in range(pieces):
        over[program.piece_node[i]] -= y[i]
    for e in range(program.arc_lo.size):
        f = y[pieces + e]
        over[program.arc_tail[e]] -= f
        over[program.arc_head[e]] += (program.gain[e] - program.loss_per_j[e] * f) * f


@kernel
def _look(program: Program, main: Ints, z: Floats, pieces: int, reach: float, x: Floats,
          f: Floats, lam: Floats) -> tuple[float, float, float]:  # fmt: skip
    """Welfare, gap and imbalance at z; fills x, f and the prices of the nodes."""
    over = np.zeros(lam.size)
    _leftover(program, z, pieces, over)
    x[:] = z[:pieces]
    f[:] = z[pieces:]
    for v in range(lam.size):
        m = main[v]
        if m >= 0:
            x[m] = min(max(over[v], program.lo[m]), program.hi[m])
            over[v] -= x[m]
            t = max(program.c0[m] - program.c1[m] * x[m], 0.0)
            k = program.k[m]
            lam[v] = program.a[m] + program.b[m] * (t if k == 1.0 else t**k)
    return gap_of(program, x, f, lam, over, reach)
