"""The second, naive implementation of Huang's auction: trader by trader, the cut as in the paper.

Spec: docs/spec/auctions.md, U17, U25 to U27.
"""

from __future__ import annotations

import math
from fractions import Fraction

from isojoule.core.chance import words
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
    rows_of,
)


def audit(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing. Raises VerificationError at the first thing that is wrong."""
    rows = rows_of(book)
    if len({row.who for row in rows}) < len(rows):
        raise VerificationError("somebody has more than one step", place="book")
    raw = words(clearing.seed, "huang", len(book.participants))
    lot = [raw[8 * i : 8 * i + 8] for i in range(len(book.participants))]
    traded, _, _ = cleared_between(rows)
    energy: dict[int, int] = {}
    nano: dict[int, Fraction] = {}
    kept, pays, gets = 0, math.inf, -math.inf
    price = math.nan
    if traded:
        buyers, pays = _before([r for r in rows if r.buys], traded, lot, -1)
        sellers, gets = _before([r for r in rows if not r.buys], traded, lot, 1)
        total = min(sum(r.size_uj for r in buyers), sum(r.size_uj for r in sellers))
        for side, each, sign in ((buyers, pays, 1), (sellers, gets, -1)):
            for row, size in zip(side, _cut(side, total, lot), strict=True):
                energy[row.offer] = sign * size
                nano[row.offer] = Fraction(each) * (sign * size * NANO_PER_UJ)
        kept = math.floor((Fraction(pays) - Fraction(gets)) * (total * NANO_PER_UJ))
        if not total:
            pays, gets = math.inf, -math.inf
        price = pays if pays == gets else math.nan
    check_told(book, grid, clearing, Told(energy, nano, {"reduction": kept}, price, gets, pays))
    if clearing.notes:
        raise VerificationError("the rule tells none", place="notes")


def _before(side: list[Row], traded: int, lot: list[bytes], sign: int) -> tuple[list[Row], float]:
    """Who comes before the trader of the last microjoule, and that one's price."""
    before: list[Row] = []
    for row in sorted(side, key=lambda r: (sign * r.price, lot[r.who])):
        traded -= row.size_uj
        if traded <= 0:
            return before, row.price
        before.append(row)
    raise VerificationError("more could trade than is offered", place="book")


def _cut(side: list[Row], total: int, lot: list[bytes]) -> list[int]:
    """Cut all by the same; who has less than that is left out, and the others bear the rest."""
    over = sum(row.size_uj for row in side) - total
    size = {row.offer: row.size_uj for row in side}
    bear = list(side)
    while over and any(Fraction(over, len(bear)) > row.size_uj for row in bear):
        small = min(bear, key=lambda row: row.size_uj)
        over -= small.size_uj
        size[small.offer] = 0
        bear.remove(small)
    for n, row in enumerate(sorted(bear, key=lambda row: lot[row.who])):
        size[row.offer] -= over // len(bear) + (n < over % len(bear))
    return [size[row.offer] for row in side]
