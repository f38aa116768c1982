"""Where the nodes are drawn: on the map, and as a straightened tree."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report.read import Drawn, Floats

TOO_CLOSE = 0.011
"""Share of the picture's width below which two nodes cannot be told apart."""
CROWDED = 0.01
"""Share of the nodes that may be too close before the straightened drawing is shown first."""
CROWDED_ALONE = 0.2
"""The same off the grid, where there is no feeder that a straight drawing would show."""
MOST_ON_MAP = 2000


class Tree(NamedTuple):
    """A tree drawn straight: step from its root and row of each node; which links it uses."""

    depth: NDArray[np.int64]
    row: NDArray[np.int64]
    in_tree: NDArray[np.bool_]


def straighten(grid: Drawn) -> Tree:
    """Lay the grid out by depth: the longest way on stays in its row, branches go below it.

    Branches never cross: those that leave far out are placed first, and each takes the first
    rows that are free along its whole length. Links that close a ring are left out of the tree
    and drawn across. Parts without a way to the utility stand below, each from its first node. Off
    the grid the first part begins at the node with most links.
    """
    count = len(grid.nodes)
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for link, (a, b) in enumerate(zip(grid.link_from, grid.link_to, strict=True)):
        near[a].append((int(b), link))
        near[b].append((int(a), link))
    depth = np.full(count, -1, np.int64)
    in_tree = np.zeros(len(grid.links), np.bool_)
    children: list[list[int]] = [[] for _ in range(count)]
    reach = np.zeros(count, np.int64)
    row = np.zeros(count, np.int64)
    next_row = 0
    joined = np.array([len(n) for n in near])
    first = grid.utility if grid.utility >= 0 else int(joined.argmax())
    for root in [first, *range(count)]:
        if depth[root] >= 0:
            continue
        depth[root] = 0
        order = [root]
        for node in order:
            for other, link in near[node]:
                if depth[other] < 0:
                    depth[other] = depth[node] + 1
                    in_tree[link] = True
                    children[node].append(other)
                    order.append(other)
        for node in reversed(order):
            reach[node] = max((reach[c] for c in children[node]), default=-1) + 1
        bottom = _place(root, children, depth, reach, row)
        row[order] += next_row
        next_row += max(bottom.values()) + 1
    return Tree(depth, row, in_tree)


def _place(
    root: int,
    children: list[list[int]],
    depth: NDArray[np.int64],
    reach: NDArray[np.int64],
    row: NDArray[np.int64],
) -> dict[int, int]:
    """Place a branch with its root in row 0; give the lowest row in use at each depth.

    Recursion goes from a branch into its side branches, each shorter than what it leaves, so it is
    at most sqrt(2 * nodes) deep.
    """
    trunk = [root]
    while children[trunk[-1]]:
        trunk.append(max(children[trunk[-1]], key=lambda c: reach[c]))
    bottom = {int(depth[node]): 0 for node in trunk}
    for node, onward in zip(reversed(trunk[:-1]), reversed(trunk[1:]), strict=True):
        sides = [c for c in children[node] if c != onward]
        for side in sorted(sides, key=lambda c: int(reach[c])):
            below = _place(side, children, depth, reach, row)
            # one column more than it takes, so that two branches in a row do not look like one
            shift = max(bottom.get(d, 0) for d in [*below, max(below) + 1]) + 1
            for member in _members(side, children):
                row[member] += shift
            for d, low in below.items():
                bottom[d] = low + shift
    return bottom


def _members(root: int, children: list[list[int]]) -> list[int]:
    out = [root]
    for node in out:
        out.extend(children[node])
    return out


def on_map(grid: Drawn) -> tuple[Floats, Floats] | None:
    """Coordinates with north up, the longer side 1 long; None where a node has none.

    Numbers that can be longitudes and latitudes are taken for that, and a degree of longitude is
    shortened by the latitude's cosine.
    """
    x, y = grid.x.copy(), grid.y.copy()
    if not len(x) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if np.abs(x).max() <= 180 and np.abs(y).max() <= 90 and np.ptp(x) < 5:
        x *= math.cos(math.radians(float(y.mean())))
    size = max(float(np.ptp(x)), float(np.ptp(y)))
    if size == 0:
        return None
    return (x - x.min()) / size, (y.max() - y) / size


def crowded(x: Floats, y: Floats, share: float = CROWDED) -> bool:
    """Whether too many nodes lie so close together that a map cannot be read."""
    if len(x) > MOST_ON_MAP:
        return True
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(apart, np.inf)
    return float((apart.min(axis=1, initial=np.inf) < TOO_CLOSE).mean()) > share
