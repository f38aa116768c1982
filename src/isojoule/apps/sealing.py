"""`isojoule.seal`: from an offer to its commitment and its opening, in one call."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from isojoule.apps.files.items import Item, parse_items
from isojoule.apps.files.session_files import Reader, message_document
from isojoule.core.errors import InputError
from isojoule.market.session import Commit, Reveal
from isojoule.market.session.commitment import LEAST_SALT, MOST_SALT
from isojoule.valuation import Offer
from isojoule.valuation.document import offer_document

Document = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Sealed:
    """An offer in a sealed envelope: what is handed in now, and what is kept until later."""

    commit: Commit
    reveal: Reveal

    @property
    def commitment(self) -> str:
        """What binds to the offer without showing it, 64 hexadecimal digits."""
        return self.commit.commitment

    @property
    def lines(self) -> tuple[str, str]:
        """Both as lines of a message file: the commitment, and the opening."""
        both = (message_document(self.commit), message_document(self.reveal))
        commit, reveal = (json.dumps(row, ensure_ascii=False) for row in both)
        return commit, reveal


def seal(
    offer: Offer | Document,
    *,
    session: str,
    sender: str,
    at: str,
    open_at: str,
    salt: bytes = b"",
    collateral: str | int = 0,
    currency: str = "EUR",
) -> Sealed:
    """Seal an offer.

    Parameters
    ----------
    offer
        An offer, or its keys as in a book file; the participant may be left out.
    session, sender
        Names of the session and of who bids: a commitment holds for these alone.
    at, open_at
        When it is committed to and when it is opened, ISO 8601 with an offset or `Z`.
    salt
        16 to 64 bytes that nobody can guess; if absent they are drawn. Never use one twice.
    collateral
        Money that is posted: whole units of the currency, or a text as `2 EUR`.
    currency
        Of the session.

    Raises
    ------
    InputError
        Anything wrong.

    Examples
    --------
    >>> bid = {"node": "square", "buy": [{"energy": "10 kWh", "price": "0.30 EUR/kWh"}]}
    >>> sealed = seal(bid, session="roof", sender="ada", salt=bytes.fromhex("1a" * 16),
    ...               at="2026-06-21T08:40Z", open_at="2026-06-21T09:05Z")
    >>> sealed.commitment[:12]  # as in examples/sessions/sealed-bids.jsonl
    '11491b1d8146'
    """
    document = offer_document(offer) if isinstance(offer, Offer) else offer
    if document.get("id") == "":
        document = {key: value for key, value in document.items() if key != "id"}
    item = parse_items(json.dumps(document), "the offer", is_json=True)
    return seal_item(
        item, session=session, sender=sender, at=at, open_at=open_at, salt=salt,
        collateral=str(collateral), currency=currency,
    )  # fmt: skip


def seal_item(
    offer: Item,
    *,
    session: str,
    sender: str,
    at: str,
    open_at: str,
    salt: bytes,
    collateral: str,
    currency: str,
) -> Sealed:
    """As `seal`, of an offer that was read from a file."""
    salt = salt or secrets.token_bytes(LEAST_SALT)
    if not LEAST_SALT <= len(salt) <= MOST_SALT:
        raise InputError(
            f"a salt of {len(salt)} bytes", place="salt", remedy=f"give {LEAST_SALT} to {MOST_SALT}"
        )
    reader = Reader(currency)

    def message(kind: str, time: str, **more: str) -> Item:
        keys = {"message": kind, "session": session, "sender": sender, "at": time, **more}
        row = {key: Item(text, key, text) for key, text in keys.items()}
        return Item({**row, "offer": offer}, offer.place)

    hexed = f"0x{salt.hex()}"
    commit = reader.read(message("commit", at, salt=hexed, collateral=collateral))
    reveal = reader.read(message("reveal", open_at, salt=hexed))
    assert isinstance(commit, Commit) and isinstance(reveal, Reveal)
    if reveal.at_ns <= commit.at_ns:
        raise InputError(
            "it is opened before it is committed to", place="open_at", remedy="give a later time"
        )
    return Sealed(commit, reveal)
