"""What the second, naive implementations of auctions of flat steps share: rows, and the check.

Rows are read off the book one by one; a clearing is compared number by number. Spec:
docs/spec/auctions.md, U17.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj, supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Clearing

NANO_PER_UJ = 1000
"""A unit of money per J is this many nano-units per microjoule."""


class Row(NamedTuple):
    """A step: whether it buys, its price, its size, its offer and that offer's participant."""

    buys: bool
    price: float
    size_uj: int
    offer: int
    who: int


class Told(NamedTuple):
    """What a rule tells: energies, payments before rounding, the operator's lines but rounding."""

    energy_uj: dict[int, int]
    nano: dict[int, Fraction]
    lines: dict[str, int]
    price: float
    lowest: float
    highest: float


def rows_of(book: Book) -> list[Row]:
    """All steps. Raises VerificationError where the book has others."""
    p = book.pieces
    if book.indivisible:
        raise VerificationError("is not divisible", place=f"offer {book.indivisible!r}")
    lows, highs = bounds_uj(book.piece_offer.astype(np.int64), p, book.offer_count)
    found: list[Row] = []
    for piece, offer in enumerate(book.piece_offer.tolist()):
        low, high = float(p.lo[piece]), float(p.hi[piece])
        if low == high:
            continue
        flat = p.b[piece] == 0 or p.c1[piece] == 0
        if not flat or not math.isfinite(high - low):
            raise VerificationError(
                "has a step without a price or a limit", place=f"offer {book.offer_ids[offer]!r}"
            )
        price = float(p.a[piece] + p.b[piece] * max(p.c0[piece], 0.0) ** p.k[piece])
        size, who = round((high - low) * 1e6), int(book.offer_participant[offer])
        found.append(Row(high > 0, price, size, offer, who))
    cut: list[Row] = []
    for buys in (True, False):
        best_first = sorted(
            (r for r in found if r.buys == buys), key=lambda r: -r.price if buys else r.price
        )
        room = (highs if buys else -lows).tolist()
        for row in best_first:
            size = min(row.size_uj, room[row.offer])
            room[row.offer] -= size
            if size:
                cut.append(row._replace(size_uj=size))
    return cut


def demand(rows: list[Row], price: float) -> int:
    """What those who buy want at a price, microjoules, the indifferent included."""
    return sum(r.size_uj for r in rows if r.buys and r.price >= price)


def supply(rows: list[Row], price: float) -> int:
    """What those who sell have at a price, microjoules, the indifferent included."""
    return sum(r.size_uj for r in rows if not r.buys and r.price <= price)


def cleared_between(rows: list[Row]) -> tuple[int, float, float]:
    """How much could trade, and the lowest and the highest price that clear, step by step."""
    bids = sorted((r for r in rows if r.buys), key=lambda r: -r.price)
    asks = sorted((r for r in rows if not r.buys), key=lambda r: r.price)
    traded = 0
    last_bid, last_ask = math.inf, -math.inf
    want = [r.size_uj for r in bids]
    have = [r.size_uj for r in asks]
    i = j = 0
    while i < len(bids) and j < len(asks) and bids[i].price >= asks[j].price:
        size = min(want[i], have[j])
        traded += size
        last_bid, last_ask = bids[i].price, asks[j].price
        want[i] -= size
        have[j] -= size
        i += want[i] == 0
        j += have[j] == 0
    next_bid = bids[i].price if i < len(bids) else -math.inf
    next_ask = asks[j].price if j < len(asks) else math.inf
    return traded, max(last_ask, next_bid), min(last_bid, next_ask)


def in_parts(want: list[int], total: int, hashes: list[bytes]) -> list[int]:
    """`total` in proportion, rounded down, and single microjoules to the lowest hashes."""
    if sum(want) <= total:
        return list(want)
    parts = [int(Fraction(total) * w / sum(want)) for w in want]
    for at in sorted(range(len(want)), key=lambda n: hashes[n])[: total - sum(parts)]:
        parts[at] += 1
    return parts


def check_told(book: Book, grid: Grid, clearing: Clearing, told: Told) -> None:
    """Check that a clearing is what the rule told. Raises VerificationError at the first fault."""
    from isojoule.market.verify import check_welfare

    c = clearing
    total = 0
    for i, name in enumerate(book.offer_ids):
        energy = told.energy_uj.get(i, 0)
        paid = math.ceil(told.nano.get(i, Fraction(0)))
        total += paid
        place = f"offer {name!r}"
        if int(c.energy_uj[i]) != energy:
            raise VerificationError(f"receives {c.energy_uj[i]} uJ, not {energy}", place=place)
        if int(c.payment_nano[i]) != paid:
            raise VerificationError(f"pays {c.payment_nano[i]} nano-units, not {paid}", place=place)
    if c.operator != {**told.lines, "rounding": total - sum(told.lines.values())}:
        raise VerificationError("is not what buyers pay less what sellers get", place="operator")
    for what, owner, true in (
        ("price", c.price_per_j, told.price),
        ("lowest", c.certificate.lowest, told.lowest),
        ("highest", c.certificate.highest, told.highest),
    ):
        wrong = np.flatnonzero((owner != true) & ~(np.isnan(owner) & np.isnan(true)))
        if wrong.size:
            node = grid.node_ids[int(wrong[0])]
            raise VerificationError(f"{what} is not {true!r}", place=f"node {node!r}")
    if c.link_payment_nano.any() or c.state:
        raise VerificationError("the rule knows no links or state", place="clearing")
    if not np.all(np.isfinite(c.certificate.duals)):
        raise VerificationError("a dual price is not finite", place="certificate.duals")
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    check_welfare(c, supporting_prices(book, grid, *flows, c.certificate.duals))
