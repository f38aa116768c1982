"""The second, naive implementation of `sbba`, by places that everybody counts.

Spec: docs/spec/auctions.md, U9, U11, U15 and U16.
"""

from __future__ import annotations

import math
from fractions import Fraction

from isojoule.core.chance import uniform
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.unit_traders_naive import Told, check_told, places_of


def audit(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing. Raises VerificationError at the first thing that is wrong."""
    at = places_of("sbba", book, clearing.seed)
    buying = {offer for place, offer in at.buyer_at.items() if place <= at.k}
    selling = {offer for place, offer in at.seller_at.items() if place <= at.k}
    price = 0.0
    if at.k:
        next_ask, price = at.ask(at.k + 1), at.bids[at.buyer_at[at.k]]
        if next_ask is not None and next_ask <= price:
            price = next_ask
        else:
            buying.remove(at.buyer_at[at.k])
            who = {int(book.offer_participant[i]): i for i in selling}
            drawn = math.floor(Fraction(uniform(clearing.seed, "sbba", "left out")) * at.k)
            selling.remove(who[sorted(who)[drawn]])
    told = Told(buying, selling, price, price, price)
    check_told(book, grid, clearing, at.size_uj, told, keeps=False)
