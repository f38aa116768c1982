"""`cda` once more, slowly: one flat list of orders, sorted at each arrival, to audit by.

Nothing is shared with the order book but what a trade looks like. Prices times energies are made
of whole numbers. Spec: docs/spec/sequential.md, Q6 to Q12.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.contract import State
from isojoule.market.mechanisms.cda_book import Fill
from isojoule.market.sequential import Unfit, cancellations, rows_of
from isojoule.valuation import Load, Offer, Steps, Utility

ENDLESS = 10**30
"""Stands for an unlimited energy: nothing comes near it."""


class Row(NamedTuple):
    """An order that waits: its offer, whether it buys, its price, what is left, its arrival."""

    offer: Offer
    buys: bool
    price: float
    left: int
    came: int


def replay(book: Book, grid: Grid, before: State) -> tuple[list[Fill], float | None, float | None]:
    """All trades, and the best bid and ask that wait at the end.

    Raises
    ------
    VerificationError
        The book or the state that came in is none that the rule clears.
    """
    offers = rows_of(book, grid)
    if isinstance(offers, Unfit):
        raise VerificationError(offers.reason, place="book")
    wanted = sorted(offers, key=lambda o: (o.at_ns, o.id))
    lows, highs = bounds_uj(book.piece_offer.astype(np.int64), book.pieces, book.offer_count)
    room = {
        name: (-low, high)
        for name, low, high in zip(book.offer_ids, lows.tolist(), highs.tolist(), strict=True)
    }
    gone = [(at_ns, name) for name, at_ns in _cancelled(book, before)]
    gone.sort(key=lambda row: row[0])
    waiting: list[Row] = []
    fills: list[Fill] = []
    came = 0
    for offer in wanted:
        while gone and gone[0][0] < offer.at_ns:
            name = gone.pop(0)[1]
            waiting = [row for row in waiting if row.offer.id != name]
        for buys, price, energy in orders(offer, *room[offer.id]):
            came += 1
            waiting, left, made = arrive(waiting, Row(offer, buys, price, energy, came))
            fills += made
            if left and not offer.immediate:
                waiting.append(Row(offer, buys, price, left, came))
    names = {name for _, name in gone}
    waiting = [row for row in waiting if row.offer.id not in names]
    bids = [row.price for row in waiting if row.buys]
    asks = [row.price for row in waiting if not row.buys]
    return fills, max(bids, default=None), min(asks, default=None)


def arrive(waiting: list[Row], new: Row) -> tuple[list[Row], int, list[Fill]]:
    """What waits after an order came, what is left of that order, and what it traded."""
    best_first = sorted(
        (row for row in waiting if row.buys != new.buys),
        key=lambda row: (-row.price if row.buys else row.price, row.came),
    )
    fills: list[Fill] = []
    left, after = new.left, {row.came: row.left for row in waiting}
    for row in best_first:
        dear = row.price > new.price if new.buys else row.price < new.price
        if dear or not left:
            break
        if row.offer.participant == new.offer.participant:
            continue
        size = min(left, row.left)
        sell, buy = (row, new) if new.buys else (new, row)
        at_ns = new.offer.at_ns
        paid = nano(row.price, size)
        fills.append(Fill(sell.offer.id, buy.offer.id, size, paid, row.price, at_ns))
        left -= size
        after[row.came] -= size
    if new.offer.all_or_nothing and left:
        return waiting, new.left, []
    still = [row._replace(left=after[row.came]) for row in waiting if after[row.came]]
    return still, left, fills


def orders(offer: Offer, most_sold: int, most_bought: int) -> list[tuple[bool, float, int]]:
    """Whether it buys, price and microjoules of each order of an offer, within its bounds."""
    spec = offer.spec
    if isinstance(spec, Load):
        found = [(True, spec.lost_load_per_j, spec.energy_uj)]
    elif isinstance(spec, Utility):
        sides = ((False, spec.sells_at_per_j), (True, spec.buys_at_per_j))
        found = [(buys, price, ENDLESS) for buys, price in sides if price is not None]
    elif isinstance(spec, Steps):
        found = [(False, s.price_per_j, s.energy_uj) for s in spec.sell]
        found += [(True, s.price_per_j, s.energy_uj) for s in spec.buy]
    else:
        raise VerificationError("has no single price", place=f"offer {offer.id!r}")
    cut: list[tuple[bool, float, int]] = []
    for buys, price, energy in found:
        most = most_bought if buys else most_sold
        had = sum(row[2] for row in cut if row[0] == buys)
        size = energy if energy == ENDLESS else min(energy, most - had)
        if size > 0:
            cut.append((buys, price, size))
    return cut


def nano(price_per_j: float, energy_uj: int) -> int:
    """Price times energy, rounded up to a whole nano-unit, from whole numbers alone."""
    above, below = price_per_j.as_integer_ratio()
    return -((-above * energy_uj * 1000) // below)


def _cancelled(book: Book, before: State) -> list[tuple[str, int]]:
    rows = cancellations(before)
    if set(before) - {"cancelled"}:
        raise VerificationError("is not what an order book takes", place="state_before")
    if isinstance(rows, Unfit):
        raise VerificationError(rows.reason, place="state_before.cancelled")
    check_known(book, rows)
    return rows


def check_known(book: Book, cancelled: list[tuple[str, int]]) -> None:
    """Check that only offers of the book are cancelled. Raises VerificationError."""
    for name, _ in cancelled:
        if name not in book.offer_ids:
            raise VerificationError(
                f"cancels {name!r}, which the book does not have", place="state_before.cancelled"
            )
