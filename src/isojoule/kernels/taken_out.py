"""Optima without one party each, from the optimum of all: only who stands inside its bounds moves.

At an optimum all variables but few stand at a bound. Given which, optimality is a system of
equations, solved by Newton's method: those inside have the marginal worth that prices ask for,
nodes balance, rows that bind stand at their limit. Three ways, each where the one before does not
come to rest:

- with the one matrix of the optimum of all: everybody else stays, inside or at a bound;
- what has left its bounds is put there, what would rather leave its bound is let go, all at once,
  and the matrix is made anew (a primal-dual active set method: Hintermueller, Ito, Kunisch 2002,
  SIAM J. Optim. 13:865, https://doi.org/10.1137/S1052623401383558);
- the party is taken out little by little, up to where the first variable comes to or leaves a bound
  (a parametric active set method: Ferreau, Bock, Diehl 2008, Int. J. Robust Nonlinear Control
  18:816, https://doi.org/10.1002/rnc.1251).

Nothing here is proved: see `isojoule.kernels.weigh`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import Bordered, eliminate, gather, solve_bordered, times_prices
from isojoule.kernels.bordered import Point
from isojoule.kernels.compile import kernel
from isojoule.kernels.ldl import Pattern

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Sides = NDArray[np.int8]

STEPS = 8
"""Most steps of Newton's method with one matrix."""
STILL = 1e-15
"""What lacks is this small, of the largest quantity and price: no further step;"""
SMALL = 1e-12
"""and this small, it has come to rest."""
OUT = 1e-12
"""What is outside by more than this, of the largest quantity or price, is outside."""
SOFT = 1e-7
"""Curvature of flat pieces in the matrix beside their own, for a room of 1."""
ROOM = 1e3
"""What is taken for room at most, and its inverse at least, scaled."""
STIFF = 1e-6
"""On the third way what stands at a bound gives way by so much per unit of price."""
INSIDE, CLOSED = 0, 2
"""Sides of a variable, beside -1 and 1: between its bounds, and with no room."""
GUESSES = 4
"""Most matrices of the second way."""
BREAKS = 60
"""Most breaks on the third."""


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

    `gain` is what a unit more of each variable is worth beyond its cost, `bend` how fast that falls;
    `rp` and `rr` are what nodes and rows lack; `dy`, `dlam`, `dnu` the step.
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
def _look(p: Bordered, s: State, w: Work) -> None:
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
def _factor(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, stiff: float, f: Factors
) -> None:
    """Factor the matrix of a point that was looked at.

    What stands at a bound gives way by `stiff` per unit of price, as if it were held by a spring.
    """
    for i in range(f.weight.size):
        inside = 1.0 / (w.bend[i] + max(soft[i], stiff))
        f.weight[i] = inside if s.side[i] == INSIDE else (stiff if s.side[i] != CLOSED else 0.0)
    eliminate(p, pattern, w.slope, f.weight, f.l_values, f.d, f.against, f.border, f.dense)


@kernel
def _step(p: Bordered, pattern: Pattern, s: State, w: Work, f: Factors) -> None:
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
def _go(s: State, w: Work, share: float) -> None:
    for i in range(s.y.size):
        s.y[i] += share * w.dy[i]
    for v in range(s.lam.size):
        s.lam[v] += share * w.dlam[v]
    for r in range(s.nu.size):
        s.nu[r] += share * w.dnu[r]


@kernel
def _switch(p: Bordered, s: State, w: Work, largest: float, dearest: float) -> bool:
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
def _lacks(s: State, w: Work, largest: float, dearest: float) -> float:
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
def _settle(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, f: Factors, made: bool,
    guesses: int, largest: float, dearest: float,
) -> bool:  # fmt: skip
    """The first way, where the matrix is made, and the second; whether it came to rest."""
    _look(p, s, w)
    for turn in range(guesses + 1):
        if turn == 0 and not made:
            continue
        if turn > 0:
            _factor(p, pattern, s, w, soft, 0.0, f)
        worst = math.inf
        for _ in range(STEPS):
            _step(p, pattern, s, w, f)
            _go(s, w, 1.0)
            _look(p, s, w)
            worst = _lacks(s, w, largest, dearest)
            if worst <= STILL or not worst < math.inf:
                break
        if not worst < math.inf:
            return False
        if not _switch(p, s, w, largest, dearest):
            return worst <= SMALL
        _look(p, s, w)
    return False


@kernel
def _follow(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, f: Factors
) -> bool:
    """The third way: whether it came to the end.

    With the closed pieces empty, nodes and rows lack what these had, and each step mends a share.
    """
    for _ in range(BREAKS):
        _look(p, s, w)
        _factor(p, pattern, s, w, soft, STIFF, f)
        _step(p, pattern, s, w, f)
        share, first = 1.0, -1
        for i in range(s.y.size):
            far = math.inf
            if s.side[i] == INSIDE:
                if w.dy[i] < 0.0:
                    far = (p.lo[i] - s.y[i]) / w.dy[i]
                elif w.dy[i] > 0.0:
                    far = (p.hi[i] - s.y[i]) / w.dy[i]
            elif s.side[i] != CLOSED and w.cost[i] * s.side[i] > 0.0:
                far = w.gain[i] / w.cost[i]
            if far < share:
                share, first = max(far, 0.0), i
        _go(s, w, share)
        if first < 0:
            return True
        if s.side[first] == INSIDE:
            s.side[first] = -1 if w.dy[first] < 0.0 else 1
            s.y[first] = p.lo[first] if w.dy[first] < 0.0 else p.hi[first]
        else:
            s.side[first] = INSIDE
    return False


@kernel
def without_each(
    program: Bordered, pattern: Pattern, start: Point, owner: Ints, who: Ints
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Points without the pieces of some parties, one after the other.

    Parameters
    ----------
    program, pattern, start
        The program of all, and its optimum.
    owner, who
        The party of each piece, and whose pieces are closed.

    Returns
    -------
    y, node, row
        Shapes (points, P + A), (points, n), (points, R).
    rests
        Whether it came to rest, shape (points,).
    """
    place, order = pattern.place, pattern.order
    p = Bordered(
        place[program.piece_node], program.a, program.b, program.c0, program.c1, program.k,
        place[program.arc_tail], place[program.arc_head], program.arc_slot, program.gain,
        program.loss, program.price, program.inject[order], program.rows, program.lo, program.hi,
    )  # fmt: skip
    pieces, arcs, n, rows = p.a.size, p.gain.size, p.inject.size, p.rows.shape[0]
    count, total, points = pieces + arcs, pieces + arcs + rows, who.size
    ys, nodes, rows_ = np.zeros((points, count)), np.zeros((points, n)), np.zeros((points, rows))
    rests = np.zeros(points, np.bool_)
    base, at, soft = start.y.copy(), start.side.copy(), np.zeros(total)
    largest, dearest = 1.0, 1.0
    for i in range(total):
        width = p.hi[i] - p.lo[i]
        if not width > 1e-12:
            at[i] = CLOSED
        if at[i] != INSIDE:
            base[i] = p.hi[i] if at[i] == 1 else p.lo[i]
        room = min(base[i] - p.lo[i], p.hi[i] - base[i]) if at[i] == INSIDE else 1.0
        soft[i] = SOFT / min(max(room, 1.0 / ROOM), ROOM)
        if at[i] == INSIDE:
            largest = max(largest, abs(base[i]))
    for v in range(n):
        dearest = max(dearest, abs(start.node[v]))
    w = Work(
        np.ones(arcs), np.zeros(total), np.zeros(total), np.zeros(total), np.zeros(n),
        np.zeros(rows), np.zeros(total), np.zeros(n), np.zeros(rows),
    )  # fmt: skip
    entries = pattern.l_rows.size
    first = Factors(
        np.zeros(total), np.zeros(entries), np.ones(n), np.zeros((rows, n)), np.zeros((rows, n)),
        np.zeros((rows, rows)),
    )  # fmt: skip
    f = Factors(
        np.zeros(total), np.zeros(entries), np.ones(n), np.zeros((rows, n)), np.zeros((rows, n)),
        np.zeros((rows, rows)),
    )  # fmt: skip
    whole = State(base, start.node[order], start.row.copy(), at)
    _look(p, whole, w)
    _factor(p, pattern, whole, w, soft, 0.0, first)
    for j in range(points):
        s = State(base.copy(), whole.lam.copy(), whole.nu.copy(), at.copy())
        shared = True
        for i in range(pieces):
            if owner[i] == who[j]:
                shared = shared and s.side[i] != INSIDE
                s.side[i], s.y[i] = CLOSED, 0.0
        rests[j] = _settle(p, pattern, s, w, soft, first, shared, 0, largest, dearest)
        if not rests[j]:
            rests[j] = _settle(p, pattern, s, w, soft, f, False, GUESSES, largest, dearest)
        if not rests[j]:
            s.y[:], s.lam[:], s.nu[:], s.side[:] = base, whole.lam, whole.nu, at
            for i in range(pieces):
                if owner[i] == who[j]:
                    s.side[i], s.y[i] = CLOSED, 0.0
            if _follow(p, pattern, s, w, soft, f):
                rests[j] = _settle(p, pattern, s, w, soft, f, False, GUESSES, largest, dearest)
        for i in range(count):
            ys[j, i] = min(max(s.y[i], p.lo[i]), p.hi[i])
        nodes[j] = s.lam[place]
        for r in range(rows):
            nu = s.nu[r] if s.side[count + r] != INSIDE else 0.0
            least = -math.inf if p.lo[count + r] > -math.inf else 0.0  # where there is no limit
            most = math.inf if p.hi[count + r] < math.inf else 0.0
            rows_[j, r] = min(max(nu, least), most)
    return ys, nodes, rows_, rests
