"""From the state of a scenario at one interval to the book of that interval.

Every device makes one offer: a load buys what it must have, or sells where its profile is
negative; a PV sells what the sun gives, or spills it; a battery offers its curve. The utility
offers its two prices, if there is one. The layout of the book never changes, so that only numbers
are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.interval import Interval
from isojoule.core.units import UJ_PER_J
from isojoule.kernels.home_offers import fill_homes, fill_packs, fill_utility
from isojoule.market import Book
from isojoule.microworld.scenario import DeviceKind, Scenario
from isojoule.valuation import KINDS
from isojoule.valuation.battery import CURVE_ROLE, PIECES
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UTILITY = "utility"
"""Name of the participant, and of its offer, that sells and buys at the utility's node."""
MONTH_S = 30 * 86400.0
FILLED = ("interval", "pieces", "spill0", "spill1", "short0", "short1")
"""Fields of a book that an interval fills in."""


class _Fixed(NamedTuple):
    """Arguments of the kernels that no interval changes; see `isojoule.kernels.home_offers`."""

    plain: Ints
    worth_in: Floats
    worth_out: Floats
    packs: Floats
    first_pack: Ints
    nothing_uj: Ints
    ones: Floats
    lost_share: Floats
    book: dict[str, Any]
    """Fields of the book that are not `FILLED`."""


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
        return np.floor(stored_uj * self._fixed.lost_share).astype(np.int64)

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
        s, fixed = self.scenario, self._fixed
        table = np.zeros((7, self.template.pieces.lo.size))
        rest = np.zeros((4, self.template.offer_count))
        fill_homes(
            wanted_uj, fixed.plain, fixed.worth_in, fixed.worth_out, self.first_piece, table, rest
        )
        if self.batteries.size:
            fill_packs(
                stored_uj,
                fixed.nothing_uj if committed_uj is None else committed_uj,
                fixed.ones if fresh is None else fresh,
                fixed.packs,
                fixed.first_pack,
                table,
            )
        if s.has_utility:
            fill_utility(self.first_piece[-1], s.sells_at_per_j[row], s.buys_at_per_j[row], table)
        return Book(
            **fixed.book,
            interval=Interval(int(s.times_s[row]), float(s.interval_s)),
            pieces=Pieces(*table),
            spill0=rest[0],
            spill1=rest[1],
            short0=rest[2],
            short1=rest[3],
        )

    def as_it_came(self, book: Book, wanted_uj: Ints) -> Book:
        """A book of this maker with loads and PV as they came, not as they were forecast."""
        table = np.stack(book.pieces)
        rest = np.stack([book.spill0, book.spill1, book.short0, book.short1])
        fixed = self._fixed
        fill_homes(
            wanted_uj, fixed.plain, fixed.worth_in, fixed.worth_out, self.first_piece, table, rest
        )
        return replace(
            book, pieces=Pieces(*table),
            spill0=rest[0], spill1=rest[1], short0=rest[2], short1=rest[3],
        )  # fmt: skip

    @cached_property
    def _fixed(self) -> _Fixed:
        """What is the same in every interval."""
        d, i = self.scenario.devices, self.batteries
        dt = float(self.scenario.interval_s)
        packs = (
            d.capacity_j, d.reserve_j, d.charge_power_w * dt, d.discharge_power_w * dt,
            d.charge_efficiency, d.discharge_efficiency, d.v_min_per_j, d.v_max_per_j,
            d.v_critical_per_j, d.k,
        )  # fmt: skip
        return _Fixed(
            plain=np.flatnonzero(d.kind != DeviceKind.BATTERY),
            worth_in=np.nan_to_num(d.lost_load_per_j),
            worth_out=np.nan_to_num(d.spill_value_per_j),
            packs=np.stack([column[i] for column in packs], axis=1),
            first_pack=self.first_piece[i],
            nothing_uj=np.zeros(i.size, np.int64),
            ones=np.ones(i.size),
            lost_share=1.0 - self.keep_per_interval,
            book={
                f.name: getattr(self.template, f.name)
                for f in fields(Book)
                if f.init and f.name not in FILLED
            },
        )
