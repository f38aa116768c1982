"""The pool behind `bonding-curve`: exact reserves along a curve, and who came to draw or to bring.

    reserve   R(S) = S**kappa / V0
    price     P(S) = kappa * S**(kappa - 1) / V0

S Joules have been drawn from the pool, all in all; R is what was paid for them and is held against
them. Who draws q Joules pays R(S + q) - R(S), who brings q gets R(S) - R(S - q) less the exit tax.
Kappa is a whole number, so all of this are fractions; payments are rounded once, in favour of the
reserve, which therefore never falls short of R(S).

Source: the augmented bonding curve of Zargham, Shorish, Paruch 2020 (IEEE ICBC), as the Commons
Stack's abcurve.py has it.
Spec: docs/spec/sequential.md, Q30 to Q36.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from isojoule.core.units import joules_text, money_text
from isojoule.market.allocation import bounds_uj
from isojoule.market.messages import Cancel, Event, Message
from isojoule.market.quotes import BUY, Quote, quotes_of
from isojoule.market.sequential import DAWN, Moment, Unfit, moment_of, too_late
from isojoule.valuation import Bundle, Offer

NANO_PER_UJ = 1000


class Curve(NamedTuple):
    """The curve, by a point on it.

    Attributes
    ----------
    kappa
        Its steepness: 1 is one price, 2 a price in proportion to what is drawn.
    price
        Price at the point, nano-units per microjoule.
    supply_uj
        What is drawn at the point, microjoules.
    tax
        The share that is kept of what somebody gets who brings energy.
    """

    kappa: int
    price: Fraction
    supply_uj: int
    tax: Fraction

    def reserve_nano(self, supply_uj: int) -> Fraction:
        """R: what is held when so much has been drawn, nano-units."""
        way = Fraction(supply_uj, self.supply_uj)
        return self.price * self.supply_uj * way**self.kappa / self.kappa

    def price_nano(self, supply_uj: int) -> Fraction:
        """P: what the next Joule costs, nano-units per microjoule."""
        return self.price * Fraction(supply_uj, self.supply_uj) ** (self.kappa - 1)

    def drawn_uj(self, supply_uj: int, bid: Fraction, most_uj: int) -> int:
        """How much a bid (nano-units per microjoule) draws: as long as the price suits it."""
        if self.price_nano(supply_uj) > bid:
            return 0
        return _last(most_uj, lambda q: self.price_nano(supply_uj + q) <= bid)

    def brought_uj(self, supply_uj: int, ask: Fraction, most_uj: int) -> int:
        """How much an ask brings: as long as the price less the tax suits it; at most S."""
        keep, most = 1 - self.tax, min(most_uj, supply_uj)
        if keep * self.price_nano(supply_uj) < ask:
            return 0
        return _last(most, lambda q: keep * self.price_nano(supply_uj - q) >= ask)


def _last(most: int, holds: Callable[[int], bool]) -> int:
    """The greatest whole number up to `most` for which it holds; it holds for 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


class Terms(NamedTuple):
    """What stands fast during a session: the curve, whose pool it is, and where it stands.

    `reserve_nano` is what is held, `tax_nano` what the exit tax has come to.
    """

    curve: Curve
    owner: str
    supply_uj: int
    reserve_nano: int
    tax_nano: int
    duration_s: float


class Traded(NamedTuple):
    """What one who came drew (positive) or brought, what it paid (negative: got), and when."""

    offer_id: str
    energy_uj: int
    payment_nano: int
    at_ns: int


@dataclass(slots=True)
class Pool:
    """What the pool can still give and take in the interval, and what was traded."""

    terms: Terms
    offer: Offer | None = None
    gives_uj: int = 0
    takes_uj: int = 0
    supply_uj: int = 0
    reserve_nano: int = 0
    tax_nano: int = 0
    traded: list[Traded] = field(default_factory=list)
    met: dict[str, float | None] = field(default_factory=dict)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    last: Moment = DAWN

    def __post_init__(self) -> None:
        t = self.terms
        self.supply_uj, self.reserve_nano = t.supply_uj, t.reserve_nano
        self.tax_nano = t.tax_nano

    def anew(self) -> Pool:
        """The pool before its first message."""
        return Pool(self.terms)

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message; refused messages change nothing."""
        unfit = too_late(self.last, message, now_ns)
        if isinstance(message, Cancel):
            unfit = unfit or self._not_open(message)
            if unfit is not None:
                return (unfit.event(message.offer_id),)
            left = self.gives_uj + self.takes_uj
            self.gives_uj = self.takes_uj = 0
            self.cancelled.append((message.offer_id, now_ns))
            events: tuple[Event, ...] = (
                {"event": "cancelled", "id": message.offer_id, "energy_j": joules_text(left)},
            )
        else:
            offer = message.offer
            own = offer.participant == self.terms.owner
            unfit = unfit or self._unfit(offer)
            quotes = unfit or (self._opens(offer) if own else one_side(offer))
            if isinstance(quotes, Unfit):
                return (quotes.event(offer.id),)
            events = self._open(offer) if quotes is None else self._serve(offer, quotes, now_ns)
        self.last = moment_of(message, now_ns)
        return events

    def price_per_j(self) -> float:
        """What the next Joule costs, money per J."""
        return float(self.terms.curve.price_nano(self.supply_uj) / NANO_PER_UJ)

    def _unfit(self, offer: Offer) -> Unfit | None:
        if not offer.id or offer.id in self.met:
            return Unfit("an offer needs an id of its own", "choose one that nobody has")
        return None

    def _opens(self, offer: Offer) -> Unfit | None:
        """Why the owner's offer cannot be the pool, or None."""
        if self.offer is not None:
            return Unfit("the pool has its offer already", "make one offer of it")
        if offer.all_or_nothing or offer.immediate or offer.group or isinstance(offer.spec, Bundle):
            return Unfit("the pool waits for those who come", "offer a battery, or steps, no flags")
        return None

    def _open(self, offer: Offer) -> tuple[Event, ...]:
        self.offer = offer
        self.gives_uj, self.takes_uj = room_of(offer, self.terms.duration_s)
        self.met[offer.id] = None
        room = joules_text(self.gives_uj + self.takes_uj)
        return ({"event": "accepted", "id": offer.id, "energy_j": room},)

    def _serve(self, offer: Offer, quotes: list[Quote], now_ns: int) -> tuple[Event, ...]:
        """Somebody comes to draw or to bring; what does not suit is dropped."""
        wanted = sum(q.energy_uj or 0 for q in quotes)
        curve, supply = self.terms.curve, self.supply_uj
        got = 0
        for quote in quotes:
            price = Fraction(quote.price_per_j) * NANO_PER_UJ
            if quote.side == BUY:
                most = min(quote.energy_uj or 0, self.gives_uj - got)
                size = curve.drawn_uj(supply + got, price, most)
            else:
                most = min(quote.energy_uj or 0, self.takes_uj - got)
                size = curve.brought_uj(supply - got, price, most)
            got += size
            if size < (quote.energy_uj or 0):
                break
        if offer.all_or_nothing and got < wanted:
            got = 0
        events: list[Event] = []
        if got and self.offer is not None:
            draws = quotes[0].side == BUY
            paid = self._draw(got) if draws else self._bring(got)
            self.traded.append(Traded(offer.id, got if draws else -got, paid, now_ns))
            pair = (self.offer.id, offer.id) if draws else (offer.id, self.offer.id)
            events.append(
                {
                    "event": "traded",
                    "sell_offer": pair[0],
                    "buy_offer": pair[1],
                    "energy_j": joules_text(got),
                    "payment": money_text(abs(paid)),
                }
            )
        self.met[offer.id] = self.price_per_j()
        if got < wanted or not wanted:
            left = joules_text(wanted - got)
            events.append({"event": "dropped", "id": offer.id, "energy_j": left})
        return tuple(events)

    def _draw(self, size_uj: int) -> int:
        """Energy leaves the pool; what is paid for it, nano-units."""
        curve, after = self.terms.curve, self.supply_uj + size_uj
        paid = math.ceil(curve.reserve_nano(after) - curve.reserve_nano(self.supply_uj))
        self.supply_uj, self.gives_uj = after, self.gives_uj - size_uj
        self.takes_uj += size_uj
        self.reserve_nano += paid
        return paid

    def _bring(self, size_uj: int) -> int:
        """Energy comes into the pool; what is paid for it, nano-units, negative."""
        curve, after = self.terms.curve, self.supply_uj - size_uj
        falls = curve.reserve_nano(self.supply_uj) - curve.reserve_nano(after)
        got = math.floor((1 - curve.tax) * falls)
        self.supply_uj, self.takes_uj = after, self.takes_uj - size_uj
        self.gives_uj += size_uj
        self.reserve_nano -= math.floor(falls)
        self.tax_nano += math.floor(falls) - got
        return -got

    def _not_open(self, message: Cancel) -> Unfit | None:
        """Why a cancellation cannot be, or None."""
        if message.offer_id not in self.met:
            return Unfit("there is no such offer", "give the id of an offer that came in")
        if self.offer is None or message.offer_id != self.offer.id:
            return Unfit("who comes does not wait", "only the pool can be withdrawn")
        if message.participant != self.offer.participant:
            return Unfit("it is another participant's offer", "cancel your own")
        if not self.gives_uj and not self.takes_uj:
            return Unfit("nothing of it rests", "it is used up or withdrawn")
        return None


def one_side(offer: Offer) -> list[Quote] | Unfit:
    """The quotes of one who comes, or why it cannot."""
    quotes = quotes_of(offer)
    if isinstance(quotes, Unfit):
        return quotes
    if any(q.energy_uj is None for q in quotes):
        return Unfit("it is a utility, without limit", "offer steps to sell or to buy")
    if len({q.side for q in quotes}) > 1:
        return Unfit("it both sells and buys", "make two offers of it")
    return quotes


def room_of(offer: Offer, duration_s: float) -> tuple[int, int]:
    """What an offer can give and take within its bounds, microjoules."""
    rows = offer.spec.rows(duration_s)
    low, high = bounds_uj(np.zeros(len(rows.on_curve), np.int64), rows.pieces, 1)
    return -int(low[0]), int(high[0])
