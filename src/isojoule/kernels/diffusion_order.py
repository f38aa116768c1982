"""In which order links take their turn, so that no result depends on the order of the input.

Links are coloured so that those of one colour share no node: what they do is the same in any
order, or all at once. Colours take their turn one after the other. Spec: docs/spec/diffusion.md,
D3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]


@kernel
def colours(nodes: int, tail: Ints, head: Ints, turn: Ints) -> Ints:
    """Greedy edge colouring: in this turn, each link gets the least colour free at both ends.

    Parameters
    ----------
    nodes
        Number of nodes.
    tail, head
        Ends of the links.
    turn
        Links in the order in which they choose.

    Returns
    -------
    colour : (links,), from 0; at most the sum of the degrees of both ends, less two.
    """
    start = np.zeros(nodes + 1, np.int64)
    for e in range(tail.size):
        start[tail[e] + 1] += 1
        start[head[e] + 1] += 1
    start = np.cumsum(start)
    # of each node: all colours below `free` are used, and those that are listed
    free = np.zeros(nodes, np.int64)
    listed = np.zeros(nodes, np.int64)
    used = np.empty(start[nodes], np.int64)
    colour = np.empty(tail.size, np.int64)
    for e in turn:
        c = max(free[tail[e]], free[head[e]])
        taken = True
        while taken:
            taken = False
            for v in (tail[e], head[e]):
                for i in range(start[v], start[v] + listed[v]):
                    if used[i] == c:
                        taken = True
                        break
            c += 1 if taken else 0
        colour[e] = c
        for v in (tail[e], head[e]):
            used[start[v] + listed[v]] = c
            listed[v] += 1
            i = start[v]
            while i < start[v] + listed[v]:
                if used[i] == free[v]:
                    free[v] += 1
                    listed[v] -= 1
                    used[i] = used[start[v] + listed[v]]
                    i = start[v] - 1  # from the beginning: the next one may be listed
                i += 1
    return colour
