"""Nodes in an order in which neighbours lie near each other in memory.

A sweep over links reads what stands at both ends. Where nodes stand in the order of a file, that is
a jump through memory for every link; in the order of reverse Cuthill-McKee the far end is mostly in
the cache. It needs no coordinates. On five million nodes of a random geometric graph a sweep over
links is six times as fast as in random order, and a third faster than along a Morton curve
(docs/decisions/0020-columns-and-folders.md).

Source: Cuthill, McKee 1969, doi:10.1145/800195.805928.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


def near_order(nodes: int, tail: NDArray[Any], head: NDArray[Any]) -> Positions:
    """The nodes in an order in which neighbours are near, shape (nodes,).

    It follows from the numbering that comes in: who wants an outcome that does not depend on the
    order of a file sorts by names first.

    Parameters
    ----------
    tail, head
        Ends of the links, shape (links,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    ends = (np.concatenate([tail, head]), np.concatenate([head, tail]))
    graph = coo_array((np.ones(ends[0].size, np.int8), ends), shape=(nodes, nodes)).tocsr()
    order: Positions = reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)
    return order


def places(order: NDArray[Any]) -> NDArray[np.int32]:
    """Where each node comes to stand: the inverse of an order."""
    at = np.empty(order.size, np.int32)
    at[order] = np.arange(order.size, dtype=np.int32)
    return at
