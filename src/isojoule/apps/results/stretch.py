"""A run's market as stretches for settlement: who was cleared for what, and what meters show.

One stretch a period. The tables are read part by part; what stays in memory is one period of a few
columns a member.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.tables import by_member, utility_nano
from isojoule.apps.results.worlds import part_rows, parts_of
from isojoule.microworld.islands import Islands
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.stretch import Stretch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def stretches(
    folder: Path, scenario: Scenario, netting: str, world: str = "market"
) -> Iterator[tuple[Period, Stretch]]:
    """The market of a run (or its baseline), period by period.

    Parameters
    ----------
    folder
        Of the run.
    netting
        `day` (of the scenario's time zone; a period that begins or ends within a day nets what is
        its own) or `interval`.
    world
        `market` or `baseline`.
    """
    part = 0
    home = home_nodes(scenario)
    apart = _apart(scenario, home) if world == "market" else np.zeros(0, bool)
    for period in scenario.periods:
        count = parts_of(scenario, period)
        pieces = [
            _part(folder / world, scenario, part_rows(scenario, period, n), part + n)
            for n in range(count)
        ]
        if apart.any():
            for n, piece in enumerate(pieces):
                piece["local_per_j"] = _local(folder / world, scenario, part + n, home, apart)
        part += count
        yield period, _joined(pieces, scenario, period, netting)


def home_nodes(scenario: Scenario) -> Ints:
    """Node of each member's home: where it has most devices, the first of several; -1. (P,)."""
    d, nodes = scenario.devices, scenario.grid.node_count
    home = np.full(len(scenario.participants), -1, np.int64)
    for member in range(home.size):
        mine = d.node[d.participant == member]
        if mine.size:
            home[member] = int(np.bincount(mine, minlength=nodes).argmax())
    return home


def _apart(scenario: Scenario, home: Ints) -> NDArray[np.bool_]:
    """Members whose homes no utility reaches, (P,)."""
    inside = np.zeros(scenario.grid.node_count, bool)
    for island in Islands.of(scenario).parts:
        inside[scenario.devices.node[island.devices]] = True
    out: NDArray[np.bool_] = (home >= 0) & inside[home]
    return out


def _local(
    world: Path, scenario: Scenario, number: int, home: Ints, apart: NDArray[np.bool_]
) -> Floats:
    """Price of the clearing at homes that no utility reaches, (intervals, members); else nan.

    Where a home has none, the mean of those that have one; 0 where none has.
    """
    path = world / "nodes" / f"part-{number:05}.parquet"
    column = pl.read_parquet(path, columns=["price_per_j"])["price_per_j"].fill_null(float("nan"))
    price = column.to_numpy().reshape(-1, scenario.grid.node_count)[:, home[apart]]
    known = np.isfinite(price)
    mean = np.where(known, price, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    out = np.full((len(price), apart.size), np.nan)
    out[:, apart] = np.where(known, price, mean[:, None])
    return out


def _joined(
    pieces: list[dict[str, Any]], scenario: Scenario, period: Period, netting: str
) -> Stretch:
    rows = scenario.rows(period)
    time_s = scenario.times_s[rows].astype(np.int64)
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    groups = time_s if netting == "interval" else day_starts(time_s, scenario.timezone)
    return Stretch(
        currency=scenario.currency,
        interval_s=float(scenario.interval_s),
        members=scenario.participants,
        time_s=time_s,
        group_s=np.maximum(groups, time_s[0]),
        sells_at_per_j=scenario.sells_at_per_j[rows],
        buys_at_per_j=scenario.buys_at_per_j[rows],
        paused=columns.pop("paused").astype(bool),
        **columns,
    )


def _part(world: Path, scenario: Scenario, rows: slice, number: int) -> dict[str, Any]:
    """One part of the tables, summed by member."""
    d, out = scenario.devices, int(scenario.has_utility)
    count, people = rows.stop - rows.start, len(scenario.participants)
    devices = _columns(world, "devices", number, ("energy_uj", "payment_nano", "metered_uj"))
    shape = (count, d.count + out)
    energy, payment = (devices[name].reshape(shape) for name in ("energy_uj", "payment_nano"))
    metered = devices["metered_uj"].reshape(shape) if "metered_uj" in devices else energy
    paused = _columns(world, "intervals", number, ("paused",))
    zero = np.zeros(count, np.int64)
    return {
        "cleared_uj": by_member(energy[:, : d.count], d.participant, people),
        "payment_nano": by_member(payment[:, : d.count], d.participant, people),
        "metered_uj": by_member(metered[:, : d.count], d.participant, people),
        "earned_nano": _earned(world, scenario, number, count),
        "worked_nano": _worked(world, scenario, number, rows),
        "utility_uj": energy[:, -1] if out else zero,
        "utility_nano": utility_nano(
            scenario,
            scenario.times_s[rows].astype(np.int64),
            energy[:, -1],
            payment[:, -1],
            paused.get("paused"),
        )
        if out
        else zero,
        "tie_uj": metered[:, -1] if out else zero,
        "loss_uj": -energy.sum(1),  # what was cleared adds up to 0 with what was lost
        "paused": paused.get("paused", zero),
    }


def _columns(world: Path, table: str, number: int, names: tuple[str, ...]) -> dict[str, Ints]:
    """Those of the columns that the table has."""
    path = world / table / f"part-{number:05}.parquet"
    there = pl.read_parquet_schema(path)
    frame = pl.read_parquet(path, columns=[name for name in names if name in there])
    return {name: frame[name].to_numpy().astype(np.int64) for name in frame.columns}


def _earned(world: Path, scenario: Scenario, number: int, count: int) -> Ints:
    """What members pay (negative: earn) as owners of links."""
    people = len(scenario.participants)
    mine = [(at, scenario.participants.index(o)) for at, o in enumerate(scenario.grid.owner) if o]
    if not mine:
        return np.zeros((count, people), np.int64)
    paid = _columns(world, "links", number, ("owner_payment_nano",))["owner_payment_nano"]
    links, owners = np.array(mine, np.int64).T
    return by_member(paid.reshape(count, -1)[:, links], owners.astype(np.int32), people)


def _worked(world: Path, scenario: Scenario, number: int, rows: slice) -> Ints:
    """What members pay each other for compute."""
    people, owner = scenario.participants, {}
    out = np.zeros((rows.stop - rows.start, len(people)), np.int64)
    if not scenario.machines:
        return out
    for machine, device in zip(scenario.machines, scenario.machine_device, strict=True):
        owner[machine.name] = int(scenario.devices.participant[device])
    frame = pl.read_parquet(
        world / "steps" / f"part-{number:05}.parquet",
        columns=["time_s", "machine", "customer", "price_nano"],
    )
    first = int(scenario.times_s[rows.start])
    for time_s, machine, customer, nano in frame.iter_rows():
        at = (time_s - first) // scenario.interval_s
        out[at, people.index(customer)] += nano
        out[at, owner[machine]] -= nano
    return out


def day_starts(time_s: Ints, timezone: str) -> Ints:
    """Start of the local day of each time, s since 1970.

    >>> day_starts(np.array([1451606400]), "Europe/Berlin") - 1451606400
    array([-3600])
    """
    tz = ZoneInfo(timezone)
    starts: dict[tuple[int, int, int], int] = {}
    out = np.empty_like(time_s)
    for at, second in enumerate(time_s.tolist()):
        local = datetime.fromtimestamp(second, tz)
        key = (local.year, local.month, local.day)
        if key not in starts:
            starts[key] = int(datetime(*key, tzinfo=tz).timestamp())
        out[at] = starts[key]
    return out
