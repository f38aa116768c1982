"""Pivots from the optimum of all, where books have more than balances: the way that fits.

- limits on `dc` and `lindistflow`: `isojoule.market.pivots.warm_rows`;
- what is taken whole or not at all: `isojoule.market.pivots.warm_choices`.

Each tells what all others have without a participant, less what all have with it, or that it does
not know; then the whole is solved.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.allocation import Allocation
from isojoule.market.book import Book
from isojoule.market.pivots.parties import Parties

Ints = NDArray[np.int64]

SAME = 1e-9
"""The optimum found here and the one that is paid for differ by no more, as a share of worths."""


class Change(NamedTuple):
    """What all others have without a participant, less what all have with it, money.

    `size` is that of the worths that it is made of, `unsure` what bounds leave open.
    """

    money: float
    size: float
    unsure: float


class Warm(Protocol):
    """An optimum from which participants are taken out."""

    def change(self, number: int) -> Change | None:
        """Of a party, by number; None: not known."""
        ...


def warm_of(
    book: Book,
    grid: Grid,
    found: Allocation,
    parties: Parties,
    value: float,
    seed: bytes,
    asked: Ints,
) -> Warm | None:
    """The optimum of a book to start from, or None where there is no such way.

    Parameters
    ----------
    book, grid, found, parties
        The book and the optimum that is paid for.
    value
        Its welfare, standing losses that are served included, money.
    seed
        As in `isojoule.market.best`.
    asked
        Numbers of the parties that will be asked for.
    """
    if book.network in ("dc", "lindistflow"):
        from isojoule.market.pivots.warm_limits import limits_of
        from isojoule.market.pivots.warm_rows import WarmRows

        limits = limits_of(book, grid, found)
        if limits is None:
            return None
        rows = WarmRows(limits, parties)
        # where worths below 0 were lifted, or ways shut, another program was solved
        near = rows.value is not None and abs(rows.value - value) <= SAME * rows.size
        if not near:
            return None
        rows.foresee(asked)
        return rows
    if book.indivisible and found.taken is not None:
        from isojoule.market.pivots.warm_choices import WarmChoices

        choices = WarmChoices(book, grid, found, parties, value, seed)
        choices.foresee(asked)
        return choices
    return None
