"""A "no" of settlement: an answer, not an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for does not fit the case; nothing was done.

    Attributes
    ----------
    reason
        Why not, in plain words.
    remedy
        What to do instead; "" if there is nothing.
    """

    reason: str
    remedy: str = ""
