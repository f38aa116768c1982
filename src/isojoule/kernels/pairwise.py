"""The most that neighbours could still gain by one more Joule between them.

It stands beside the gap on welfare, and is blind where that is not: at a full or empty battery, at
a node without offers, and wherever energy must cross several hops to be worth anything.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import PEAK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def largest_trade(bid: Floats, ask: Floats, scale: float, tail: Ints, head: Ints, flow: Floats,
                  capacity: Floats, gain: Floats, r: Floats, price: Floats,
                  slack: float) -> float:  # fmt: skip
    """Greatest gain of one more Joule from one offer to another, money per J; 0 if none gains.

    The two stand at one node, or at the ends of one link with room: for a Joule more sent, or for
    a Joule less sent the other way. It gains what the far node bids for what arrives, less what
    the near node asks and the price of the link. Bid and ask are read from the curves where they
    stand. A nan shows.

    Parameters
    ----------
    bid, ask, scale, slack
        See `isojoule.kernels.support.own_bounds`.
    tail, head, flow, capacity, gain, r, price
        Links: signed flow at the sender, J; gain = 1 - proportional loss.
    """
    if scale != scale:
        return math.nan
    best = 0.0
    for v in range(bid.size):
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
