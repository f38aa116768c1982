"""A flow in circles taken apart into circles. Arcs are tails and heads, (A,), nodes 0 .. n - 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


@kernel
def rings(start: Ints, arcs: Ints, head: Places, flow: Ints) -> tuple[Ints, Ints, Ints]:
    """Circles whose amounts sum to the flow, at most one for each arc. O(n A).

    From a node the walk takes the first of its arcs on which something is left. When it comes to
    a node where it was before it has closed a circle, which takes the least that is left on it.

    Parameters
    ----------
    start, arcs
        Arcs of each node in the order in which they are to be used (see
        `isojoule.kernels.obligations_parts.rows_of`).
    head
        (A,).
    flow
        At least 0, as much into each node as out of it, (A,). 0 afterwards.

    Returns
    -------
    Amount of each circle, (C,); where its arcs begin, (C + 1,); the arcs, each with its tail where
    the one before has its head.
    """
    n = start.size - 1
    current = start[:-1].copy()
    at = np.full(n, -1, np.int64)  # place on the walk
    walk = np.empty(n + 1, np.int64)
    amounts = np.empty(flow.size, np.int64)
    begins = np.zeros(flow.size + 1, np.int64)
    found = np.empty(max(64, 4 * flow.size), np.int64)
    count = 0
    for root in range(n):
        steps = 0
        u = root
        at[u] = 0
        while True:
            while current[u] < start[u + 1] and flow[arcs[current[u]]] == 0:
                current[u] += 1
            if current[u] == start[u + 1]:  # a balanced flow ends nowhere but at the root
                break
            a = arcs[current[u]]
            walk[steps] = a
            steps += 1
            v = head[a]
            if at[v] < 0:
                at[v] = steps
                u = v
                continue
            since = at[v]
            least = flow[a]
            for i in range(since, steps):
                least = min(least, flow[walk[i]])
            size = steps - since
            begin = begins[count]
            if begin + size > found.size:
                more = np.empty(2 * found.size + size, np.int64)
                more[:begin] = found[:begin]
                found = more
            for i in range(since, steps):
                flow[walk[i]] -= least
                found[begin + i - since] = walk[i]
                if i > since:
                    at[head[walk[i - 1]]] = -1
            amounts[count] = least
            count += 1
            begins[count] = begin + size
            steps = since
            u = v
        at[root] = -1
    return amounts[:count].copy(), begins[: count + 1].copy(), found[: begins[count]].copy()
