"""The trades of a clearing file: over links, and between offers."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.apps.files.amounts import time_ns
from isojoule.apps.files.items import Item
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.interval import time_text
from isojoule.core.units import joules_text, money_text, parse_exact
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.contract import Match, Trade

Document = dict[str, Any]


def trade_row(grid: Grid, trade: Trade) -> Document:
    """A trade over a link."""
    return {
        "link": grid.link_ids[trade.link],
        "seller": grid.node_ids[trade.seller],
        "buyer": grid.node_ids[trade.buyer],
        "sent_j": joules_text(trade.sent_uj),
        "received_j": joules_text(trade.received_uj),
        "payment": money_text(trade.payment_nano),
    }


def match_row(book: Book, match: Match) -> Document:
    """A trade between two offers."""
    return {
        "sell_offer": book.offer_ids[match.sell_offer],
        "buy_offer": book.offer_ids[match.buy_offer],
        "energy_j": joules_text(match.energy_uj),
        "payment": money_text(match.payment_nano),
        "at": time_text(match.at_ns),
    }


def read_matches(rows: Any, book: Book) -> tuple[Match, ...]:
    """What offers traded with each other, in the order of the document."""
    position = {name: i for i, name in enumerate(book.offer_ids)}
    matches = []
    for i, row in enumerate(rows):
        if "link" in row:
            continue
        place = f"trades[{i}]"
        try:
            sell, buy = position[row["sell_offer"]], position[row["buy_offer"]]
            energy, payment, at = row["energy_j"], row["payment"], row["at"]
        except (KeyError, TypeError) as error:
            raise VerificationError(f"not a trade of this book: {error}", place=place) from None
        energy_uj, paid = exact(energy, 6, place), exact(payment, 9, place)
        try:
            at_ns = time_ns(Item(at, place, str(at)))
        except InputError as error:
            raise VerificationError(error.message, place=place) from None
        matches.append(Match(sell, buy, energy_uj, paid, at_ns))
    return tuple(matches)


def read_trades(rows: Any, grid: Grid) -> tuple[Trade, ...]:
    """The trades over links of a document, in the order of the links."""
    position = {name: i for i, name in enumerate(grid.link_ids)}
    trades = []
    for i, row in enumerate(rows):
        if "link" not in row:
            continue
        place = f"trades[{i}]"
        try:
            link, seller = position[row["link"]], grid.node_index[row["seller"]]
            buyer = grid.node_index[row["buyer"]]
            energies = row["sent_j"], row["received_j"]
            payment = row["payment"]
        except (KeyError, TypeError) as error:
            raise VerificationError(f"not a trade of this book: {error}", place=place) from None
        sent, received = (exact(text, 6, place) for text in energies)
        trades.append(Trade(link, seller, buyer, sent, received, exact(payment, 9, place)))
    return tuple(sorted(trades))


def exact(text: Any, digits: int, place: str) -> int:
    """A decimal string as a whole number of units of 10**-digits, within 64 bits."""
    try:
        value = parse_exact(text, digits)
        return int(np.int64(value))
    except (ValueError, TypeError, OverflowError) as error:
        raise VerificationError(str(error), place=place) from None
