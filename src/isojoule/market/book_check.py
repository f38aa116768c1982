"""What no book may be: columns from outside, refused with the offer that is wrong and a remedy.

Offers as rows check themselves when they are made (`isojoule.valuation.offer`). Columns that a
program or a table filled are checked here, as arrays, so that ten million offers take seconds.
Inside, simulations fill the same columns again and again, and are not held up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.names import first_repeat
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.book import BOOK_NETWORKS, Book
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces, marginal

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
ROUNDING = 1e-9
"""A curve may rise by this share of its size: the digits of what it was computed from."""


def check_book(book: Book, grid: Grid) -> None:
    """Refuse columns that are no book.

    Raises
    ------
    InputError
        Wrong lengths, positions that are nowhere, names that stand twice, numbers that are none,
        curves that rise; names the offer.
    """
    if book.network not in BOOK_NETWORKS:
        raise InputError(
            f"unknown network {book.network!r}", remedy=f"use one of {', '.join(BOOK_NETWORKS)}"
        )
    _lengths(book)
    twice = first_repeat(book.offer_ids)
    if twice >= 0:
        raise InputError(
            f"offer {book.offer_ids[twice]!r} stands twice", remedy="give each offer its own id"
        )
    _offers(book, grid)
    _pieces(book)


def _lengths(book: Book) -> None:
    columns = {
        "offer": ("offer_participant", "offer_node", "offer_kind", "spill0", "spill1"),
        "piece": ("piece_offer", "on_curve"),
    }
    columns["offer"] += ("short0", "short1")
    named = {what: {name: getattr(book, name) for name in names} for what, names in columns.items()}
    if book.power_factor is not None:
        named["offer"]["power_factor"] = book.power_factor
    named["piece"].update(book.pieces._asdict())
    counts = {"offer": book.offer_count, "piece": book.piece_offer.size}
    for what, arrays in named.items():
        for name, array in arrays.items():
            if array.shape != (counts[what],):
                raise InputError(
                    f"{name} has the shape {array.shape} for {counts[what]} {what}s",
                    remedy=f"give one entry for each {what}",
                )
    for name in ("offer_participant", "offer_node", "offer_kind", "piece_offer"):
        if not np.issubdtype(getattr(book, name).dtype, np.integer):
            raise InputError(f"{name} are not whole numbers", remedy="give positions")


def _offers(book: Book, grid: Grid) -> None:
    def check(bad: Bools, message: str, remedy: str) -> None:
        _refuse(book, bad, message, remedy)

    bundle = book.offer_kind == KINDS.index("bundle")
    check(book.offer_kind >= len(KINDS), "unknown kind of offer", f"use {', '.join(KINDS)}")
    check(
        ~bundle & ((book.offer_node < 0) | (book.offer_node >= grid.node_count)),
        "its node is not a node of the grid",
        f"give a position of 0 to {grid.node_count - 1}",
    )
    check(
        (book.offer_participant < 0) | (book.offer_participant >= len(book.participants)),
        "its participant is not one of the book",
        f"give a position of 0 to {len(book.participants) - 1}",
    )
    for name in ("spill0", "spill1", "short0", "short1"):
        check(
            ~np.isfinite(getattr(book, name)),
            f"{name} is not a finite number",
            "give 0 where nothing is spilled or unserved",
        )
    if book.power_factor is not None:
        check(
            ~((book.power_factor > 0) & (book.power_factor <= 1)),
            "power_factor is not above 0 and at most 1",
            "give 1 where only real power is drawn",
        )


def _pieces(book: Book) -> None:
    at, p = book.piece_offer, book.pieces
    if at.size and not (
        at[0] >= 0 and at[-1] < book.offer_count and bool(np.all(at[1:] >= at[:-1]))
    ):
        raise InputError(
            "piece_offer does not ascend from 0 to the last offer",
            remedy="put the pieces in the order of their offers",
        )

    def check(bad: Bools, message: str, remedy: str) -> None:
        if bad.any():
            name = book.offer_ids[int(at[int(np.argmax(bad))])]
            raise InputError(message, place=f"offer {name!r}", remedy=remedy)

    check(
        ~((p.lo <= 0) & (p.hi >= 0)),
        "its energies do not go from 0 or less to 0 or more",
        "give lo <= 0 <= hi, in J, and numbers",
    )
    for name in ("a", "b", "c0", "c1", "k"):
        check(
            ~np.isfinite(getattr(p, name)),
            f"{name} of its curve is not a finite number",
            "give a worth: money per J, as numbers",
        )
    check(
        (p.b < 0) | (p.c1 < 0) | (p.k <= 0),
        "its curve would rise, or has no k above 0",
        "give b and c1 of 0 or more, and k above 0",
    )
    bent = (p.b > 0) & (p.c1 > 0)
    most = np.where(bent, p.hi, 0.0)
    check(
        np.where(bent, p.c0, 0.0) - np.where(bent, p.c1, 0.0) * most < -ROUNDING,
        "its curve ends before its energy does",
        "give c0 - c1 * x of 0 or more up to hi",
    )
    check(_rises(at, p), "its curve rises", "give pieces of falling worth, in order")
    sizes = np.where(np.isfinite(p.hi), p.hi, 0.0) - np.where(np.isfinite(p.lo), p.lo, 0.0)
    total_j = np.cumsum(sizes)
    check(
        total_j >= NO_LIMIT_UJ / UJ_PER_J,
        "the energies of the book are too large to be counted in microjoules",
        "check the units, or clear a smaller area",
    )


def _rises(at: NDArray[np.int32], p: Pieces) -> Bools:
    """Whether a piece begins dearer than the one before it in its offer ends, shape (pieces,)."""
    some = np.flatnonzero(p.lo < p.hi)
    q = Pieces(*(column[some] for column in p))
    first, last = (marginal(q, np.where(np.isfinite(x), x, 0.0)) for x in (q.lo, q.hi))
    margin = ROUNDING * np.maximum(np.abs(first[1:]), np.abs(last[:-1]))
    bad = np.zeros(p.lo.size, bool)
    bad[some[1:]] = (at[some[1:]] == at[some[:-1]]) & (first[1:] > last[:-1] + margin)
    return bad


def _refuse(book: Book, bad: Bools, message: str, remedy: str) -> None:
    if bad.any():
        name = book.offer_ids[int(np.argmax(bad))]
        raise InputError(message, place=f"offer {name!r}", remedy=remedy)
