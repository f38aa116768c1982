"""Which links meet at a node, which nodes hang together, and in which order to walk them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@kernel
def incidence(nodes: int, tail: Ints, head: Ints) -> tuple[Ints, Ints]:
    """Links at each node, incident[start[v]:start[v+1]]; first those that begin there.

    Both in the order of the links. Shapes (nodes + 1,) and (2 * links,). O(n + m), by counting.
    """
    links = tail.size
    start = np.zeros(nodes + 1, np.int64)
    for e in range(links):
        start[tail[e] + 1] += 1
        start[head[e] + 1] += 1
    for v in range(nodes):
        start[v + 1] += start[v]
    place = start[:-1].copy()
    incident = np.empty(2 * links, np.int64)
    for e in range(links):
        incident[place[tail[e]]] = e
        place[tail[e]] += 1
    for e in range(links):
        incident[place[head[e]]] = e
        place[head[e]] += 1
    return start, incident


@kernel
def walk(tail: Ints, head: Ints, start: Ints, incident: Ints,
         open_: Bools) -> tuple[Ints, Ints, Ints, Ints, bool]:  # fmt: skip
    """Walk every connected part breadth first over open links, from its node of least number.

    Returns
    -------
    part
        Number of the part of each node, in the order of their first nodes, (nodes,).
    order
        Nodes as they are reached: each after the node above it, (nodes,).
    up, link
        The node above each node and the link to it, -1 at roots, (nodes,).
    ringed
        Whether some open link is not in this forest.
    """
    nodes = start.size - 1
    part = np.full(nodes, -1, np.int64)
    order = np.empty(nodes, np.int64)
    up = np.full(nodes, -1, np.int64)
    link = np.full(nodes, -1, np.int64)
    ringed = False
    count = 0
    done = 0
    parts = 0
    for root in range(nodes):
        if part[root] >= 0:
            continue
        part[root] = parts
        order[count] = root
        count += 1
        while done < count:
            v = order[done]
            done += 1
            for p in range(start[v], start[v + 1]):
                e = incident[p]
                if not open_[e] or e == link[v]:
                    continue
                w = tail[e] + head[e] - v
                if part[w] >= 0:
                    ringed = True
                    continue
                part[w] = parts
                up[w] = v
                link[w] = e
                order[count] = w
                count += 1
        parts += 1
    return part, order, up, link, ringed


@kernel
def grouped(group: Ints, count: int) -> tuple[Ints, Ints]:
    """Positions by their group: those of group g are order[first[g]:first[g + 1]]. O(n)."""
    first = np.zeros(count + 1, np.int64)
    for i in range(group.size):
        first[group[i] + 1] += 1
    for g in range(count):
        first[g + 1] += first[g]
    free = first[:-1].copy()
    order = np.empty(group.size, np.int64)
    for i in range(group.size):
        order[free[group[i]]] = i
        free[group[i]] += 1
    return first, order
