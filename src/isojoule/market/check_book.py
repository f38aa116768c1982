"""The check of a book that was made from columns: every number is one, every curve falls.

`Book.from_offers` does not need it: offers are checked when they are made. A simulation fills its
columns by formulas that keep the rules, a hundred thousand times, and does not ask either. Columns
from outside are checked by `isojoule.clear`, and by `equilibrium` and `lmp` where a book was not
solved, so that what is wrong is named. Spec: docs/spec/valuation.md, V2 and V3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.names import first_repeat
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.book_faults import FAULTS, first_fault
from isojoule.market.book import BOOK_NETWORKS, Book
from isojoule.valuation import KINDS

PER_OFFER = (
    *("offer_participant", "offer_node", "offer_kind"),
    *("spill0", "spill1", "short0", "short1"),
)
NUMBERS = ("spill0", "spill1", "short0", "short1")


def check_book(book: Book, grid: Grid) -> None:
    """Check the columns of a book: lengths, positions, numbers, and that every curve falls.

    Raises
    ------
    InputError
        At the first thing that is wrong; names the offer and its node.
    """
    if book.network not in BOOK_NETWORKS:
        raise InputError(
            f"unknown network {book.network!r}", remedy=f"use one of {', '.join(BOOK_NETWORKS)}"
        )
    if not (math.isfinite(book.interval.duration_s) and book.interval.duration_s > 0):
        raise InputError("the interval has no length", remedy="give a duration above 0 s")
    count, pieces = book.offer_count, book.piece_offer.size
    for name in PER_OFFER:
        if getattr(book, name).shape != (count,):
            raise InputError(
                f"{name} has not one entry for each of {count} offers",
                place="book",
                remedy="give one for each",
            )
    for column, name in zip(
        (*book.pieces, book.on_curve), (*book.pieces._fields, "on_curve"), strict=True
    ):
        if column.shape != (pieces,):
            raise InputError(
                f"{name} has not one entry for each of {pieces} pieces",
                place="book",
                remedy="give one for each",
            )
    for name in ("offer_participant", "offer_node", "offer_kind", "piece_offer"):
        if not np.issubdtype(getattr(book, name).dtype, np.integer):
            raise InputError(
                f"{name} has entries that are no whole numbers",
                place="book",
                remedy="give positions",
            )
    twice = first_repeat(book.offer_ids)
    if twice >= 0:
        raise InputError(
            f"offer {book.offer_ids[twice]!r} stands twice", remedy="give each offer its own id"
        )
    at, fault = first_fault(
        count, grid.node_count, book.offer_node, book.offer_kind == KINDS.index("bundle"),
        book.piece_offer, *book.pieces,
    )  # fmt: skip
    if fault >= 0:
        message, remedy = FAULTS[fault]
        raise InputError(message, place=_place(book, grid, int(at)), remedy=remedy)
    unknown = (book.offer_kind < 0) | (book.offer_kind >= len(KINDS))
    _refuse(book, grid, unknown, "unknown kind of offer", f"use a position of {', '.join(KINDS)}")
    who = book.offer_participant
    absent = (who < 0) | (who >= len(book.participants))
    _refuse(book, grid, absent, "its participant is not in the book", "give positions of names")
    for name in NUMBERS:
        _refuse(
            book, grid, ~np.isfinite(getattr(book, name)), f"{name} is not a finite number",
            "give 0 where nothing is spilled or short",
        )  # fmt: skip
    p = book.pieces
    sizes = np.where(np.isfinite(p.hi), p.hi, 0.0) - np.where(np.isfinite(p.lo), p.lo, 0.0)
    large = np.flatnonzero(np.cumsum(sizes) >= NO_LIMIT_UJ / UJ_PER_J)
    if large.size:
        raise InputError(
            "the energies of the book are too large to be counted in microjoules",
            place=_place(book, grid, int(book.piece_offer[large[0]])),
            remedy="check the units, or clear a smaller area",
        )
    if book.power_factor is not None:
        if book.power_factor.shape != (count,):
            raise InputError(
                "power_factor has not one entry for each offer",
                place="book",
                remedy="give one for each",
            )
        wrong = ~((book.power_factor > 0) & (book.power_factor <= 1))
        _refuse(book, grid, wrong, "power_factor is not above 0 and at most 1", "give it as 0.95")


@contextmanager
def naming_faults(book: Book, grid: Grid) -> Iterator[None]:
    """Around work on a book: where it breaks, what is wrong with the book is named, if anything."""
    try:
        yield
    except InvariantError:
        check_book(book, grid)
        raise


def _refuse(book: Book, grid: Grid, wrong: NDArray[np.bool_], message: str, remedy: str) -> None:
    if wrong.any():
        place = _place(book, grid, int(np.flatnonzero(wrong)[0]))
        raise InputError(message, place=place, remedy=remedy)


def _place(book: Book, grid: Grid, offer: int) -> str:
    """An offer and its node by their names; the position of what has no offer."""
    if not 0 <= offer < book.offer_count:
        return "book"
    node = int(book.offer_node[offer])
    where = f" at node {grid.node_ids[node]!r}" if 0 <= node < grid.node_count else ""
    return f"offer {book.offer_ids[offer]!r}{where}"
