"""The search for the best choice of a book, gone on with where some of it is closed.

Tangents stay what they are, for curves and losses do not change. Choices that were excluded may be
good ones now, and are open again.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.integer.allocate import Search

Bools = NDArray[np.bool_]


def less(search: Search, book: Book, grid: Grid, pieces: Bools, links: Bools) -> Search:
    """The search in a book and grid in which some pieces and links are closed.

    Parameters
    ----------
    search
        Of all. It gets the tangents that the new one finds, and nothing else.
    book, grid
        Of the same columns.
    pieces, links
        What is closed: pieces of the relaxation's columns, and links of its network.
    """
    r, master = search.relaxation, copy.copy(search.master)
    p = r.columns.pieces
    shut = p._replace(lo=np.where(pieces, 0.0, p.lo), hi=np.where(pieces, 0.0, p.hi))
    relaxation = replace(
        r,
        columns=r.columns._replace(pieces=shut),
        capacity_j=np.where(links, 0.0, r.capacity_j),
    )
    master.narrow(pieces, links)
    return search.on(book, grid, relaxation, master)
