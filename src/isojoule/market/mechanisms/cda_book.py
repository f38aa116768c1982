"""The order book of a continuous double auction: two heaps, and what was traded.

The best order of a side lies on top of its heap, keyed by (price, number), and orders are numbered
as they come, so a message costs O(log n) for each order that it trades with, plus O(log n) to rest.
A cancelled order stays in the heap as an empty one until it comes to the top.
Spec: docs/spec/sequential.md, Q7 to Q11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from isojoule.core.units import NO_LIMIT_UJ, joules_text, money_text
from isojoule.kernels.money import payment_of
from isojoule.market.messages import Cancel, Event, Message, Submit
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


ENDLESS = 2 * NO_LIMIT_UJ
"""Stands for what is left of an order without limit."""
Entry = tuple[float, int]
"""Key (the price, negated on the side that buys), number of the order."""


@dataclass(slots=True)
class OrderBook:
    """What rests, and what was traded; moved on by `take`, or without events by `submit`, `cancel`.

    Orders and fills are columns, for millions of small objects would keep the collector of garbage
    busy. An offer's orders stand beside each other.

    Attributes
    ----------
    heaps
        What rests on each side, best first.
    orders
        The numbers of each offer's orders.
    owners
        Participant of each offer.
    ids, who, side, price_per_j, left_uj
        Columns of orders: offer, participant, side, price, and what is not traded; `ENDLESS` if
        unlimited, 0 if gone.
    sold, bought, energy_uj, payment_nano, traded_per_j, at_ns
        Columns of fills; the first two are numbers of orders.
    unlimited
        Numbers of orders without limit that rest, or rested.
    cancelled
        Offers and times.
    dropped_uj
        What the last immediate offer could not trade.
    last
        When the last message came.
    """

    heaps: dict[int, list[Entry]] = field(default_factory=lambda: {BUY: [], SELL: []})
    orders: dict[str, range] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    who: list[str] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    price_per_j: list[float] = field(default_factory=list)
    left_uj: list[int] = field(default_factory=list)
    sold: list[int] = field(default_factory=list)
    bought: list[int] = field(default_factory=list)
    energy_uj: list[int] = field(default_factory=list)
    payment_nano: list[int] = field(default_factory=list)
    traded_per_j: list[float] = field(default_factory=list)
    at_ns: list[int] = field(default_factory=list)
    unlimited: list[int] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    dropped_uj: int = 0
    last: Moment = DAWN

    def anew(self) -> OrderBook:
        """An empty book."""
        return OrderBook()

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message, and tell what happened; refused messages change nothing."""
        if isinstance(message, Cancel):
            left = self.cancel(message, now_ns)
            if isinstance(left, Unfit):
                return (left.event(message.offer_id),)
            return (_told("cancelled", message.offer_id, left),)
        offer = message.offer
        before = len(self.sold)
        unfit = self.submit(offer, now_ns)
        if unfit is not None:
            return (unfit.event(offer.id),)
        events = [self._traded(at) for at in range(before, len(self.sold))]
        left = self.dropped_uj if offer.immediate else self.left_of(offer.id)
        if left != 0 or not events:
            events.append(_told("dropped" if offer.immediate else "accepted", offer.id, left))
        return tuple(events)

    def submit(self, offer: Offer, now_ns: int) -> Unfit | None:
        """Trade what can be traded at once; the rest waits, or is dropped. Or why it cannot be."""
        name = offer.id
        moment = (now_ns, 0, name)
        if moment < self.last:
            return too_late(self.last, Submit(offer), now_ns)
        if not name or name in self.orders:
            return Unfit("an offer needs an id of its own", "choose one that nobody has")
        quotes = quotes_of(offer)
        if isinstance(quotes, Unfit):
            return quotes
        if offer.all_or_nothing or self.unlimited:
            unfit = self._unfit(offer, quotes)
            if unfit is not None:
                return unfit
        self.last = moment
        self.owners[name] = who = offer.participant
        left, first, count = self.left_uj, len(self.left_uj), len(quotes)
        own = self.orders[name] = range(first, first + count)
        for side, price, energy in quotes:
            self.ids.append(name)
            self.who.append(who)
            self.side.append(side)
            self.price_per_j.append(price)
            left.append(ENDLESS if energy is None else energy)
        whole = offer.all_or_nothing
        for order in own:
            if not whole or self._enough(order):
                self._trade(order, now_ns)
        if offer.immediate:
            self.dropped_uj = self.left_of(name)
            for order in own:
                left[order] = 0
            return None
        for order in own:
            rests = left[order]
            if rests:
                side = self.side[order]
                heappush(self.heaps[side], (-side * self.price_per_j[order], order))
                if rests == ENDLESS:
                    self.unlimited.append(order)
        return None

    def cancel(self, message: Cancel, now_ns: int) -> int | Unfit:
        """Withdraw what rests of an offer: how much that was, `ENDLESS` or so; or why not."""
        unfit = too_late(self.last, message, now_ns) or self._not_resting(message)
        if unfit is not None:
            return unfit
        name = message.offer_id
        left = self.left_of(name)
        for order in self.orders[name]:
            self.left_uj[order] = 0
        self.cancelled.append((name, now_ns))
        self.last = moment_of(message, now_ns)
        return left

    def best(self, side: int) -> float | None:
        """The best price that rests on a side, money per J; None if nothing does."""
        keys = [key for key, order in self.heaps[side] if self.left_uj[order]]
        return -side * min(keys) if keys else None

    def left_of(self, offer_id: str) -> int:
        """What of an offer still rests, microjoules; `ENDLESS` or more if that is unlimited."""
        left = 0
        for order in self.orders[offer_id]:
            left += self.left_uj[order]
        return left

    def _unfit(self, offer: Offer, quotes: list[Quote]) -> Unfit | None:
        """Why an offer cannot come in that is all or nothing, or meets one without limit."""
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
                alike = self.who[other] == offer.participant or self.side[other] == q.side
                crosses = q.side * (q.price_per_j - self.price_per_j[other]) >= 0.0
                if self.left_uj[other] == ENDLESS and not alike and crosses:
                    return Unfit(
                        f"trade with {self.ids[other]!r} has no limit: both are unlimited, and "
                        "their prices cross",
                        "limit one of them, or correct the prices",
                    )
        return None

    def _enough(self, order: int) -> bool:
        """Whether what rests can fill an order that comes in; all stays as it is."""
        side, left = self.side[order], self.left_uj[order]
        heap, worst = self.heaps[-side], side * self.price_per_j[order]
        aside: list[Entry] = []
        while heap and left > 0 and heap[0][0] <= worst:
            entry = heappop(heap)
            aside.append(entry)
            if self.who[entry[1]] != self.who[order]:
                left -= self.left_uj[entry[1]]
        for entry in aside:
            heappush(heap, entry)
        return left <= 0

    def _trade(self, order: int, now_ns: int) -> None:
        """Trade an order that comes in with those that rest, best first, never with its owner's."""
        side, rest = self.side[order], self.left_uj
        heap, worst = self.heaps[-side], side * self.price_per_j[order]
        if not heap or heap[0][0] > worst:
            return
        left, owners, prices = rest[order], self.who, self.price_per_j
        who = owners[order]
        aside: list[Entry] = []
        while left and heap and heap[0][0] <= worst:
            other = heap[0][1]
            room = rest[other]
            if not room:  # cancelled
                heappop(heap)
                continue
            if owners[other] == who:
                aside.append(heappop(heap))
                continue
            size = left if left < room else room  # at most one of them is unlimited
            if room != ENDLESS:
                rest[other] = room - size
                if size == room:
                    heappop(heap)
            if left != ENDLESS:
                left -= size
            price = prices[other]
            self.sold.append(order if side == SELL else other)
            self.bought.append(other if side == SELL else order)
            self.energy_uj.append(size)
            self.payment_nano.append(payment_of(price, size))
            self.traded_per_j.append(price)
            self.at_ns.append(now_ns)
        rest[order] = left
        for entry in aside:
            heappush(heap, entry)

    def _not_resting(self, message: Cancel) -> Unfit | None:
        """Why a cancellation cannot be, or None."""
        name = message.offer_id
        if name not in self.orders:
            return Unfit("there is no such offer", "give the id of an offer that came in")
        if self.owners[name] != message.participant:
            return Unfit("it is another participant's offer", "cancel your own")
        if self.left_of(name) == 0:
            return Unfit("nothing of it rests", "it is filled, dropped or cancelled already")
        return None

    def _traded(self, at: int) -> Event:
        return {
            "event": "traded",
            "sell_offer": self.ids[self.sold[at]],
            "buy_offer": self.ids[self.bought[at]],
            "energy_j": joules_text(self.energy_uj[at]),
            "payment": money_text(self.payment_nano[at]),
            "price_per_j": self.traded_per_j[at],
        }


def _told(event: str, name: str, left_uj: int) -> Event:
    energy_j = None if left_uj >= ENDLESS else joules_text(left_uj)
    return {"event": event, "id": name, "energy_j": energy_j}
