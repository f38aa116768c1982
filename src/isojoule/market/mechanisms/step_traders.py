"""Flat steps of a book as columns, for auctions in which every step is so much at one price.

Steps are whole microjoules within the bounds of their offer (V14), so that all that follows is in
integers. Spec: docs/spec/auctions.md, U17.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import ranks, words
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj, supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Certificate, Clearing, Mechanism, Refusal, State
from isojoule.market.copperplate import refuse_links
from isojoule.market.settle import MOST_MONEY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


class Quotes(NamedTuple):
    """Steps of one side, from the best price on. Columns of shape (steps,).

    Attributes
    ----------
    offer
        Position of its offer.
    price
        Money per J.
    size_uj
        Microjoules, above 0.
    """

    offer: Ints
    price: Floats
    size_uj: Ints

    def at(self, which: NDArray[Any]) -> Quotes:
        """These steps of it, by positions or by a mask."""
        return Quotes(self.offer[which], self.price[which], self.size_uj[which])


class Both(NamedTuple):
    """The steps to buy, dearest first, and those to sell, cheapest first."""

    bids: Quotes
    asks: Quotes


def steps_of(name: str, book: Book) -> Both | Refusal:
    """The steps of a book, or why it has others. Steps of nothing are left out."""
    refusal = refuse_links(name, book)
    if refusal is not None:
        return refusal
    if book.indivisible:
        return Refusal(
            name,
            f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle",
            "make it divisible, or use pay-as-bid",
        )
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    open_ = p.hi > p.lo
    for bad, what, remedy in (
        (open_ & ~np.isfinite(p.hi - p.lo), "has no limit", "offer so much at one price"),
        (
            open_ & (p.b != 0) & (p.c1 != 0),
            "has a price that changes with the energy",
            "offer flat steps, or use uniform-price, which clears curves",
        ),
    ):
        if bad.any():
            return Refusal(name, f"offer {book.offer_ids[offer[np.argmax(bad)]]!r} {what}", remedy)
    size_uj = np.where(open_, np.rint((p.hi - p.lo) * UJ_PER_J), 0.0)
    if not size_uj.sum() < NO_LIMIT_UJ:
        return Refusal(name, "more than 2**62 microjoules are offered", "offer less")
    size = _within(book, offer, size_uj.astype(np.int64))
    price = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k if p.b.any() else p.a
    # steps of an offer stand from the dearest to the cheapest: a stable order keeps theirs
    buys, sells = np.flatnonzero((size > 0) & (p.hi > 0)), np.flatnonzero((size > 0) & (p.lo < 0))
    buys = buys[np.argsort(-price[buys], kind="stable")]
    sells = sells[np.argsort(price[sells], kind="stable")]
    return Both(*(Quotes(offer[at], price[at], size[at]) for at in (buys, sells)))


def traders_of(name: str, book: Book, *, one_step: bool = False) -> Both | Refusal:
    """The steps of a book in which everybody has one offer, to buy or to sell; or why not.

    Parameters
    ----------
    one_step
        Whether an offer may have but one.
    """
    both = steps_of(name, book)
    if isinstance(both, Refusal):
        return both
    counts = [np.bincount(steps.offer, minlength=book.offer_count) for steps in both]
    buys, sells = (count > 0 for count in counts)
    if np.any(buys & sells):
        return Refusal(
            name,
            f"offer {book.offer_ids[int(np.argmax(buys & sells))]!r} both buys and sells",
            "offer one of both, or use uniform-price",
        )
    seen = np.bincount(book.offer_participant[buys | sells], minlength=len(book.participants))
    if np.any(seen > 1):
        return Refusal(
            name,
            f"participant {book.participants[int(np.argmax(seen > 1))]!r} has several offers",
            "put all steps into one offer",
        )
    many = counts[0] + counts[1] > 1
    if one_step and np.any(many):
        return Refusal(
            name,
            f"offer {book.offer_ids[int(np.argmax(many))]!r} has several steps",
            "offer so much at one price, or use muda, which clears steps",
        )
    return both


def drawn(name: str, book: Book, seed: bytes) -> Words:
    """A word of chance for each offer: that of its participant, by its place in the book (U21)."""
    all_of_them = np.frombuffer(words(seed, name, len(book.participants)), ">u8")
    found: Words = all_of_them.astype(np.uint64)[book.offer_participant]
    return found


def _within(book: Book, offer: Ints, size: Ints) -> Ints:
    """Sizes within the bounds of the offers: where these round inwards, the last step gives way."""
    p, count = book.pieces, book.offer_count
    low, high = bounds_uj(offer, p, count)
    for side, most in ((p.hi > 0, high), (p.lo < 0, -low)):
        total = np.zeros(count, np.int64)
        np.add.at(total, offer[side], size[side])
        for i in np.flatnonzero(total > most).tolist():
            over = int(total[i] - most[i])
            rows = np.flatnonzero(side & (offer == i))
            for row in rows.tolist()[:: -1 if most is high else 1]:  # the worst for its owner
                cut = min(over, int(size[row]))
                size[row] -= cut
                over -= cut
    return size


def below(steps: Quotes) -> Ints:
    """How much stands up to each step, itself included, microjoules."""
    return np.cumsum(steps.size_uj)


def ranks_of(name: str, names: Any, at: Ints, seed: bytes) -> list[bytes]:
    """The hash of (seed, name of the rule, name) for names at these positions."""
    some = list(names.take(at)) if hasattr(names, "take") else [names[i] for i in at.tolist()]
    return ranks(seed, name, some)


def shared(want: Ints, total: int, hashes: Callable[[], list[bytes]]) -> Ints:
    """Parts of `total` in proportion to what is wanted, whole microjoules, no part above its want.

    Parts are rounded down; what is left, less than a microjoule each, goes one each to those with
    the lowest hashes.
    """
    all_of_it = int(want.sum())
    if total >= all_of_it:
        return want.copy()
    parts = np.array([total * w // all_of_it for w in want.tolist()], np.int64)
    left = total - int(parts.sum())
    if left:
        order = sorted(range(want.size), key=hashes().__getitem__)
        parts[order[:left]] += 1
    return parts


def clearing_of(
    mechanism: Mechanism, book: Book, grid: Grid, state: State | None, seed: bytes,
    energy_uj: Ints, paid_nano: Ints, lines: dict[str, int], price: float,
    ends: tuple[float, float], dual: float, notes: dict[str, Any] | None = None,
) -> Clearing | Refusal:  # fmt: skip
    """The clearing in which offers receive and pay this.

    Parameters
    ----------
    lines
        The operator's, but for the rounding.
    price, ends
        Of every node, money per J, and what the rule gives as lowest and highest.
    dual
        A price that bounds the welfare.
    notes
        What the rule tells about itself.
    """
    nothing, nodes = np.zeros(grid.link_count, np.int64), grid.node_count
    duals = np.full(nodes, dual)
    s = supporting_prices(book, grid, energy_uj, nothing, nothing, nothing, duals)
    parameters: dict[str, Any] = asdict(mechanism) if is_dataclass(mechanism) else {}
    return Clearing(
        mechanism=mechanism.name,
        parameters=parameters,
        seed=seed,
        energy_uj=energy_uj,
        payment_nano=paid_nano,
        flow_uj=nothing,
        loss_uj=nothing,
        link_payment_nano=nothing,
        standing_uj=nothing,
        price_per_j=np.full(nodes, price),
        welfare=s.welfare,
        operator={**lines, "rounding": int(paid_nano.sum()) - sum(lines.values())},
        certificate=Certificate(
            kind="recomputed",
            duals=duals,
            lowest=np.full(nodes, ends[0]),
            highest=np.full(nodes, ends[1]),
            welfare_bound=s.welfare + s.gap,
            gap=s.gap,
        ),
        notes=notes or {},
        state_before=dict(state or {}),
    )


def too_much(name: str, energy_uj: Ints, price_per_j: float) -> Refusal | None:
    """The refusal of payments that 64 bits cannot tell, or None."""
    moved = float(np.abs(energy_uj).astype(np.float64).sum()) / UJ_PER_J
    if not moved or moved * abs(price_per_j) < MOST_MONEY:
        return None
    return Refusal(
        name,
        f"the payments pass {MOST_MONEY:.0e} units of money",
        "use a larger unit of money, or correct the prices",
    )


class Meeting(NamedTuple):
    """How much trades where bids meet asks, and the prices around its last microjoule.

    `last_bid` and `last_ask` trade, `next_bid` and `next_ask` would be next; infinite where there
    is none.
    """

    traded_uj: int
    last_bid: float
    last_ask: float
    next_bid: float
    next_ask: float

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest price that clear (U5)."""
        return max(self.last_ask, self.next_bid), min(self.last_bid, self.next_ask)


def meeting(both: Both) -> Meeting:
    """Where the bids meet the asks."""
    bids, asks = both
    bought, sold = below(bids), below(asks)
    # up to a bid, all that is asked at no more than it may be had
    room = np.concatenate([np.zeros(1, np.int64), sold])[
        np.searchsorted(asks.price, bids.price, side="right")
    ]
    traded = int(np.max(np.minimum(bought, room), initial=0))

    def at(steps: Quotes, up_to: Ints, place: int, missing: float) -> float:
        """Price of the microjoule at a place, from 1."""
        if place < 1 or not steps.price.size or place > up_to[-1]:
            return missing
        return float(steps.price[np.searchsorted(up_to, place)])

    return Meeting(
        traded,
        at(bids, bought, traded, math.inf),
        at(asks, sold, traded, -math.inf),
        at(bids, bought, traded + 1, -math.inf),
        at(asks, sold, traded + 1, math.inf),
    )
