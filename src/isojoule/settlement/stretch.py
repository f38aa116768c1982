"""What settlement is told: who was cleared for what, and what the meters show, as columns.

A stretch of consecutive intervals of one market. Nothing here knows how it was cleared.
Spec: docs/spec/settlement.md, Y10 and Y11.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 2**61
"""What the sizes of one column in one interval stay below in all: four of them fit into 63 bits."""


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
    local_per_j
        For members that no utility reaches, what energy was worth at their homes when it was
        cleared, money/J, (T, P); nan for those that it reaches. None: it reaches all, or nothing
        is known.

    Raises
    ------
    InputError
        Columns that do not fit together, or amounts too large to be counted.
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
    local_per_j: Floats | None = None

    def __post_init__(self) -> None:
        intervals, members = self.time_s.size, len(self.members)
        if len(set(self.members)) < members:
            raise InputError("two members have one name", remedy="give each a name of its own")
        for name in _BY_MEMBER:
            if getattr(self, name).shape != (intervals, members):
                raise InputError(f"{name} is not of {intervals} intervals and {members} members")
        for name in ("time_s", "group_s", *_BY_INTERVAL, *_PRICES, "paused"):
            if getattr(self, name).shape != (intervals,):
                raise InputError(f"{name} is not of {intervals} intervals")
        if self.local_per_j is not None:
            if self.local_per_j.shape != (intervals, members):
                raise InputError(f"local_per_j is not of {intervals} intervals, {members} members")
            if np.isinf(self.local_per_j).any():
                raise InputError("local_per_j is infinite")
        for name in (*_BY_MEMBER, *_BY_INTERVAL):
            check_size(name, getattr(self, name))
        if np.any(np.diff(self.time_s) <= 0) or np.any(np.diff(self.group_s) < 0):
            raise InputError("intervals are out of order", remedy="sort them by time")
        if np.any(self.cleared_uj.sum(1) + self.utility_uj + self.loss_uj):
            raise InputError("the cleared energies and losses do not sum to 0")
        if np.any(self.worked_nano.sum(1)):
            raise InputError("what members pay each other for compute does not sum to 0")
        for name in _PRICES:
            priceless = ~np.isfinite(getattr(self, name))
            if np.any(np.isinf(getattr(self, name))):
                raise InputError(f"{name} is infinite")
            if np.any(priceless & ((self.utility_uj != 0) | (self.tie_uj != 0))):
                raise InputError(
                    f"the utility trades where {name} says nothing",
                    remedy="give both of its prices for every interval, or no utility",
                )

    @property
    def metered_loss_uj(self) -> Ints:
        """What all meters together say was lost in the network, (T,)."""
        lost: Ints = -self.metered_uj.sum(1) - self.tie_uj
        return lost

    def results_hash(self, rows: slice) -> bytes:
        """SHA-256 that stands for the results of some intervals: members, clearing, meters. Y24."""
        h = self._head.copy()
        h.update(self.result_rows(rows).tobytes())
        return h.digest()

    def result_rows(self, rows: slice) -> NDArray[np.uint8]:
        """The bytes that are hashed, big-endian, a row for each interval."""
        count = self.time_s[rows].size
        words = [self.time_s[rows].astype(">i8")[:, None]]
        words += [getattr(self, name)[rows].astype(">i8") for name in _BY_MEMBER]
        words += [getattr(self, name)[rows].astype(">i8")[:, None] for name in _BY_INTERVAL]
        words += [getattr(self, name)[rows].astype(">f8")[:, None] for name in _PRICES]
        if self.local_per_j is not None:
            words.append(self.local_per_j[rows].astype(">f8"))
        parts = [np.ascontiguousarray(word).view(np.uint8).reshape(count, -1) for word in words]
        return np.hstack([*parts, self.paused[rows].view(np.uint8)[:, None]])

    @cached_property
    def _head(self) -> hashlib._Hash:
        version = b"1" if self.local_per_j is None else b"2"
        h = hashlib.sha256(b"isojoule.results." + version)
        for word in (self.currency, repr(float(self.interval_s)), *self.members):
            data = word.encode()
            h.update(len(data).to_bytes(8, "big") + data)
        h.update(bytes(8))  # no name is empty: here the rows begin
        return h


def at_rest(s: Stretch, pauses: tuple[Pause, ...]) -> Stretch:
    """The stretch in which nothing was cleared in intervals that begin in a pause. Spec: Y9.

    Intervals that are paused already stay as they are: they were cleared by the tariff.

    Raises
    ------
    InputError
        There is no utility, and so no tariff, in a pause.
    """
    rests = np.zeros(s.time_s.size, np.bool_)
    for pause in pauses:
        rests |= (s.time_s >= pause.start_s) & (s.time_s < pause.end_s)
    rests &= ~s.paused
    if not rests.any():
        return s
    if any(np.isnan(getattr(s, name)[rests]).any() for name in _PRICES):
        raise InputError(
            "in a pause the utility's tariff holds, and there is none",
            place="pauses",
            remedy="off the grid, name pauses in the scenario and not in the rules of settlement",
        )
    nothing: dict[str, Any] = {}
    for name in _CLEARED:
        column = getattr(s, name).copy()
        column[rests] = 0
        nothing[name] = column
    return replace(s, **nothing, paused=s.paused | rests)


def check_size(name: str, values: Ints) -> None:
    """Refuse what is too large to be added up, rows being intervals.

    Raises
    ------
    InputError
        The sizes in a row sum to `MOST` or more.
    """
    sizes = np.abs(values.astype(np.float64))
    if np.any((sizes.sum(1) if sizes.ndim > 1 else sizes) >= MOST):
        raise InputError(
            f"{name} is beyond what can be counted in one interval, 2e18 units",
            remedy="check the units, or settle a smaller area",
        )


_BY_MEMBER = ("cleared_uj", "payment_nano", "earned_nano", "worked_nano", "metered_uj")
_BY_INTERVAL = ("utility_uj", "utility_nano", "tie_uj", "loss_uj")
_PRICES = ("sells_at_per_j", "buys_at_per_j")
_CLEARED = (
    "cleared_uj", "payment_nano", "earned_nano", "utility_uj", "utility_nano", "loss_uj",
)  # fmt: skip
