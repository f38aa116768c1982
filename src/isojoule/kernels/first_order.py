"""Accelerated first-order steps on flows, for graphs whose nodes all have a falling curve.

At every node one curve takes what is left over, so prices follow from the flows, and welfare is a
concave function of the flows, one signed number a link, and of what other pieces receive. Losses
make a kink at 0: sent one way a Joule brings `gain * there - here - price`, sent back it spares
`there - gain * here + price`. Each flow climbs by that over a bound on the curvature,

    rate = 1 / (bend_tail * degree_tail + bend_head * degree_head),

stops at 0 in between and at its limits (a proximal step: Beck, Teboulle 2009, doi
10.1137/080716542), and is carried on by its momentum, which is dropped where it points downhill
(O'Donoghue, Candes 2015, doi 10.1007/s10208-013-9150-3).

Beyond a bound a curve goes on straight. Where it ends there, the bound was a wall, and the point is
not the optimum: the imbalance that is left says so.

A sweep reads and writes every link once (`isojoule.kernels.mesh`). Its sums are made run by run, in
the same order with one thread or two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.mesh import PARTS, Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROOM = 2.0
"""A bound on a curvature that was too small is set to so many times what was seen,"""
LEAP = 8.0
"""but to no more than so many times what it was: one step too far must not stop all others."""
LEAST_T = 1e-12
UPHILL, RAISED, LOOSE = range(3)
"""What a sweep tells, run by run: how far it went uphill, and whether bounds on curvature were
raised or lowered."""


class Mesh(NamedTuple):
    """A program on a graph, links in the order of sweeps, in units near 1.

    Attributes
    ----------
    tail, head, capacity, gain, price, loss_per_j
        Links; `price` and `loss_per_j` are empty if there are none. Capacities are finite.
    start, incident
        Links at each node: incident[start[v]:start[v + 1]].
    link_first, node_first
        Runs, see `isojoule.kernels.mesh.Layout`.
    straight
        Whether all main curves have k = 1. Then `top` - `fall` * balance is the price.
    top, fall
        Per node; price at no balance, and how it falls; both 0 where nothing can happen.
    main, piece_first
        Piece that takes what is left over at each node, -1 for none, and the other pieces of run p:
        others[piece_first[p]:piece_first[p + 1]].
    others, piece_node
        Other pieces that can move; node of every piece.
    lo, hi, a, b, c0, c1, k
        Pieces.
    inject
        Per node, given.
    """

    tail: Places
    head: Places
    capacity: Floats
    gain: Floats
    price: Floats
    loss_per_j: Floats
    start: Ints
    incident: Places
    link_first: Ints
    node_first: Ints
    straight: bool
    top: Floats
    fall: Floats
    main: Ints
    piece_first: Ints
    others: Ints
    piece_node: Ints
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    inject: Floats


class Steps(NamedTuple):
    """Where an iteration stands. Changed in place, but for `flow` and `flow_before`: see `sweep`.

    Attributes
    ----------
    x, x_before
        Other pieces now and a step before, (pieces,).
    over, lam
        What main pieces have to take, ahead by the momentum, and their price, (nodes,).
    bend
        Bound on the curvature at each node.
    rate, piece_rate
        How far each link and piece moves for each unit of its profit.
    told
        (PARTS + 1, 3), see `UPHILL`.
    """

    x: Floats
    x_before: Floats
    over: Floats
    lam: Floats
    bend: Floats
    rate: Floats
    piece_rate: Floats
    told: Floats


@inline
def curvature(b: float, c1: float, k: float, t: float) -> float:
    """Slope of b*t**k over the energy, without sign."""
    t = max(t, LEAST_T)
    return b * c1 if k == 1.0 else b * c1 * k * t ** (k - 1.0)


def begin(mesh: Mesh, flow: Floats, x: Floats) -> Steps:
    """Steps that begin at these flows and energies, without momentum."""
    nodes, pieces = mesh.main.size, mesh.lo.size
    energies = (x.copy(), x.copy()) if mesh.others.size else (x, x)  # none of them moves
    steps = Steps(  # made here, for large pages
        *energies, np.zeros(nodes), np.zeros(nodes), np.zeros(nodes),
        np.zeros(flow.size), np.zeros(pieces), np.zeros((PARTS + 1, 3)),
    )  # fmt: skip
    _first_bends(mesh, steps.bend)
    rates(mesh, steps)
    for p in range(PARTS + 1):
        rest_of(mesh, flow, x, p, steps.over)
    return steps


@kernel
def _first_bends(mesh: Mesh, bend: Floats) -> None:
    for v in range(bend.size):
        m = mesh.main[v]
        if m >= 0:
            bend[v] = mesh.b[m] * mesh.c1[m]
            if mesh.k[m] != 1.0:
                bend[v] = ROOM * curvature(mesh.b[m], mesh.c1[m], mesh.k[m], mesh.c0[m])


@kernel
def rates(mesh: Mesh, steps: Steps) -> None:
    """Fill the rates from the bounds on the curvature."""
    weight = np.zeros(mesh.main.size)
    for e in range(mesh.tail.size):
        weight[mesh.tail[e]] += 1.0
        weight[mesh.head[e]] += 1.0
    for i in mesh.others:
        weight[mesh.piece_node[i]] += 1.0
    for v in range(weight.size):
        weight[v] *= steps.bend[v]
    for e in range(mesh.tail.size):
        both = weight[mesh.tail[e]] + weight[mesh.head[e]]
        steps.rate[e] = 1.0 / both if both > 0.0 else 0.0
    for i in mesh.others:
        own = weight[mesh.piece_node[i]]
        steps.piece_rate[i] = 1.0 / own if own > 0.0 else 0.0


@kernel
def rest_of(mesh: Mesh, flow: Floats, x: Floats, part: int, rest: Floats) -> None:
    """What links and other pieces of one run leave at nodes; run `PARTS` comes last."""
    if part < PARTS:
        first, end = mesh.node_first[part], mesh.node_first[part + 1]
        rest[first:end] = mesh.inject[first:end]
        for p in range(mesh.piece_first[part], mesh.piece_first[part + 1]):
            i = mesh.others[p]
            rest[mesh.piece_node[i]] -= x[i]
    first, end = mesh.link_first[part], mesh.link_first[part + 1]
    tail, head = mesh.tail[first:end], mesh.head[first:end]
    gain, own = mesh.gain[first:end], flow[first:end]
    bent = mesh.loss_per_j.size > 0
    for e in range(own.size):
        there, back, g = max(own[e], 0.0), min(own[e], 0.0), gain[e]
        one, other = there + g * back, g * there + back
        if bent:
            r = mesh.loss_per_j[first + e]
            one += r * back * back
            other -= r * there * there
        rest[tail[e]] -= one
        rest[head[e]] += other


@kernel
def prices(mesh: Mesh, steps: Steps, part: int, lower: bool) -> None:
    """Fill the prices of one run where curves are bent, and reset its balance.

    `steps.told` says whether bounds on the curvature were raised, or, if they may be, lowered.
    """
    over, lam, bend = steps.over, steps.lam, steps.bend
    told = steps.told[part]
    told[RAISED] = told[LOOSE] = 0.0
    for v in range(mesh.node_first[part], mesh.node_first[part + 1]):
        m = mesh.main[v]
        if m < 0:
            over[v] = mesh.inject[v]
            continue
        a, b, c1, k = mesh.a[m], mesh.b[m], mesh.c1[m], mesh.k[m]
        x = min(max(over[v], mesh.lo[m]), mesh.hi[m])
        t = mesh.c0[m] - c1 * x
        if k == 1.0:
            lam[v] = a + b * t - bend[v] * (over[v] - x)
        else:
            t = max(t, LEAST_T)
            power = b * t**k
            seen = c1 * k * power / t
            if seen > bend[v]:
                bend[v] = min(ROOM * seen, LEAP * bend[v])
                told[RAISED] = 1.0
            elif lower and ROOM * LEAP * seen < bend[v]:
                bend[v] = ROOM * LEAP * seen
                told[LOOSE] = 1.0
            lam[v] = a + power - bend[v] * (over[v] - x)
        over[v] = mesh.inject[v]


@kernel
def sweep(mesh: Mesh, steps: Steps, flow: Floats, before: Floats, part: int, last: float,
          next_: float) -> None:  # fmt: skip
    """Step in one run: prices of its nodes, then its other pieces, then its links.

    Where curves are bent, `prices` comes before, in all runs.

    Run `PARTS` is that of the links between runs; it has no nodes and comes last.

    Parameters
    ----------
    flow, before
        Flows now, and a step before; the new ones are written into `before`.
    last, next_
        Momentum with which `steps.over` was made, and with which the next one is made.
    """
    told = steps.told[part]
    told[UPHILL] = 0.0
    if part < PARTS:
        first, end = mesh.node_first[part], mesh.node_first[part + 1]
        over, lam = steps.over[first:end], steps.lam[first:end]
        inject = mesh.inject[first:end]
        if mesh.straight:
            top, fall = mesh.top[first:end], mesh.fall[first:end]
            for v in range(over.size):
                lam[v] = top[v] - fall[v] * over[v]
                over[v] = inject[v]
        if mesh.piece_first[part + 1] > mesh.piece_first[part]:
            _pieces(mesh, steps, part, last, next_, told)
    first, end = mesh.link_first[part], mesh.link_first[part + 1]
    tail, head = mesh.tail[first:end], mesh.head[first:end]
    capacity, gain = mesh.capacity[first:end], mesh.gain[first:end]
    rate, now, old = steps.rate[first:end], flow[first:end], before[first:end]
    lam, over = steps.lam, steps.over
    uphill = 0.0
    if mesh.price.size == 0 and mesh.loss_per_j.size == 0:
        for e in range(tail.size):
            here, there, g, c, r = lam[tail[e]], lam[head[e]], gain[e], capacity[e], rate[e]
            was = now[e]
            y = was + last * (was - old[e])
            out, back = g * there - here, there - g * here
            new = min(max(y + r * out, 0.0), c) + max(min(y + r * back, 0.0), -c)
            moved = new - was
            uphill += (out if new + was > 0.0 else back) * moved
            old[e] = new
            ahead = new + next_ * moved
            more, less = max(ahead, 0.0), min(ahead, 0.0)
            over[tail[e]] -= more + g * less
            over[head[e]] += g * more + less
    else:
        fees = mesh.price[first:end] if mesh.price.size else gain * 0.0
        bends = mesh.loss_per_j[first:end] if mesh.loss_per_j.size else gain * 0.0
        for e in range(tail.size):
            here, there, g, c, r = lam[tail[e]], lam[head[e]], gain[e], capacity[e], rate[e]
            was = now[e]
            y = was + last * (was - old[e])
            out, back = g * there - here - fees[e], there - g * here + fees[e]
            # a quadratic loss is a quadratic cost at the far price: solved within the step
            to, fro = 2.0 * bends[e] * max(there, 0.0), 2.0 * bends[e] * max(here, 0.0)
            new = min(max((y + r * out) / (1.0 + r * to), 0.0), c)
            new += max(min((y + r * back) / (1.0 + r * fro), 0.0), -c)
            moved = new - was
            uphill += (out - to * y if new + was > 0.0 else back - fro * y) * moved
            old[e] = new
            ahead = new + next_ * moved
            more, less = max(ahead, 0.0), min(ahead, 0.0)
            over[tail[e]] -= more + g * less + bends[e] * less * less
            over[head[e]] += g * more + less - bends[e] * more * more
    told[UPHILL] += uphill


@inline
def _pieces(mesh: Mesh, steps: Steps, part: int, last: float, next_: float,
            told: Floats) -> None:  # fmt: skip
    """Step of the other pieces of a run; the new ones are written into `x_before`, then swapped."""
    x, before = steps.x, steps.x_before
    for p in range(mesh.piece_first[part], mesh.piece_first[part + 1]):
        i = mesh.others[p]
        v = mesh.piece_node[i]
        b, k = mesh.b[i], mesh.k[i]
        y = x[i] + last * (x[i] - before[i])
        profit = mesh.a[i] - steps.lam[v]
        step = steps.piece_rate[i]
        if b > 0.0:
            t = mesh.c0[i] - mesh.c1[i] * min(max(y, mesh.lo[i]), mesh.hi[i])
            t = max(t, LEAST_T)
            profit += b * t if k == 1.0 else b * t**k
            step /= 1.0 + step * curvature(b, mesh.c1[i], k, t)
        new = min(max(y + profit * step, mesh.lo[i]), mesh.hi[i])
        moved = new - x[i]
        told[UPHILL] += profit * moved
        before[i] = x[i]
        x[i] = new
        steps.over[v] -= new + next_ * moved
