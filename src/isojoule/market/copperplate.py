"""What auctions on a copperplate share: the refusal of links, and the clearing of an optimum."""

from __future__ import annotations

from isojoule.core import units
from isojoule.market.book import Book
from isojoule.market.contract import Refusal

NETWORK = "copperplate"


def refuse_links(name: str, book: Book) -> Refusal | None:
    """The refusal of a book that has a network, or None."""
    if book.network == NETWORK:
        return None
    return Refusal(
        name,
        f"it would ignore the links of network {book.network!r}",
        f"use network {NETWORK}, or a mechanism that knows links, as equilibrium",
    )


def price_text(book: Book, price_per_j: float) -> str:
    """A price in words."""
    return units.price_text(price_per_j, book.currency)
