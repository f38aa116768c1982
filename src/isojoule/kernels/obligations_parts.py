"""Strong components of a graph, and potentials that hold across them.

Nothing can flow in circles between two strong components, so an arc that leads from one to another
carries nothing. Arcs are tails and heads, (A,), nodes 0 .. n - 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


@kernel
def rows_of(nodes: int, tail: Places) -> tuple[Ints, Ints]:
    """Arcs by their tails: where those of each node begin, (n + 1,), and the arcs, (A,)."""
    start = np.zeros(nodes + 1, np.int64)
    for a in range(tail.size):
        start[tail[a] + 1] += 1
    for v in range(nodes):
        start[v + 1] += start[v]
    free = start[:-1].copy()
    arcs = np.empty(tail.size, np.int64)
    for a in range(tail.size):
        arcs[free[tail[a]]] = a
        free[tail[a]] += 1
    return start, arcs


@kernel
def strong_parts(start: Ints, arcs: Ints, head: Places) -> Ints:
    """The strong component of each node, (n,).

    Components are numbered so that an arc leads to its own component or to a lower one.

    Parameters
    ----------
    start, arcs
        Of `rows_of`.
    head
        (A,).

    References
    ----------
    Tarjan 1972, Depth-first search and linear graph algorithms, SIAM Journal on Computing
    1:146-160, https://doi.org/10.1137/0201010; here without recursion.
    """
    n = start.size - 1
    part = np.full(n, -1, np.int64)
    number = np.zeros(n, np.int64)  # in the order of coming there, from 1
    low = np.zeros(n, np.int64)
    current = start[:-1].copy()
    way = np.empty(n, np.int64)
    held = np.empty(n, np.int64)
    many = parts = holds = 0
    for root in range(n):
        if number[root]:
            continue
        depth = 1
        way[0] = root
        while depth:
            v = way[depth - 1]
            if number[v] == 0:
                many += 1
                number[v] = low[v] = many
                held[holds] = v
                holds += 1
            deeper = False
            while current[v] < start[v + 1]:
                w = head[arcs[current[v]]]
                if number[w] == 0:
                    way[depth] = w
                    depth += 1
                    deeper = True
                    break
                if part[w] < 0:
                    low[v] = min(low[v], low[w])
                current[v] += 1
            if deeper:
                continue
            depth -= 1
            if low[v] == number[v]:
                while True:
                    holds -= 1
                    w = held[holds]
                    part[w] = parts
                    if w == v:
                        break
                parts += 1
    return part


@kernel
def lift(start: Ints, arcs: Ints, head: Places, cost: Ints, part: Ints, potential: Ints) -> None:
    """Raise whole components, so that arcs between them, on which nothing flows, are dear enough.

    Afterwards `cost + potential[tail] - potential[head] >= 0` on each of them; within a component
    differences stay.

    Parameters
    ----------
    start, arcs, head, part
        Of `rows_of` and `strong_parts`.
    cost
        (A,).
    potential
        (n,), changed in place.
    """
    n = start.size - 1
    parts = 0
    for v in range(n):
        parts = max(parts, part[v] + 1)
    begin = np.zeros(parts + 1, np.int64)
    for v in range(n):
        begin[part[v] + 1] += 1
    for c in range(parts):
        begin[c + 1] += begin[c]
    free = begin[:-1].copy()
    nodes = np.empty(n, np.int64)
    for v in range(n):
        nodes[free[part[v]]] = v
        free[part[v]] += 1
    for c in range(parts):  # arcs lead to lower ones, which are done
        most = 0
        for i in range(begin[c], begin[c + 1]):
            v = nodes[i]
            for k in range(start[v], start[v + 1]):
                a = arcs[k]
                if part[head[a]] != c:
                    most = max(most, potential[head[a]] - potential[v] - cost[a])
        for i in range(begin[c], begin[c + 1]):
            potential[nodes[i]] += most
