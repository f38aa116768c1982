"""Where pairs of neighbours see no trade although energy could pass through.

A node that takes no more (full), gives none (empty), holds nothing (a bus without storage), or asks
more than it bids (a kink) trades with no neighbour, even where what one neighbour asks is less than
what another bids. These are shortest paths: the cheapest Joule that could come in, and the dearest
place for one that goes out, over what the links still let through, and through other such nodes.
Spec: docs/spec/diffusion.md, D10.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.diffusion_sweep import CAPACITY, DUST_UJ, GAIN, HEAD, LOSS_PER_J, PRICE, TAIL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ROUNDS = 10_000
"""Hops that a path has at most."""


@inline
def _cost(here: float, flow: int, capacity: int, gain: float, r: float, price: float) -> float:
    """Cost of a Joule at the far end of a link when one costs `here` at this end."""
    if here == math.inf:
        return math.inf
    if flow >= 0:
        left = gain - 2.0 * r * flow * 1e-6
        if flow + DUST_UJ > capacity or left <= 0.0:
            return math.inf
        cost = here + price
        return cost / left if cost > 0.0 else cost
    if -flow < DUST_UJ:
        return math.inf
    return (gain + 2.0 * r * flow * 1e-6) * here - price


@inline
def _value(there: float, flow: int, capacity: int, gain: float, r: float, price: float) -> float:
    """Worth of a Joule at this end of a link when one is worth `there` at the far end."""
    if there == -math.inf:
        return -math.inf
    if flow >= 0:
        left = gain - 2.0 * r * flow * 1e-6
        if flow + DUST_UJ > capacity or left <= 0.0:
            return -math.inf
        return left * there - price if there > 0.0 else there - price
    left = gain + 2.0 * r * flow * 1e-6
    if -flow < DUST_UJ or left <= 0.0:
        return -math.inf
    value = there + price
    return value / left if value > 0.0 else value


@kernel
def transit(link: Ints, rate: Floats, flow: Ints, bid: Floats, ask: Floats,
            through: Bools) -> tuple[Floats, Floats, Ints, Ints]:  # fmt: skip
    """The cheapest Joule that could come to each node, and the dearest place for one from it.

    Parameters
    ----------
    link, rate, flow
        Links, as in `isojoule.kernels.diffusion_sweep.sweep`.
    bid, ask
        By node, money per J; -inf and inf where there is none.
    through
        Nodes through which a path may lead on.

    Returns
    -------
    cost, value : (nodes,), money per J; inf and -inf where none.
    source, sink : (nodes,), the nodes at which they begin and end, or -1.
    """
    nodes = bid.size
    cost = np.full(nodes, math.inf)
    value = np.full(nodes, -math.inf)
    source = np.full(nodes, -1, np.int64)
    sink = np.full(nodes, -1, np.int64)
    for _ in range(min(nodes, ROUNDS)):
        changed = False
        for e in range(link.shape[0]):
            capacity, gain = link[e, CAPACITY], rate[e, GAIN]
            r, price = rate[e, LOSS_PER_J], rate[e, PRICE]
            for side in range(2):
                u, v = link[e, TAIL], link[e, HEAD]
                f = flow[e]
                if side == 1:
                    u, v, f = v, u, -f
                passes = through[u] and cost[u] < ask[u]
                new = _cost(cost[u] if passes else ask[u], f, capacity, gain, r, price)
                if new < cost[v] - 1e-12 * abs(new):
                    cost[v] = new
                    source[v] = source[u] if passes else u
                    changed = True
                passes = through[v] and value[v] > bid[v]
                new = _value(value[v] if passes else bid[v], f, capacity, gain, r, price)
                if new > value[u] + 1e-12 * abs(new):
                    value[u] = new
                    sink[u] = sink[v] if passes else v
                    changed = True
        if not changed:
            break
    return cost, value, source, sink
