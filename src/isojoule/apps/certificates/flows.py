"""A run's meters as flows for its certificates.

Every PV is a device that produces, every battery is storage; loads that feed in are not: nobody
knows from what. What a machine draws from its battery is consumption of its owner, and storage
delivers for it what it would have delivered to the meter, by its efficiency. The market's world is
what is certified. Periods stand alone: at the start of each, batteries hold energy of unknown
origin. Spec: docs/spec/certificates.md, W18 to W20.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.files.places import nearest
from isojoule.apps.results.tables import by_member, read_metered
from isojoule.apps.results.worlds import part_rows, parts_of
from isojoule.core.errors import InputError
from isojoule.core.units import PPB
from isojoule.microworld.scenario import DeviceKind, Period, Scenario
from isojoule.settlement.certificates.asked import CertificateRules
from isojoule.settlement.certificates.flows import Flows, by_hours
from isojoule.settlement.certificates.nouns import LONGEST_S, Device

Ints = NDArray[np.int64]
SOURCE = "solar"
STORAGE = "storage"


@dataclass(frozen=True, eq=False)
class Source:
    """What certificates of a run follow from.

    Attributes
    ----------
    run
        Its name, from which the ids of requests follow.
    folder
        With its tables.
    scenario
        As it was run.
    rules
        How certificates live.
    starts
        Energy in the batteries at the start of each period, uJ, each (batteries,).
    """

    run: str
    folder: Path
    scenario: Scenario
    rules: CertificateRules
    starts: tuple[Ints, ...]

    @property
    def intervals(self) -> int:
        """How many there are."""
        spans = [self.scenario.rows(period) for period in self.scenario.periods]
        return sum(span.stop - span.start for span in spans)

    def flows(self) -> Iterator[tuple[Period, Iterator[Flows]]]:
        """The meters, period by period; each part by part, no hour in two of them."""
        first = 0
        for period, start in zip(self.scenario.periods, self.starts, strict=True):
            yield period, by_hours(_flows(self, period, first, start))
            first += parts_of(self.scenario, period)


def check_source(scenario: Scenario, rules: CertificateRules) -> None:
    """Refuse what cannot be certified.

    Raises
    ------
    InputError
        Intervals longer than an hour; or a withdrawal of what is no PV, or after the end.
    """
    if scenario.interval_s > LONGEST_S:
        raise InputError(
            f"an interval of {scenario.interval_s:g} s is too long for granular certificates",
            place="certificates", remedy="run with intervals of an hour or less",
        )  # fmt: skip
    produce = {d.id for d in certified_devices(scenario)[0] if not d.is_storage}
    end_s = max(period.end_s for period in scenario.periods)
    for at, one in enumerate(rules.withdrawals):
        place = f"certificates: withdraw[{at}]"
        if one.device not in produce:
            raise InputError(
                f"there is no PV {one.device!r}", place=place, remedy=nearest(one.device, produce)
            )
        if one.at_s >= end_s:
            raise InputError(
                "would be done after the end of what is run", place=place,
                remedy="give an earlier 'at', or run more days",
            )  # fmt: skip


def certified_devices(scenario: Scenario) -> tuple[tuple[Device, ...], NDArray[np.intp]]:
    """What issues certificates, production before storage; and its rows among the devices."""
    d = scenario.devices
    pv, storage = d.of_kind(DeviceKind.PV), d.of_kind(DeviceKind.BATTERY)
    rows = np.concatenate([pv, storage])
    found = []
    for row in rows.tolist():
        stores = d.kind[row] == DeviceKind.BATTERY
        efficiency = d.charge_efficiency[row] * d.discharge_efficiency[row] if stores else 0.0
        found.append(
            Device(
                d.ids[row],
                scenario.participants[d.participant[row]],
                STORAGE if stores else SOURCE,
                is_storage=bool(stores),
                efficiency_ppb=round(efficiency * PPB),
                grid=scenario.name,
                issuing_body=scenario.name,
                market_zone=scenario.grid.node_ids[d.node[row]],
            )
        )
    return tuple(found), rows


def _flows(source: Source, period: Period, first_part: int, start_uj: Ints) -> Iterator[Flows]:
    """The parts of a period as they were written."""
    scenario = source.scenario
    devices, rows = certified_devices(scenario)
    storage = np.array([device.is_storage for device in devices], np.bool_)
    eta = scenario.devices.discharge_efficiency[rows[storage]]
    begun: Ints | None = np.zeros(len(devices), np.int64)
    begun[storage] = np.floor(start_uj * eta)  # type: ignore[index]
    for n in range(parts_of(scenario, period)):
        span = part_rows(scenario, period, n)
        columns = _part(source.folder / "market", scenario, span, first_part + n, rows)
        for name in ("left_uj", "drawn_uj"):  # as a meter at the converter would show it
            inside = columns[name]
            columns[name] = np.zeros_like(inside)
            columns[name][:, storage] = np.floor(inside[:, storage] * eta)
        columns["energy_uj"][:, ~storage] = np.maximum(-columns["energy_uj"][:, ~storage], 0)
        yield Flows(
            interval_s=int(scenario.interval_s),
            members=scenario.participants,
            devices=devices,
            time_s=scenario.times_s[span].astype(np.int64),
            begun_uj=begun,
            **columns,
        )
        begun = None


def _part(
    world: Path, scenario: Scenario, span: slice, number: int, rows: NDArray[np.intp]
) -> dict[str, Ints]:
    """One part of the tables."""
    d, people = scenario.devices, len(scenario.participants)
    path = world / "devices" / f"part-{number:05}.parquet"
    frame: pl.DataFrame = read_metered(path, "stored_uj", "used_uj")
    shape = (span.stop - span.start, -1)
    metered = frame["metered_uj"].to_numpy().reshape(shape)[:, : d.count]
    stored = frame["stored_uj"].fill_null(0).to_numpy().reshape(shape)[:, rows]
    used = frame["used_uj"].to_numpy().reshape(shape)[:, : d.count]
    loads = d.kind == DeviceKind.LOAD
    served = by_member(np.maximum(metered[:, loads], 0), d.participant[loads], people)
    return {
        "energy_uj": metered[:, rows].astype(np.int64),
        "left_uj": stored,
        "drawn_uj": used[:, rows],
        "consumed_uj": served + by_member(used, d.participant, people),
        "received_uj": by_member(metered, d.participant, people),
    }
