"""Book, clearing, mechanisms, and the check of their certificates."""

from isojoule.market.book import Book
from isojoule.market.contract import (
    Certificate,
    Claim,
    Clearing,
    Match,
    Mechanism,
    Refusal,
    Sequential,
    Trade,
    Traits,
)

__all__ = [
    "Book",
    "Certificate",
    "Claim",
    "Clearing",
    "Match",
    "Mechanism",
    "Refusal",
    "Sequential",
    "Trade",
    "Traits",
]
