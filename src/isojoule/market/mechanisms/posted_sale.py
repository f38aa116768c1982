"""The sale behind `vrgda`, `gda` and `dutch`: one poster, a price that time and each sale move.

Most schedules have units, within which the price stays; the unit is the one that the energy sold so
far stands in. So every amount can be bought, and whole units cost what the schedule says.
Spec: docs/spec/sequential.md, Q17 to Q20.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from isojoule.core.units import joules_text, money_text
from isojoule.market.mechanisms.posted_price import PriceSchedule
from isojoule.market.messages import Cancel, Event, Message
from isojoule.market.quotes import BUY, SELL, Quote, quotes_of
from isojoule.market.sequential import DAWN, Moment, Unfit, moment_of, too_late
from isojoule.valuation import Offer

MOST_UNITS = 1_000_000
"""A taker of more units is refused: each may have a price of its own."""


class Terms(NamedTuple):
    """What stands fast during a session.

    Attributes
    ----------
    schedule, unit_uj
        How the price moves, and by which steps.
    start_ns, sold_uj
        When the schedule began, and what was sold in earlier intervals.
    opens_ns
        Start of the interval: when offers without a time come.
    """

    schedule: PriceSchedule
    unit_uj: int
    start_ns: int
    sold_uj: int
    opens_ns: int


class Sold(NamedTuple):
    """What one taker traded with the poster, and when."""

    offer_id: str
    energy_uj: int
    payment_nano: int
    at_ns: int


@dataclass(slots=True)
class Sale:
    """What is left of the poster's offer, and what was traded; moved on by `take`."""

    terms: Terms
    poster: Offer | None = None
    stock: list[Quote] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)
    sold_uj: int = 0
    posted: dict[str, float | None] = field(default_factory=dict)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    now_ns: int = 0
    last: Moment = DAWN

    def __post_init__(self) -> None:
        self.sold_uj = self.terms.sold_uj
        self.now_ns = self.terms.opens_ns

    def anew(self) -> Sale:
        """The sale before its first message."""
        return Sale(self.terms)

    @property
    def side(self) -> int:
        """The side of the poster."""
        return BUY if self.terms.schedule.buys else SELL

    def take(self, message: Message, now_ns: int) -> tuple[Event, ...]:
        """Take a message; refused messages change nothing."""
        unfit = too_late(self.last, message, now_ns)
        if isinstance(message, Cancel):
            unfit = unfit or self._not_resting(message)
            if unfit is not None:
                return (unfit.event(message.offer_id),)
            left = sum(q.energy_uj or 0 for q in self.stock)
            self.stock = []
            self.cancelled.append((message.offer_id, now_ns))
            events: tuple[Event, ...] = (
                {"event": "cancelled", "id": message.offer_id, "energy_j": joules_text(left)},
            )
        else:
            quotes = unfit or self._fit(message.offer)
            if isinstance(quotes, Unfit):
                return (quotes.event(message.offer.id),)
            self.now_ns = now_ns or self.terms.opens_ns
            if quotes and quotes[0].side == self.side:
                events = self._post(message.offer, quotes)
            else:
                events = self._serve(message.offer, quotes, now_ns)
        self.last = moment_of(message, now_ns)
        return events

    def price_per_j(self) -> float | None:
        """The price posted now, money per J; None if nothing is left, or the schedule has ended."""
        if not self.stock:
            return None
        terms = self.terms
        price = terms.schedule.posted(terms.unit_uj, self.sold_uj, self._since_ns())
        if price is None:
            return None
        own = self.stock[0].price_per_j
        return min(price, own) if terms.schedule.buys else max(price, own)

    def _since_ns(self) -> int:
        return max(0, self.now_ns - self.terms.start_ns)

    def _fit(self, offer: Offer) -> list[Quote] | Unfit:
        """The quotes of an offer that can come in, or why it cannot."""
        if not offer.id or offer.id in self.posted:
            return Unfit("an offer needs an id of its own", "choose one that nobody has")
        quotes = quotes_of(offer)
        if isinstance(quotes, Unfit):
            return quotes
        if any(q.energy_uj is None for q in quotes):
            return Unfit("it is a utility, without limit", "offer steps to sell or to buy")
        if len({q.side for q in quotes}) > 1:
            return Unfit("it both sells and buys", "make two offers of it")
        if quotes and quotes[0].side == self.side:
            does = "buys" if self.terms.schedule.buys else "sells"
            if self.poster is not None:
                return Unfit(
                    f"{self.poster.participant} posts the price already, and it also {does}",
                    "put all that is posted into one offer, in steps",
                )
            if offer.all_or_nothing or offer.immediate:
                return Unfit("what is posted waits for takers", "leave the flag out")
        elif self.terms.schedule.stepped and (
            sum(q.energy_uj or 0 for q in quotes) > MOST_UNITS * self.terms.unit_uj
        ):
            return Unfit(f"it takes more than {MOST_UNITS} units", "choose a larger unit")
        return quotes

    def _post(self, offer: Offer, quotes: list[Quote]) -> tuple[Event, ...]:
        self.poster, self.stock = offer, quotes
        self.posted[offer.id] = None
        energy_uj = sum(q.energy_uj or 0 for q in quotes)
        return ({"event": "accepted", "id": offer.id, "energy_j": joules_text(energy_uj)},)

    def _serve(self, offer: Offer, quotes: list[Quote], now_ns: int) -> tuple[Event, ...]:
        """A taker comes: it trades while the posted price suits it, then its rest is dropped."""
        wanted = sum(q.energy_uj or 0 for q in quotes)
        kept = (self.stock, self.sold_uj)
        energy_uj = paid_nano = 0
        own = self.poster is not None and self.poster.participant == offer.participant
        for quote in () if own else quotes:
            left = quote.energy_uj or 0
            while left and self.stock:
                first = self.stock[0]
                piece = self.terms.schedule.piece(
                    self.terms.unit_uj, self.sold_uj, self._since_ns(), first.price_per_j,
                    quote.price_per_j, min(left, first.energy_uj or 0),
                )  # fmt: skip
                if not piece.energy_uj:
                    break
                paid_nano += piece.payment_nano
                energy_uj += piece.energy_uj
                left -= piece.energy_uj
                self._draw(piece.energy_uj)
            if left:
                break
        self.posted[offer.id] = self.price_per_j()
        if offer.all_or_nothing and energy_uj < wanted:
            self.stock, self.sold_uj = kept
            energy_uj = 0
        events: list[Event] = []
        if energy_uj and self.poster is not None:
            self.sold.append(Sold(offer.id, energy_uj, paid_nano, now_ns))
            pair = (self.poster.id, offer.id)
            sell, buy = pair if self.side == SELL else pair[::-1]
            events.append(
                {
                    "event": "traded",
                    "sell_offer": sell,
                    "buy_offer": buy,
                    "energy_j": joules_text(energy_uj),
                    "payment": money_text(paid_nano),
                }
            )
        if energy_uj < wanted or not wanted:
            left_j = joules_text(wanted - energy_uj)
            events.append({"event": "dropped", "id": offer.id, "energy_j": left_j})
        return tuple(events)

    def _draw(self, size_uj: int) -> None:
        """Take energy from the stock; makes a new list, so that an old one can be kept."""
        first, *others = self.stock
        rest = (first.energy_uj or 0) - size_uj
        self.stock = [first._replace(energy_uj=rest), *others] if rest else others
        self.sold_uj += size_uj

    def _not_resting(self, message: Cancel) -> Unfit | None:
        """Why a cancellation cannot be, or None."""
        if message.offer_id not in self.posted:
            return Unfit("there is no such offer", "give the id of an offer that came in")
        if self.poster is None or message.offer_id != self.poster.id:
            return Unfit("takers do not wait", "only what is posted can be withdrawn")
        if message.participant != self.poster.participant:
            return Unfit("it is another participant's offer", "cancel your own")
        return None if self.stock else Unfit("nothing of it rests", "it is sold or withdrawn")


def state_of(sold_uj: int, start_ns: int) -> dict[str, str]:
    """What the next interval needs: exact decimal strings, as JSON holds them."""
    return {"sold_j": joules_text(sold_uj), "start_ns": str(start_ns)}
