"""A run's meters as flows, and the certificates that follow from them.

Every PV is a device that produces, every battery is storage; loads that feed in are not: nobody
knows from what. What a machine draws from its battery counts as lost in it. The market's world is
what is certified. Periods stand alone: at the start of each, batteries hold energy of unknown
origin. Spec: docs/spec/certificates.md, W18 to W20.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.store import Run
from isojoule.apps.results.tables import by_member, read_metered
from isojoule.apps.results.worlds import part_rows, parts_of
from isojoule.core.units import PPB
from isojoule.microworld.scenario import DeviceKind, Period, Scenario
from isojoule.settlement.certificates.community import Desk, Hours
from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.nouns import Device

Ints = NDArray[np.int64]
Report = Callable[[str, int, int], None]
SOURCE = "solar"
STORAGE = "storage"


@dataclass(frozen=True, eq=False)
class CertifiedRun:
    """The certificates of a run.

    Attributes
    ----------
    run, digest
        Its name, and the digest of its manifest.
    members
        Names, (P,).
    registry
        Everything that was issued.
    periods
        Names of the periods, each with what was claimed in it.
    """

    run: str
    digest: str
    members: tuple[str, ...]
    registry: MemoryRegistry
    periods: tuple[tuple[str, Hours], ...]


def certify_run(folder: str | Path, report: Report | None = None) -> CertifiedRun:
    """Issue, store, trade and claim certificates for the market of a run.

    Parameters
    ----------
    report
        Told the stage, how many intervals are done, and of how many.

    Raises
    ------
    InputError
        This is no run's folder, or its intervals are longer than an hour.
    """
    run = Run(folder)
    scenario, _ = read_asked(run.folder / "scenario", run.manifest["arguments"])
    devices, rows = certified_devices(scenario)
    desk = Desk(run.manifest["run"], scenario.participants, devices)
    total = sum(_count(scenario, period) for period in scenario.periods)
    periods, part, done = [], 0, 0
    for at, period in enumerate(scenario.periods):
        start = np.array(run.summary["periods"][at]["start_uj_market"], np.int64)
        flows = flows_of(run.folder / "market", scenario, period, part, start, devices, rows)
        periods.append((period.name, desk.certify(flows)))
        part += parts_of(scenario, period)
        done += _count(scenario, period)
        if report is not None:
            report("certifying intervals", done, total)
    return CertifiedRun(
        run.manifest["run"], run.manifest["digest"], scenario.participants, desk.registry,
        tuple(periods),
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


def flows_of(
    world: Path,
    scenario: Scenario,
    period: Period,
    first_part: int,
    start_uj: Ints,
    devices: tuple[Device, ...],
    rows: NDArray[np.intp],
) -> Flows:
    """The meters of one period.

    Parameters
    ----------
    world
        Folder of the world's tables.
    first_part
        Number of the period's first part.
    start_uj
        In the batteries at its start.
    devices, rows
        See `certified_devices`.
    """
    pieces = [
        _part(world, scenario, part_rows(scenario, period, n), first_part + n, rows)
        for n in range(parts_of(scenario, period))
    ]
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    storage = np.array([device.is_storage for device in devices], np.bool_)
    eta = scenario.devices.discharge_efficiency[rows[storage]]
    left = np.zeros_like(joined["energy_uj"])
    left[:, storage] = np.floor(joined.pop("stored_uj")[:, storage] * eta)
    begun = np.zeros(len(devices), np.int64)
    begun[storage] = np.floor(start_uj * eta)
    energy = joined.pop("energy_uj")
    energy[:, ~storage] = np.maximum(-energy[:, ~storage], 0)
    return Flows(
        interval_s=int(scenario.interval_s),
        members=scenario.participants,
        devices=devices,
        time_s=scenario.times_s[scenario.rows(period)].astype(np.int64),
        energy_uj=energy,
        left_uj=left,
        begun_uj=begun,
        **joined,
    )


def _part(
    world: Path, scenario: Scenario, span: slice, number: int, rows: NDArray[np.intp]
) -> dict[str, Any]:
    """One part of the tables."""
    d, people = scenario.devices, len(scenario.participants)
    frame: pl.DataFrame = read_metered(world / "devices" / f"part-{number:05}.parquet", "stored_uj")
    shape = (span.stop - span.start, -1)
    metered = frame["metered_uj"].to_numpy().reshape(shape)[:, : d.count]
    stored = frame["stored_uj"].fill_null(0).to_numpy().reshape(shape)[:, rows]
    loads = d.kind == DeviceKind.LOAD
    served = np.maximum(metered[:, loads], 0)
    return {
        "energy_uj": metered[:, rows].astype(np.int64),
        "stored_uj": stored,
        "consumed_uj": by_member(served, d.participant[loads], people),
        "received_uj": by_member(metered, d.participant, people),
    }


def _count(scenario: Scenario, period: Period) -> int:
    rows = scenario.rows(period)
    count: int = rows.stop - rows.start
    return count


def period_rows(certified: CertifiedRun) -> list[dict[str, Any]]:
    """What was consumed and claimed, a row for each hour and member."""
    out = []
    for name, hours in certified.periods:
        for at, time_s in enumerate(hours.time_s.tolist()):
            for who, member in enumerate(certified.members):
                own, local, stored = hours.claimed_wh[at, who].tolist()
                out.append(
                    {
                        "period": name, "time_s": time_s, "member": member,
                        "consumed_uj": int(hours.consumed_uj[at, who]),
                        "self_wh": own, "local_wh": local, "storage_wh": stored,
                    }
                )  # fmt: skip
    return out


def document(certified: CertifiedRun) -> dict[str, Any]:
    """What a run's certificates are known by: its name, its digest, the head of the log."""
    head = certified.registry.head
    plain = {"run": certified.run, "run_digest": certified.digest}
    found: dict[str, Any] = json.loads(json.dumps(plain))
    return {**found, "entries": head.size, "root": head.root.hex()}
