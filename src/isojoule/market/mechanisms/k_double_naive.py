"""The second, naive implementation of `k-double`: bids and asks meet one after the other.

Spec: docs/spec/auctions.md, U5, U17 to U19.
"""

from __future__ import annotations

import math
from fractions import Fraction

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.step_traders_naive import (
    NANO_PER_UJ,
    Row,
    Told,
    check_told,
    cleared_between,
    in_parts,
    rows_of,
)


def audit(book: Book, grid: Grid, clearing: Clearing, kappa: float) -> None:
    """Check a clearing. Raises VerificationError at the first thing that is wrong."""
    rows = rows_of(book)
    traded, low, high = cleared_between(rows)
    price = low if math.isfinite(low) else high
    if math.isfinite(low) and math.isfinite(high):
        price = min(max(kappa * high + (1.0 - kappa) * low, low), high)
    if not math.isfinite(price):
        price = math.nan
    energy: dict[int, int] = {}
    for buys in (True, False):
        side = [row for row in rows if row.buys == buys]
        for row, size in zip(side, _trades(side, traded, book, clearing.seed), strict=True):
            energy[row.offer] = energy.get(row.offer, 0) + (size if buys else -size)
    nano = {i: Fraction(price) * (e * NANO_PER_UJ) for i, e in energy.items() if e}
    check_told(book, grid, clearing, Told(energy, nano, {}, price, low, high))
    if clearing.notes:
        raise VerificationError("the rule tells none", place="notes")


def _trades(side: list[Row], traded: int, book: Book, seed: bytes) -> list[int]:
    """What each step of one side trades: price by price, from the best, as far as it goes."""
    out = [0] * len(side)
    prices = sorted({row.price for row in side}, reverse=bool(side) and side[0].buys)
    for price in prices:
        alike = [at for at, row in enumerate(side) if row.price == price]
        want = [side[at].size_uj for at in alike]
        hashes = [rank(seed, "k-double", book.offer_ids[side[at].offer]) for at in alike]
        for at, size in zip(alike, in_parts(want, traded, hashes), strict=True):
            out[at] = size
        traded -= min(traded, sum(want))
        if not traded:
            break
    return out
