"""Shapes of grids, made from a seed: lists of links, in whole arrays, a million nodes in seconds.

Nodes are numbered so that neighbours lie near in memory, as they are after loading. Every link
leads from the lower number to the higher one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree

Index = NDArray[np.int32]

NEIGHBOURS = 6.0
"""Of a node of a random geometric graph, on the average."""
TREES = ("bushy", "feeder", "caterpillar", "path")
"""Kinds of trees, from the flattest to the deepest."""


class Shape(NamedTuple):
    """Nodes and links. `tail`, `head`: (links,), int32."""

    name: str
    nodes: int
    tail: Index
    head: Index

    @property
    def links(self) -> int:
        return self.tail.size


def geometric(nodes: int, seed: int) -> Shape:
    """Nodes at random in a square, in Morton order; whoever is nearer than a radius is linked."""
    at = np.random.default_rng(seed).random((nodes, 2))
    at = at[np.argsort(_morton(at), kind="stable")]
    radius = np.sqrt(NEIGHBOURS / (np.pi * nodes))
    pairs = cKDTree(at).query_pairs(radius, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    tail, head = np.ascontiguousarray(pairs.T.astype(np.int32))
    return Shape("geometric", nodes, tail, head)


def _morton(at: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the small cell in which each point lies, along Morton's curve."""
    bits = 12
    cell = (at * (1 << bits)).astype(np.int64)
    code = np.zeros(len(at), np.int64)
    for bit in range(bits):
        for axis in range(2):
            code |= ((cell[:, axis] >> bit) & 1) << (2 * bit + axis)
    return code


def grid(rows: int, columns: int) -> Shape:
    """A rectangle of nodes, each linked to the next one right and below."""
    number = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    tail = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    head = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    order = np.lexsort((head, tail))
    return Shape(f"grid {rows} x {columns}", rows * columns, tail[order], head[order])


def tree(nodes: int, seed: int, kind: str = "feeder") -> Shape:
    """A random tree with its root at 0.

    A node hangs from one of those made shortly before it: of the last sqrt(nodes) (`feeder`), of
    all (`bushy`), or of the very last (`path`). So it has one child on the average, and few have
    many. A `caterpillar` is a path with one leg at each node.
    """
    child = np.arange(1, nodes, dtype=np.int32)
    if kind == "path":
        parent = child - 1
    elif kind == "caterpillar":
        parent = np.where(child % 2 == 1, child - 1, child - 2)
    else:
        window = {"feeder": int(np.sqrt(nodes)), "bushy": nodes}[kind]
        near = np.minimum(child, window)
        back = 1 + (np.random.default_rng(seed).random(nodes - 1) * near).astype(np.int32)
        parent = child - back
    return Shape(kind, nodes, parent.astype(np.int32), child)


def hops(shape: Shape) -> int:
    """Links between two nodes that lie far apart: the diameter of a tree, at least half of others.

    The farthest node from the first one, and the farthest from that.
    """
    ones = np.ones(shape.links, np.int8)
    links = coo_array((ones, (shape.tail, shape.head)), shape=(shape.nodes, shape.nodes)).tocsr()
    links = links + links.T
    start, depth = 0, np.zeros(shape.nodes, np.int64)
    for _ in range(2):
        order, above = breadth_first_order(links, start, directed=False)
        depth = _depths(order, above)
        start = int(order[-1])
    return int(depth[start])


def _depths(order: Index, above: Index) -> NDArray[np.int64]:
    """Steps from the first node in the order to each, level by level."""
    place = np.empty(above.size, np.int64)
    place[order] = np.arange(order.size)
    up = place[above[order[1:]]]  # ascending: breadth first
    depth = np.zeros(order.size, np.int64)
    begin, end = 0, 1
    while end < order.size:
        last = 1 + int(np.searchsorted(up, end))
        depth[end:last] = depth[begin] + 1
        begin, end = end, last
    out = np.zeros(above.size, np.int64)
    out[order] = depth
    return out
