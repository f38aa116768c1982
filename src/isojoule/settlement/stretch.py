"""What settlement is told: who was cleared for what, and what the meters show, as columns.

A stretch of consecutive intervals of one market. Nothing here knows how it was cleared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive intervals of a market, T of them, with P members.

    Energy received is positive, money paid is positive; microjoules and nano-units.

    Attributes
    ----------
    currency
        Of all money.
    interval_s
        Length of an interval, s.
    members
        Names, (P,).
    time_s
        Starts of the intervals, s since 1970, (T,).
    group_s
        Start of the group (as the day) that an interval is netted into, s since 1970, (T,), rising.
    cleared_uj, payment_nano
        Energy that each member was cleared for, and what it pays for it, (T, P).
    earned_nano
        What members pay (negative: earn) as owners of links, (T, P).
    worked_nano
        What members pay each other for compute, (T, P); rows sum to 0.
    metered_uj
        What the members' meters show, (T, P).
    utility_uj, utility_nano
        What the utility was cleared for (received), and what it pays, (T,); 0 off the grid.
    tie_uj
        What the meter at the utility's node shows, received by the utility, (T,).
    loss_uj
        Lost in the network as cleared, standing losses too, (T,).
    sells_at_per_j, buys_at_per_j
        The utility's prices, money/J, (T,); nan off the grid.
    paused
        Intervals in which the market rested and the utility's tariff held, (T,).
    """

    currency: str
    interval_s: float
    members: tuple[str, ...]
    time_s: Ints
    group_s: Ints
    cleared_uj: Ints
    payment_nano: Ints
    earned_nano: Ints
    worked_nano: Ints
    metered_uj: Ints
    utility_uj: Ints
    utility_nano: Ints
    tie_uj: Ints
    loss_uj: Ints
    sells_at_per_j: Floats
    buys_at_per_j: Floats
    paused: NDArray[np.bool_]

    def __post_init__(self) -> None:
        intervals, members = self.time_s.size, len(self.members)
        if len(set(self.members)) < members:
            raise InputError("two members have one name", remedy="give each a name of its own")
        for name in _BY_MEMBER:
            if getattr(self, name).shape != (intervals, members):
                raise InputError(f"{name} is not of {intervals} intervals and {members} members")
        for name in _BY_INTERVAL:
            if getattr(self, name).shape != (intervals,):
                raise InputError(f"{name} is not of {intervals} intervals")
        if np.any(np.diff(self.time_s) <= 0) or np.any(np.diff(self.group_s) < 0):
            raise InputError("intervals are out of order", remedy="sort them by time")
        if np.any(self.cleared_uj.sum(1) + self.utility_uj + self.loss_uj):
            raise InputError("the cleared energies and losses do not sum to 0")

    @property
    def metered_loss_uj(self) -> Ints:
        """What all meters together say was lost in the network, (T,)."""
        lost: Ints = -self.metered_uj.sum(1) - self.tie_uj
        return lost

    def results_hash(self, rows: slice) -> bytes:
        """SHA-256 that stands for the results of some intervals: times, members, clearing, meters."""
        h = hashlib.sha256(b"isojoule.results.1")
        for word in (self.currency, *self.members):
            data = word.encode()
            h.update(len(data).to_bytes(8, "big") + data)
        for name in ("time_s", *_BY_MEMBER, "utility_uj", "utility_nano", "tie_uj", "loss_uj"):
            h.update(getattr(self, name)[rows].astype(">i8").tobytes())
        for name in ("sells_at_per_j", "buys_at_per_j"):
            h.update(getattr(self, name)[rows].astype(">f8").tobytes())
        h.update(self.paused[rows].tobytes())
        return h.digest()


_BY_MEMBER = ("cleared_uj", "payment_nano", "earned_nano", "worked_nano", "metered_uj")
_BY_INTERVAL = (
    "time_s", "group_s", "utility_uj", "utility_nano", "tie_uj", "loss_uj", "sells_at_per_j",
    "buys_at_per_j", "paused",
)  # fmt: skip
