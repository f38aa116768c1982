"""Optima without one party each, from the optimum of all: only who stands inside its bounds moves.

At an optimum all variables but few stand at a bound. Given which, optimality is a system of
equations, solved by Newton's method: those inside have the marginal worth that prices ask for,
nodes balance, rows that bind stand at their limit. Two ways:

- with the one matrix of the optimum of all: everybody else stays, inside or at a bound;
- else the party is taken out little by little, each time up to where the first variable comes to a
  bound, or would rather leave one; there the matrix is made anew (a parametric active set method:
  Ferreau, Bock, Diehl 2008, Int. J. Robust Nonlinear Control 18:816,
  https://doi.org/10.1002/rnc.1251). Where curves bend, the way is not straight: at its end what is
  outside is put at its bound, and what would rather leave is let go, all at once (Hintermueller,
  Ito, Kunisch 2002, SIAM J. Optim. 13:865, https://doi.org/10.1137/S1052623401383558).

Nothing here is proved: see `isojoule.kernels.weigh`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import Bordered, in_order
from isojoule.kernels.bordered import Point
from isojoule.kernels.compile import kernel
from isojoule.kernels.ldl import Pattern
from isojoule.kernels.sides import (
    CLOSED,
    INSIDE,
    Factors,
    State,
    Work,
    factor_at,
    go,
    look,
    no_factors,
    no_work,
    settle,
    step_from,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SOFT = 1e-7
"""Curvature of flat pieces in the matrix beside their own, for a room of 1."""
ROOM = 1e3
"""What is taken for room at most, and its inverse at least, scaled."""
STIFF = (1e-6, 1e-9)
"""On the second way what stands at a bound gives way by so much per unit of price: first and last.
"""
BREAKS = 60
"""Most breaks on the second way,"""
GUESSES = 4
"""and most matrices at its end."""


@kernel
def _follow(
    p: Bordered, pattern: Pattern, s: State, w: Work, soft: Floats, stiff: float, f: Factors
) -> bool:
    """The second way: whether it came to the end.

    With the closed pieces empty, nodes and rows lack what these had, and each step mends a share.
    """
    for _ in range(BREAKS):
        look(p, s, w)
        factor_at(p, pattern, s, w, soft, stiff, f)
        step_from(p, pattern, s, w, f)
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
        go(s, w, share)
        if first < 0:
            return True
        if s.side[first] == INSIDE:
            s.side[first] = -1 if w.dy[first] < 0.0 else 1
            s.y[first] = p.lo[first] if w.dy[first] < 0.0 else p.hi[first]
        else:
            s.side[first] = INSIDE
    return False


@kernel
def _softened(p: Bordered, s: State) -> Floats:
    """Put the optimum exactly to its bounds; curvatures that the matrix has beside its own."""
    soft = np.zeros(s.y.size)
    for i in range(s.y.size):
        if not p.hi[i] - p.lo[i] > 1e-12:
            s.side[i] = CLOSED
        room = 1.0
        if s.side[i] == INSIDE:
            room = min(s.y[i] - p.lo[i], p.hi[i] - s.y[i])
        else:
            s.y[i] = p.hi[i] if s.side[i] == 1 else p.lo[i]
        soft[i] = SOFT / min(max(room, 1.0 / ROOM), ROOM)
    return soft


@kernel
def _closed(whole: State, mine: Bools) -> State:
    """The optimum, with some pieces closed and empty."""
    s = State(whole.y.copy(), whole.lam.copy(), whole.nu.copy(), whole.side.copy())
    for i in np.flatnonzero(mine):
        s.side[i], s.y[i] = CLOSED, 0.0
    return s


@kernel
def without_each(
    program: Bordered, pattern: Pattern, start: Point, owner: Ints, who: Ints
) -> tuple[Floats, Floats, Floats, Bools]:
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
    p = in_order(program, pattern)
    pieces, n, rows = p.a.size, p.inject.size, p.rows.shape[0]
    count, points = p.rows.shape[1], who.size
    ys, nodes, rows_ = np.zeros((points, count)), np.zeros((points, n)), np.zeros((points, rows))
    rests = np.zeros(points, np.bool_)
    whole = State(start.y.copy(), start.node[pattern.order], start.row.copy(), start.side.copy())
    soft = _softened(p, whole)
    largest = max(1.0, np.max(np.abs(np.where(whole.side == INSIDE, whole.y, 0.0))))
    dearest = max(1.0, np.max(np.abs(whole.lam)))
    w = no_work(p)
    first, f = no_factors(p, pattern), no_factors(p, pattern)
    look(p, whole, w)
    factor_at(p, pattern, whole, w, soft, 0.0, first)
    for j in range(points):
        mine = owner == who[j]
        s = _closed(whole, mine)
        same = not np.any(mine & (whole.side[:pieces] == INSIDE))
        rests[j] = settle(p, pattern, s, w, soft, first, same, 0, largest, dearest)
        end = _closed(whole, mine)
        for stiff in STIFF:
            if rests[j] or not _follow(p, pattern, end, w, soft, stiff, f):
                break
            s = State(end.y.copy(), end.lam.copy(), end.nu.copy(), end.side.copy())
            rests[j] = settle(p, pattern, s, w, soft, f, False, GUESSES, largest, dearest)
        for i in range(count):
            ys[j, i] = min(max(s.y[i], p.lo[i]), p.hi[i])
        nodes[j] = s.lam[pattern.place]
        for r in range(rows):
            nu = s.nu[r] if s.side[count + r] != INSIDE else 0.0
            least = -math.inf if p.lo[count + r] > -math.inf else 0.0  # where there is no limit
            most = math.inf if p.hi[count + r] < math.inf else 0.0
            rows_[j, r] = min(max(nu, least), most)
    return ys, nodes, rows_, rests
