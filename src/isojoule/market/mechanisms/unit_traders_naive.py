"""Second, naive implementations of the rules of unit traders: everybody counts who comes before.

Nothing is sorted. A trader's place is one more than the number of its side that comes before it:
whoever offers a better price, or the same and has the lower hash. Payments are fractions. Each
rule's own file says who trades at what (`Told`). Spec: docs/spec/auctions.md, U9 to U13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Clearing

NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""


@dataclass(frozen=True)
class Places:
    """The offer at each place, from 1, its price, and how many pairs could trade."""

    bids: dict[int, float]
    asks: dict[int, float]
    size_uj: int
    buyer_at: dict[int, int]
    seller_at: dict[int, int]
    k: int

    def bid(self, place: int) -> float | None:
        """Bid at a place; None if nobody stands there."""
        return self.bids[self.buyer_at[place]] if place in self.buyer_at else None

    def ask(self, place: int) -> float | None:
        """Ask at a place; None if nobody stands there."""
        return self.asks[self.seller_at[place]] if place in self.seller_at else None


class Told(NamedTuple):
    """Who trades, what buyers pay and sellers get, and the price, nan without one."""

    buying: set[int]
    selling: set[int]
    pays: float
    gets: float
    price: float


def places_of(name: str, book: Book, seed: bytes) -> Places:
    """Everybody's place. Raises VerificationError where the book is not one of unit traders."""
    bids, asks, size_uj = _traders(book)
    buyer_at = _places(name, book, bids, -1.0, seed)
    seller_at = _places(name, book, asks, 1.0, seed)
    could = [
        n
        for n in range(1, min(len(bids), len(asks)) + 1)
        if bids[buyer_at[n]] >= asks[seller_at[n]]
    ]
    return Places(bids, asks, size_uj, buyer_at, seller_at, max(could, default=0))


def check_told(
    book: Book, grid: Grid, clearing: Clearing, size_uj: int, told: Told, *, keeps: bool
) -> None:
    """Check that a clearing is what the rule told. Raises VerificationError at the first fault."""
    from isojoule.market.verify import check_welfare

    c = clearing
    trades = len(told.buying)
    total = 0
    for i, name in enumerate(book.offer_ids):
        energy = size_uj if i in told.buying else -size_uj if i in told.selling else 0
        each = told.pays if energy > 0 else told.gets
        paid = math.ceil(Fraction(each) * (energy * NANO_PER_UJ)) if energy else 0
        total += paid
        place = f"offer {name!r}"
        if int(c.energy_uj[i]) != energy:
            raise VerificationError(f"receives {c.energy_uj[i]} uJ, not {energy}", place=place)
        if int(c.payment_nano[i]) != paid:
            raise VerificationError(f"pays {c.payment_nano[i]} nano-units, not {paid}", place=place)
    kept = 0
    if trades:
        apart = Fraction(told.pays) - Fraction(told.gets)
        kept = math.floor(apart * (trades * size_uj * NANO_PER_UJ))
    lines = {"reduction": kept, "rounding": total - kept} if keeps else {"rounding": total}
    if c.operator != lines:
        raise VerificationError("is not what buyers pay less what sellers get", place="operator")
    for what, owner, true in (
        ("price", c.price_per_j, told.price if trades else math.nan),
        ("lowest", c.certificate.lowest, told.gets if trades else -math.inf),
        ("highest", c.certificate.highest, told.pays if trades else math.inf),
    ):
        wrong = np.flatnonzero((owner != true) & ~(np.isnan(owner) & np.isnan(true)))
        if wrong.size:
            node = grid.node_ids[int(wrong[0])]
            raise VerificationError(f"{what} is not {true!r}", place=f"node {node!r}")
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


def _places(
    name: str, book: Book, prices: dict[int, float], sign: float, seed: bytes
) -> dict[int, int]:
    """The offer at each place, from 1."""
    worse = sign * np.array(list(prices.values()))
    hashes = {i: rank(seed, name, book.offer_ids[i]) for i in prices}
    alike: dict[float, list[int]] = {}
    for i, price in prices.items():
        alike.setdefault(price, []).append(i)
    places: dict[int, int] = {}
    for i, price in prices.items():
        before = int(np.count_nonzero(worse < sign * price))
        before += sum(hashes[j] < hashes[i] for j in alike[price])
        places[1 + before] = i
    return places
