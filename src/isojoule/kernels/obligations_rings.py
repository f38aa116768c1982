"""The shortest way through a graph. Arcs are tails and heads, (A,), nodes 0 .. n - 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


@kernel
def shortest_way(
    start: Ints, arcs: Ints, tail: Places, head: Places, here: int, there: int
) -> Ints:
    """The arcs of a way with the fewest of them, in order; none if there is no way. O(n + A).

    Among equally short ones it is that on which each node was found first.

    Parameters
    ----------
    start, arcs
        Arcs of each node (see `isojoule.kernels.obligations_parts.rows_of`).
    tail, head
        (A,).
    here, there
        Two nodes.
    """
    n = start.size - 1
    by = np.full(n, -1, np.int64)  # the arc on which a node was found
    found = np.zeros(n, np.bool_)
    queue = np.empty(n, np.int64)
    queue[0] = here
    found[here] = True
    i, end = 0, 1
    while i < end and not found[there]:
        u = queue[i]
        i += 1
        for k in range(start[u], start[u + 1]):
            v = head[arcs[k]]
            if not found[v]:
                found[v] = True
                by[v] = arcs[k]
                queue[end] = v
                end += 1
    steps = 0
    if not found[there]:
        return queue[:0].copy()
    v = there
    while v != here:
        queue[steps] = by[v]
        steps += 1
        v = tail[by[v]]
    return queue[:steps][::-1].copy()
