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
def moving(mesh: Mesh, flow: Floats, lam: Floats, out: NDArray[np.uint8]) -> None:
    """Mark the links that carry some, but not all they can, at prices that almost fit.

    `AHEAD` from tail to head, `BACK` from head to tail, 0 for all others.
    """
    tail, head, capacity, gain = mesh.tail, mesh.head, mesh.capacity, mesh.gain
    fees, bends = mesh.price, mesh.loss_per_j
    for e in range(flow.size):
        f = flow[e]
        sent = abs(f)
        here, there = lam[tail[e]], lam[head[e]]
        if f < 0.0:
            here, there = there, here
        g = gain[e] - (2.0 * bends[e] * sent if bends.size else 0.0)
        worth = g * there - (fees[e] if fees.size else 0.0)
        near = abs(here - worth) <= ALIKE * max(abs(here), abs(worth))
        some = sent > DUST and sent < capacity[e] - DUST and g > 0.0 and near
        out[e] = (AHEAD if f > 0.0 else BACK) if some else 0


@kernel
def common_prices(mesh: Mesh, flow: Floats, x: Floats, lam: Floats, out: Floats) -> None:
    """Fill `out` with prices that fit along links that carry some, but not all they can.

    Parameters
    ----------
    flow, x, lam
        Links, pieces, and the prices of main pieces where they stand, (nodes,).
    """
    nodes = lam.size
    yield_ = np.empty(nodes)
    yields(mesh, x, yield_)
    way = np.empty(flow.size, np.uint8)
    moving(mesh, flow, lam, way)
    seen = np.zeros(nodes, np.bool_)
    ratio = np.empty(nodes)
    fixed = np.empty(nodes)
    queue = np.empty(nodes, np.int64)
    tail, head, gain = mesh.tail, mesh.head, mesh.gain
    start, incident, fees, bends = mesh.start, mesh.incident, mesh.price, mesh.loss_per_j
    for root in range(nodes):
        if seen[root]:
            continue
        seen[root] = True
        queue[0] = root
        ratio[root], fixed[root] = 1.0, 0.0
        count, done = 1, 0
        weight = up = 0.0
        while done < count:
            v = queue[done]
            done += 1
            # price = ratio * p + fixed for one p; the p that fits best is a weighted mean
            own = yield_[v] * ratio[v]
            weight += own * ratio[v]
            up += own * (lam[v] - fixed[v])
            for at in range(start[v], start[v + 1]):
                q = incident[at]
                if way[q] == 0:
                    continue
                first = np.int64(tail[q])
                u = first + np.int64(head[q]) - v
                if seen[u]:
                    continue
                g = gain[q] - (2.0 * bends[q] * abs(flow[q]) if bends.size else 0.0)
                fee = fees[q] if fees.size else 0.0
                # what arrives is worth what was sent, and the link's price
                if (way[q] == AHEAD) == (first == v):
                    ratio[u], fixed[u] = ratio[v] / g, (fixed[v] + fee) / g
                else:
                    ratio[u], fixed[u] = ratio[v] * g, fixed[v] * g - fee
                seen[u] = True
                queue[count] = u
                count += 1
        fits = count > 1 and weight > 0.0 and weight < math.inf
        p = up / weight if fits else 0.0
        for i in range(count):
            v = queue[i]
            out[v] = ratio[v] * p + fixed[v] if fits else lam[v]
