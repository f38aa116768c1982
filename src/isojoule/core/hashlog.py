"""An append-only log whose head stands for all of it.

The rules:

- Heads are SHA-256: of `isojoule.hashlog.1`, a byte 0 and the log's name at the start; then of
  `isojoule.hashlog.1`, a byte 1, the number of the entry (from 1, 8 bytes big-endian), the head
  before it and the entry's canonical bytes (see `isojoule.core.canonical`).
- So a head fixes the name of the log, its length, and every entry in order; to change one is to
  change every head after it.
- A line is an entry with its number, the head before it and the head after it. Appending a line
  and checking the last one cost the same whatever the length; auditing the whole log does not.

The construction is that of a hash chain: Haber, Stornetta, How to time-stamp a digital document,
Journal of Cryptology 3:99-111, 1991, https://doi.org/10.1007/BF00196791
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from isojoule.core.canonical import dumps
from isojoule.core.errors import VerificationError

_DOMAIN = b"isojoule.hashlog.1"


class Tip(NamedTuple):
    """What stands for a log: how many entries it has, and its head in hexadecimal."""

    length: int
    head: str


class Line(NamedTuple):
    """One entry as it is stored."""

    number: int
    previous: str
    head: str
    entry: Any
    """Plain data with a canonical form."""

    @property
    def tip(self) -> Tip:
        """The log up to and with this line."""
        return Tip(self.number, self.head)


def start(name: str) -> Tip:
    """The tip of an empty log of this name."""
    return Tip(0, hashlib.sha256(_DOMAIN + b"\0" + name.encode()).hexdigest())


def append(tip: Tip, entry: Any) -> Line:
    """The line that follows a tip.

    Raises
    ------
    ValueError, TypeError
        The entry has no canonical form.

    Examples
    --------
    >>> line = append(start("shed"), {"energy_j": "1.5"})
    >>> verify_tip(line.tip, line)
    """
    number = tip.length + 1
    return Line(number, tip.head, _head(number, tip.head, entry), entry)


def verify_tip(tip: Tip, last: Line | None, *, name: str = "") -> None:
    """Check a tip against the last line alone: one hash, whatever the length.

    Parameters
    ----------
    tip
        What is claimed.
    last
        The last line of the log, None if it is empty.
    name
        Name of the log; only an empty log needs it.

    Raises
    ------
    VerificationError
        The line does not hash to its head, or is not the tip.
    """
    if last is None:
        if tip != start(name):
            raise VerificationError("the log is empty, its tip is not", place=f"log {name!r}")
        return
    place = f"entry {last.number}"
    if last.number < 1 or _head(last.number, last.previous, last.entry) != last.head:
        raise VerificationError("the entry does not give its head", place=place)
    if last.tip != tip:
        raise VerificationError(f"the log ends here, its tip says {tip.length}", place=place)


def follow(tip: Tip, lines: Iterable[Line]) -> Tip:
    """Check that lines lead on from a tip, each from the one before; return the tip reached.

    Raises
    ------
    VerificationError
        Names the first entry that does not follow.
    """
    for line in lines:
        if append(tip, line.entry) != line:
            raise VerificationError("does not follow", place=f"entry {tip.length + 1}")
        tip = line.tip
    return tip


def audit(name: str, lines: Iterable[Line], tip: Tip | None = None) -> Tip:
    """Check every line of a log, and its tip if one is given; return the tip that it has.

    Raises
    ------
    VerificationError
        Names the first entry that does not follow from those before it.
    """
    at = follow(start(name), lines)
    if tip is not None and tip != at:
        raise VerificationError(
            f"the log has {at.length} entries and another head than its tip, of {tip.length}",
            place=f"log {name!r}",
        )
    return at


def _head(number: int, previous: str, entry: Any) -> str:
    try:
        before = number.to_bytes(8, "big") + bytes.fromhex(previous)
    except (ValueError, OverflowError):
        return ""
    if len(before) != 40 or before.hex()[16:] != previous:
        return ""
    return hashlib.sha256(_DOMAIN + b"\1" + before + dumps(entry).encode()).hexdigest()
