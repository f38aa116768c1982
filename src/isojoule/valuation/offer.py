"""Offers: who wants what, where, at what worth.

The rules:

- An offer is a participant's curve at one node, with an id and a time of arrival. What the
  curve is made from (steps, a battery, ...) is its `spec`; each spec turns itself into pieces
  (see `isojoule.valuation.curve`) for an interval of a given length.
- Curves fall. A spec whose ask falls or whose bid rises with the quantity is refused.
- Energies in specs are integer microjoules, so that bounds are exact.
- A bundle (several nodes at once, all or nothing) has no single curve; it is a spec without
  pieces that only mechanisms for indivisible offers take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J
from isojoule.valuation.battery import CURVE_ROLE, BatteryRows, battery_curves, freshness
from isojoule.valuation.curve import Pieces
from isojoule.valuation.numbers import need_energies, need_number, need_share, need_whole

KINDS = ("steps", "load", "battery", "utility", "bundle")
"""Names of the kinds of offer; a book stores the position."""


class CurveRows(NamedTuple):
    """Pieces of one offer, and how its unsold and unserved energy is counted.

    spilled = max(0, spill0 + spill1*q), unserved = max(0, short0 - short1*q), in J.
    """

    pieces: Pieces
    on_curve: np.ndarray
    spill0: float = 0.0
    spill1: float = 0.0
    short0: float = 0.0
    short1: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """Energy at a price, or at a price that runs from `price_per_j` to `end_price_per_j`."""

    energy_uj: int
    price_per_j: float
    end_price_per_j: float

    def __post_init__(self) -> None:
        need_whole(self.energy_uj, "energy")
        if self.energy_uj < 0:
            raise InputError("energy is negative", remedy="give the size; sell and buy set sides")
        for price in (self.price_per_j, self.end_price_per_j):
            need_number(price, "price", "give a price as 0.30 EUR/kWh")


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps to sell (prices rise) and to buy (prices fall).

    Parameters
    ----------
    sell, buy
        Steps in the order in which they are taken.
    spill_value_per_j
        None if what is not sold stays with the seller; else it is lost, is worth this much, and
        counts as spilled.
    """

    sell: tuple[Step, ...] = ()
    buy: tuple[Step, ...] = ()
    spill_value_per_j: float | None = None
    kind = 0

    def __post_init__(self) -> None:
        asks = [p for s in self.sell for p in (s.price_per_j, s.end_price_per_j)]
        bids = [p for s in self.buy for p in (s.price_per_j, s.end_price_per_j)]
        if asks != sorted(asks):
            raise InputError("asks must rise with the quantity", remedy="order the steps")
        if bids != sorted(bids, reverse=True):
            raise InputError("bids must fall with the quantity", remedy="order the steps")
        if asks and bids and bids[0] > asks[0]:
            raise InputError(
                "the offer bids more than it asks", remedy="keep the bid at or below the ask"
            )
        if self.spill_value_per_j is not None:
            need_number(self.spill_value_per_j, "the spill value", "leave it out, or 0")
        if self.spill_value_per_j is not None and asks and asks[0] < self.spill_value_per_j:
            raise InputError(
                "the ask is below the spill value",
                remedy="ask at least what the energy is worth when it is spilled",
            )

    def rows(self, duration_s: float) -> CurveRows:
        """Pieces of the offer (the duration does not matter)."""
        table: list[tuple[float, ...]] = []
        for s in reversed(self.sell):
            e = s.energy_uj / UJ_PER_J
            table.append((-e, 0.0, *_slope(s, 0.0, -1.0 / e if e else 0.0)))
        for s in self.buy:
            e = s.energy_uj / UJ_PER_J
            table.append((0.0, e, *_slope(s, 1.0, 1.0 / e if e else 0.0)))
        pieces = _columns(table)
        sold = sum(s.energy_uj for s in self.sell) / UJ_PER_J
        spills = self.spill_value_per_j is not None
        return CurveRows(
            pieces, np.zeros(len(table), bool), sold if spills else 0.0, 1.0 if spills else 0.0
        )


def _slope(step: Step, c0: float, slope: float) -> tuple[float, float, float, float, float]:
    """Columns a, b, c0, c1, k of a step; prices fall in x from the dear end to the cheap one."""
    low = min(step.price_per_j, step.end_price_per_j)
    rise = abs(step.end_price_per_j - step.price_per_j)
    if rise == 0.0 or slope == 0.0:
        return (low, 0.0, 1.0, 0.0, 1.0)
    return (low, rise, c0, abs(slope), 1.0)


@dataclass(frozen=True, slots=True)
class Load:
    """Must-serve demand: worth `lost_load_per_j` a Joule; what is not served is counted."""

    energy_uj: int
    lost_load_per_j: float
    kind = 1

    def __post_init__(self) -> None:
        need_whole(self.energy_uj, "load")
        if self.energy_uj < 0:
            raise InputError("load is negative", remedy="offer infeed as `sell`")
        if self.lost_load_per_j is None or not 0 <= self.lost_load_per_j < math.inf:
            raise InputError(
                "the value of lost load must be a finite number of 0 or more",
                remedy="give a value, as lost_load: 5 EUR/kWh",
            )

    def rows(self, duration_s: float) -> CurveRows:
        """One flat piece."""
        e = self.energy_uj / UJ_PER_J
        pieces = _columns([(0.0, e, self.lost_load_per_j, 0.0, 1.0, 0.0, 1.0)])
        return CurveRows(pieces, np.zeros(1, bool), short0=e, short1=1.0)


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery at the start of the interval. See `isojoule.valuation.battery` for its curve.

    Energies in microjoules, power in W, worth in money per J, times in s. `v_critical` and
    `lost_load` default to `v_max` and `v_critical`.
    """

    energy_uj: int
    capacity_uj: int
    v_min_per_j: float
    v_max_per_j: float
    k: float = 1.0
    reserve_uj: int = 0
    committed_uj: int = 0
    inflow_uj: int = 0
    v_critical_per_j: float | None = None
    lost_load_per_j: float | None = None
    spill_value_per_j: float = 0.0
    charge_power_w: float = math.inf
    discharge_power_w: float = math.inf
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    idle_s: float = 0.0
    tau_s: float = math.inf
    floor: float = 0.0
    kind = 2

    def __post_init__(self) -> None:
        def need(holds: bool, message: str, remedy: str) -> None:
            if not holds:
                raise InputError(message, remedy=remedy)

        need_energies(self, "capacity", "energy", "reserve", "committed", "inflow")
        need(self.capacity_uj >= 0, "capacity is negative", "give a capacity of 0 or more")
        need(
            0 <= self.energy_uj <= self.capacity_uj,
            "energy is outside 0 .. capacity",
            "give what is stored at the start; what overflows is `inflow`",
        )
        need(
            self.reserve_uj >= 0
            and self.committed_uj >= 0
            and self.reserve_uj + self.committed_uj <= self.capacity_uj,
            "reserve and committed energy must be 0 or more and fit into the capacity",
            "lower reserve or committed",
        )
        need(
            0 <= self.v_min_per_j <= self.v_max_per_j < math.inf,
            "the curve needs 0 <= v_min <= v_max",
            "exchange or correct v_min and v_max",
        )
        need(0 < self.k < math.inf, "k must be above 0", "use k: 1 for a line")
        need(
            self.v_max_per_j <= self.critical_per_j < math.inf,
            "v_critical is below v_max, so the curve would rise",
            "raise v_critical to v_max or more",
        )
        need(
            self.critical_per_j <= self.short_value_per_j < math.inf,
            "lost_load is below v_critical, so the curve would rise",
            "raise lost_load to v_critical or more",
        )
        need(
            0 < self.charge_efficiency <= 1 and 0 < self.discharge_efficiency <= 1,
            "efficiencies must be above 0 and at most 1",
            "give shares, as 0.95",
        )
        need(
            self.charge_power_w >= 0 and self.discharge_power_w >= 0,
            "power limits must be 0 or more",
            "give the size; charge and discharge set the side",
        )
        need(
            self.idle_s >= 0 and self.tau_s > 0 and 0 <= self.floor <= 1,
            "perishability needs idle >= 0, tau > 0 and a floor within 0 .. 1",
            "leave idle, tau and floor out to switch it off",
        )
        need(
            math.isfinite(self.tau_s) or (self.idle_s == 0 and self.floor == 0),
            "idle or floor without tau has no effect",
            "give tau, as '1 d', or leave all three out",
        )
        need(
            math.isfinite(self.spill_value_per_j),
            "the spill value is not a finite number",
            "leave it out, or give 0",
        )
        need(
            self.spill_value_per_j <= self.v_min_per_j * self.factor,
            "the spill value is above v_min, so the curve would rise",
            "lower spill_value",
        )

    @property
    def critical_per_j(self) -> float:
        """Bid below the reserve, battery side."""
        return self.v_max_per_j if self.v_critical_per_j is None else self.v_critical_per_j

    @property
    def short_value_per_j(self) -> float:
        """Worth of energy that is physically missing, battery side."""
        return self.critical_per_j if self.lost_load_per_j is None else self.lost_load_per_j

    @property
    def factor(self) -> float:
        """Perishability factor on the curve, 1 when off."""
        if self.idle_s == 0 or math.isinf(self.tau_s):
            return 1.0
        one = np.ones(1)
        return float(freshness(self.idle_s * one, self.tau_s * one, self.floor * one)[0])

    def rows(self, duration_s: float) -> CurveRows:
        """The five pieces of `isojoule.valuation.battery`."""

        def col(value: float) -> np.ndarray:
            return np.array([value], dtype=np.float64)

        curves = battery_curves(
            BatteryRows(
                energy_j=col(self.energy_uj / UJ_PER_J),
                capacity_j=col(self.capacity_uj / UJ_PER_J),
                reserve_j=col(self.reserve_uj / UJ_PER_J),
                committed_j=col(self.committed_uj / UJ_PER_J),
                inflow_j=col(self.inflow_uj / UJ_PER_J),
                charge_j=col(self.charge_power_w * duration_s),
                discharge_j=col(self.discharge_power_w * duration_s),
                charge_efficiency=col(self.charge_efficiency),
                discharge_efficiency=col(self.discharge_efficiency),
                v_min=col(self.v_min_per_j),
                v_max=col(self.v_max_per_j),
                v_critical=col(self.critical_per_j),
                lost_load=col(self.short_value_per_j),
                spill_value=col(self.spill_value_per_j),
                k=col(self.k),
                freshness=col(self.factor),
            )
        )
        return CurveRows(
            Pieces(*(c[0] for c in curves.pieces)),
            CURVE_ROLE.copy(),
            spill0=float(curves.overflow_j[0]),
            spill1=1.0 / self.discharge_efficiency if curves.overflow_j[0] > 0 else 0.0,
            short0=float(curves.short_j[0]),
            short1=self.charge_efficiency if curves.short_j[0] > 0 else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Utility:
    """An outside supplier without limit but its link. A price of None: that side is closed."""

    sells_at_per_j: float | None
    buys_at_per_j: float | None
    kind = 3

    def __post_init__(self) -> None:
        both = [p for p in (self.buys_at_per_j, self.sells_at_per_j) if p is not None]
        for price in both:
            need_number(price, "a utility's price", "give money per energy, or None: closed")
        if both != sorted(both):
            raise InputError(
                "the utility buys dearer than it sells", remedy="keep buys_at at or below sells_at"
            )

    def rows(self, duration_s: float) -> CurveRows:
        """At most two unlimited flat pieces."""
        table: list[tuple[float, ...]] = []
        if self.sells_at_per_j is not None:
            table.append((-math.inf, 0.0, self.sells_at_per_j, 0.0, 1.0, 0.0, 1.0))
        if self.buys_at_per_j is not None:
            table.append((0.0, math.inf, self.buys_at_per_j, 0.0, 1.0, 0.0, 1.0))
        return CurveRows(_columns(table), np.zeros(len(table), bool))


class Leg(NamedTuple):
    """One leg of a bundle: energy received at a node (negative: delivered)."""

    node: str
    energy_uj: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Energy at several nodes at once, all or nothing, for one amount of money (in all)."""

    legs: tuple[Leg, ...]
    price: float
    kind = 4

    def __post_init__(self) -> None:
        need_number(self.price, "a bundle's price", "give an amount of money")
        for leg in self.legs:
            need_whole(leg.energy_uj, f"the leg at {leg.node!r}")

    def rows(self, duration_s: float) -> CurveRows:
        """No pieces: a bundle is indivisible."""
        return CurveRows(_columns([]), np.zeros(0, bool))


Spec = Steps | Load | Battery | Utility | Bundle


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of a book.

    Parameters
    ----------
    participant
        The metered home or owner.
    node
        Name of the node ("" for a bundle).
    spec
        What is offered.
    id
        Unique in the book; "" lets the book number it by (at, canonical text).
    at_ns
        Time of arrival, nanoseconds since 1970-01-01T00:00Z.
    all_or_nothing
        The whole offer or nothing of it.
    group
        At most one offer of a group is taken; "" is none.
    power_factor
        Of what the offer receives, for formulations with reactive power.
    immediate
        What cannot be traded on arrival is dropped; only sequential mechanisms know of it.
    """

    participant: str
    node: str
    spec: Spec = field(repr=False)
    id: str = ""
    at_ns: int = 0
    all_or_nothing: bool = False
    group: str = ""
    power_factor: float = 1.0
    immediate: bool = False

    def __post_init__(self) -> None:
        need_share(self.power_factor, "power_factor")
        two_sided = isinstance(self.spec, Steps) and self.spec.sell and self.spec.buy
        if self.all_or_nothing and (two_sided or isinstance(self.spec, Battery | Utility)):
            raise InputError(
                "an offer without one whole size cannot be all-or-nothing",
                remedy="use steps to sell or to buy, a load or a bundle",
            )


def _columns(table: list[tuple[float, ...]]) -> Pieces:
    array = np.array(table, dtype=np.float64).reshape(len(table), 7)
    return Pieces(*(np.ascontiguousarray(array[:, i]) for i in range(7)))
