"""What a community's meters show, as columns: the ground that its certificates stand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.settlement.certificates.nouns import LONGEST_S, Device

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
        What storage could deliver at the beginning, uJ, (D,); else 0.
    consumed_uj
        By each member, without charging, uJ, (T, P).
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
    begun_uj: Ints
    consumed_uj: Ints
    received_uj: Ints

    def __post_init__(self) -> None:
        count, people, devices = self.time_s.size, len(self.members), len(self.devices)
        shapes = {
            "energy_uj": (count, devices),
            "left_uj": (count, devices),
            "begun_uj": (devices,),
            "consumed_uj": (count, people),
            "received_uj": (count, people),
        }
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
        unknown = {device.account for device in self.devices} - set(self.members)
        if unknown:
            raise InputError(f"{min(unknown)!r} owns a device and is no member")
