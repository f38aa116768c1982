"""Newton's method on a bordered program, given which variables stand at which of their bounds.

Those inside have the marginal worth that prices ask for, nodes balance, rows that bind stand at
their limit: that many equations as unknowns. See `isojoule.kernels.taken_out`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import Bordered, eliminate, gather, solve_bordered, times_prices
from isojoule.kernels.compile import kernel
from isojoule.kernels.ldl import Pattern

Floats = NDArray[np.float64]
Sides = NDArray[np.int8]

STEPS = 8
"""Most steps of Newton's method with one matrix."""
STILL = 1e-15
"""What lacks is this small, of the largest quantity and price: no further step;"""
SMALL = 1e-12
"""and this small, it has come to rest."""
SOFT = 1e-6
"""Least curvature of what is inside, in a matrix with springs."""
OUT = 1e-12
"""What is outside by more than this, of the largest quantity or price, is outside."""
INSIDE, CLOSED = 0, 2
"""Sides of a variable, beside -1 and 1: between its bounds, and with no room."""


class State(NamedTuple):
    """Variables (P + A + R,), prices of nodes and rows, sides; all changed in place."""

    y: Floats
    lam: Floats
    nu: Floats
    side: Sides


class Factors(NamedTuple):
    """A factored matrix, as `isojoule.kernels.border.eliminate` leaves it, and its weights."""

    weight: Floats
    l_values: Floats
    d: Floats
    against: Floats
    border: Floats
    dense: Floats


class Work(NamedTuple):
    """What lacks at a point, and the step that would mend it.

    `gain` is what a unit more of each variable is worth beyond its cost, `bend` how fast that
    falls; `rp` and `rr` are what nodes and rows lack; `dy`, `dlam`, `dnu` the step.
    """

    slope: Floats
    gain: Floats
    bend: Floats
    cost: Floats
    rp: Floats
    rr: Floats
    dy: Floats
    dlam: Floats
    dnu: Floats


@kernel
def look(p: Bordered, s: State, w: Work) -> None:
    """What lacks at a point."""
    pieces, arcs = p.a.size, p.gain.size
    for e in range(arcs):
        w.slope[e] = p.gain[e] - 2.0 * p.loss[e] * s.y[pieces + e]
    times_prices(p, w.slope, s.lam, s.nu, w.cost)
    for i in range(w.gain.size):
        worth, w.bend[i] = 0.0, 0.0
        if i < pieces:
            worth = p.a[i]
            if p.b[i] > 0.0:
                t = max(p.c0[i] - p.c1[i] * s.y[i], 1e-300)
                power = t if p.k[i] == 1.0 else t ** p.k[i]
                worth += p.b[i] * power
                w.bend[i] = min(p.b[i] * p.c1[i] * p.k[i] * power / t, 1e30)
        elif i < pieces + arcs:
            worth = -p.price[i - pieces]
            w.bend[i] = 2.0 * p.loss[i - pieces] * max(s.lam[p.arc_head[i - pieces]], 0.0)
        w.gain[i] = worth - w.cost[i]
    gather(p, w.slope, s.y, w.rp, w.rr)
    for v in range(s.lam.size):
        w.rp[v] = p.inject[v] - w.rp[v]
    for e in range(arcs):  # what `slope` counts too little of a loss
        w.rp[p.arc_head[e]] += p.loss[e] * s.y[pieces + e] ** 2
    for r in range(s.nu.size):
        w.rr[r] = -w.rr[r]


@kernel
def factor_at(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, stiff: float, f: Factors
) -> None:
    """Factor the matrix of a point that was looked at.

    At a bound one piece of each node, and each row, give way by `stiff` per unit of price, as if
    they were held by springs.
    """
    count, held = p.rows.shape[1], np.zeros(p.inject.size, np.bool_)
    for i in range(f.weight.size):
        f.weight[i] = 0.0
        if s.side[i] == INSIDE:
            f.weight[i] = 1.0 / (w.bend[i] + max(soft[i], SOFT if stiff > 0.0 else 0.0))
        elif stiff > 0.0 and s.side[i] != CLOSED:
            if i >= count:
                f.weight[i] = stiff
            elif i < p.a.size and not held[p.piece_node[i]]:
                f.weight[i], held[p.piece_node[i]] = stiff, True
    eliminate(p, pattern, w.slope, f.weight, f.l_values, f.d, f.against, f.border, f.dense)


@kernel
def step_from(p: Bordered, pattern: Pattern, s: State, w: Work, f: Factors) -> None:
    """The step from a point that was looked at."""
    total = w.gain.size
    for i in range(total):
        w.dy[i] = w.gain[i] if s.side[i] == INSIDE else 0.0
        w.cost[i] = f.weight[i] * w.dy[i]
    gather(p, w.slope, w.cost, w.dlam, w.dnu)
    for v in range(s.lam.size):
        w.dlam[v] -= w.rp[v]
    for r in range(s.nu.size):
        w.dnu[r] -= w.rr[r]
    solve_bordered(pattern, f.l_values, f.d, f.border, f.dense, f.against, w.dlam, w.dnu)
    times_prices(p, w.slope, w.dlam, w.dnu, w.cost)
    for i in range(total):
        w.dy[i] = f.weight[i] * (w.dy[i] - w.cost[i]) if s.side[i] == INSIDE else 0.0


@kernel
def go(s: State, w: Work, share: float) -> None:
    """Go a share of the step."""
    for i in range(s.y.size):
        s.y[i] += share * w.dy[i]
    for v in range(s.lam.size):
        s.lam[v] += share * w.dlam[v]
    for r in range(s.nu.size):
        s.nu[r] += share * w.dnu[r]


@kernel
def switch(p: Bordered, s: State, w: Work, largest: float, dearest: float) -> bool:
    """Put what is outside at its bound, and let go what would rather leave it; whether any did."""
    changed = False
    for i in range(s.y.size):
        if s.side[i] == INSIDE:
            if s.y[i] < p.lo[i] - OUT * largest:
                s.side[i], s.y[i], changed = -1, p.lo[i], True
            elif s.y[i] > p.hi[i] + OUT * largest:
                s.side[i], s.y[i], changed = 1, p.hi[i], True
        elif s.side[i] != CLOSED and w.gain[i] * s.side[i] < -OUT * dearest:
            s.side[i], changed = INSIDE, True
    return changed


@kernel
def lacks(s: State, w: Work, largest: float, dearest: float) -> float:
    """The most that lacks at a point that was looked at, of the largest quantity and price."""
    worst = 0.0
    for i in range(s.y.size):
        if s.side[i] == INSIDE and not abs(w.gain[i]) <= worst * dearest:
            worst = abs(w.gain[i]) / dearest
    for v in range(s.lam.size):
        if not abs(w.rp[v]) <= worst * largest:
            worst = abs(w.rp[v]) / largest
    for r in range(s.nu.size):
        if not abs(w.rr[r]) <= worst * largest:
            worst = abs(w.rr[r]) / largest
    return worst


@kernel
def settle(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, f: Factors, made: bool,
    guesses: int, largest: float, dearest: float,
) -> bool:  # fmt: skip
    """Newton's method with a matrix that is made already, or as sides tell; whether it rests."""
    look(p, s, w)
    for turn in range(guesses + 1):
        if turn == 0 and not made:
            continue
        if turn > 0:
            factor_at(p, pattern, s, w, soft, 0.0, f)
        worst, before = math.inf, math.inf
        for _ in range(STEPS):
            step_from(p, pattern, s, w, f)
            go(s, w, 1.0)
            look(p, s, w)
            worst = lacks(s, w, largest, dearest)
            if worst <= STILL or not worst < 0.5 * before:
                break
            before = worst
        if not worst < math.inf:
            return False
        if not switch(p, s, w, largest, dearest):
            return worst <= SMALL
        look(p, s, w)
    return False


@kernel
def no_work(p: Bordered) -> Work:
    """Room for what is looked at."""
    arcs, n, rows = p.gain.size, p.inject.size, p.rows.shape[0]
    total = p.a.size + arcs + rows
    return Work(
        np.ones(arcs), np.zeros(total), np.zeros(total), np.zeros(total), np.zeros(n),
        np.zeros(rows), np.zeros(total), np.zeros(n), np.zeros(rows),
    )  # fmt: skip


@kernel
def no_factors(p: Bordered, pattern: Pattern) -> Factors:
    """Room for a matrix."""
    n, rows = p.inject.size, p.rows.shape[0]
    return Factors(
        np.zeros(p.a.size + p.gain.size + rows), np.zeros(pattern.l_rows.size), np.ones(n),
        np.zeros((rows, n)), np.zeros((rows, n)), np.zeros((rows, rows)),
    )  # fmt: skip
