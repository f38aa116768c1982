"""A pause of a market: the noun that runs and their settlement share."""

from __future__ import annotations

from dataclasses import dataclass

from isojoule.core.errors import InputError
from isojoule.core.interval import Interval


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch of time without a market, half-open.

    Parameters
    ----------
    start_s, end_s
        First moment and the moment after the last, epoch seconds UTC; starts of intervals.
    reason
        Why, for people.
    """

    start_s: int
    end_s: int
    reason: str = ""

    @property
    def place(self) -> str:
        """Its name in errors."""
        return f"pause {Interval(self.start_s, 1.0).start_text()!r}"

    def __post_init__(self) -> None:
        if self.end_s <= self.start_s:
            raise InputError(
                "ends before it starts", place=self.place, remedy="give an end after the start"
            )
