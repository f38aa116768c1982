"""The interval: the slice of time that one book is cleared for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from isojoule.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open slice of time.

    Parameters
    ----------
    start_s
        Start, in seconds since 1970-01-01T00:00Z.
    duration_s
        Length in seconds, positive.
    """

    start_s: int
    duration_s: float

    def __post_init__(self) -> None:
        if not self.duration_s > 0:
            raise InputError(
                f"interval of {self.duration_s} s", remedy="give a positive duration, as '15 min'"
            )

    @property
    def start(self) -> datetime:
        """Start as a datetime in UTC."""
        return datetime.fromtimestamp(self.start_s, UTC)

    def start_text(self) -> str:
        """Start as ISO 8601 in UTC, as the files write it."""
        return self.start.strftime("%Y-%m-%dT%H:%M:%SZ")


def time_text(at_ns: int) -> str:
    """The one form of a time in outputs: ISO 8601 in UTC, exact to the nanosecond.

    >>> time_text(0), time_text(1_500_000_000)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.5Z')
    """
    seconds, part = divmod(at_ns, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{part:09d}".rstrip("0") if part else "") + "Z"
