"""The order book of a continuous double auction: two heaps, and what was traded.

The best order of a side lies on top of its heap, keyed by (price, arrival), so a message costs
O(log n) for each order that it trades with, plus O(log n) to rest. A cancelled order stays in the
heap as an empty one until it comes to the top. Spec: docs/spec/sequential.md, Q7 to Q11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from isojoule.core.units import NO_LIMIT_UJ, joules_text, money_text
from isojoule.kernels.money import payment_of
from isojoule.market.messages import Cancel, Event, Message
from isojoule.market.quotes import BUY, SELL, Quote, quotes_of
from isojoule.market.sequential import DAWN, Moment, Unfit, moment_of, too_late
from isojoule.valuation import Offer


class Fill(NamedTuple):
    """One trade.

    Attributes
    ----------
    sell_offer, buy_offer
        Ids.
    energy_uj, payment_nano
        What is delivered, and what the buyer pays the seller.
    price_per_j
        The price of the order that rested, money per J.
    at_ns
        When the other one came.
    """

    sell_offer: str
    buy_offer: str
    energy_uj: int
    payment_nano: int
    price_per_j: float
    at_ns: int


@dataclass(slots=True)
class Order:
    """A quote in the book; `left_uj` is what is not traded, None if unlimited, 0 if gone."""

    offer_id: str
    participant: str
    side: int
    price_per_j: float
    left_uj: int | None

    def crosses(self, price_per_j: float) -> bool:
        """Whether it trades at this price of the other side."""
        return self.side * (self.price_per_j - price_per_j) >= 0.0


Entry = tuple[float, int, Order]
"""Key (the price, negated on the side that buys), number of arrival, order."""


@dataclass(slots=True)
class OrderBook:
    """What rests, and what was traded; moved on by `take`."""

    heaps: dict[int, list[Entry]] = field(default_factory=lambda: {BUY: [], SELL: []})
    orders: dict[str, list[Order]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    unlimited: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    last: Moment = DAWN
    number: Iterator[int] = field(default_factory=count)

    def anew(self) -> OrderBook:
        """An empty book."""
        return OrderBook()

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message; refused messages change nothing."""
        unfit = too_late(self.last, message, now_ns)
        if isinstance(message, Cancel):
            unfit = unfit or self._not_resting(message)
            if unfit is not None:
                return (unfit.event(message.offer_id),)
            events = self._cancel(message.offer_id, now_ns)
        else:
            quotes = unfit or self._fit(message.offer)
            if isinstance(quotes, Unfit):
                return (quotes.event(message.offer.id),)
            events = self._submit(message.offer, quotes, now_ns)
        self.last = moment_of(message, now_ns)
        return events

    def best(self, side: int) -> float | None:
        """The best price that rests on a side, money per J; None if nothing does."""
        prices = [o.price_per_j for _, _, o in self.heaps[side] if o.left_uj != 0]
        return side * max(side * p for p in prices) if prices else None

    def left_uj(self, offer_id: str) -> int | None:
        """What of an offer still rests, microjoules; None if that is unlimited."""
        return _sum(order.left_uj for order in self.orders[offer_id])

    def _fit(self, offer: Offer) -> list[Quote] | Unfit:
        """The quotes of an offer that can come in, or why it cannot."""
        if not offer.id or offer.id in self.orders:
            return Unfit("an offer needs an id of its own", "choose one that nobody has")
        quotes = quotes_of(offer)
        if isinstance(quotes, Unfit):
            return quotes
        if offer.all_or_nothing:
            if not offer.immediate:
                return Unfit(
                    "it is all or nothing, and would wait", "add `immediate: true`, or let it be "
                    "filled in parts",
                )  # fmt: skip
            if len(quotes) > 1 or any(q.energy_uj is None for q in quotes):
                return Unfit("it is all or nothing, and has several prices", "give it one price")
        for q in quotes:
            for other in self.unlimited if q.energy_uj is None else ():
                alike = other.participant == offer.participant or other.side == q.side
                order = Order(offer.id, offer.participant, q.side, q.price_per_j, None)
                if other.left_uj is None and not alike and order.crosses(other.price_per_j):
                    return Unfit(
                        f"trade with {other.offer_id!r} has no limit: both are unlimited, and "
                        "their prices cross",
                        "limit one of them, or correct the prices",
                    )
        return quotes

    def _submit(self, offer: Offer, quotes: list[Quote], now_ns: int) -> tuple[Event, ...]:
        """Trade what can be traded at once; the rest waits, or is dropped."""
        own = [
            Order(offer.id, offer.participant, q.side, q.price_per_j, q.energy_uj) for q in quotes
        ]
        before = len(self.fills)
        self.orders[offer.id], self.owners[offer.id] = own, offer.participant
        for order in own:
            self._trade(order, offer.all_or_nothing, now_ns)
        events = [_traded(fill) for fill in self.fills[before:]]
        left = _sum(order.left_uj for order in own)
        if left == 0 and events:
            return tuple(events)
        told = {"id": offer.id, "energy_j": None if left is None else joules_text(left)}
        if offer.immediate:
            for order in own:
                order.left_uj = 0
            return (*events, {"event": "dropped", **told})
        for order in own:
            if order.left_uj != 0:
                entry = (-order.side * order.price_per_j, next(self.number), order)
                heappush(self.heaps[order.side], entry)
                if order.left_uj is None:
                    self.unlimited.append(order)
        return (*events, {"event": "accepted", **told})

    def _trade(self, order: Order, whole: bool, now_ns: int) -> None:
        """Trade an order that comes in with those that rest, best first, never with its owner's."""
        heap = self.heaps[-order.side]
        plan: list[tuple[Order, int]] = []
        aside: list[Entry] = []
        left = order.left_uj
        while heap and left != 0 and order.crosses(heap[0][2].price_per_j):
            entry = heappop(heap)
            rests = entry[2]
            if rests.left_uj == 0:  # cancelled
                continue
            aside.append(entry)
            if rests.participant == order.participant:
                continue
            size = min(_limit(left), _limit(rests.left_uj))
            plan.append((rests, size))
            left = None if left is None else left - size
        if not (whole and left):
            for rests, size in plan:
                rests.left_uj = None if rests.left_uj is None else rests.left_uj - size
                self._fill(order, rests, size, now_ns)
            order.left_uj = left
        for entry in aside:
            if entry[2].left_uj != 0:
                heappush(heap, entry)

    def _fill(self, order: Order, rests: Order, size_uj: int, now_ns: int) -> None:
        sell, buy = (order, rests) if order.side == SELL else (rests, order)
        paid = int(payment_of(rests.price_per_j, size_uj))
        self.fills.append(
            Fill(sell.offer_id, buy.offer_id, size_uj, paid, rests.price_per_j, now_ns)
        )

    def _not_resting(self, message: Cancel) -> Unfit | None:
        """Why a cancellation cannot be, or None."""
        name = message.offer_id
        if name not in self.orders:
            return Unfit("there is no such offer", "give the id of an offer that came in")
        if self.owners[name] != message.participant:
            return Unfit("it is another participant's offer", "cancel your own")
        if self.left_uj(name) == 0:
            return Unfit("nothing of it rests", "it is filled, dropped or cancelled already")
        return None

    def _cancel(self, name: str, now_ns: int) -> tuple[Event, ...]:
        left = self.left_uj(name)
        for order in self.orders[name]:
            order.left_uj = 0
        self.cancelled.append((name, now_ns))
        energy_j = None if left is None else joules_text(left)
        return ({"event": "cancelled", "id": name, "energy_j": energy_j},)


def _limit(left_uj: int | None) -> int:
    return NO_LIMIT_UJ if left_uj is None else left_uj


def _sum(energies: Iterator[int | None]) -> int | None:
    total = 0
    for energy_uj in energies:
        if energy_uj is None:
            return None
        total += energy_uj
    return total


def _traded(fill: Fill) -> Event:
    return {
        "event": "traded",
        "sell_offer": fill.sell_offer,
        "buy_offer": fill.buy_offer,
        "energy_j": joules_text(fill.energy_uj),
        "payment": money_text(fill.payment_nano),
        "price_per_j": fill.price_per_j,
    }
