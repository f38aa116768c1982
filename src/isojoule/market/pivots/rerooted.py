"""Pivots of whole forests at once; nothing is known of any yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.allocation import Allocation
from isojoule.market.book import Book
from isojoule.market.pivots.parties import Parties


class Local(NamedTuple):
    """Whose pivots are known, what they are, money, and the size of what they are made of."""

    known: NDArray[np.bool_]
    money: NDArray[np.float64]
    size: NDArray[np.float64]


def rerooted(
    book: Book, grid: Grid, found: Allocation, parties: Parties, busy: NDArray[np.bool_]
) -> Local:
    """The pivots of those who are busy, where they can be read off."""
    none = np.zeros(parties.count)
    return Local(np.zeros(parties.count, bool), none, none)
