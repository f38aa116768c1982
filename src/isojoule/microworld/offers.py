"""From the state of a scenario at one interval to the book of that interval.

Every device makes one offer: a load buys what it must have, or sells where its profile is
negative; a PV sells what the sun gives, or spills it; a battery offers its curve. The utility
offers its two prices, if there is one. The layout of the book never changes, so that only numbers
are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.interval import Interval
from isojoule.core.units import UJ_PER_J
from isojoule.market import Book
from isojoule.microworld.scenario import DeviceKind, Scenario
from isojoule.valuation import KINDS
from isojoule.valuation.battery import CURVE_ROLE, PIECES, BatteryRows, battery_curves
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UTILITY = "utility"
"""Name of the participant, and of its offer, that sells and buys at the utility's node."""
MONTH_S = 30 * 86400.0


@dataclass(frozen=True, eq=False)
class OfferMaker:
    """Makes the books of a scenario. `make` is pure."""

    scenario: Scenario
    batteries: Ints
    """Rows of the devices that are batteries."""
    keep_per_interval: Floats
    """Share of the stored energy that self-discharge leaves after one interval, (batteries,)."""
    template: Book
    first_piece: Ints
    """First piece of each device, then of the utility, if there is one."""

    @classmethod
    def of(cls, scenario: Scenario, network: str = "") -> OfferMaker:
        """Lay the book out once. `network` overrides the scenario's formulation."""
        d = scenario.devices
        batteries = np.flatnonzero(d.kind == DeviceKind.BATTERY)
        counts = np.where(d.kind == DeviceKind.BATTERY, PIECES, 1)
        out = int(scenario.has_utility)
        counts = np.append(counts, [2] * out).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        total = int(counts.sum())
        offers = d.count + out
        on_curve = np.zeros(total, bool)
        on_curve[(first[batteries][:, None] + np.arange(PIECES)).ravel()] = np.tile(
            CURVE_ROLE, batteries.size
        )
        kind = np.append(
            np.choose(
                d.kind.astype(np.int64),
                [KINDS.index("load"), KINDS.index("steps"), KINDS.index("battery")],
            ),
            [KINDS.index("utility")] * out,
        )
        utility = (UTILITY,) * out
        zero, one = np.zeros(total), np.ones(total)
        template = Book(
            currency=scenario.currency,
            interval=Interval(int(scenario.times_s[0]), float(scenario.interval_s)),
            network=network or scenario.network,
            participants=(*scenario.participants, *utility),
            offer_ids=(*d.ids, *utility),
            offer_participant=np.append(d.participant, [len(scenario.participants)] * out).astype(
                np.int32
            ),
            offer_node=np.append(d.node, [scenario.utility_node] * out).astype(np.int32),
            offer_kind=kind.astype(np.uint8),
            piece_offer=np.repeat(np.arange(offers, dtype=np.int32), counts),
            pieces=Pieces(zero, zero, zero, zero, one, zero, one),
            on_curve=on_curve,
            spill0=np.zeros(offers),
            spill1=np.zeros(offers),
            short0=np.zeros(offers),
            short1=np.zeros(offers),
            power_factor=np.append(d.factor, np.ones(out)),
        )
        rate = d.self_discharge_per_month[batteries]
        keep = (1.0 - np.nan_to_num(rate)) ** (scenario.interval_s / MONTH_S)
        return cls(scenario, batteries, keep, template, first)

    def decay_uj(self, stored_uj: Ints) -> Ints:
        """Self-discharge of one interval, microjoules."""
        return np.floor(stored_uj * (1.0 - self.keep_per_interval)).astype(np.int64)

    def energies_uj(self, rows: slice) -> Ints:
        """Energy that loads take and PV delivers in these intervals, (rows, devices).

        Received is positive: generation is negative.
        """
        d = self.scenario.devices
        energy_j = self.scenario.device_power_w(rows) * self.scenario.interval_s
        sign = np.where(d.kind == DeviceKind.PV, -1.0, 1.0)
        sign[self.batteries] = 0.0
        return np.rint(energy_j * sign * UJ_PER_J).astype(np.int64)

    def make(
        self,
        row: int,
        wanted_uj: Ints,
        stored_uj: Ints,
        committed_uj: Ints | None = None,
        fresh: Floats | None = None,
    ) -> Book:
        """The book of the interval `row`.

        Parameters
        ----------
        wanted_uj
            Row of `energies_uj`, shape (devices,).
        stored_uj
            Energy in each battery after self-discharge, shape (batteries,).
        committed_uj
            Of that, promised to Orders and not for sale; none if not given.
        fresh
            Factor on each battery's curve (perishability); 1 if not given.
        """
        s, d = self.scenario, self.scenario.devices
        wanted_j = wanted_uj / UJ_PER_J
        plain = np.flatnonzero(d.kind != DeviceKind.BATTERY)
        at = self.first_piece[plain]
        lo = np.zeros_like(self.template.pieces.lo)
        hi, a, b, c1 = lo.copy(), lo.copy(), lo.copy(), lo.copy()
        c0, k = np.ones_like(lo), np.ones_like(lo)
        lo[at] = np.minimum(wanted_j[plain], 0.0)
        hi[at] = np.maximum(wanted_j[plain], 0.0)
        takes = wanted_uj[plain] > 0
        a[at] = np.where(takes, _or_zero(d.lost_load_per_j)[plain],
                         _or_zero(d.spill_value_per_j)[plain])  # fmt: skip

        offers = self.template.offer_count
        spill0, spill1 = np.zeros(offers), np.zeros(offers)
        short0, short1 = np.zeros(offers), np.zeros(offers)
        spill0[plain], spill1[plain] = -lo[at], np.where(takes, 0.0, 1.0)
        short0[plain], short1[plain] = hi[at], np.where(takes, 1.0, 0.0)

        if self.batteries.size:
            curves = battery_curves(self._rows(stored_uj, committed_uj, fresh))
            where = self.first_piece[self.batteries][:, None] + np.arange(PIECES)
            for column, values in zip((lo, hi, a, b, c0, c1, k), curves.pieces, strict=True):
                column[where] = values
        if s.has_utility:
            u = self.first_piece[-1]
            lo[u], hi[u], a[u] = -np.inf, 0.0, s.sells_at_per_j[row]
            lo[u + 1], hi[u + 1], a[u + 1] = 0.0, np.inf, s.buys_at_per_j[row]
        return replace(
            self.template,
            interval=Interval(int(s.times_s[row]), float(s.interval_s)),
            pieces=Pieces(lo, hi, a, b, c0, c1, k),
            spill0=spill0,
            spill1=spill1,
            short0=short0,
            short1=short1,
        )

    def _rows(
        self, stored_uj: Ints, committed_uj: Ints | None, fresh: Floats | None
    ) -> BatteryRows:
        d, i = self.scenario.devices, self.batteries
        zero, one = np.zeros(i.size), np.ones(i.size)
        dt = float(self.scenario.interval_s)
        return BatteryRows(
            energy_j=stored_uj / UJ_PER_J,
            capacity_j=d.capacity_j[i],
            reserve_j=d.reserve_j[i],
            committed_j=zero if committed_uj is None else committed_uj / UJ_PER_J,
            inflow_j=zero,
            charge_j=d.charge_power_w[i] * dt,
            discharge_j=d.discharge_power_w[i] * dt,
            charge_efficiency=d.charge_efficiency[i],
            discharge_efficiency=d.discharge_efficiency[i],
            v_min=d.v_min_per_j[i],
            v_max=d.v_max_per_j[i],
            v_critical=d.v_critical_per_j[i],
            lost_load=d.v_critical_per_j[i],
            spill_value=zero,
            k=d.k[i],
            freshness=one if fresh is None else fresh,
        )


def _or_zero(values: Floats) -> Floats:
    return np.nan_to_num(values)
