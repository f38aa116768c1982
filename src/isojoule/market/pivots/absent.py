"""The market without one of its participants, who then trades nothing.

A participant is one metered home or owner, with all its offers and links. Absent, it stays on its
bus: what it generates neither vanishes nor falls to others, for worth is counted from no trade.
Its offers have no room, its links carry nothing. All columns keep their places, so that results
with and without it can be compared, and networks that are kept with a grid are used again.

Standing losses of its links are drawn all the same: they are the operator's (G6).

Spec: docs/spec/vcg.md, P1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.settle import Flows
from isojoule.valuation import KINDS, Bundle, Steps

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def people(book: Book, grid: Grid) -> tuple[str, ...]:
    """All who have offers or links, by name."""
    return tuple(sorted(set(book.participants) | {owner for owner in grid.owner if owner}))


def offers_of(book: Book, participant: str) -> Bools:
    """Which offers are this participant's, shape (offers,)."""
    if participant not in book.participants:
        return np.zeros(book.offer_count, bool)
    mine: Bools = book.offer_participant == book.participants.index(participant)
    return mine


def links_of(grid: Grid, participant: str) -> Bools:
    """Which links are this participant's, shape (links,)."""
    return np.array([owner == participant for owner in grid.owner], dtype=bool)


def without(book: Book, grid: Grid, participant: str) -> tuple[Book, Grid]:
    """The book and the grid in which this participant trades nothing.

    Whatever is not changed is shared. Of what is indivisible (bundles, groups) the rows are
    emptied, too.
    """
    mine = offers_of(book, participant)
    if mine.any():
        p = book.pieces
        room = ~mine[book.piece_offer]
        pieces = p._replace(lo=np.where(room, p.lo, 0.0), hi=np.where(room, p.hi, 0.0))
        rows = book.offers
        if book.indivisible:
            rows = tuple(
                replace(o, spec=Steps(), all_or_nothing=False, group="") if own else o
                for o, own in zip(rows, mine.tolist(), strict=True)
            )
        book = replace(book, pieces=pieces, offers=rows)
    links = links_of(grid, participant)
    if links.any():
        grid = replace(grid, capacity_w=np.where(links, 0.0, grid.capacity_w))
    return book, grid


def size_uj(book: Book, energy_uj: Ints, taken: Bools | None) -> Ints:
    """How much each offer trades: its energy without sign, of a bundle that of all its legs."""
    size = np.abs(energy_uj)
    if taken is not None:
        bundle = KINDS.index("bundle")
        for i in np.flatnonzero((book.offer_kind == bundle) & taken):
            spec = book.offers[i].spec
            assert isinstance(spec, Bundle)
            size[i] = sum(abs(leg.energy_uj) for leg in spec.legs)
    return size


def idle(book: Book, grid: Grid, flows: Flows, taken: Bools | None) -> set[str]:
    """Who trades nothing: no offer moves energy, and no link carries any."""
    size = size_uj(book, flows.energy_uj, taken)
    busy = {book.participants[i] for i in book.offer_participant[size > 0].tolist()}
    busy |= {owner for owner, f in zip(grid.owner, flows.flow_uj.tolist(), strict=True) if f}
    return set(people(book, grid)) - busy


def room_j(book: Book) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much each offer could deliver and receive at most, J, bundles included."""
    count = book.offer_count
    gives = np.bincount(book.piece_offer, -book.pieces.lo, count)
    takes = np.bincount(book.piece_offer, book.pieces.hi, count)
    for i, o in enumerate(book.offers):
        if isinstance(o.spec, Bundle):
            gives[i] = sum(max(-leg.energy_uj, 0) for leg in o.spec.legs) / UJ_PER_J
            takes[i] = sum(max(leg.energy_uj, 0) for leg in o.spec.legs) / UJ_PER_J
    return gives.astype(np.float64), takes.astype(np.float64)
