"""The least and the greatest nodal prices at which nobody wants to change anything.

Every condition relates one or two prices and is monotone, so the set of supporting prices is a
lattice: its least and greatest elements are found by relaxation from the bounds that the offers
give, along the links (a generalised shortest path). What links alone would bound (beside an idle
lossy link no price is below 0, or the link would gain by burning energy in a circle) is left out:
nothing runs in circles, and negative prices occur.

Where the links are a forest, two sweeps, to the roots and back, lead every bound to every node.
While no price is below 0 that is all: the way back along a link bounds nothing more. Where there
are rings, or prices below 0, a queue relaxes until nothing changes. Where the offers at a node
leave it one price, links cannot move that: only nodes whose price is open are walked to.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prices import PEAK, marginal_at

DIGITS = 1e-14
"""Prices that change by a smaller share of the dearest worth do not change."""
PATIENCE = 200
"""So often the queue may come back to each node and link."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@inline
def _there(low_v: float, high_v: float, low_u: float, high_u: float, f: float, capacity: float,
           gain: float, r: float, price: float, slack: float,
           small: float) -> tuple[float, float]:  # fmt: skip
    """The bounds at u after those at v have come over a link that sends `f` from v to u, J."""
    new_low, new_high = low_u, high_u
    out = max(f, 0.0)
    back = max(-f, 0.0)
    g = gain - 2.0 * r * out
    if g > 0.0:
        # at the peak of a quadratic loss nothing more arrives, as at a limit
        if out < capacity - slack and back <= slack and g > PEAK * gain:
            new_high = min(new_high, (high_v + price) / g)
        if out > slack:
            new_low = max(new_low, (low_v + price) / g)
    g = gain - 2.0 * r * back
    if g > 0.0:
        if back < capacity - slack and out <= slack:
            new_low = max(new_low, g * low_v - price)
        if back > slack:
            new_high = min(new_high, g * high_v - price)
    # around a cycle, rounding would let the ends climb past each other for ever
    new_low, new_high = min(new_low, high_u), max(new_high, low_u)
    if not (new_low > low_u + small or (new_low > -math.inf and low_u == -math.inf)):
        new_low = low_u
    if not (new_high < high_u - small or (new_high < math.inf and high_u == math.inf)):
        new_high = high_u
    return new_low, new_high


@kernel
def own_bounds(node: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats,
               k: Floats, x: Floats, nodes: int,
               slack: float) -> tuple[Floats, Floats, float]:  # fmt: skip
    """What the offers at each node bid for one more Joule, and ask for one.

    Parameters
    ----------
    node, lo, hi, a, b, c0, c1, k, x
        Pieces and where they stand, J.
    nodes
        How many there are.
    slack
        A quantity nearer to a bound than this, J, counts as at the bound.

    Returns
    -------
    bid, ask : (nodes,), money per J; -inf and inf where there is none
    scale : the dearest of these worths, without sign; nan if one is no number
    """
    bid, ask = np.full(nodes, -math.inf), np.full(nodes, math.inf)
    scale, number = 1e-300, True
    for i in range(lo.size):
        room_up = x[i] < hi[i] - slack
        room_down = x[i] > lo[i] + slack
        if not (room_up or room_down):
            continue
        v = node[i]
        m = marginal_at(a[i], b[i], c0[i], c1[i], k[i], x[i])
        number = number and m == m
        scale = max(scale, abs(m))
        if room_up and m > bid[v]:
            bid[v] = m
        if room_down and m < ask[v]:
            ask[v] = m
    return bid, ask, scale if number else math.nan


@kernel
def support(bid: Floats, ask: Floats, scale: float, tail: Ints, head: Ints, flow: Floats,
            capacity: Floats, gain: Floats, r: Floats, price: Floats, start: Ints, incident: Ints,
            order: Ints, up: Ints, link: Ints, whole: bool,
            slack: float) -> tuple[Floats, Floats]:  # fmt: skip
    """Least and greatest nodal prices that support where pieces and links stand.

    Parameters
    ----------
    bid, ask, scale, slack
        See `own_bounds`.
    tail, head, flow, capacity, gain, r, price, start, incident
        Links: signed flow at the sender, J; gain = 1 - proportional loss.
    order, up, link, whole
        A forest of the open links (see `isojoule.kernels.incidence.walk`), and whether it has
        all of them.

    Returns
    -------
    lowest, highest : (nodes,), money per J; -inf and inf where nothing bounds.
    """
    nodes = start.size - 1
    low, high = bid.copy(), ask.copy()
    small = DIGITS * scale if scale == scale else 0.0

    if not whole:
        _settle(tail, head, flow, capacity, gain, r, price, start, incident, low, high, slack,
                small)  # fmt: skip
    else:
        _sweep(tail, flow, capacity, gain, r, price, order, up, link, low, high, slack, small)
        if _below_zero(low, high):
            low, high = bid.copy(), ask.copy()
            _settle(tail, head, flow, capacity, gain, r, price, start, incident, low, high, slack,
                    small)  # fmt: skip
    for v in range(nodes):
        if low[v] > high[v]:  # rounding: they are one price
            low[v] = high[v] = 0.5 * (low[v] + high[v])
    return low, high


@kernel
def _sweep(tail: Ints, flow: Floats, capacity: Floats, gain: Floats, r: Floats, price: Floats,
           order: Ints, up: Ints, link: Ints, low: Floats, high: Floats, slack: float,
           small: float) -> None:  # fmt: skip
    """Lead the bounds to the roots of the forest, and back to every node."""
    nodes = order.size
    for at in range(nodes - 1, -1, -1):
        v = order[at]
        u = up[v]
        if u >= 0 and low[u] < high[u] and (low[v] > -math.inf or high[v] < math.inf):
            e = link[v]
            f = flow[e] if tail[e] == v else -flow[e]
            low[u], high[u] = _there(low[v], high[v], low[u], high[u], f, capacity[e], gain[e],
                                     r[e], price[e], slack, small)  # fmt: skip
    for at in range(nodes):
        v = order[at]
        u = up[v]
        if u >= 0 and low[v] < high[v] and (low[u] > -math.inf or high[u] < math.inf):
            e = link[v]
            f = flow[e] if tail[e] == u else -flow[e]
            low[v], high[v] = _there(low[u], high[u], low[v], high[v], f, capacity[e], gain[e],
                                     r[e], price[e], slack, small)  # fmt: skip


@kernel
def _below_zero(low: Floats, high: Floats) -> bool:
    below = False
    for v in range(low.size):
        below = below or high[v] < 0.0 or -math.inf < low[v] < 0.0
    return below


@kernel
def _settle(tail: Ints, head: Ints, flow: Floats, capacity: Floats, gain: Floats, r: Floats,
            price: Floats, start: Ints, incident: Ints, low: Floats, high: Floats,
            slack: float, small: float) -> None:  # fmt: skip
    """Relax, first every node, until no bound changes."""
    nodes = start.size - 1
    queue = np.empty(nodes + 1, np.int64)
    queued = np.zeros(nodes, np.bool_)
    wanted = np.zeros(nodes, np.bool_)  # beside a node whose price is open
    for v in range(nodes):
        if low[v] < high[v]:
            for p in range(start[v], start[v + 1]):
                wanted[tail[incident[p]] + head[incident[p]] - v] = True
    first, count = 0, 0
    for v in range(nodes):
        if wanted[v] and (low[v] > -math.inf or high[v] < math.inf):
            queue[count] = v
            queued[v] = True
            count += 1
    pops = 0
    limit = PATIENCE * (nodes + tail.size) + 1000
    while count > 0 and pops < limit:
        pops += 1
        v = queue[first]
        first = first + 1 if first < nodes else 0
        count -= 1
        queued[v] = False
        for p in range(start[v], start[v + 1]):
            e = incident[p]
            u = tail[e] + head[e] - v
            if not low[u] < high[u]:
                continue
            f = flow[e] if tail[e] == v else -flow[e]
            new_low, new_high = _there(low[v], high[v], low[u], high[u], f, capacity[e], gain[e],
                                       r[e], price[e], slack, small)  # fmt: skip
            if new_low == low[u] and new_high == high[u]:
                continue
            low[u], high[u] = new_low, new_high
            if not queued[u]:
                last = first + count
                queue[last if last <= nodes else last - nodes - 1] = u
                queued[u] = True
                count += 1
