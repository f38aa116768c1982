"""The devices of a scenario: loads, PV and batteries, columnar."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError

Floats = NDArray[np.float64]
Index = NDArray[np.int32]
Kinds = NDArray[np.uint8]


class DeviceKind(IntEnum):
    """What a device is; the code in `Devices.kind`."""

    LOAD = 0
    PV = 1
    BATTERY = 2


KIND_NAMES = ("load", "pv", "battery")
"""How the files write a kind, by its code."""

BATTERY_COLUMNS = (
    "capacity_j",
    "energy_j",
    "reserve_j",
    "charge_power_w",
    "discharge_power_w",
    "charge_efficiency",
    "discharge_efficiency",
    "self_discharge_per_month",
    "v_min_per_j",
    "v_max_per_j",
    "v_critical_per_j",
    "k",
)
PERISHABLE = {"tau_s": np.inf, "floor": 0.0}
"""Columns of batteries that may be left out, and what then stands in them."""
FLOAT_COLUMNS = (
    "power_w",
    "power_factor",
    "lost_load_per_j",
    "spill_value_per_j",
    *BATTERY_COLUMNS,
)


@dataclass(frozen=True, eq=False)
class Devices:
    """Loads, PV and batteries, columnar: one row a device, shape (devices,).

    Parameters
    ----------
    ids
        Names, unique.
    participant, node
        Row in the scenario's participants and in the grid's nodes.
    kind
        `DeviceKind`.
    profile
        Column of the profiles, -1 for a constant power (and for batteries).
    power_w
        Load and PV: what the profile is multiplied by, W.
    power_factor
        Load and PV, in (0, 1]; lagging. `lindistflow` and the AC check see it.
    lost_load_per_j
        Loads: what a Joule not served is worth, money/J.
    spill_value_per_j
        PV: worth of a Joule that is curtailed; below 0 where curtailing costs.
    capacity_j, energy_j, reserve_j
        Batteries: what they hold at most, at the start, and keep back.
    charge_power_w, discharge_power_w
        Batteries: limits at the grid's side.
    charge_efficiency, discharge_efficiency
        Batteries, in (0, 1].
    self_discharge_per_month
        Batteries: fraction of the stored energy lost in 30 days, compounded.
    v_min_per_j, v_max_per_j, v_critical_per_j, k
        Batteries: the valuation curve of stored energy (see `isojoule.valuation`).
    tau_s, floor
        Batteries: perishability of the curve while idle; inf (the default) switches it off.

    Columns that do not apply to a kind hold nan.
    """

    ids: tuple[str, ...]
    participant: Index
    node: Index
    kind: Kinds
    profile: Index
    power_w: Floats
    power_factor: Floats
    lost_load_per_j: Floats
    spill_value_per_j: Floats
    capacity_j: Floats
    energy_j: Floats
    reserve_j: Floats
    charge_power_w: Floats
    discharge_power_w: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    self_discharge_per_month: Floats
    v_min_per_j: Floats
    v_max_per_j: Floats
    v_critical_per_j: Floats
    k: Floats
    tau_s: Floats = field(default_factory=lambda: np.zeros(0))
    floor: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for name, filler in PERISHABLE.items():
            values = getattr(self, name)
            if values.size == 0:
                values = np.full(len(self.ids), np.nan)
            values = np.where((self.kind == DeviceKind.BATTERY) & np.isnan(values), filler, values)
            object.__setattr__(self, name, values)
        check_devices(self)

    @property
    def count(self) -> int:
        """Number of devices."""
        return len(self.ids)

    @property
    def factor(self) -> Floats:
        """Power factor of each device, lagging; that of a battery is 1."""
        battery = self.kind == DeviceKind.BATTERY
        factor: Floats = np.where(battery, 1.0, np.nan_to_num(self.power_factor, nan=1.0))
        return factor

    def of_kind(self, kind: DeviceKind) -> NDArray[np.intp]:
        """Rows of the devices of one kind, ascending."""
        return np.flatnonzero(self.kind == kind)


def check_devices(devices: Devices) -> None:
    """Refuse devices that cannot exist.

    Raises
    ------
    InputError
        Names the device and what is wrong.
    """
    count = len(devices.ids)
    check_unique("device", devices.ids)
    for name in ("participant", "node", "kind", "profile", *FLOAT_COLUMNS, *PERISHABLE):
        if getattr(devices, name).shape != (count,):
            raise InputError(f"devices.{name} has {getattr(devices, name).shape}, not ({count},)")

    def refuse(bad: NDArray[np.bool_], message: str, remedy: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise InputError(message, place=f"device {devices.ids[at]!r}", remedy=remedy)

    refuse(devices.kind > DeviceKind.BATTERY, "unknown kind", "use load, pv or battery")
    battery = devices.kind == DeviceKind.BATTERY
    power = ~battery
    refuse(power & ~np.isfinite(devices.power_w), "no power", "give power_w")
    refuse(
        (devices.kind == DeviceKind.PV) & (devices.power_w < 0), "power is negative", "give W > 0"
    )
    factor = devices.power_factor
    refuse(power & ~((factor > 0) & (factor <= 1)), "power factor outside (0, 1]", "use 1 or less")
    load = devices.kind == DeviceKind.LOAD
    refuse(load & ~(devices.lost_load_per_j >= 0), "no worth of lost load", "give lost_load_per_j")
    for name in BATTERY_COLUMNS:
        refuse(battery & ~np.isfinite(getattr(devices, name)), f"no {name}", f"give {name}")
    for name, message, remedy, bad in battery_faults(devices):
        refuse(battery & bad, f"{name}: {message}", remedy)


def battery_faults(devices: Devices) -> list[tuple[str, str, str, NDArray[np.bool_]]]:
    """What can be wrong with a battery: (column, message, remedy, which rows), in order.

    Rows that are no batteries hold nan and come out False.
    """
    d = devices
    out_of = "is outside (0, 1]"
    return [
        ("capacity_j", "is not above 0", "give the usable capacity", d.capacity_j <= 0),
        ("energy_j", "is negative", "give 0 or more", d.energy_j < 0),
        (
            "energy_j",
            "energy above capacity",
            "lower the energy or raise the capacity",
            d.energy_j > d.capacity_j,
        ),
        ("reserve_j", "is negative", "give 0 or more", d.reserve_j < 0),
        (
            "reserve_j",
            "reserve is not below capacity",
            "lower the reserve: what is above it is traded",
            d.reserve_j >= d.capacity_j,
        ),
        ("charge_power_w", "is negative", "give 0 or more", d.charge_power_w < 0),
        ("discharge_power_w", "is negative", "give 0 or more", d.discharge_power_w < 0),
        (
            "charge_efficiency",
            out_of,
            "give a share, as 0.95",
            (d.charge_efficiency <= 0) | (d.charge_efficiency > 1),
        ),
        (
            "discharge_efficiency",
            out_of,
            "give a share, as 0.95",
            (d.discharge_efficiency <= 0) | (d.discharge_efficiency > 1),
        ),
        (
            "self_discharge_per_month",
            "is outside [0, 1)",
            "give the share lost in 30 days, as 0.02",
            (d.self_discharge_per_month < 0) | (d.self_discharge_per_month >= 1),
        ),
        (
            "v_min_per_j",
            "v_min is above v_max",
            "a fuller battery values energy less: lower v_min",
            d.v_min_per_j > d.v_max_per_j,
        ),
        (
            "v_critical_per_j",
            "v_max is above v_critical",
            "the curve would rise: raise v_critical to v_max or more",
            d.v_max_per_j > d.v_critical_per_j,
        ),
        ("k", "is not above 0", "give k > 0; 1 is linear", d.k <= 0),
        ("tau_s", "is not above 0", "leave tau_s empty to switch perishability off", d.tau_s <= 0),
        (
            "floor",
            "is outside [0, 1]",
            "give the share of its worth that an idle battery keeps, as 0.5",
            (d.floor < 0) | (d.floor > 1),
        ),
    ]


def check_unique(what: str, names: tuple[str, ...]) -> None:
    """Refuse a name that stands twice.

    Raises
    ------
    InputError
        Names the double.
    """
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InputError(f"{what} {twice!r} stands twice", remedy=f"give each {what} one name")
