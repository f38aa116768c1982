"""What a community's meters show, as columns: the ground that its certificates stand on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.settlement.certificates.nouns import HOUR_S, LONGEST_S, WH_UJ, Device

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flows:
    """Consecutive intervals of a community: T of them, P members, D devices.

    Attributes
    ----------
    interval_s
        Length of an interval, s; at most an hour.
    members
        Names, which are their accounts, (P,).
    devices
        What produces, and storage; each in the account of a member, (D,).
    time_s
        Starts of the intervals, s since 1970, (T,).
    energy_uj
        Produced, or of storage: charged (negative: discharged), uJ, (T, D).
    left_uj
        What storage can deliver at the end of each interval, uJ, (T, D); else 0.
    begun_uj
        What storage could deliver at the beginning, uJ, (D,); else 0. None: they go on from those
        before.
    drawn_uj
        What storage delivered straight to what its owner runs from it, not through the grid's
        meter, uJ, (T, D); else 0.
    consumed_uj
        By each member, without charging, with what it drew straight from its storage, uJ, (T, P).
    received_uj
        By each member from the grid, negative: given, uJ, (T, P).

    Raises
    ------
    InputError
        Columns that do not fit together, or intervals longer than an hour.
    """

    interval_s: int
    members: tuple[str, ...]
    devices: tuple[Device, ...]
    time_s: Ints
    energy_uj: Ints
    left_uj: Ints
    begun_uj: Ints | None
    drawn_uj: Ints
    consumed_uj: Ints
    received_uj: Ints

    def __post_init__(self) -> None:
        count, people, devices = self.time_s.size, len(self.members), len(self.devices)
        shapes: dict[str, tuple[int, ...]] = {
            "energy_uj": (count, devices),
            "left_uj": (count, devices),
            "drawn_uj": (count, devices),
            "consumed_uj": (count, people),
            "received_uj": (count, people),
        }
        if self.begun_uj is not None:
            shapes["begun_uj"] = (devices,)
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} is not of shape {shape}")
        if not 0 < self.interval_s <= LONGEST_S:
            raise InputError(
                f"an interval of {self.interval_s} s is too long for granular certificates",
                remedy="run with intervals of an hour or less",
            )
        if np.any(np.diff(self.time_s) < self.interval_s):
            raise InputError("intervals overlap", remedy="sort them by time")
        if np.any(self.consumed_uj < 0):
            raise InputError("something was consumed less than nothing")
        produces = [not device.is_storage for device in self.devices]
        if np.any(self.energy_uj[:, produces] < 0):
            raise InputError("something was produced less than nothing")
        if np.any(self.drawn_uj < 0) or np.any(self.drawn_uj[:, produces]):
            raise InputError("something was drawn from what is no storage, or less than nothing")
        unknown = {device.account for device in self.devices} - set(self.members)
        if unknown:
            raise InputError(f"{min(unknown)!r} owns a device and is no member")
        if np.any(self.beside_uj() < 0):
            raise InputError("more was drawn from storage than its owner consumed")

    def beside_uj(self) -> Ints:
        """What each member consumes beside what it draws straight from its storage, uJ, (T, P)."""
        out = self.consumed_uj.copy()
        place = {member: at for at, member in enumerate(self.members)}
        for at, device in enumerate(self.devices):
            if device.is_storage:
                out[:, place[device.account]] -= self.drawn_uj[:, at]
        return out

    def hours(self) -> tuple[Ints, NDArray[np.intp]]:
        """Starts of the hours of the clock, s since 1970, and the first row of each, (H,)."""
        hours = self.time_s // HOUR_S
        firsts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
        return hours[firsts] * HOUR_S, firsts

    def loads_wh(self) -> Ints:
        """`beside_uj` in whole Watt-hours that add up over each hour, (T, P)."""
        _, firsts = self.hours()
        sums = np.concatenate([np.zeros((1, len(self.members)), np.int64),
                               self.beside_uj().cumsum(axis=0)])  # fmt: skip
        begun = np.repeat(sums[firsts], np.diff([*firsts.tolist(), self.time_s.size]), axis=0)
        whole: Ints = (sums[1:] - begun) // WH_UJ - (sums[:-1] - begun) // WH_UJ
        return whole

    def rows(self, span: slice) -> Flows:
        """Some of the intervals; those that are not the first ones go on from those before."""
        columns: dict[str, Any] = {name: getattr(self, name)[span] for name in _COLUMNS}
        return replace(self, begun_uj=None if span.start else self.begun_uj, **columns)

    def days(self) -> Iterator[Flows]:
        """In pieces of a day of hours, for who wants to hear how far it is."""
        _, firsts = self.hours()
        bounds = [*firsts[::24].tolist(), self.time_s.size]
        for first, last in pairwise(bounds):
            yield self.rows(slice(first, last))


_COLUMNS = ("time_s", "energy_uj", "left_uj", "drawn_uj", "consumed_uj", "received_uj")


def by_hours(parts: Iterable[Flows]) -> Iterator[Flows]:
    """Consecutive flows, cut anew so that no hour of the clock is in two of them."""
    rest: Flows | None = None
    for part in parts:
        flows = part if rest is None else _after(rest, part)
        _, firsts = flows.hours()
        last = int(firsts[-1])
        if last:
            yield flows.rows(slice(0, last))
        rest = flows.rows(slice(last, flows.time_s.size)) if last else flows
    if rest is not None:
        yield rest


def _after(before: Flows, flows: Flows) -> Flows:
    """Two flows that follow each other, as one."""
    columns: dict[str, Any] = {
        n: np.concatenate([getattr(before, n), getattr(flows, n)]) for n in _COLUMNS
    }
    return replace(before, **columns)
