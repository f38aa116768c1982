"""The market actor: a state machine of sessions. Messages in, events out.

Theory of operation:

- `Market.handle(message)` answers with events and changes the market; it has no clock, socket,
  file or randomness. Time is handed in with each message and never runs backwards.
- A session goes through the phases open, commit, reveal, clear, settle. Those that it does not
  use pass at once. Deadlines end a phase; the owner clears and settles.
- A "no" is an event, "refused", with a reason and a remedy, and then nothing has changed.
- Offers are collected into a book that the mechanism clears; a sequential mechanism is told of
  each as it comes. So the clearing is a pure function of the session's book, state and seed.
- Events are plain data: energies in J and money are decimal strings, exact. The same messages
  give the same events, which makes a transcript something that anyone can check.

Spec: docs/spec/session.md.
"""

from isojoule.market.session.actor import Market
from isojoule.market.session.commitment import commitment, seed_commitment
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

__all__ = [
    "CancelOffer",
    "Close",
    "Commit",
    "Market",
    "OpenSession",
    "Query",
    "Reveal",
    "Session",
    "SessionMessage",
    "Settle",
    "SubmitOffer",
    "commitment",
    "seed_commitment",
]
