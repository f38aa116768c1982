"""Bids of a session, and what is told of them when it is cleared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from isojoule.core.units import joules_text, money_text
from isojoule.market.book import Book
from isojoule.market.contract import Clearing, Refusal
from isojoule.market.messages import Event
from isojoule.valuation import Offer


@dataclass(slots=True)
class Bid:
    """An offer, or a commitment to one that may be opened later.

    Attributes
    ----------
    offer
        None while it is only committed to; as it stands in the book otherwise.
    commitment
        "" for an offer that was handed in openly.
    collateral_nano
        What was posted with the commitment.
    cancelled
        Whether it was withdrawn.
    """

    offer_id: str
    participant: str
    at_ns: int
    offer: Offer | None
    commitment: str = ""
    collateral_nano: int = 0
    cancelled: bool = False


def told_unopened(bids: Iterable[Bid]) -> list[Event]:
    """A line for each commitment that nobody has opened."""
    return [
        {
            "event": "unopened",
            "id": b.offer_id,
            "participant": b.participant,
            "collateral": money_text(b.collateral_nano),
        }
        for b in bids
    ]


def told_outcome(book: Book, outcome: Clearing | Refusal, seed: bytes) -> Event:
    """What everybody gets and pays, or why the session is void."""
    c = outcome
    if isinstance(c, Refusal):
        return {"event": "void", "reason": c.reason, "remedy": c.remedy}
    rows = [
        {
            "id": offer.id,
            "participant": offer.participant,
            "energy_j": joules_text(int(energy)),
            "payment": money_text(int(nano)),
        }
        for offer, energy, nano in zip(book.offers, c.energy_uj, c.payment_nano, strict=True)
    ]
    lines = {name: money_text(nano) for name, nano in c.operator.items()}
    return {"event": "cleared", "seed": seed.hex(), "offers": rows, "operator": lines}
