"""The second, naive implementation of McAfee's rule: every trader counts who comes before it.

Nothing is sorted. A trader's place is one more than the number of its side that comes before it:
whoever offers a better price, or the same and has the lower hash. Payments are fractions.
Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Clearing

NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""


def audit(book: Book, grid: Grid, clearing: Clearing) -> None:
    """Check a clearing of `mcafee`. Raises VerificationError at the first thing that is wrong."""
    from isojoule.market.verify import check_welfare

    c = clearing
    bids, asks, size_uj = _traders(book)
    buyer_at, seller_at = _places(book, bids, -1.0, c.seed), _places(book, asks, 1.0, c.seed)
    could = [
        n
        for n in range(1, min(len(bids), len(asks)) + 1)
        if bids[buyer_at[n]] >= asks[seller_at[n]]
    ]
    k = max(could, default=0)
    pays = gets = price = math.nan
    trades = k
    if k:
        fits = False
        if k + 1 in buyer_at and k + 1 in seller_at:
            price = (bids[buyer_at[k + 1]] + asks[seller_at[k + 1]]) / 2
            fits = asks[seller_at[k]] <= price <= bids[buyer_at[k]]
        if fits:
            pays = gets = price
        else:
            pays, gets, price = bids[buyer_at[k]], asks[seller_at[k]], math.nan
            trades = k - 1
    buying = {buyer_at[n] for n in range(1, trades + 1)}
    selling = {seller_at[n] for n in range(1, trades + 1)}
    total = 0
    for i, name in enumerate(book.offer_ids):
        energy = size_uj if i in buying else -size_uj if i in selling else 0
        each = pays if energy > 0 else gets
        paid = math.ceil(Fraction(each) * (energy * NANO_PER_UJ)) if energy else 0
        total += paid
        place = f"offer {name!r}"
        if int(c.energy_uj[i]) != energy:
            raise VerificationError(f"receives {c.energy_uj[i]} uJ, not {energy}", place=place)
        if int(c.payment_nano[i]) != paid:
            raise VerificationError(f"pays {c.payment_nano[i]} nano-units, not {paid}", place=place)
    kept = 0
    if trades:
        kept = math.floor((Fraction(pays) - Fraction(gets)) * (trades * size_uj * NANO_PER_UJ))
    if c.operator != {"reduction": kept, "rounding": total - kept}:
        raise VerificationError("is not what buyers pay less what sellers get", place="operator")
    for name, owner, true in (
        ("price", c.price_per_j, price if trades else math.nan),
        ("lowest", c.certificate.lowest, gets if trades else -math.inf),
        ("highest", c.certificate.highest, pays if trades else math.inf),
    ):
        wrong = np.flatnonzero((owner != true) & ~(np.isnan(owner) & np.isnan(true)))
        if wrong.size:
            node = grid.node_ids[int(wrong[0])]
            raise VerificationError(f"{name} is not {true!r}", place=f"node {node!r}")
    if c.link_payment_nano.any() or c.state or c.notes:
        raise VerificationError("the rule knows no links, state or notes", place="clearing")
    if not np.all(np.isfinite(c.certificate.duals)):
        raise VerificationError("a dual price is not finite", place="certificate.duals")
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    found = supporting_prices(book, grid, *flows, c.certificate.duals)
    check_welfare(c, found)


def _traders(book: Book) -> tuple[dict[int, float], dict[int, float], int]:
    """Bid of each buyer, ask of each seller, and the size of all, microjoules."""
    bids: dict[int, float] = {}
    asks: dict[int, float] = {}
    sizes: set[int] = set()
    owners: list[int] = []
    p = book.pieces
    for piece, offer in enumerate(book.piece_offer.tolist()):
        low, high = float(p.lo[piece]), float(p.hi[piece])
        if low == high:
            continue
        flat = p.b[piece] == 0 or p.c1[piece] == 0
        if offer in bids or offer in asks or not flat or not math.isfinite(high - low):
            raise VerificationError(
                "is not one unit at one price", place=f"offer {book.offer_ids[offer]!r}"
            )
        (bids if high > 0 else asks)[offer] = float(
            p.a[piece] + p.b[piece] * max(p.c0[piece], 0.0) ** p.k[piece]
        )
        sizes.add(round((high - low) * 1e6))
        owners.append(int(book.offer_participant[offer]))
    if len(sizes) > 1 or len(set(owners)) < len(owners):
        raise VerificationError("is not one of unit traders", place="book")
    return bids, asks, sizes.pop() if sizes else 0


def _places(book: Book, prices: dict[int, float], sign: float, seed: bytes) -> dict[int, int]:
    """The offer at each place, from 1."""
    worse = sign * np.array(list(prices.values()))
    hashes = {i: rank(seed, "mcafee", book.offer_ids[i]) for i in prices}
    alike: dict[float, list[int]] = {}
    for i, price in prices.items():
        alike.setdefault(price, []).append(i)
    places: dict[int, int] = {}
    for i, price in prices.items():
        before = int(np.count_nonzero(worse < sign * price))
        before += sum(hashes[j] < hashes[i] for j in alike[price])
        places[1 + before] = i
    return places
