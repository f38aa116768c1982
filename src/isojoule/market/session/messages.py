"""What a market is told. Every message names its session, its sender, and when it came.

Who the sender is has been established before (a signature, a login); the actor believes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.valuation import Offer


@dataclass(frozen=True, eq=False, slots=True)
class OpenSession:
    """Open a session; the sender owns it.

    Parameters
    ----------
    session, sender, at_ns
        Name of the session, its owner, and the time in nanoseconds since 1970-01-01T00:00Z.
    mechanism, parameters
        The rule, by name.
    frame, grid
        Currency, interval and network, as a book without offers; nodes and links.
    offers_until_ns
        Offers are taken before this time.
    commit_until_ns, reveal_until_ns
        Commitments and openings are taken before these times; None: the phase is not used.
    enough_bidders
        The owner may clear before the deadline when so many others than itself bid; None: not.
    least_bidders
        If fewer bid, the session is void: nothing is traded, and all collateral goes back.
    most_bids, most_bytes
        Limits of offers and commitments in all, and of the canonical bytes of one offer.
    members
        Who may take part; nobody listed: everybody.
    visible
        "always": offers may be seen as they come in; "closed": when no more are taken. "" is
        "always" for sequential mechanisms, "closed" for all others.
    seed
        For ties and chance.
    seed_commitment
        Instead: `isojoule.market.session.seed_commitment` of a seed that is shown on closing.
    state
        What the mechanism left in the interval before.
    """

    session: str
    sender: str
    at_ns: int
    mechanism: str
    frame: Book
    grid: Grid
    offers_until_ns: int
    parameters: dict[str, Any] = field(default_factory=dict)
    commit_until_ns: int | None = None
    reveal_until_ns: int | None = None
    enough_bidders: int | None = None
    least_bidders: int = 0
    most_bids: int = 1000
    most_bytes: int = 65_536
    members: tuple[str, ...] = ()
    visible: str = ""
    seed: bytes = b""
    seed_commitment: str = ""
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmitOffer:
    """Hand in an offer, openly. Its time of arrival is that of the message."""

    session: str
    sender: str
    at_ns: int
    offer: Offer


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit to an offer without telling it, and post a collateral.

    `offer_id` names the offer to be opened; "" lets the session name it.
    """

    session: str
    sender: str
    at_ns: int
    commitment: str
    collateral_nano: int = 0
    offer_id: str = ""


@dataclass(frozen=True, slots=True)
class Reveal:
    """Open a commitment: the offer and the salt that were hashed.

    `offer_id` says which, if the sender has several; "" is the only one.
    """

    session: str
    sender: str
    at_ns: int
    offer: Offer
    salt: bytes
    offer_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelOffer:
    """Withdraw an offer, or what is left of it."""

    session: str
    sender: str
    at_ns: int
    offer_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """Take no more offers and clear. Shows the seed that was committed to, if one was."""

    session: str
    sender: str
    at_ns: int
    seed: bytes = b""


@dataclass(frozen=True, slots=True)
class Settle:
    """Say who owes whom, collateral included."""

    session: str
    sender: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Query:
    """Ask for the "session", its "bids" or its "winner", a page at a time."""

    session: str
    sender: str
    at_ns: int
    what: str
    cursor: int = 0
    limit: int = 50


SessionMessage = OpenSession | SubmitOffer | Commit | Reveal | CancelOffer | Close | Settle | Query
