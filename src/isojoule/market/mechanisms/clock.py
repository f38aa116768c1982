"""The clock auctions: an auctioneer calls prices in steps, and those who came stay in or leave.

`ascending-clock` sells: the price rises until no more is wanted than offered. `descending-clock`
buys: it falls until no more is offered than wanted. Both are one auction, read with the sign of the
price turned round; below, "rises" is meant so.

Theory of operation. Call n is at start + n * step. A step of an offer is in at all calls up to the
last that its own price allows, a whole number, exactly; who withdraws an offer leaves with the
first call that comes after. The auctioneer's own steps are in from the first that its reserve
allows. So the auction is a matter of whole numbers: the demand D(n) only falls, the supply S(n)
only rises, and it ends at the first call where D(n) <= S(n). A price within a billionth of a step
of a call counts as that call's: 0.20 EUR/kWh in a file is not exactly twenty steps of a cent.

Spec: docs/spec/sequential.md, Q37 to Q43.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from isojoule.core.chance import rank
from isojoule.core.units import joules_text
from isojoule.market.messages import Cancel, Event, Message
from isojoule.market.quotes import BUY, SELL, Quote, quotes_of
from isojoule.market.sequential import DAWN, Moment, Unfit, moment_of, too_late
from isojoule.valuation import Offer

MOST_CALLS = 100_000
NEAR = Fraction(1, 10**9)
"""A price is a call's within this share of a step."""
S_NS = 10**9


class Terms(NamedTuple):
    """What stands fast during a session.

    Attributes
    ----------
    sells
        Whether the auctioneer sells, and the price rises.
    start_per_j, step_per_j
        The first call, and how far the next ones are apart, money per J.
    first_ns, round_ns
        When the first call comes, and how long after it the next, nanoseconds.
    opens_ns
        When offers without a time come.
    """

    sells: bool
    start_per_j: Fraction
    step_per_j: Fraction
    first_ns: int
    round_ns: int
    opens_ns: int

    def price_per_j(self, call: int) -> float:
        """The price of a call, rounded once."""
        way = call * self.step_per_j
        return float(self.start_per_j + way if self.sells else self.start_per_j - way)

    def calls_of(self, price_per_j: float) -> Fraction:
        """How many steps a price is beyond the first call; below 0: it is not reached at all."""
        way = Fraction(price_per_j) - self.start_per_j
        return (way if self.sells else -way) / self.step_per_j

    def last_call(self, price_per_j: float, left_ns: int | None) -> int:
        """The last call at which a bid is in; -1 if at none."""
        last = math.floor(self.calls_of(price_per_j) + NEAR)
        if left_ns is not None:  # it leaves with the first call that comes after
            last = min(last, (left_ns - self.first_ns) // self.round_ns)
        return max(last, -1)

    def first_call(self, price_per_j: float) -> int:
        """The first call at which a reserve allows to trade."""
        return max(0, math.ceil(self.calls_of(price_per_j) - NEAR))


class Bid(NamedTuple):
    """A step of somebody who came: whose, so much energy, and the last call at which it is in."""

    offer_id: str
    participant: str
    energy_uj: int
    last: int


class Ask(NamedTuple):
    """A step of the auctioneer: so much energy, from a call on."""

    energy_uj: int
    first: int


class Ended(NamedTuple):
    """How the auction ended.

    Attributes
    ----------
    call
        The last call that was made; None where there is no auctioneer.
    price_call
        The call at whose price is traded.
    energy_uj
        What each offer gets; offers that get nothing are left out.
    """

    call: int | None
    price_call: int
    energy_uj: dict[str, int]


def demand(bids: Sequence[Bid], call: int) -> int:
    """D: what all who are in want at a call, microjoules."""
    return sum(b.energy_uj for b in bids if b.last >= call)


def supply(asks: Sequence[Ask], call: int) -> int:
    """S: what the auctioneer offers at a call, microjoules."""
    return sum(a.energy_uj for a in asks if a.first <= call)


def run(bids: Sequence[Bid], asks: Sequence[Ask], seed: bytes) -> Ended:
    """The auction, by the calls at which somebody leaves or the auctioneer comes in.

    Where the last call finds less wanted than was offered at the one before, the auctioneer goes
    back to that one: who was in at the last gets all, those who left between share the rest.
    """
    if not asks:
        return Ended(None, 0, {})
    # D and S change at these calls alone
    turns = sorted({0} | {b.last + 1 for b in bids} | {a.first for a in asks})
    end = next(n for n in turns if demand(bids, n) <= supply(asks, n))
    got: dict[str, int] = {}
    for b in bids:
        if b.last >= end:
            got[b.offer_id] = got.get(b.offer_id, 0) + b.energy_uj
    rest = supply(asks, end - 1) - demand(bids, end) if end else 0
    if rest <= 0:
        return Ended(end, end, got)
    leavers: dict[str, int] = {}
    for b in bids:
        if b.last == end - 1:
            leavers[b.offer_id] = leavers.get(b.offer_id, 0) + b.energy_uj
    for name, size in shared(leavers, rest, seed).items():
        got[name] = got.get(name, 0) + size
    return Ended(end, end - 1, {name: size for name, size in got.items() if size})


def shared(wanted: Mapping[str, int], rest_uj: int, seed: bytes) -> dict[str, int]:
    """So much among those who want more, in proportion; odd microjoules by hash of seed and id."""
    total = sum(wanted.values())
    out = {name: rest_uj * size // total for name, size in wanted.items()}
    odd = rest_uj - sum(out.values())
    for name in sorted(wanted, key=lambda n: rank(seed, "clock", n)):
        if odd and out[name] < wanted[name]:
            out[name] += 1
            odd -= 1
    return out


def clinched(bids: Sequence[Bid], asks: Sequence[Ask], ended: Ended) -> dict[str, dict[int, int]]:
    """What each participant has for certain at each call (Ausubel 2004), by call, microjoules.

    At a call somebody clinches what the others leave of the supply; the rest of what it gets is
    added at the call whose price is traded at.
    """
    out: dict[str, dict[int, int]] = {}
    turns = sorted({0} | {b.last + 1 for b in bids} | {a.first for a in asks})
    offers: dict[str, set[str]] = {}
    for b in bids:
        offers.setdefault(b.participant, set()).add(b.offer_id)
    for who, own in offers.items():
        most = sum(ended.energy_uj.get(name, 0) for name in own)
        others = [b for b in bids if b.participant != who]
        have, rows = 0, {}
        for n in turns:
            if n >= ended.price_call:
                break
            now = min(most, max(have, supply(asks, n) - demand(others, n)))
            if now > have:
                rows[n] = now - have
            have = now
        if most > have:
            rows[ended.price_call] = most - have
        out[who] = rows
    return out


@dataclass(slots=True)
class Clock:
    """Who came, and who left; nothing is traded before the close."""

    terms: Terms
    auctioneer: Offer | None = None
    quotes: dict[str, list[Quote]] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    left_ns: dict[str, int] = field(default_factory=dict)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    last: Moment = DAWN

    def anew(self) -> Clock:
        """The clock before its first message."""
        return Clock(self.terms)

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message; refused messages change nothing."""
        unfit = too_late(self.last, message, now_ns)
        if isinstance(message, Cancel):
            unfit = unfit or self._cannot_leave(message)
            if unfit is not None:
                return (unfit.event(message.offer_id),)
            self.left_ns[message.offer_id] = now_ns
            self.cancelled.append((message.offer_id, now_ns))
            size = sum(q.energy_uj or 0 for q in self.quotes[message.offer_id])
            events: tuple[Event, ...] = (
                {"event": "cancelled", "id": message.offer_id, "energy_j": joules_text(size)},
            )
        else:
            offer = message.offer
            quotes = unfit or self._fit(offer, now_ns)
            if isinstance(quotes, Unfit):
                return (quotes.event(offer.id),)
            self.quotes[offer.id], self.owner[offer.id] = quotes, offer.participant
            if quotes and quotes[0].side == self.side:
                self.auctioneer = offer
            size = sum(q.energy_uj or 0 for q in quotes)
            events = ({"event": "accepted", "id": offer.id, "energy_j": joules_text(size)},)
        self.last = moment_of(message, now_ns)
        return events

    @property
    def side(self) -> int:
        """The side of the auctioneer."""
        return SELL if self.terms.sells else BUY

    def bids(self) -> list[Bid]:
        """All steps of those who came, the auctioneer's own participant left out."""
        who = self.auctioneer.participant if self.auctioneer else ""
        return [
            Bid(name, self.owner[name], q.energy_uj or 0, self._last(name, q))
            for name, quotes in sorted(self.quotes.items())
            for q in quotes
            if q.side != self.side and self.owner[name] != who
        ]

    def asks(self) -> list[Ask]:
        """The auctioneer's steps; none before it came."""
        own = self.quotes[self.auctioneer.id] if self.auctioneer else []
        return [Ask(q.energy_uj or 0, self.terms.first_call(q.price_per_j)) for q in own]

    def _last(self, name: str, quote: Quote) -> int:
        return self.terms.last_call(quote.price_per_j, self.left_ns.get(name))

    def _fit(self, offer: Offer, now_ns: int) -> list[Quote] | Unfit:
        """The quotes of an offer that can come in, or why it cannot."""
        if not offer.id or offer.id in self.quotes:
            return Unfit("an offer needs an id of its own", "choose one that nobody has")
        if (now_ns or self.terms.opens_ns) > self.terms.first_ns:
            return Unfit("the clock runs already", "come before the first call")
        quotes = quotes_of(offer)
        if isinstance(quotes, Unfit):
            return quotes
        if any(q.energy_uj is None for q in quotes):
            return Unfit("it is a utility, without limit", "offer steps to sell or to buy")
        if len({q.side for q in quotes}) > 1:
            return Unfit("it both sells and buys", "make two offers of it")
        if offer.all_or_nothing or offer.immediate:
            return Unfit("who comes stays in for as much as suits it", "leave the flag out")
        for q in quotes:
            if abs(self.terms.calls_of(q.price_per_j)) > MOST_CALLS:
                return Unfit(
                    f"its price is more than {MOST_CALLS} calls from the first",
                    "choose larger steps, or another start",
                )
        if quotes and quotes[0].side == self.side and self.auctioneer is not None:
            does = "sells" if self.terms.sells else "buys"
            return Unfit(
                f"{self.auctioneer.participant} is the auctioneer, and it also {does}",
                "put all that is auctioned into one offer, in steps",
            )
        return quotes

    def _cannot_leave(self, message: Cancel) -> Unfit | None:
        """Why an offer cannot be withdrawn, or None."""
        if message.offer_id not in self.quotes:
            return Unfit("there is no such offer", "give the id of an offer that came in")
        if message.participant != self.owner[message.offer_id]:
            return Unfit("it is another participant's offer", "cancel your own")
        if self.auctioneer is not None and message.offer_id == self.auctioneer.id:
            return Unfit("the auctioneer stays to the end", "ask more at the start")
        if message.offer_id in self.left_ns:
            return Unfit("it has left", "each offer leaves once")
        return None
