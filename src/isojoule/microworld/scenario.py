"""A scenario: everything a run needs to know about a neighbourhood, in SI, in memory.

Who lives where, with which devices, on which wires, at which tariffs, over which weeks. The
scenario is columnar and immutable, and knows nothing of files: `isojoule.apps.files` reads it
from a folder, and an importer or a test may build it directly.

Rules that always hold (checked when it is made):

- Every device belongs to one participant and stands at one node; a participant may have devices
  at several nodes (several meters).
- `profiles[t, p]` holds on the interval that starts at `times_s[t]` and lasts `interval_s`. A
  device follows `power_w * profiles[:, profile]`, or the constant `power_w` where `profile` is -1.
  A load may be negative in an interval: then it feeds in.
- Times rise strictly; within a period they rise by `interval_s`, between periods they may jump.
- The utility sells to the grid at `utility_node` and never buys dearer than it sells. Off the
  grid there is none: `utility_node` is -1 and its prices are nan.
- Machines are fed by batteries, each by one of its own; Orders name known customers and nodes.
- Pauses begin and end where intervals do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.grid import Grid
from isojoule.microworld.devices import DeviceKind, Devices, check_unique
from isojoule.microworld.forecast import Forecast
from isojoule.microworld.pauses import check_pauses

MOST_J = 4e12
"""No device moves more in an interval: totals in microjoules must fit into 64 bits."""
if TYPE_CHECKING:
    from isojoule.machine import Machine, Order

BASELINES = ("utility-only", "autarky")
"""What a market may be compared with: names of mechanisms."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

__all__ = ["DeviceKind", "Devices", "Forecast", "Pause", "Period", "Scenario"]


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time that is run by itself, half-open.

    Parameters
    ----------
    name
        Its name in tables and reports.
    start_s, end_s
        First moment and the moment after the last, epoch seconds UTC.
    """

    name: str
    start_s: int
    end_s: int

    def __post_init__(self) -> None:
        if self.end_s <= self.start_s:
            raise InputError(
                f"period {self.name!r} ends before it starts", remedy="give an end after the start"
            )


@dataclass(frozen=True, eq=False)
class Scenario:
    """A neighbourhood and the time it is run over.

    Parameters
    ----------
    name, title, description, attribution
        For people. The attribution names source and licence of the data.
    currency, timezone
        ISO 4217 code, and IANA zone of the local times.
    network, mechanism
        Defaults of a run: a network formulation and a mechanism.
    interval_s
        Length of an interval, s.
    utility_node
        Row of the node where the utility sits; -1: there is none.
    network_fee_per_j
        Paid per Joule that neighbours trade with each other, money/J.
    periods
        Stretches that stand alone, in time order, disjoint.
    cyclic_tolerance
        A period is repeated until every battery ends as it started, within this share of its
        capacity. None: each is run once, from the given state.
    max_rounds
        Most repetitions.
    grid
        Nodes and links.
    participants, labels
        Names, and what people read; owners of devices. The utility is not among them.
    devices
        Columnar, see `Devices`.
    times_s
        Interval starts, epoch seconds UTC, shape (times,).
    profile_names, profiles
        Shape (times, profiles), per unit of a device's power.
    sells_at_per_j, buys_at_per_j
        The utility's prices, money/J, shape (times,).
    carbon_kg_per_j
        Carbon intensity of what it sells, kg/J, nan where unknown, shape (times,).
    baseline
        What the market is compared with: `utility-only`, or `autarky` (everybody alone).
    unserved_cost_per_j
        What a Joule that is needed and not served counts as cost in the audit, money/J; 0: need
        that is not served is shown beside the money.
    stored_value_per_j
        What a Joule left in batteries at the end counts in the audit, money/J; None: the mean of
        the utility's buying price, 0 off the grid.
    machines, machine_device, orders
        Machines, the row of the battery that feeds each, shape (machines,), and jobs for them.
    slack_voltage_pu
        Voltage at the utility's node in the AC check and under `lindistflow`, per unit of that
        node's `voltage_v`, with the transformer's tap folded in.
    forecast
        What the market's offers are made of; None: of what comes. The baseline needs none.
    pauses
        Stretches without a market, in time order, disjoint.
    market_network
        Formulation that the market sees, where it is not that of the wires: `copperplate`, or ""
        for `network`. What it clears then goes through the wires (spec run.md, R21).
    tariff_outside
        Whether the utility is paid its tariff for what is cleared, whatever the market's rule
        would pay it (R22).
    """

    name: str
    title: str
    description: str
    attribution: str
    currency: str
    timezone: str
    network: str
    mechanism: str
    interval_s: int
    utility_node: int
    network_fee_per_j: float
    periods: tuple[Period, ...]
    cyclic_tolerance: float | None
    max_rounds: int
    grid: Grid
    participants: tuple[str, ...]
    labels: tuple[str, ...]
    devices: Devices
    times_s: Ints
    profile_names: tuple[str, ...]
    profiles: Floats
    sells_at_per_j: Floats
    buys_at_per_j: Floats
    carbon_kg_per_j: Floats = field(default_factory=lambda: np.zeros(0))
    slack_voltage_pu: float = 1.0
    baseline: str = "utility-only"
    unserved_cost_per_j: float = 0.0
    stored_value_per_j: float | None = None
    machines: tuple[Machine, ...] = ()
    machine_device: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    orders: tuple[Order, ...] = ()
    forecast: Forecast | None = None
    pauses: tuple[Pause, ...] = ()
    market_network: str = ""
    tariff_outside: bool = False

    def __post_init__(self) -> None:
        if len(self.carbon_kg_per_j) == 0:
            object.__setattr__(self, "carbon_kg_per_j", np.full(len(self.times_s), np.nan))
        check_scenario(self)
        if self.network == "lindistflow" and self.has_utility:
            grid = holding(self.grid, self.utility_node, self.slack_voltage_pu)
            object.__setattr__(self, "grid", grid)

    @property
    def has_utility(self) -> bool:
        """Whether somebody outside sells and buys."""
        return self.utility_node >= 0

    @property
    def beside_wires(self) -> bool:
        """Whether the market ignores the wires that there are."""
        return self.market_network not in ("", self.network)

    def rows(self, period: Period) -> slice:
        """Rows of the time axis that lie in a period."""
        first, last = np.searchsorted(self.times_s, [period.start_s, period.end_s])
        return slice(int(first), int(last))

    def device_power_w(self, rows: slice) -> Floats:
        """Power of each load and PV in these rows, W, shape (rows, devices); 0 for batteries.

        Loads draw it (negative: they feed in), PV delivers it.
        """
        count = len(range(*rows.indices(len(self.times_s))))
        shape = np.ones((count, self.devices.count))
        with_profile = self.devices.profile >= 0
        shape[:, with_profile] = self.profiles[rows][:, self.devices.profile[with_profile]]
        power_w: Floats = shape * np.nan_to_num(self.devices.power_w)
        return power_w


def holding(grid: Grid, node: int, voltage_pu: float) -> Grid:
    """The grid with a node that holds its voltage, as `lindistflow` wants it."""
    low, high = (
        np.full(grid.node_count, np.nan) if given is None else given.copy()
        for given in (grid.min_voltage_pu, grid.max_voltage_pu)
    )
    low[node] = high[node] = voltage_pu
    return replace(grid, min_voltage_pu=low, max_voltage_pu=high)


def check_scenario(scenario: Scenario) -> None:
    """Refuse a scenario that breaks a rule of this module.

    Raises
    ------
    InputError
        Names what is wrong.
    """
    s = scenario
    times, profiles = len(s.times_s), len(s.profile_names)
    check_unique("participant", s.participants)
    check_unique("profile", s.profile_names)
    check_unique("period", tuple(p.name for p in s.periods))
    if len(s.labels) != len(s.participants):
        raise InputError("labels and participants differ in number", remedy="give one label each")
    if s.interval_s <= 0:
        raise InputError("the interval is not positive", remedy="give it as '15 min'")
    if not -1 <= s.utility_node < s.grid.node_count:
        raise InputError("the utility's node is not in the grid", remedy="name an existing node")
    if s.baseline not in BASELINES:
        raise InputError(
            f"unknown baseline {s.baseline!r}", remedy=f"use one of {', '.join(BASELINES)}"
        )
    if s.baseline == "utility-only" and not s.has_utility:
        raise InputError("there is no utility to be alone with", remedy="use baseline: autarky")
    if not 0 <= s.unserved_cost_per_j < np.inf:
        raise InputError("unserved_cost is no finite cost", remedy="give it as '1 EUR/kWh'")
    if s.stored_value_per_j is not None and not np.isfinite(s.stored_value_per_j):
        raise InputError("stored_value is not finite", remedy="give it as '0.10 EUR/kWh'")
    if not s.network_fee_per_j >= 0:
        raise InputError("the network fee is negative", remedy="give 0 or more")
    if not s.slack_voltage_pu > 0:
        raise InputError("the slack voltage is not positive", remedy="give it per unit, as 1.02")
    if s.cyclic_tolerance is not None and not 0 < s.cyclic_tolerance < 1:
        raise InputError("cyclic tolerance outside (0, 1)", remedy="give a share, as 0.001")
    if s.max_rounds < 1:
        raise InputError("max_rounds is below 1", remedy="give 1 or more")
    for what, index, size in (
        ("participant", s.devices.participant, len(s.participants)),
        ("node", s.devices.node, s.grid.node_count),
    ):
        bad = (index < 0) | (index >= size)
        if bad.any():
            at = s.devices.ids[int(np.flatnonzero(bad)[0])]
            raise InputError(
                f"unknown {what}", place=f"device {at!r}", remedy=f"name a known {what}"
            )
    bad = (s.devices.profile < -1) | (s.devices.profile >= profiles)
    if bad.any():
        at = s.devices.ids[int(np.flatnonzero(bad)[0])]
        raise InputError("unknown profile", place=f"device {at!r}", remedy="name a known profile")
    if s.profiles.shape != (times, profiles):
        raise InputError(f"profiles have shape {s.profiles.shape}, not ({times}, {profiles})")
    if not np.isfinite(s.profiles).all():
        row, column = np.argwhere(~np.isfinite(s.profiles))[0]
        raise InputError(
            f"gap in profile {s.profile_names[column]!r} at time {s.times_s[row]}",
            remedy="fill in the value",
        )
    for name in ("sells_at_per_j", "buys_at_per_j"):
        prices = getattr(s, name)
        known = np.isfinite(prices).all() if s.has_utility else np.isnan(prices).all()
        if prices.shape != (times,) or not known:
            raise InputError(f"{name} has gaps", remedy="give a price for each interval")
    most = np.max(np.abs(s.profiles), axis=0, initial=0.0)
    shape = np.where(s.devices.profile >= 0, most[s.devices.profile] if profiles else 1.0, 1.0)
    energy_j = np.nan_to_num(np.abs(s.devices.power_w)) * shape * s.interval_s
    large = ~(energy_j < MOST_J)
    if large.any():
        at = s.devices.ids[int(np.flatnonzero(large)[0])]
        raise InputError(
            f"more than {MOST_J / 3.6e6:,.0f} kWh in an interval do not fit into 64 bits",
            place=f"device {at!r}",
            remedy="correct its power or its profile",
        )
    if (s.buys_at_per_j > s.sells_at_per_j).any():
        raise InputError(
            "the utility buys dearer than it sells",
            remedy="lower buys_at: else it would be a money pump",
        )
    if s.carbon_kg_per_j.shape != (times,):
        raise InputError("carbon_kg_per_j is not of one value an interval")
    _check_machines(s)
    _check_times(s)
    check_pauses(s.pauses, s.times_s, s.interval_s)
    if s.beside_wires:
        _check_beside_wires(s)


def _check_beside_wires(s: Scenario) -> None:
    what = f"a market on {s.market_network!r}, beside the wires"
    if s.market_network != "copperplate":
        raise InputError(f"{what}, is not known", remedy="use copperplate")


def _check_machines(s: Scenario) -> None:
    check_unique("machine", tuple(m.name for m in s.machines))
    check_unique("order", tuple(o.name for o in s.orders))
    if s.machine_device.shape != (len(s.machines),):
        raise InputError("machine_device is not of one row a machine")
    for machine, device in zip(s.machines, s.machine_device, strict=True):
        place = f"machine {machine.name!r}"
        if not 0 <= device < s.devices.count or s.devices.kind[device] != DeviceKind.BATTERY:
            raise InputError(
                "is not fed by a battery", place=place, remedy="name a device of kind battery"
            )
        if np.count_nonzero(s.machine_device == device) > 1:
            raise InputError(
                f"shares the battery {s.devices.ids[device]!r} with another machine",
                place=place,
                remedy="give each machine a battery of its own",
            )
    if s.orders and not s.machines:
        raise InputError("there are Orders, but no machine", remedy="add the table machines")
    if s.machines and s.cyclic_tolerance is not None:
        raise InputError(
            "a world with machines cannot be cyclic", remedy="remove `cyclic`: Orders come once"
        )
    for order in s.orders:
        for what, name, known in (
            ("participant", order.customer, s.participants),
            ("node", order.node, s.grid.node_ids),
        ):
            if name not in known:
                raise InputError(
                    f"unknown {what} {name!r}",
                    place=f"order {order.name!r}",
                    remedy=f"name a known {what}",
                )


def _check_times(s: Scenario) -> None:
    if len(s.times_s) == 0 or not s.periods:
        raise InputError("no time to run over", remedy="give profiles with at least one row")
    if (np.diff(s.times_s) < s.interval_s).any():
        raise InputError("times do not rise by the interval", remedy="sort them, drop doubles")
    for period, following in pairwise(s.periods):
        if following.start_s < period.end_s:
            raise InputError(
                f"periods {period.name!r} and {following.name!r} overlap or are out of order",
                remedy="list disjoint periods in time order",
            )
    for period in s.periods:
        rows = s.rows(period)
        wanted = np.arange(period.start_s, period.end_s, s.interval_s)
        if not np.array_equal(s.times_s[rows], wanted):
            raise InputError(
                f"gap in the profiles within period {period.name!r}",
                remedy="give one row for each interval of the period",
            )
