"""Sums along a tree, and which prices support an allocation on it.

A forest is given by `order` (its nodes, each after the node above it), `up` (the node above each
node, -1 at a root) and `link` (the link to it, -1 at a root). A link belongs to its lower node.
Nothing here knows how an allocation was found: these kernels are what an auditor runs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prices import PEAK, best_profit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def gather(order: Ints, up: Ints, values: Floats) -> Floats:
    """Per node, the sum of `values` over the node and all below it. Shape (nodes,)."""
    total = values.copy()
    for at in range(order.size - 1, -1, -1):
        v = order[at]
        if up[v] >= 0:
            total[up[v]] += total[v]
    return total


@kernel
def spread(order: Ints, up: Ints, values: Floats) -> Floats:
    """Per node, the sum of `values` along the path from its root; roots count 0."""
    total = np.zeros(values.size)
    for v in order:
        if up[v] >= 0:
            total[v] = total[up[v]] + values[v]
    return total


@inline
def _along(out: float, back: float, capacity: float, gain: float, r: float, price: float,
           slack: float) -> tuple[bool, bool, float]:  # fmt: skip
    """Whether more, or less, may be sent one way, and what of the last Joule arrives."""
    g = gain - 2.0 * r * out
    more = out < capacity - slack and back <= slack and g > PEAK * gain
    return more, out > slack and g > 0.0, g


@inline
def _bounds_there(low: float, high: float, flow: float, capacity: float, gain: float, r: float,
                  to: float, fro: float, slack: float) -> tuple[float, float]:  # fmt: skip
    """Bounds of the far price that follow from those of the near one.

    `flow` is what the near node sends, J (negative: gets); `to` and `fro` are the link's price
    per J sent there, and sent here.
    """
    out, back = max(flow, 0.0), max(-flow, 0.0)
    new_low, new_high = -math.inf, math.inf
    more, less, g = _along(out, back, capacity, gain, r, to, slack)
    if more:
        new_high = (high + to) / g
    if less:
        new_low = (low + to) / g
    more, less, g = _along(back, out, capacity, gain, r, fro, slack)
    if more:
        new_low = max(new_low, g * low - fro)
    if less:
        new_high = min(new_high, g * high - fro)
    return new_low, new_high


@kernel
def support_on_tree(order: Ints, up: Ints, link: Ints, low: Floats, high: Floats, down: Floats,
                    capacity: Floats, gain: Floats, r: Floats, price: Floats, wedge: Floats,
                    slack: float) -> tuple[Floats, Floats]:  # fmt: skip
    """Least and greatest nodal prices at which no link is to carry anything else.

    Each condition relates the prices of two neighbours and is monotone, so on a tree one pass
    from the leaves to the roots and one back give the least and greatest price of every node.
    What a link alone would bound, by going there and back, is left out, as in
    `isojoule.kernels.prices.support`.

    Parameters
    ----------
    order, up, link
        The forest.
    low, high
        Bounds that the offers at each node give, money per J, shape (nodes,).
    down
        Per link, energy sent towards the leaves, J; negative: sent towards the root.
    capacity, gain, r, price
        Per link.
    wedge
        Per link, what a Joule sent towards the leaves costs at limits elsewhere, money per J.
        One sent towards the root earns as much.
    slack
        A quantity nearer to a bound than this, J, counts as at the bound.

    Returns
    -------
    lowest, highest : (nodes,), money per J; -inf and inf where nothing bounds.
    """
    nodes = order.size
    own_low, own_high = low, high
    low, high = low.copy(), high.copy()
    # the tightest bound from below, whose it is, and the tightest of all the others
    first_low, second_low = low.copy(), low.copy()
    first_high, second_high = high.copy(), high.copy()
    whose_low = np.full(nodes, -1, np.int64)
    whose_high = np.full(nodes, -1, np.int64)
    for at in range(nodes - 1, -1, -1):
        v = order[at]
        u, e = up[v], link[v]
        if u < 0:
            continue
        new_low, new_high = _bounds_there(
            first_low[v], first_high[v], -down[e], capacity[e], gain[e], r[e],
            price[e] - wedge[e], price[e] + wedge[e], slack,
        )  # fmt: skip
        if new_low > first_low[u]:
            second_low[u] = first_low[u]
            first_low[u] = new_low
            whose_low[u] = v
        elif new_low > second_low[u]:
            second_low[u] = new_low
        if new_high < first_high[u]:
            second_high[u] = first_high[u]
            first_high[u] = new_high
            whose_high[u] = v
        elif new_high < second_high[u]:
            second_high[u] = new_high
    above_low = np.full(nodes, -math.inf)
    above_high = np.full(nodes, math.inf)
    for v in order:
        u, e = up[v], link[v]
        if u >= 0:
            others_low = second_low[u] if whose_low[u] == v else first_low[u]
            others_high = second_high[u] if whose_high[u] == v else first_high[u]
            above_low[v], above_high[v] = _bounds_there(
                max(others_low, above_low[u]), min(others_high, above_high[u]), down[e],
                capacity[e], gain[e], r[e], price[e] + wedge[e], price[e] - wedge[e], slack,
            )  # fmt: skip
        # where they cross by rounding, what the offers say stands
        low[v] = min(max(first_low[v], above_low[v]), own_high[v])
        high[v] = max(min(first_high[v], above_high[v]), own_low[v])
        if low[v] > high[v]:  # rounding: they are one price
            low[v] = high[v] = 0.5 * (low[v] + high[v])
    return low, high


@kernel
def link_gap(order: Ints, up: Ints, link: Ints, down: Floats, received: Floats, capacity: Floats,
             gain: Floats, r: Floats, price: Floats, wedge: Floats,
             dual: Floats) -> float:  # fmt: skip
    """What all links, each taken alone at these prices, would still gain, money."""
    gap = 0.0
    for v in order:
        u, e = up[v], link[v]
        if u < 0:
            continue
        to, fro = price[e] + wedge[e], price[e] - wedge[e]
        sent = abs(down[e])
        if down[e] >= 0.0:
            now = dual[v] * received[e] - (dual[u] + to) * sent
        else:
            now = dual[u] * received[e] - (dual[v] + fro) * sent
        one = best_profit(gain[e], r[e], to, dual[u], dual[v], capacity[e])
        two = best_profit(gain[e], r[e], fro, dual[v], dual[u], capacity[e])
        term = max(one, two) - now
        if not term <= 0.0:  # a nan must show
            gap += term
    return gap


@kernel
def offer_bounds(node: Ints, lo: Floats, hi: Floats, worth: Floats, x: Floats, nodes: int,
                 slack: float) -> tuple[Floats, Floats]:  # fmt: skip
    """Least and greatest nodal prices at which no offer wants anything else.

    `worth` is what the next Joule is worth to each piece where it stands, less what its
    reactive power costs, money per J.
    """
    low = np.full(nodes, -math.inf)
    high = np.full(nodes, math.inf)
    for i in range(lo.size):
        v = node[i]
        if x[i] < hi[i] - slack and worth[i] > low[v]:
            low[v] = worth[i]
        if x[i] > lo[i] + slack and worth[i] < high[v]:
            high[v] = worth[i]
    return low, high
