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
def burns(tail: Ints, head: Ints, ppb: Ints, r: Floats, start: Ints, incident: Ints, flow: Floats,
          price: Floats, free: float, small: float, offer: Ints, lo: Floats, hi: Floats,
          x: Floats) -> bool:  # fmt: skip
    """Whether a link that loses energy may lie in a circle, or an offer buys and sells.

    That pays only where a price is `free` or less, so only links that are used from there count.
    Nodes that nothing comes to, or nothing leaves, are taken away until there are none; what is
    left has all circles in it, and what leads from one to another.

    Parameters
    ----------
    tail, head, ppb, r, start, incident
        Links: ends, losses, and which meet at a node.
    flow, price
        Of each link, signed, J; of each node, money per J.
    free, small
        A price that counts as 0, and a quantity that does, J.
    offer, lo, hi, x
        Of pieces, in the order of their offers: offer, bounds, and where they stand, J.
    """
    any_free = False
    for v in range(price.size):
        if price[v] <= free:
            any_free = True
            break
    if not any_free:
        return False
    return _loops(offer, lo, hi, x, small) or _circles(
        tail, head, ppb, r, start, incident, flow, price, free, small
    )


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
    for e in range(links):  # noqa: SIM110  (kernels know no generators)
        if used[e] and (ppb[e] > 0 or r[e] > 0.0):
            return True
    return False
