"""One place and its offers, for auctions on a copperplate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linprog

from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.verify import check_clearing
from isojoule.valuation import Offer
from tests.market.books import book_of, buy, grid_of, offer, sell

HERE = grid_of(("here",))


def at_one_place(offers: list[Offer], **more: Any) -> Book:
    """A book on a copperplate of one node."""
    return book_of(HERE, offers, network="copperplate", **more)


def buyers_and_sellers(bids: Sequence[float], asks: Sequence[float], size_j: float = 1.0) -> Book:
    """Unit traders: b0, b1, ... and s0, s1, ... in the order given."""
    rows = [offer(f"b{i}", "here", buy((size_j, v))) for i, v in enumerate(bids)]
    rows += [offer(f"s{i}", "here", sell((size_j, v))) for i, v in enumerate(asks)]
    return at_one_place(rows)


def cleared(name: str, book: Book, *, seed: bytes = b"", **parameters: Any) -> Clearing:
    """Clear, insist on a clearing, and check it."""
    out = get(name, **parameters).clear(book, HERE, seed=seed)
    assert not isinstance(out, Refusal), str(out)
    check_clearing(book, HERE, out)
    return out


def refused(name: str, book: Book) -> str:
    """The refusal of a book, in words."""
    out = get(name).clear(book, HERE)
    assert isinstance(out, Refusal), "is cleared"
    assert out.remedy
    return str(out)


def pairs(bids: Sequence[float], asks: Sequence[float]) -> int:
    """How many pairs could trade, counted from the top."""
    both = zip(sorted(bids, reverse=True), sorted(asks), strict=False)
    return sum(b >= s for b, s in both)


def at(prices: Sequence[float], place: int, missing: float) -> float:
    """The price at a place, from 1."""
    return prices[place - 1] if 1 <= place <= len(prices) else missing


def interval(bids: Sequence[float], asks: Sequence[float]) -> tuple[float, float]:
    """U5: the prices that clear a market of units."""
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    k = pairs(bids, asks)
    low = max(at(asks, k, -math.inf), at(bids, k + 1, -math.inf))
    return low, min(at(bids, k, math.inf), at(asks, k + 1, math.inf))


def most_gains(book: Book) -> float:
    """The greatest welfare of flat pieces at one place, by HiGHS."""
    p = book.pieces
    if not p.lo.size:
        return 0.0
    assert not np.any(p.b)
    found = linprog(
        -p.a, A_eq=np.ones((1, p.lo.size)), b_eq=[0.0], bounds=list(zip(p.lo, p.hi, strict=True))
    )
    return -float(found.fun)


def gains(book: Book, c: Clearing, name: str) -> float:
    """What a participant of single steps gains: worth of its energy less what it pays."""
    total = 0.0
    for i, o in enumerate(book.offers):
        if o.participant == name:
            rows = book.piece_offer == i
            total += float(book.pieces.a[rows][0]) * int(c.energy_uj[i]) * 1e-6
            total -= int(c.payment_nano[i]) * 1e-9
    return total
