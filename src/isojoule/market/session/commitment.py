"""Commitments: what binds a bidder to an offer that nobody can read yet.

A commitment is SHA-256 of the canonical JSON (RFC 8785) of a domain, the session, the bidder, the
salt and the offer in its normal form. Canonical JSON delimits its parts, so no two lists of parts
have the same bytes. It is bound to session and bidder: who copies it cannot open it. It hides the
offer only if the salt cannot be guessed: 16 random bytes or more.
"""

from __future__ import annotations

from isojoule.core.canonical import digest
from isojoule.valuation import Offer
from isojoule.valuation.document import offer_document

OFFER_DOMAIN = "isojoule.commitment.1"
SEED_DOMAIN = "isojoule.seed-commitment.1"
LEAST_SALT = 16
"""Bytes of a salt, at least."""
MOST_SALT = 64


def commitment(session: str, bidder: str, salt: bytes, offer: Offer) -> str:
    """What a bidder commits to an offer with, 64 hexadecimal digits.

    Parameters
    ----------
    session, bidder
        Names.
    salt
        Known to the bidder alone until it is opened, `LEAST_SALT` to `MOST_SALT` bytes.
    offer
        As it will be opened.

    Examples
    --------
    >>> from isojoule.valuation import Load
    >>> offer = Offer("ada", "home", Load(10**6, 1.0))
    >>> commitment("noon", "ada", b"0123456789abcdef", offer)[:16]
    '1b7d1dac1a352755'
    """
    return digest(
        {
            "domain": OFFER_DOMAIN,
            "session": session,
            "bidder": bidder,
            "salt": salt.hex(),
            "offer": offer_document(offer),
        }
    )


def seed_commitment(session: str, owner: str, seed: bytes) -> str:
    """What the owner of a session commits to a seed with, 64 hexadecimal digits."""
    return digest({"domain": SEED_DOMAIN, "session": session, "owner": owner, "seed": seed.hex()})
