"""Simulate one period of one world and write its parts; runs in a process of its own.

A period that must be cyclic is repeated, each time from where it ended, until every battery
ends where it started (within the scenario's tolerance); the last round is what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.powerflow import AcResult, check_ac
from isojoule.market import Mechanism
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import Period, Scenario
from isojoule.microworld.simulate import Record, simulate
from isojoule.microworld.world import State, World

CHUNK = 672
"""Intervals in one part."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """One period of one world."""

    world: str
    mechanism: str
    parameters: dict[str, Any]
    period: int
    first_part: int
    folder: Path
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What the parent needs to know of a finished job."""

    job: Job
    rounds: int
    cyclic: bool
    stored_change_uj: int
    start_uj: Ints
    loss_uj: Ints
    """Lost in the links in each interval, without standing losses."""
    unproven: int
    """Intervals whose certificate leaves more than rounding."""
    ac: AcResult | None
    """None off the grid: there is no slack node."""


def run_job(scenario: Scenario, job: Job, progress: Progress | None) -> Outcome:
    """Simulate, write the parts, check the power flow."""
    from isojoule.apps.results.tables import part_frames, write_part

    seed = job.seed.to_bytes(8, "big", signed=True)
    world = world_of(scenario, job.mechanism, seed)
    maker = world.maker
    mechanism = get(job.mechanism, **job.parameters)
    period = scenario.periods[job.period]
    start = world.first()
    rounds = 0
    cyclic = scenario.cyclic_tolerance is None
    records: list[Record] = []
    if scenario.cyclic_tolerance is not None:
        capacity = np.rint(scenario.devices.capacity_j[maker.batteries] * 1e6)
        while rounds < scenario.max_rounds and not cyclic:
            rounds += 1
            records = list(_chunks(world, mechanism, period, start, seed, progress))
            end = records[-1].end_uj
            off = np.abs(end - start.stored_uj) / capacity
            cyclic = bool(np.all(off <= scenario.cyclic_tolerance))
            if not cyclic and rounds < scenario.max_rounds:
                start = world.at(end)
    else:
        rounds = 1
    first = last = start.stored_uj
    power: list[Floats] = []
    lost: list[Ints] = []
    unproven = 0
    stream = records or _chunks(world, mechanism, period, start, seed, progress)
    for number, record in enumerate(stream):
        frames = part_frames(maker, record, period.name, prices=job.world == "market")
        write_part(job.folder, job.first_part + number, frames)
        unproven += record.unproven
        lost.append(record.loss_uj.sum(1))
        power.append(record.energy_uj[:, : scenario.devices.count] / (1e6 * scenario.interval_s))
        last = record.end_uj
    return Outcome(
        job=job,
        rounds=rounds,
        cyclic=cyclic,
        stored_change_uj=int(last.sum() - first.sum()),
        start_uj=first,
        loss_uj=np.concatenate(lost),
        unproven=unproven,
        ac=check_power(scenario, np.concatenate(power)),
    )


def world_of(scenario: Scenario, mechanism: str, seed: bytes) -> World:
    """The world of a market; under the baseline's rule Orders stay with their own machines."""
    return World.of(scenario, alone=mechanism == scenario.baseline, seed=seed)


def parts_of(scenario: Scenario, period: Period) -> int:
    """How many parts a period is written in."""
    rows = scenario.rows(period)
    count: int = rows.stop - rows.start
    return -(-count // CHUNK)


def _chunks(
    world: World,
    mechanism: Mechanism,
    period: Period,
    state: State,
    seed: bytes,
    progress: Progress | None,
) -> Iterator[Record]:
    rows = world.maker.scenario.rows(period)
    for first in range(rows.start, rows.stop, CHUNK):
        last = min(first + CHUNK, rows.stop)
        record, state = simulate(
            world, mechanism, slice(first, last), state, seed=seed, progress=progress
        )
        yield record


def check_power(scenario: Scenario, device_power_w: Floats) -> AcResult | None:
    """AC power flow of what the devices received, W, (intervals, devices); None off the grid."""
    if not scenario.has_utility:
        return None
    d = scenario.devices
    to_q = np.sqrt(1.0 - d.factor**2) / d.factor
    shape = (device_power_w.shape[0], scenario.grid.node_count)
    p_w, q_var = np.zeros(shape), np.zeros(shape)
    for device in range(d.count):
        node = int(d.node[device])
        p_w[:, node] += device_power_w[:, device]
        q_var[:, node] += device_power_w[:, device] * to_q[device]
    return check_ac(
        scenario.grid,
        scenario.utility_node,
        p_w,
        q_var,
        slack_voltage_pu=scenario.slack_voltage_pu,
    )
