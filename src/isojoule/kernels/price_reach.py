"""What sets the price at each node, and what stands between it and the rest, for all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@kernel
def nearest(start: Ints, incident: Ints, tail: Ints, head: Ints, open_: Bools, at: Ints) -> Ints:
    """The number that stands nearest to each node over open links, -1 where none can be reached.

    Parameters
    ----------
    start, incident
        Links at each node, see `isojoule.kernels.incidence.incidence`.
    tail, head
        Ends of the links, (links,).
    open_
        Which links may be used, (links,).
    at
        The number at each node, -1: none, (nodes,).

    Returns
    -------
    (nodes,); of equally near ones, in links, the least. O(nodes + links).
    """
    nodes = at.size
    found = at.copy()
    steps = np.full(nodes, -1, np.int64)
    queue = np.empty(nodes, np.int64)
    count = 0
    for v in range(nodes):
        if at[v] >= 0:
            steps[v] = 0
            queue[count] = v
            count += 1
    done = 0
    while done < count:
        v = queue[done]
        done += 1
        for p in range(start[v], start[v + 1]):
            e = incident[p]
            if not open_[e]:
                continue
            w = tail[e] + head[e] - v
            if steps[w] < 0:
                steps[w] = steps[v] + 1
                found[w] = found[v]
                queue[count] = w
                count += 1
            elif steps[w] == steps[v] + 1 and found[v] < found[w]:
                found[w] = found[v]
    return found


@kernel
def first_walls(
    start: Ints, incident: Ints, tail: Ints, head: Ints, full: Bools, root: int
) -> tuple[Ints, Ints]:
    """The first full link on each node's way to `root`, over as few full links as there can be.

    Nodes that links tie together without a full one form a region, and share one way.

    Returns
    -------
    wall
        The link, (nodes,); -1 in the region of the root, and where no way leads to it.
    near
        Its end on the node's side, (nodes,); -1 there, too.
    """
    nodes = start.size - 1
    wall = np.full(nodes, -1, np.int64)
    near = np.full(nodes, -1, np.int64)
    seen = np.zeros(nodes, np.bool_)
    gates = np.empty((incident.size + 1, 2), np.int64)
    gates[0, 0], gates[0, 1] = root, -1
    gate, gate_count = 0, 1
    stack = np.empty(nodes, np.int64)
    while gate < gate_count:
        entry, link = gates[gate, 0], gates[gate, 1]
        gate += 1
        if seen[entry]:
            continue
        seen[entry] = True
        stack[0] = entry
        depth = 1
        while depth > 0:
            depth -= 1
            v = stack[depth]
            wall[v] = link
            near[v] = entry if link >= 0 else -1
            for p in range(start[v], start[v + 1]):
                e = incident[p]
                w = tail[e] + head[e] - v
                if seen[w]:
                    continue
                if full[e]:
                    gates[gate_count, 0], gates[gate_count, 1] = w, e
                    gate_count += 1
                else:
                    seen[w] = True
                    stack[depth] = w
                    depth += 1
    return wall, near
