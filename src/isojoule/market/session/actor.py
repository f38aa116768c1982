"""The actor: many sessions, one message at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from isojoule.core.canonical import dumps
from isojoule.core.errors import InputError
from isojoule.core.interval import time_text
from isojoule.core.units import money_text
from isojoule.market.contract import Refusal, Sequential
from isojoule.market.mechanisms import get
from isojoule.market.messages import Event
from isojoule.market.session.limits import (
    LATEST_NS,
    LONGEST_SENDER,
    No,
    is_digest,
    is_name,
)
from isojoule.market.session.messages import (
    CancelOffer,
    Close,
    Commit,
    OpenSession,
    Query,
    Reveal,
    SessionMessage,
    Settle,
    SubmitOffer,
)
from isojoule.market.session.one import Session
from isojoule.market.session.query import answered
from isojoule.market.session.settle import settled

MOST_BIDS = 1_000_000
MOST_BYTES = 1 << 20


class Market:
    """All sessions of a market, at once and one after another.

    Attributes
    ----------
    sessions
        By name, also those that have ended; only to be read.
    last_ns
        Time of the last message that was taken.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.last_ns = 0

    def handle(self, message: SessionMessage) -> tuple[Event, ...]:
        """Take a message, or refuse it and stay as it was.

        Returns
        -------
        What happened, in order; the last is {"event": "refused", "reason", "remedy"} if nothing
        has changed. Never raises for what a sender can do.
        """
        told = self._told(message)
        name = message.session if is_name(message.session) else ""
        if isinstance(told, No):
            return (told.event(name),)
        self.last_ns = message.at_ns
        return tuple({"event": e["event"], "session": name, **e} for e in told)

    def _told(self, message: SessionMessage) -> No | list[Event]:
        if not is_name(message.session) or not is_name(message.sender, LONGEST_SENDER):
            return No("session or sender is no name", "use 1 to 180 printable characters")
        if not 0 <= message.at_ns < LATEST_NS:
            return No("no such time", "count nanoseconds since 1970")
        if message.at_ns < self.last_ns:
            return No(
                f"time runs backwards: a message of {time_text(self.last_ns)} has come before",
                "hand in messages in the order of their time",
            )
        if isinstance(message, OpenSession):
            return self._open(message)
        session = self.sessions.get(message.session)
        if session is None:
            return No(f"unknown session {message.session!r}", "open it first, or correct its name")
        owner, members = session.opened.sender, session.opened.members
        if members and message.sender not in members and message.sender != owner:
            return No(f"{message.sender!r} is not a member", "ask the owner to be listed")
        if isinstance(message, Close | Settle) and message.sender != owner:
            return No(f"the session is that of {owner!r}", "let its owner do it")
        return self._within(session, message)

    def _within(self, session: Session, message: SessionMessage) -> No | list[Event]:
        if isinstance(message, SubmitOffer):
            return session.submit(message)
        if isinstance(message, Commit):
            return session.commit(message)
        if isinstance(message, Reveal):
            return session.reveal(message)
        if isinstance(message, CancelOffer):
            return session.cancel(message)
        if isinstance(message, Close):
            return session.close(message)
        if isinstance(message, Query):
            return answered(session, message)
        if session.settled:
            return No("it is settled already", "nothing is left to do")
        if session.outcome is None:
            return No("it is not cleared yet", "close it first")
        event = settled(session)
        session.settled = True
        return [event]

    def _open(self, message: OpenSession) -> No | list[Event]:
        no = self._unfit(message)
        if no:
            return no
        try:
            mechanism = get(message.mechanism, **message.parameters)
        except InputError as error:
            return No(error.message, error.remedy)
        sequential = mechanism.traits.kind != "batch" and isinstance(mechanism, Sequential)
        session = Session(message, mechanism, sequential, seed=message.seed)
        if not message.visible:
            seen = "always" if session.sequential else "closed"
            session.opened = message = replace(message, visible=seen)
        f = message.frame
        if f.network not in mechanism.traits.networks:
            known = " or ".join(mechanism.traits.networks)
            return No(f"{mechanism.name} does not clear network {f.network!r}", f"use {known}")
        collateral = getattr(mechanism, "collateral_nano", None)
        if collateral is not None:
            if not session.commits:
                return No(
                    f"bids of {mechanism.name} are committed to",
                    "give commit_until and reveal_until",
                )
            least = collateral(message.most_bids)
            if isinstance(least, Refusal):
                return No(least.reason, least.remedy)
            session.least_collateral_nano = least
        if session.sequential and isinstance(mechanism, Sequential):
            if session.commits or message.seed_commitment:
                return No(
                    f"{mechanism.name} answers each offer as it comes",
                    "open it with its seed, and without commitments",
                )
            first = mechanism.first(f, message.grid, state=message.state, seed=message.seed)
            if isinstance(first, Refusal):
                return No(first.reason, first.remedy)
            session.running = first
        self.sessions[message.session] = session
        event: Event = {"event": "opened", "owner": message.sender, "mechanism": mechanism.name}
        if session.commits:
            event["collateral"] = money_text(session.least_collateral_nano)
        return [event]

    def _unfit(self, m: OpenSession) -> No | None:
        """Why a session cannot be opened so, whatever its mechanism."""
        if m.session in self.sessions:
            return No(f"a session {m.session!r} is here already", "give it a name of its own")
        if m.frame.offer_count:
            return No("the frame has offers", "hand offers in one by one")
        ends = [m.offers_until_ns]
        ends += [e for e in (m.commit_until_ns, m.reveal_until_ns) if e is not None]
        if (m.commit_until_ns is None) != (m.reveal_until_ns is None):
            return No("commitments need a deadline, and so do openings", "give both, or none")
        if ends != sorted(set(ends)) or not m.at_ns < ends[0] or not ends[-1] < LATEST_NS:
            return No("the deadlines do not follow each other", "offers, commit, reveal, in order")
        if not (1 <= m.most_bids <= MOST_BIDS and 1 <= m.most_bytes <= MOST_BYTES):
            return No(
                "no such limit of bids or bytes",
                f"give 1 to {MOST_BIDS} bids of 1 to {MOST_BYTES} bytes",
            )
        enough = m.least_bidders if m.enough_bidders is None else m.enough_bidders
        if not 0 <= m.least_bidders <= enough <= m.most_bids:
            return No(
                "the least and the sufficient number of bidders and the limit of bids do not rise",
                "give 0 <= least_bidders <= enough_bidders <= most_bids",
            )
        if not all(is_name(who, LONGEST_SENDER) for who in m.members):
            return No("a member has no name", "use 1 to 180 printable characters")
        if m.visible not in ("", "always", "closed"):
            return No("offers are visible 'always' or when 'closed'", "choose one of them")
        if m.seed_commitment and (m.seed or not is_digest(m.seed_commitment)):
            return No("give the seed or a commitment to it", "64 hexadecimal digits, or a seed")
        if len(m.seed) > 1024:
            return No("the seed is too long", "give at most 1024 bytes")
        if {"forfeits", "cancelled"} & set(m.state):
            return No("forfeits and cancellations are of this session", "leave them out of state")
        return _no_form({"parameters": m.parameters, "state": m.state})


def _no_form(document: dict[str, Any]) -> No | None:
    try:
        size = len(dumps(document).encode())
    except (ValueError, TypeError, RecursionError):
        return No("parameters or state have no canonical form", "give plain data")
    return No("parameters and state are too large", "give less") if size > MOST_BYTES else None
