"""Whole flows next to given ones.

Flows that are whole in sum at every node stand in a polytope with whole corners (Hoffman, Kruskal
1956): there are whole flows with the same sums, each its flow rounded down or up. They are found by
pushing around rings of flows that are not whole, until one of the ring is, and again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WHOLE = 1e-3
"""What is nearer to an integer than this is one, but for the digits of floats."""


@kernel
def round_flow(tail: Ints, head: Ints, flow: Floats, away: Ints, up: Ints, link: Ints, order: Ints,
               start: Ints, incident: Ints) -> Ints:  # fmt: skip
    """Whole flows with exactly these sums at the nodes.

    Parameters
    ----------
    tail, head, flow
        Links and their flows, which have the sums `away` but for the digits of floats.
    away
        What leaves each node less what arrives, shape (nodes,); in sum 0 in each connected part.
    up, link, order
        A spanning forest, roots first: node above each node and link to it, -1 at a root. It
        takes what digits may leave.
    start, incident
        Links at each node: incident[start[v]:start[v+1]].

    Returns
    -------
    (links,), each less than 1 from its flow, unless digits were lost.
    """
    links = tail.size
    nodes = start.size - 1
    out = np.floor(flow).astype(np.int64)
    part = flow - np.floor(flow)
    open_ = np.zeros(links, np.bool_)
    for e in range(links):
        if part[e] > WHOLE and part[e] < 1.0 - WHOLE:
            open_[e] = True
        elif part[e] >= 0.5:
            part[e] = 1.0
        else:
            part[e] = 0.0
    at = start[:-1].copy()  # links before this one are whole
    place = np.full(nodes, -1, np.int64)  # where the node stands on the path
    path_node = np.empty(nodes + 1, np.int64)
    path_link = np.empty(nodes + 1, np.int64)
    for first in range(nodes):
        here = first
        length = 0
        path_node[0] = here
        place[here] = 0
        while True:
            came = path_link[length - 1] if length > 0 else -1
            while at[here] < start[here + 1] and not open_[incident[at[here]]]:
                at[here] += 1
            found = -1
            for p in range(at[here], start[here + 1]):
                if open_[incident[p]] and incident[p] != came:
                    found = incident[p]
                    break
            if found < 0:
                place[here] = -1
                if length == 0:
                    break
                # one flow alone cannot be the only one that is not whole here, but for digits
                open_[came] = False
                part[came] = 1.0 if part[came] >= 0.5 else 0.0
                length -= 1
                here = path_node[length]
                continue
            there = tail[found] + head[found] - here
            path_link[length] = found
            if place[there] < 0:
                length += 1
                path_node[length] = there
                place[there] = length
                here = there
                continue
            # a ring, from `there` along the path back to `there`
            begin = place[there]
            more, less = 1.0, 1.0  # what may be pushed along, and against
            for i in range(begin, length + 1):
                e = path_link[i]
                if tail[e] == path_node[i]:
                    more = min(more, 1.0 - part[e])
                    less = min(less, part[e])
                else:
                    more = min(more, part[e])
                    less = min(less, 1.0 - part[e])
            push = more if more <= less else -less
            for i in range(begin, length + 1):
                e = path_link[i]
                part[e] += push if tail[e] == path_node[i] else -push
                if part[e] < WHOLE or part[e] > 1.0 - WHOLE:
                    open_[e] = False
                    part[e] = 1.0 if part[e] >= 0.5 else 0.0
            for i in range(begin + 1, length + 1):
                place[path_node[i]] = -1
            length = begin
            here = there
    rest = away.copy()
    for e in range(links):
        out[e] += 1 if part[e] >= 0.5 else 0
        rest[tail[e]] -= out[e]
        rest[head[e]] += out[e]
    for i in range(order.size - 1, -1, -1):
        v = order[i]
        if up[v] >= 0 and rest[v] != 0:
            e = link[v]
            out[e] += rest[v] if tail[e] == v else -rest[v]
            rest[up[v]] += rest[v]
            rest[v] = 0
    return out
