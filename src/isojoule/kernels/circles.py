"""Whether energy is burned on its way: in a circle of links, or through a battery and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def burns(tail: Ints, head: Ints, ppb: Ints, r: Floats, start: Ints, incident: Ints, whole: bool,
          flow: Floats, price: Floats, offer: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats,
          x: Floats, no_price: float, small: float) -> bool:  # fmt: skip
    """Whether a link that loses energy may lie in a circle, or an offer buys and sells.

    That pays only where a price is 0 or less, so only links that are used from there count. Nodes
    that nothing comes to, or nothing leaves, are taken away until there are none; what is left has
    all circles in it, and what leads from one to another.

    Parameters
    ----------
    tail, head, ppb, r, start, incident, whole
        Links: ends, losses, which meet at a node, and whether the open ones are a forest: then
        nothing runs in circles.
    flow, price
        Of each link, signed, J; of each node, money per J.
    offer, lo, hi, a, b, x
        Of pieces, in the order of their offers: offer, bounds, worths, and where they stand, J.
    no_price
        A price below this share of the dearest worth counts as 0.
    small
        What is below this share of the largest flow does not run.
    """
    dearest = 0.0
    for i in range(a.size):
        dearest = max(dearest, abs(a[i]) + b[i])
    free = no_price * dearest
    cheap = False
    for v in range(price.size):
        cheap = cheap or price[v] <= free
    if not cheap:
        return False
    largest = 0.0
    for e in range(flow.size):
        largest = max(largest, abs(flow[e]))
    small *= 1.0 + largest
    if _loops(offer, lo, hi, x, small):
        return True
    if whole:
        return False
    return _circles(tail, head, ppb, r, start, incident, flow, price, free, small)


@kernel
def _loops(offer: Ints, lo: Floats, hi: Floats, x: Floats, small: float) -> bool:
    """Whether an offer whose pieces are all limited buys and sells."""
    i = 0
    while i < x.size:
        o = offer[i]
        bought, sold, limited = 0.0, 0.0, True
        while i < x.size and offer[i] == o:
            bought += max(x[i], 0.0)
            sold += max(-x[i], 0.0)
            limited &= hi[i] - lo[i] < math.inf
            i += 1
        if limited and bought > small and sold > small:
            return True
    return False


@inline
def _from(e: int, tail: Ints, head: Ints, flow: Floats) -> int:
    """The node that sends."""
    return int(tail[e] if flow[e] >= 0.0 else head[e])


@kernel
def _circles(tail: Ints, head: Ints, ppb: Ints, r: Floats, start: Ints, incident: Ints,
             flow: Floats, price: Floats, free: float, small: float) -> bool:  # fmt: skip
    nodes, links = price.size, tail.size
    used = np.zeros(links, np.bool_)
    comes, leaves = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    for e in range(links):
        u = _from(e, tail, head, flow)
        if abs(flow[e]) > small and price[u] <= free:
            used[e] = True
            leaves[u] += 1
            comes[tail[e] + head[e] - u] += 1
    stack = np.empty(nodes, np.int64)
    count = 0
    gone = np.zeros(nodes, np.bool_)
    for v in range(nodes):
        if comes[v] == 0 or leaves[v] == 0:
            gone[v] = True
            stack[count] = v
            count += 1
    while count > 0:
        count -= 1
        v = stack[count]
        for p in range(start[v], start[v + 1]):
            e = incident[p]
            if not used[e]:
                continue
            used[e] = False
            u = _from(e, tail, head, flow)
            w = tail[e] + head[e] - u
            leaves[u] -= 1
            comes[w] -= 1
            other = w if u == v else u
            if not gone[other] and (comes[other] == 0 or leaves[other] == 0):
                gone[other] = True
                stack[count] = other
                count += 1
    lossy = False
    for e in range(links):
        lossy = lossy or (used[e] and (ppb[e] > 0 or r[e] > 0.0))
    return lossy
