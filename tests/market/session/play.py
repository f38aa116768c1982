"""Sessions to try: a room that hands in messages a second apart."""

from __future__ import annotations

from typing import Any

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.market.messages import Event
from isojoule.market.session import (
    CancelOffer,
    Close,
    Commit,
    Market,
    OpenSession,
    Query,
    Reveal,
    SessionMessage,
    Settle,
    SubmitOffer,
    commitment,
)
from isojoule.valuation import Offer

S = 10**9
GRID = Grid(("square",))
SALT = b"sixteen bytes or more"


def frame(network: str = "copperplate", grid: Grid = GRID) -> Book:
    return Book.from_offers([], grid, interval=Interval(86_400, 900.0), network=network)


class Room:
    """A market, its messages, and a clock that the tests turn."""

    def __init__(self) -> None:
        self.market = Market()
        self.now = 0
        self.messages: list[SessionMessage] = []
        self.events: list[tuple[Event, ...]] = []

    def hand(self, message: SessionMessage) -> tuple[Event, ...]:
        told = self.market.handle(message)
        self.messages.append(message)
        self.events.append(told)
        return told

    def at(self, seconds: float) -> Room:
        self.now = round(seconds * S)
        return self

    def open(
        self, name: str = "noon", owner: str = "solar", mechanism: str = "sealed-bid",
        offers: int = 100, commit: int | None = None, reveal: int | None = None, **more: Any,
    ) -> tuple[Event, ...]:  # fmt: skip
        """Open a session; deadlines in seconds."""
        more.setdefault("frame", frame())
        more.setdefault("grid", GRID)
        return self.hand(
            OpenSession(
                name, owner, self.now, mechanism, offers_until_ns=offers * S,
                commit_until_ns=None if commit is None else commit * S,
                reveal_until_ns=None if reveal is None else reveal * S, **more,
            )
        )  # fmt: skip

    def offer(self, offer: Offer, session: str = "noon", sender: str = "") -> tuple[Event, ...]:
        return self.hand(SubmitOffer(session, sender or offer.participant, self.now, offer))

    def commit(
        self, offer: Offer, collateral: float = 0, session: str = "noon", salt: bytes = SALT,
        offer_id: str = "",
    ) -> tuple[Event, ...]:  # fmt: skip
        who = offer.participant
        text = commitment(session, who, salt, offer)
        nano = round(collateral * 10**9)
        return self.hand(Commit(session, who, self.now, text, nano, offer_id))

    def reveal(
        self, offer: Offer, session: str = "noon", salt: bytes = SALT, offer_id: str = "",
        sender: str = "",
    ) -> tuple[Event, ...]:  # fmt: skip
        who = sender or offer.participant
        return self.hand(Reveal(session, who, self.now, offer, salt, offer_id))

    def cancel(self, who: str, offer_id: str, session: str = "noon") -> tuple[Event, ...]:
        return self.hand(CancelOffer(session, who, self.now, offer_id))

    def close(
        self, who: str = "solar", session: str = "noon", seed: bytes = b""
    ) -> tuple[Event, ...]:
        return self.hand(Close(session, who, self.now, seed))

    def settle(self, who: str = "solar", session: str = "noon") -> tuple[Event, ...]:
        return self.hand(Settle(session, who, self.now))

    def ask(
        self, who: str, what: str, cursor: int = 0, limit: int = 50, session: str = "noon"
    ) -> Event:
        return self.hand(Query(session, who, self.now, what, cursor, limit))[0]


def names(told: tuple[Event, ...]) -> list[str]:
    return [event["event"] for event in told]


def refused(told: tuple[Event, ...] | Event, reason: str) -> bool:
    """Whether the only event is a refusal with this in its reason, and a remedy."""
    events = (told,) if isinstance(told, dict) else told
    one = len(events) == 1 and events[0]["event"] == "refused"
    return one and reason in events[0]["reason"] and bool(events[0]["remedy"])


def owed(event: Event) -> dict[str, float]:
    """What each participant pays in the end, of a settlement."""
    total: dict[str, float] = {}
    for row in event["transfers"]:
        total[row["participant"]] = total.get(row["participant"], 0) + float(row["payment"])
    return total
