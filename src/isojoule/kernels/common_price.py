"""Better prices for a proof: one price, but for what is lost, where energy moves freely.

Flows that are almost optimal have prices that are not yet: along a link that is neither idle nor
full, the two prices should differ by what it loses and costs, and do so only nearly. A bound adds
up all these differences, each times the room of its link, and is far too careful. So nodes that
such links connect are given prices that fit each other exactly, as near as possible to the ones
they had: each node counts by how much energy it moves for a change of its price. What is left of
the gap is then of second order in the distance from the optimum.

The prices stay a proposal: any prices give a bound (weak duality), these only a better one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.first_order import LEAST_T, Mesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALIKE = 3e-3
"""Prices count as meant to fit if they are this near to it, as a share of the larger one."""
AHEAD, BACK = 1, 2
DUST = 1e-9
"""Flows nearer than this to 0 or to the limit, scaled, stand there."""


@kernel
def yields(mesh: Mesh, x: Floats, out: Floats) -> None:
    """Fill the energy that each node moves for a change of its price; 0 where its curve ends."""
    main, lo, hi, b, c0, c1, k = mesh.main, mesh.lo, mesh.hi, mesh.b, mesh.c0, mesh.c1, mesh.k
    for v in range(main.size):
        m = main[v]
        out[v] = 0.0
        if m < 0 or not lo[m] < x[m] < hi[m]:
            continue
        slope = b[m] * c1[m]
        if k[m] != 1.0:
            slope *= k[m] * max(c0[m] - c1[m] * x[m], LEAST_T) ** (k[m] - 1.0)
        if slope > 0.0:
            out[v] = 1.0 / slope


@kernel
def moving(mesh: Mesh, flow: Floats, lam: Floats, part: int, out: NDArray[np.uint8]) -> None:
    """Mark the links of a run that carry some, but not all they can, at prices that almost fit.

    `AHEAD` from tail to head, `BACK` from head to tail, 0 for all others.
    """
    tail, head, capacity, gain = mesh.tail, mesh.head, mesh.capacity, mesh.gain
    fees, bends = mesh.price, mesh.loss_per_j
    for e in range(mesh.link_first[part], mesh.link_first[part + 1]):
        f = flow[e]
        sent = abs(f)
        here, there = lam[tail[e]], lam[head[e]]
        g = gain[e] - (2.0 * bends[e] * sent if bends.size else 0.0)
        fee = fees[e] if fees.size else 0.0
        # both directions, without branches: which it is cannot be guessed
        out_worth, back_worth = g * there - fee, g * here - fee
        out_near = abs(here - out_worth) <= ALIKE * max(abs(here), abs(out_worth))
        back_near = abs(there - back_worth) <= ALIKE * max(abs(there), abs(back_worth))
        some = (sent > DUST) & (sent < capacity[e] - DUST) & (g > 0.0)
        one = some & out_near & (f > 0.0)
        other = some & back_near & (f < 0.0)
        out[e] = AHEAD * np.uint8(one) + BACK * np.uint8(other)


@kernel
def common_prices(mesh: Mesh, flow: Floats, x: Floats, lam: Floats, way: NDArray[np.uint8],
                  out: Floats) -> None:  # fmt: skip
    """Fill `out` with prices that fit along links that carry some, but not all they can.

    Parameters
    ----------
    flow, x, lam
        Links, pieces, and the prices of main pieces where they stand, (nodes,).
    way
        What `moving` marked, in all runs.
    """
    nodes = lam.size
    yield_ = np.empty(nodes)
    yields(mesh, x, yield_)
    tail, head, gain, fees, bends = mesh.tail, mesh.head, mesh.gain, mesh.price, mesh.loss_per_j
    start, incident = mesh.start, mesh.incident
    seen = np.zeros(nodes, np.bool_)
    ratio = np.empty(nodes)
    fixed = np.zeros(nodes if fees.size else 1)
    queue = np.empty(nodes, np.uint32)
    for root in range(nodes):
        if seen[root]:
            continue
        seen[root] = True
        queue[0] = root
        ratio[root] = 1.0
        if fees.size:
            fixed[root] = 0.0
        count, done = 1, 0
        weight = up = 0.0
        while done < count:
            v = queue[done]
            done += 1
            # price = ratio * p + fixed for one p; the p that fits best is a weighted mean
            own = yield_[v] * ratio[v]
            weight += own * ratio[v]
            up += own * (lam[v] - (fixed[v] if fees.size else 0.0))
            for at in range(start[v], start[v + 1]):
                e = incident[at]
                if way[e] == 0:
                    continue
                begins = tail[e] == v
                u = head[e] if begins else tail[e]
                if seen[u]:
                    continue
                g = gain[e] - (2.0 * bends[e] * abs(flow[e]) if bends.size else 0.0)
                # what arrives is worth what was sent, and the link's price
                sends = begins == (way[e] == AHEAD)
                ratio[u] = ratio[v] / g if sends else ratio[v] * g
                if fees.size:
                    fee = fees[e]
                    fixed[u] = (fixed[v] + fee) / g if sends else fixed[v] * g - fee
                seen[u] = True
                queue[count] = u
                count += 1
        fits = count > 1 and weight > 0.0 and weight < math.inf
        p = up / weight if fits else 0.0
        for i in range(count):
            v = queue[i]
            out[v] = ratio[v] * p if fits else lam[v]
            if fits and fees.size:
                out[v] += fixed[v]
