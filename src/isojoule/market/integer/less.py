"""The search for the best choice of a book, gone on with where some of it is closed.

Tangents stay what they are, for curves and losses do not change. Choices that were excluded may be
good ones now, and are open again. What prices prove of all choices, with what is closed left out,
rules out units: a choice that takes one, or leaves it, has no more than the bound less what that
costs, and where this is no more than what is reached already, the unit is settled (variable fixing
by reduced costs: Nemhauser, Wolsey 1988, Integer and Combinatorial Optimization, II.5).
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.integer.allocate import Search
from isojoule.market.integer.lagrangian import Fixed, Gains, Lagrangian

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


def settled(relaxation: Lagrangian, gains: Gains, fixed: Fixed, reached: float) -> Fixed:
    """What must be taken or left in every choice that has more than what is reached, money."""
    bound = relaxation.bound(gains, fixed)
    group, unit, out = relaxation.units.group, gains.unit, fixed.copy()
    alone = (group < 0) & (fixed < 0)
    other = bound - np.abs(unit) <= reached  # with a unit in its other state
    out[alone & other & (unit <= 0.0)] = 0
    out[alone & other & (unit > 0.0)] = 1
    for u in np.flatnonzero((group >= 0) & (fixed < 0)).tolist():
        mine = group == group[u]
        mine[u] = False
        if np.any(mine & (fixed == 1)):
            out[u] = 0
            continue
        others = float(np.max(unit[mine & (fixed < 0)], initial=0.0))
        now = max(float(unit[u]), others)
        if bound - now + float(unit[u]) <= reached:
            out[u] = 0
        elif bound - now + others <= reached:
            out[u] = 1
            out[mine & (fixed < 0)] = 0
    return out
