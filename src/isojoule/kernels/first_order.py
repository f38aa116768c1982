"""Accelerated first-order steps on flows, for graphs whose nodes all have a falling curve.

At every node one curve takes what is left over, so prices follow from the flows, and welfare is a
smooth concave function of the flows (and of what other pieces receive), within their bounds. Each
flow climbs by its profit over a bound on the curvature,

    f + (gain * lam_head - lam_tail - price) / (h_tail * deg_tail + gain * h_head * deg_head),

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
WORSE = 100.0
"""A gap that grows to so many times the least one tells that both ways of links count."""
LEAST_T = 1e-12


@inline
def _curvature(b: float, c1: float, k: float, t: float) -> float:
    """Slope of b*t**k over the energy, without sign."""
    t = max(t, LEAST_T)
    return b * c1 if k == 1.0 else b * c1 * k * t ** (k - 1.0)


@kernel
def first_order(program: Program, main: Ints, back: Ints, reach: float, share: float,
                least: float, calm: float, most: int) -> Reached:  # fmt: skip
    """Solve the program, or come as near as `most` steps lead.

    Parameters
    ----------
    program
        In units in which typical energies and prices are near 1; no pattern is used.
    main
        (nodes,) the piece of each node that takes what is left over, with b, c1 > 0; -1 at nodes
        where nothing can happen.
    back
        (links,) arcs begin with one for each link; this is the arc the other way, or -1.
    reach, share, least, calm, most
        As in `isojoule.kernels.primal_dual.primal_dual`; `calm` bounds what a step changes.

    Returns
    -------
    Where it stands. `off` is more than asked for if walls are in the way.
    """
    n = program.inject.size
    pieces = program.lo.size
    links = back.size
    total = pieces + program.arc_lo.size
    lo = np.concatenate((program.lo, program.arc_lo))
    hi = np.concatenate((program.hi, program.arc_hi))
    for v in range(n):
        if main[v] >= 0:
            lo[main[v]] = hi[main[v]] = 0.0  # it follows from the others
    z = np.minimum(np.maximum(np.zeros(total), lo), hi)
    y = z.copy()
    others = np.flatnonzero(hi[:pieces] > lo[:pieces])
    tail = program.arc_tail[:links].astype(np.int32)
    head = program.arc_head[:links].astype(np.int32)
    bent = np.any(program.loss_per_j > 0.0)
    bound = np.zeros(n)
    lam = np.zeros(n)
    over = np.zeros(n)
    degree = np.zeros(n)
    rate = np.zeros(total)
    for v in range(n):
        m = main[v]
        if m >= 0:
            bound[v] = ROOM * _curvature(program.b[m], program.c1[m], program.k[m], program.c0[m])
            if program.k[m] == 1.0:
                bound[v] = program.b[m] * program.c1[m]
    x_out, f_out = z[:pieces].copy(), z[pieces:].copy()
    welfare, gap, off = 0.0, math.inf, math.inf
    error = math.inf
    lowest = math.inf
    ways = 1.0  # of a link count in bounds on the curvature; hardly ever are both in use
    momentum = 1.0
    drop = False
    changed = True
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
            x = min(max(over[v], program.lo[m]), program.hi[m])
            t = program.c0[m] - c1 * x
            if k == 1.0:
                lam[v] = a + b * t - bound[v] * (over[v] - x)
                continue
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
        if loose:
            loosened += 1
        if changed or raised or loose:
            _rates(program, others, back, bound, ways, lo, hi, degree, rate)
            changed = False
        if drop or raised:
            momentum = 1.0
        after = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
        beta = (momentum - 1.0) / after
        momentum = after
        look = done % CHECK_EVERY == 0

        over[:] = program.inject
        uphill = 0.0
        error = 0.0
        for i in others:
            v = program.piece_node[i]
            b, k = program.b[i], program.k[i]
            profit = program.a[i] - lam[v]
            step = rate[i]
            if b > 0.0:
                t = max(program.c0[i] - program.c1[i] * min(max(y[i], lo[i]), hi[i]), LEAST_T)
                profit += b * t if k == 1.0 else b * t**k
                step /= 1.0 + step * _curvature(b, program.c1[i], k, t)
            new = min(max(y[i] + profit * step, lo[i]), hi[i])
            moved = new - z[i]
            uphill += profit * moved
            error = max(error, abs(moved))
            z[i] = new
            y[i] = new + beta * moved
            over[v] -= y[i]
        for e in range(links):
            here, there = lam[tail[e]], lam[head[e]]
            one = other = 0.0  # what comes to the tail, and to the head
            for way in range(2):
                arc = e if way == 0 else int(back[e])
                if arc < 0:
                    break
                at = pieces + arc
                gain, r = program.gain[arc], 0.0
                step = rate[at]
                profit = gain * there - here - program.price[arc]
                if bent:
                    r = program.loss_per_j[arc]
                    profit -= 2.0 * r * y[at] * there
                    step /= 1.0 + step * 2.0 * r * max(there, 0.0)
                new = min(max(y[at] + profit * step, lo[at]), hi[at])
                moved = new - z[at]
                uphill += profit * moved
                if look and not abs(moved) <= error:  # a nan must not pass
                    error = abs(moved)
                z[at] = new
                ahead = new + beta * moved
                y[at] = ahead
                if way == 0:
                    one -= ahead
                    other += (gain - r * ahead) * ahead
                else:
                    one += (gain - r * ahead) * ahead
                    other -= ahead
                here, there = there, here
            over[tail[e]] += one
            over[head[e]] += other
        drop = uphill < 0.0
        if look:
            welfare, gap, off = _look(program, main, z, pieces, reach, x_out, f_out, lam)
            goal = max(share * abs(welfare), least)
            if not math.isfinite(gap + off) or (gap <= goal and off <= goal and error <= calm):
                break
            # straight on beyond a wall: nothing moves any more, and it does not balance
            closed = closed + 1 if off > goal and error <= max(calm, 1e-3 * off) else 0
            if closed >= 3:
                break
            lowest = min(lowest, gap)
            if ways == 1.0 and gap > WORSE * lowest and gap > goal:
                ways = 2.0
                changed = True
    return Reached(x_out, f_out, lam, done, welfare, gap, off, error)


@kernel
def _rates(program: Program, others: Ints, back: Ints, bound: Floats, ways: float, lo: Floats,
           hi: Floats, degree: Floats, rate: Floats) -> None:  # fmt: skip
    """Fill `rate`: how far each piece and arc moves for each unit of its profit."""
    pieces = program.lo.size
    degree[:] = 0.0
    for i in others:
        degree[program.piece_node[i]] += 1.0
    for e in range(back.size):
        tail, head, gain = program.arc_tail[e], program.arc_head[e], program.gain[e]
        if back[e] < 0:
            degree[tail] += 1.0
            degree[head] += gain
        else:
            degree[tail] += ways
            degree[head] += ways
    for i in range(rate.size):
        if not hi[i] > lo[i]:
            continue
        if i < pieces:
            v = program.piece_node[i]
            rate[i] = 1.0 / (bound[v] * degree[v])
        else:
            e = i - pieces
            tail, head = program.arc_tail[e], program.arc_head[e]
            rate[i] = 1.0 / (
                bound[tail] * degree[tail] + program.gain[e] * bound[head] * degree[head]
            )


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
