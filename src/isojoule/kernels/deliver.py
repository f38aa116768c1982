"""What links carry when meters show something else than was cleared.

What each node has too much or too little is led along a tree to the node of the supplier who
balances it. On a radial feeder there is no other way; a mesh's other links keep their flows.
Losses are those of `isojoule.kernels.links`. Limits do not hold here: nobody asked the wires
before. Only the peak of a quadratic loss does, beyond which nothing more arrives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.commit import _pushed
from isojoule.kernels.compile import kernel
from isojoule.kernels.links import loss_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@kernel
def tree_from(root: int, tail: Ints, head: Ints, start: Ints, incident: Ints,
              open_: Bools) -> tuple[Ints, Ints]:  # fmt: skip
    """Walk breadth first from one node over open links, at each node in the order of `incident`.

    Returns
    -------
    order
        The nodes that are reached, each after the node above it, (reached,).
    link
        Link to the node above, -1 at the root and where nothing leads, (nodes,).
    """
    nodes = start.size - 1
    order = np.empty(nodes, np.int64)
    link = np.full(nodes, -1, np.int64)
    seen = np.zeros(nodes, np.bool_)
    order[0], seen[root] = root, True
    count, done = 1, 0
    while done < count:
        v = order[done]
        done += 1
        for p in range(start[v], start[v + 1]):
            e = incident[p]
            w = tail[e] + head[e] - v
            if open_[e] and not seen[w]:
                seen[w] = True
                link[w] = e
                order[count] = w
                count += 1
    return order[:count], link


@kernel
def deliver(tail: Ints, head: Ints, ppb: Ints, r: Floats, peak: Ints, order: Ints, link: Ints,
            node: Ints, deviation: Ints, flow: Ints, loss: Ints,
            extra: Ints) -> tuple[int, int]:  # fmt: skip
    """Lead the deviations of many intervals to the root of a tree.

    A link that has nothing to lead keeps its flow. Any other is set anew: it brings exactly what
    is wanted to its end away from the root, by the least that must be sent for it.

    Parameters
    ----------
    tail, head, ppb, r, peak
        Links: ends, losses, and the most with which more still arrives, microjoules.
    order, link
        The tree, see `tree_from`. Nodes that it does not reach have no deviation.
    node
        Of each offer, (offers,).
    deviation
        What each offer received beyond what was cleared, microjoules, (intervals, offers).
    flow
        As cleared, (intervals, links); changed in place.
    loss
        As cleared, (intervals, links); changed in place where the flow is.
    extra
        What the root receives beyond what was cleared, (intervals,); filled.

    Returns
    -------
    The first interval and link where so much cannot arrive; -1, -1 where there is none.
    """
    rest = np.zeros(link.size, np.int64)
    for t in range(deviation.shape[0]):
        rest[:] = 0
        for o in range(node.size):
            rest[node[o]] -= deviation[t, o]
        for at in range(order.size - 1, 0, -1):
            v = order[at]
            if rest[v] == 0:
                continue
            e = link[v]
            u = tail[e] + head[e] - v
            flow[t, e], here, there = _pushed(
                flow[t, e], tail[e] == v, rest[v], peak[e], ppb[e], r[e]
            )
            loss[t, e] = loss_of(abs(flow[t, e]), ppb[e], r[e])
            rest[v] += here
            rest[u] += there
            if rest[v] != 0:
                return t, e
        extra[t] = rest[order[0]]
    return -1, -1
