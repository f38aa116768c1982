"""The leaves of a certificate as rows of a document, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.core.canonical import number
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.integer.units import Leaf

Document = dict[str, Any]


def leaf_row(book: Book, grid: Grid, leaf: Leaf) -> Document:
    """A leaf: the ids of what is taken and of what is left, and a price per node."""
    prices = zip(grid.node_ids, leaf.duals.tolist(), strict=True)
    return {
        "taken": sorted(book.offer_ids[i] for i in leaf.taken),
        "left": sorted(book.offer_ids[i] for i in leaf.left),
        "duals": {name: number(value) for name, value in prices},
    }


def read_leaves(rows: Any, book: Book, grid: Grid) -> tuple[Leaf, ...]:
    """The leaves of a document.

    Raises
    ------
    KeyError, TypeError, ValueError
        They are not of this book.
    """
    position = {name: i for i, name in enumerate(book.offer_ids)}

    def prices(values: Document) -> list[float]:
        out = [values[name] for name in grid.node_ids]
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in out):
            raise TypeError("a price of a leaf is not a number")
        return [float(v) for v in out]

    return tuple(
        Leaf(
            tuple(sorted(position[name] for name in row["taken"])),
            tuple(sorted(position[name] for name in row["left"])),
            np.array(prices(row["duals"]), dtype=np.float64),
        )
        for row in rows
    )
