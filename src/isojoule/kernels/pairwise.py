"""The most that neighbours could still gain by one more Joule between them.

It stands beside the gap on welfare, and is blind where that is not: at a full or empty battery, at
a node without offers, and wherever energy must cross several hops to be worth anything.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import PEAK, marginal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def largest_trade(node: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats,
                  k: Floats, x: Floats, tail: Ints, head: Ints, flow: Floats, capacity: Floats,
                  gain: Floats, r: Floats, price: Floats, nodes: int,
                  slack: float) -> float:  # fmt: skip
    """Greatest gain of one more Joule from one offer to another, money per J; 0 if none gains.

    The two stand at one node, or at the ends of one link with room: for a Joule more sent, or for
    a Joule less sent the other way. It gains what the far node bids for what arrives, less what
    the near node asks and the price of the link. Bid and ask are read from the curves where they
    stand. A nan shows.

    Parameters
    ----------
    node, lo, hi, a, b, c0, c1, k, x
        Pieces and where they stand, J.
    tail, head, flow, capacity, gain, r, price
        Links: signed flow at the sender, J; gain = 1 - proportional loss.
    nodes
        How many there are.
    slack
        A quantity nearer to a bound than this, J, counts as at the bound.
    """
    bid = np.full(nodes, -math.inf)
    ask = np.full(nodes, math.inf)
    for i in range(lo.size):
        up, down = x[i] < hi[i] - slack, x[i] > lo[i] + slack
        if not (up or down):
            continue
        m = marginal_at(a[i], b[i], c0[i], c1[i], k[i], x[i])
        if math.isnan(m):
            return math.nan
        if up:
            bid[node[i]] = max(bid[node[i]], m)
        if down:
            ask[node[i]] = min(ask[node[i]], m)
    best = 0.0
    for v in range(nodes):
        if bid[v] > -math.inf and ask[v] < math.inf:
            best = max(best, bid[v] - ask[v])
    for e in range(tail.size):
        for way in range(2):
            near, far = (tail[e], head[e]) if way == 0 else (head[e], tail[e])
            if bid[far] == -math.inf or ask[near] == math.inf:
                continue
            sent = flow[e] if way == 0 else -flow[e]
            g = gain[e] - 2.0 * r[e] * abs(sent)
            if sent < -slack:  # less comes back: the far node keeps it, the near node lacks it
                best = max(best, bid[far] - g * ask[near] + price[e])
            elif sent < capacity[e] - slack and g > PEAK * gain[e]:
                best = max(best, g * bid[far] - ask[near] - price[e])
    return best
