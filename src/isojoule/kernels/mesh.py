"""How links and nodes lie in memory for sweeps over large graphs, and what a sweep moves.

Nodes keep their order, which for large graphs should have neighbours near each other. They are cut
into `PARTS` runs of one length. Links are sorted by the run in which both ends lie, then by their
ends; those between runs come last. So two threads can each sweep over a run and its links, and the
few links between runs follow alone. The runs, not the threads, fix the order of all sums: one
thread and two give the same bits.

Ends are unsigned 32-bit numbers: half the memory, and no test for negative ones at every access.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Places = NDArray[np.uint32]

PARTS = 2
"""Runs of nodes; as many threads can sweep."""
BYTES_PER_LINK = 56
"""Moved in a sweep over links without price: ends 8, two flows read and one written 24, capacity,
gain and rate 24."""
BYTES_PER_NODE = 56
"""Moved in a sweep: balance read, reset from what is given, 24; curve 16; price written and read
16."""


class Layout(NamedTuple):
    """Links in the order of sweeps.

    Attributes
    ----------
    order
        Number of the link at each place, (links,).
    tail, head
        Ends, (links,).
    incident
        Places of the links at each node, where `isojoule.kernels.incidence` has their numbers.
    link_first
        Links of run p: link_first[p] .. link_first[p + 1]; those between runs stand from
        link_first[PARTS] on. (PARTS + 2,)
    node_first
        Nodes of run p: node_first[p] .. node_first[p + 1]. (PARTS + 1,)
    """

    order: NDArray[np.uint32]
    tail: Places
    head: Places
    incident: Places
    link_first: Ints
    node_first: Ints


def lay_out(nodes: int, tail: Ints, head: Ints, start: Ints, incident: Ints) -> Layout:
    """The layout of a graph; `start` and `incident` as in `isojoule.kernels.incidence`.

    Arrays are made here and not in kernels: numpy asks the system for large pages, which sweeps
    over millions of links are faster on.
    """
    links = tail.size
    out = Layout(
        np.empty(links, np.uint32), np.empty(links, np.uint32), np.empty(links, np.uint32),
        np.empty(2 * links, np.uint32), np.zeros(PARTS + 2, np.int64),
        np.arange(PARTS + 1, dtype=np.int64) * nodes // PARTS,
    )  # fmt: skip
    _fill(tail, head, start, incident, out)
    return out


@kernel
def _fill(tail: Ints, head: Ints, start: Ints, incident: Ints, out: Layout) -> None:
    nodes, links = start.size - 1, tail.size
    node_first, link_first = out.node_first, out.link_first
    run = np.empty(nodes, np.uint8)
    for p in range(PARTS):
        run[node_first[p] : node_first[p + 1]] = p
    for e in range(links):
        a, b = run[tail[e]], run[head[e]]
        link_first[(a if a == b else PARTS) + 1] += 1
    for p in range(PARTS + 1):
        link_first[p + 1] += link_first[p]
    free = link_first[:-1].copy()
    place = np.full(links, links, np.uint32)
    for v in range(nodes):  # in the order of their first ends
        for i in range(start[v], start[v + 1]):
            e = incident[i]
            if place[e] < links:
                out.incident[i] = place[e]
                continue
            a, b = run[tail[e]], run[head[e]]
            p = a if a == b else PARTS
            at = free[p]
            free[p] += 1
            place[e] = out.incident[i] = at
            out.order[at] = e
            out.tail[at] = tail[e]
            out.head[at] = head[e]
