"""The clock auctions once more, naively: call after call is made, and everybody is asked.

At each call the price is added up, and each offer says what it still wants, from its steps and from
the time at which it left. Nothing is shared with the first implementation but its terms.
Spec: docs/spec/sequential.md, Q37 to Q43.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.allocation import bounds_uj
from isojoule.market.book import Book
from isojoule.market.contract import State
from isojoule.market.mechanisms.cda_naive import ENDLESS, check_known, orders
from isojoule.market.mechanisms.clock import MOST_CALLS, Terms
from isojoule.market.sequential import Unfit, cancellations, rows_of

if TYPE_CHECKING:
    from isojoule.market.mechanisms.clock_auction import ClockAuction


@dataclass
class Again:
    """What the auction came to: rows of offer, microjoules and nano-units, by id."""

    terms: Terms
    auctioneer: str = ""
    call: int | None = None
    price_call: int = 0
    rows: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass
class Room:
    """Who is in the room: steps of price and energy by offer, owners, and when who left."""

    terms: Terms
    asks: list[tuple[float, int]]
    bids: dict[str, list[tuple[float, int]]]
    owner: dict[str, str]
    left_ns: dict[str, int]

    @property
    def near(self) -> Fraction:
        """What counts as no distance: a billionth of a step."""
        return self.terms.step_per_j / 10**9

    def price(self, call: int) -> Fraction:
        """The price that is called, added up."""
        t = self.terms
        return t.start_per_j + (call if t.sells else -call) * t.step_per_j

    def wants(self, name: str, call: int) -> int:
        """What an offer still wants at a call."""
        at_ns = self.terms.first_ns + call * self.terms.round_ns
        if name in self.left_ns and self.left_ns[name] < at_ns:
            return 0
        price, sells, near = self.price(call), self.terms.sells, self.near
        steps = self.bids[name]
        return sum(e for p, e in steps if (p >= price - near if sells else p <= price + near))

    def offered(self, call: int) -> int:
        """What the auctioneer offers at a call."""
        price, sells, near = self.price(call), self.terms.sells, self.near
        return sum(e for p, e in self.asks if (p <= price + near if sells else p >= price - near))

    def wanted(self, call: int, without: str = "") -> int:
        """What all want at a call, but one participant."""
        return sum(self.wants(n, call) for n in self.bids if self.owner[n] != without)


def replay(rule: ClockAuction, book: Book, grid: Grid, before: State, seed: bytes) -> Again:
    """The whole auction.

    Raises
    ------
    VerificationError
        The book or the state that came in is none that the rule clears.
    """
    offers, gone = rows_of(book, grid), cancellations(before)
    if isinstance(offers, Unfit):
        raise VerificationError(offers.reason, place="book")
    if isinstance(gone, Unfit):
        raise VerificationError(gone.reason, place="state_before.cancelled")
    if set(before) - {"cancelled"}:
        raise VerificationError("is none that the rule takes", place="state_before")
    check_known(book, gone)
    terms = rule.terms(book)
    out = Again(terms)
    lows, highs = bounds_uj(book.piece_offer.astype(np.int64), book.pieces, book.offer_count)
    position = {name: i for i, name in enumerate(book.offer_ids)}
    room, seller = Room(terms, [], {}, {}, {}), ""
    for offer in offers:
        i = position[offer.id]
        rows = orders(offer, int(-lows[i]), int(highs[i]))
        late = (offer.at_ns or terms.opens_ns) > terms.first_ns
        mixed = len({row[0] for row in rows}) > 1
        if late or mixed or offer.all_or_nothing or any(row[2] >= ENDLESS for row in rows):
            raise VerificationError("does not fit the clock", place=f"offer {offer.id!r}")
        steps = [(price, energy) for _, price, energy in rows]
        if rows and rows[0][0] != terms.sells:
            if out.auctioneer:
                raise VerificationError("is a second auctioneer", place=f"offer {offer.id!r}")
            out.auctioneer, seller, room.asks = offer.id, offer.participant, steps
        else:
            room.bids[offer.id], room.owner[offer.id] = steps, offer.participant
    came = {offer.id: offer.at_ns for offer in offers}
    for name, at_ns in sorted(gone, key=lambda row: row[1]):
        if name == out.auctioneer:
            continue
        if at_ns >= came[name]:
            room.left_ns.setdefault(name, at_ns)
    room.bids = {n: steps for n, steps in room.bids.items() if room.owner[n] != seller}
    if out.auctioneer and room.asks:
        _call(rule, room, out, seed)
    return out


def _call(rule: ClockAuction, room: Room, out: Again, seed: bytes) -> None:
    """Call after call, until no more is wanted than offered."""
    have: dict[str, int] = {}
    parts: dict[str, list[tuple[int, int]]] = {}
    clinches: list[dict[str, int]] = []
    call = 0
    while room.wanted(call) > room.offered(call):
        clinches.append(
            {
                who: max(0, room.offered(call) - room.wanted(call, who))
                for who in set(room.owner.values())
            }
        )
        call += 1
        if call > 2 * MOST_CALLS:
            raise VerificationError("never ends", place="book")
    got = {n: room.wants(n, call) for n in room.bids}
    out.call = out.price_call = call
    rest = room.offered(call - 1) - sum(got.values()) if call else 0
    if rest > 0:
        out.price_call = call - 1
        more = {n: room.wants(n, call - 1) - got[n] for n in room.bids}
        total, names = sum(more.values()), [n for n in more if more[n]]
        share = {n: rest * more[n] // total for n in names}
        odd = rest - sum(share.values())
        for n in sorted(names, key=lambda n: rank(seed, "clock", n)):
            extra = 1 if odd and share[n] < more[n] else 0
            got[n] += share[n] + extra
            odd -= extra
    for who in sorted(set(room.owner.values())):
        most = sum(e for n, e in got.items() if room.owner[n] == who)
        have[who], parts[who] = 0, []
        for at, row in enumerate(clinches[: out.price_call]):
            now = min(most, max(have[who], row[who]))
            parts[who].append((at, now - have[who]))
            have[who] = now
        parts[who].append((out.price_call, most - have[who]))
        if rule.payment == "uniform":
            parts[who] = [(out.price_call, most)]
    for name in sorted(got):
        left, money, mine = got[name], 0, parts[room.owner[name]]
        while left:
            at, size = mine[0]
            used = min(left, size)
            exact = Fraction(float(room.price(at))) * used * 1000
            money += math.ceil(exact) if rule.sells else math.floor(exact)
            left -= used
            mine[0] = (at, size - used)
            if size == used:
                mine.pop(0)
        if got[name]:
            out.rows.append((name, got[name], money))
