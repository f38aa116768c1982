"""The second, naive implementation of McAfee's rule, by places that everybody counts.

Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms.unit_traders_naive import Told, check_told, places_of


def audit(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing of `mcafee`. Raises VerificationError at the first thing that is wrong."""
    at = places_of("mcafee", book, clearing.seed)
    k = trades = at.k
    pays = gets = price = math.nan
    if k:
        last_bid, last_ask = at.bids[at.buyer_at[k]], at.asks[at.seller_at[k]]
        bid, ask = at.bid(k + 1), at.ask(k + 1)
        if bid is not None and ask is not None:
            price = (bid + ask) / 2
        if last_ask <= price <= last_bid:
            pays = gets = price
        else:
            pays, gets, price = last_bid, last_ask, math.nan
            trades = k - 1
    buying = {at.buyer_at[n] for n in range(1, trades + 1)}
    selling = {at.seller_at[n] for n in range(1, trades + 1)}
    told = Told(buying, selling, pays, gets, price)
    check_told(book, grid, clearing, at.size_uj, told, keeps=True)
