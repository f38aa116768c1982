"""What may be asked of a session, by whom and when; answers come in pages."""

from __future__ import annotations

from typing import Any

from isojoule.core.interval import time_text
from isojoule.core.units import joules_text, money_text
from isojoule.market.contract import Refusal
from isojoule.market.messages import Event
from isojoule.market.session.limits import No
from isojoule.market.session.messages import Query
from isojoule.market.session.one import Session
from isojoule.market.session.told import Bid
from isojoule.valuation.document import offer_document

MOST_ROWS = 100
ASKED = ("session", "bids", "winner")


def answered(session: Session, message: Query) -> No | list[Event]:
    """The answer to a query, or why there is none."""
    if message.what not in ASKED:
        return No(f"{message.what[:40]!r} cannot be asked", f"ask for one of {', '.join(ASKED)}")
    if message.cursor < 0 or not 1 <= message.limit <= MOST_ROWS:
        return No("no such page", f"start at cursor 0, with a limit of 1 to {MOST_ROWS}")
    if message.what == "session":
        return [{"event": "answer", "what": "session", **_session(session, message.at_ns)}]
    if message.what == "bids":
        found = [_bid(session, b, message) for b in _page(session.bids, message)]
        return [_answer(message, found, len(session.bids))]
    if session.outcome is None:
        return No("it is not cleared yet", "ask again when its owner has closed it")
    rows = _traded(session)
    return [_answer(message, _page(rows, message), len(rows))]


def _answer(message: Query, rows: list[Any], count: int) -> Event:
    end = message.cursor + len(rows)
    return {
        "event": "answer",
        "what": message.what,
        "rows": rows,
        "next": end if end < count else None,
    }


def _page(rows: list[Any], message: Query) -> list[Any]:
    return rows[message.cursor : message.cursor + message.limit]


def _session(session: Session, at_ns: int) -> dict[str, Any]:
    o = session.opened
    ends = {
        f"{name}_until": time_text(until)
        for name in ("offers", "commit", "reveal")
        if (until := getattr(o, f"{name}_until_ns")) is not None
    }
    return {
        "phase": session.phase(at_ns),
        "owner": o.sender,
        "mechanism": o.mechanism,
        "bids": len(session.bids),
        "bidders": len(session.bidders),
        **ends,
    }


def _bid(session: Session, bid: Bid, message: Query) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": bid.offer_id,
        "participant": bid.participant,
        "at": time_text(bid.at_ns),
    }
    if bid.commitment:
        row |= {"commitment": bid.commitment, "collateral": money_text(bid.collateral_nano)}
        row["opened"] = bid.offer is not None
    if bid.cancelled:
        row["cancelled"] = True
    if bid.offer is not None and session.may_see(bid, message.sender, message.at_ns):
        row["offer"] = offer_document(bid.offer)
    return row


def _traded(session: Session) -> list[dict[str, Any]]:
    """Offers that got or delivered energy, as they stand in the book."""
    c, book = session.outcome, session.book
    if c is None or isinstance(c, Refusal) or book is None:
        return []
    return [
        {
            "id": offer.id,
            "participant": offer.participant,
            "energy_j": joules_text(int(energy)),
            "payment": money_text(int(nano)),
        }
        for offer, energy, nano in zip(book.offers, c.energy_uj, c.payment_nano, strict=True)
        if energy or nano
    ]
