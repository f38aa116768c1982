"""Grids of every kind: which nodes a link joins, and what the link can do."""

from __future__ import annotations

import math
from random import Random
from typing import Any

Ends = list[tuple[int, int]]

SHAPES = ("path", "star", "tree", "caterpillar", "ring", "mesh", "geometric", "complete")
"""Connected grids. `parts` puts two of them side by side."""

WIRES = ("free", "limits", "share", "square", "everything")
"""What links have: nothing, limits, proportional losses, quadratic losses, all of it and prices."""


def ends_of(shape: str, nodes: int, seed: int) -> Ends:
    """Which nodes each link joins, either end first."""
    rnd = Random(f"{shape} {nodes} {seed}")
    ends = _ENDS[shape](nodes, rnd)
    return [(b, a) if rnd.random() < 0.5 else (a, b) for a, b in ends]


def wired(ends: Ends, wires: str, seed: int, energy_j: float = 100.0) -> list[dict[str, Any]]:
    """Links on these ends, in the form of `tests.market.books.grid_of`."""
    rnd = Random(f"{wires} {seed}")
    links: list[dict[str, Any]] = []
    for pair in ends:
        link: dict[str, Any] = {"ends": pair}
        every = wires == "everything"
        if wires == "limits" or (every and rnd.random() < 0.5):
            link["capacity_w"] = rnd.choice((0.0, 0.2, 0.7, 2.0, math.inf)) * energy_j
        if wires == "share" or (every and rnd.random() < 0.5):
            link["loss"] = rnd.choice((0.001, 0.02, 0.1, 0.5))
        if wires == "square" or (every and rnd.random() < 0.5):
            link["r"] = rnd.choice((1e-4, 0.01, 0.1)) / energy_j
        if every and rnd.random() < 0.3:
            link["price"] = rnd.choice((0.01, 0.1))
            link["owner"] = rnd.choice(("", "carrier"))
        if every and rnd.random() < 0.2:
            link["standing_w"] = rnd.choice((0.01, 0.05)) * energy_j
        links.append(link)
    return links


def _path(n: int, rnd: Random) -> Ends:
    return [(i, i + 1) for i in range(n - 1)]


def _star(n: int, rnd: Random) -> Ends:
    return [(0, i) for i in range(1, n)]


def _tree(n: int, rnd: Random) -> Ends:
    return [(rnd.randrange(i), i) for i in range(1, n)]


def _caterpillar(n: int, rnd: Random) -> Ends:
    spine = max(n // 3, 1)
    return [(i, i + 1) for i in range(spine - 1)] + [(i % spine, i) for i in range(spine, n)]


def _ring(n: int, rnd: Random) -> Ends:
    return [(i, (i + 1) % n) for i in range(n)]


def _mesh(n: int, rnd: Random) -> Ends:
    """Rows and columns, the last row perhaps short."""
    width = max(math.isqrt(n), 1)
    across = [(i, i + 1) for i in range(n - 1) if (i + 1) % width]
    return across + [(i, i + width) for i in range(n - width)]


def _geometric(n: int, rnd: Random) -> Ends:
    """Random places in a square, each joined to its nearest; and to the next before it."""
    at = [(rnd.random(), rnd.random()) for _ in range(n)]
    pairs = {(i - 1, i) for i in range(1, n)}
    for i in range(n):
        near = sorted((math.dist(at[i], at[j]), j) for j in range(n) if j != i)[:3]
        pairs |= {(min(i, j), max(i, j)) for _, j in near}
    return sorted(pairs)


def _complete(n: int, rnd: Random) -> Ends:
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


_ENDS = {
    "path": _path,
    "star": _star,
    "tree": _tree,
    "caterpillar": _caterpillar,
    "ring": _ring,
    "mesh": _mesh,
    "geometric": _geometric,
    "complete": _complete,
}
