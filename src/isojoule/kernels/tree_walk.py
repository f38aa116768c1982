"""A forest in the order in which trees are solved, and what stands on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.incidence import grouped

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Walk(NamedTuple):
    """A forest in depth-first order: each node stands before all that lies behind it.

    Attributes
    ----------
    order
        Node at each place, (nodes,).
    above
        Place of the node above, -1 at a root.
    link
        Link to it, -1 at a root.
    ahead
        Whether that link runs away from the root.
    """

    order: Ints
    above: Ints
    link: Ints
    ahead: Bools


class TreeProgram(NamedTuple):
    """Pieces by place in the walk, and links. J and money per J.

    Attributes
    ----------
    first
        Pieces of the place p: first[p] .. first[p + 1], (nodes + 1,).
    lo, hi, a, b, c0, c1, k
        Pieces in the order of places, all finite.
    inject
        Energy given at each place.
    capacity, gain, loss_per_j, price
        Per link; capacities are no more than a quadratic loss lets through.
    """

    first: Ints
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    inject: Floats
    capacity: Floats
    gain: Floats
    loss_per_j: Floats
    price: Floats


@kernel
def depth_first(order: Ints, up: Ints, link: Ints, tail: Ints) -> Walk:
    """The walk of a forest that is given breadth first (see `isojoule.kernels.incidence.walk`)."""
    nodes = order.size
    size = np.ones(nodes, np.int64)
    for p in range(nodes - 1, -1, -1):
        v = order[p]
        if up[v] >= 0:
            size[up[v]] += size[v]
    place = np.empty(nodes, np.int64)
    free = np.empty(nodes, np.int64)  # where the next node below goes
    roots = 0
    out = Walk(
        np.empty(nodes, np.int64), np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64),
        np.zeros(nodes, np.bool_),
    )  # fmt: skip
    for v in order:
        u = up[v]
        if u < 0:
            p = roots
            roots += size[v]
        else:
            p = free[u]
            free[u] += size[v]
            out.above[p] = place[u]
            out.link[p] = link[v]
            out.ahead[p] = tail[link[v]] == u
        place[v] = p
        free[v] = p + 1
        out.order[p] = v
    return out


@kernel
def by_place(walk: Walk, node: Ints) -> tuple[Ints, Ints]:
    """Pieces in the order of places: those of place p are order[first[p]:first[p + 1]]."""
    nodes = walk.order.size
    place = np.empty(nodes, np.int64)
    for p in range(nodes):
        place[walk.order[p]] = p
    return grouped(place[node], nodes)
