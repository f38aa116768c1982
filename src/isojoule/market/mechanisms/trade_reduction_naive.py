"""The second, naive implementation of `trade-reduction`, by places that everybody counts.

Spec: docs/spec/auctions.md, U9, U11 and U14.
"""

from __future__ import annotations

import math

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.unit_traders_naive import Told, check_told, places_of


def audit(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing. Raises VerificationError at the first thing that is wrong."""
    at = places_of("trade-reduction", book, clearing.seed)
    buying = {offer for place, offer in at.buyer_at.items() if place < at.k}
    selling = {offer for place, offer in at.seller_at.items() if place < at.k}
    pays, gets = at.bid(at.k) or 0.0, at.ask(at.k) or 0.0
    price = pays if pays == gets else math.nan
    told = Told(buying, selling, pays, gets, price)
    check_told(book, grid, clearing, at.size_uj, told, keeps=True)
