"""Simulate one period of one world and write its parts; runs in a process of its own.

A period that must be cyclic is repeated, each time from where it ended, until every battery
ends where it started (within the scenario's tolerance); the last round is what is written.

No more than one part is held in memory. Every part is written as soon as it is simulated, and the
next round writes over it; only a period of a single part waits for its last round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.checkpoint import Checkpoint, load, save
from isojoule.apps.results.power import PowerCheck
from isojoule.grid.powerflow import AcResult
from isojoule.market.mechanisms import get
from isojoule.microworld.carried import as_stored
from isojoule.microworld.scenario import BASELINES, Period, Scenario
from isojoule.microworld.simulate import Record, simulate
from isojoule.microworld.world import World

CHUNK = 672
"""Intervals in one part."""
Ints = NDArray[np.int64]
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

    @property
    def name(self) -> str:
        """Name of the job's checkpoint."""
        return f"{self.world}-{self.period}"


@dataclass(frozen=True)
class Outcome:
    """What the parent needs to know of a finished job."""

    job: Job
    rounds: int
    cyclic: bool
    stored_change_uj: int
    start_uj: Ints
    loss_uj: Ints
    """Lost in the links in each interval, as metered, without standing losses."""
    unproven: int
    """Intervals whose certificate leaves more than rounding."""
    ac: AcResult | None
    """None off the grid: there is no slack node."""


def run_job(
    scenario: Scenario, job: Job, progress: Progress | None, kept: Path | None = None
) -> Outcome:
    """Simulate, write the parts, check the power flow.

    Parameters
    ----------
    progress
        Called with the number of intervals done since it was last called.
    kept
        Folder of checkpoints, if the job may be interrupted and go on.
    """
    from isojoule.apps.results.tables import part_facts

    period = scenario.periods[job.period]
    with PowerCheck(scenario) as power:
        last = _Rounds(scenario, job, progress, kept, power).run()
        loss, unproven = [], 0
        for number in range(parts_of(scenario, period)):
            facts = part_facts(job.folder, job.first_part + number)
            loss.append(facts.loss_uj)
            unproven += facts.unproven
            power.add_once(number, facts.metered_uj)
        found = power.result()
    return Outcome(
        job=job,
        rounds=last.round,
        cyclic=last.cyclic,
        stored_change_uj=int(last.state.stored_uj.sum() - last.start.stored_uj.sum()),
        start_uj=last.start.stored_uj,
        loss_uj=np.concatenate(loss),
        unproven=unproven,
        ac=found,
    )


class _Rounds:
    """The rounds of one job, from its checkpoint to the end."""

    def __init__(
        self,
        scenario: Scenario,
        job: Job,
        progress: Progress | None,
        kept: Path | None,
        power: PowerCheck,
    ) -> None:
        seed = job.seed.to_bytes(8, "big", signed=True)
        self.scenario, self.job, self.progress, self.power = scenario, job, progress, power
        self.seed = seed
        self.world = world_of(scenario, job.mechanism, seed)
        self.mechanism = get(job.mechanism, **job.parameters)
        self.period = scenario.periods[job.period]
        self.file = None if kept is None else kept / f"{job.name}.json"
        self.once = scenario.cyclic_tolerance is None
        self.count = parts_of(scenario, self.period)
        self.held: Record | None = None

    def run(self) -> Checkpoint:
        """Simulate what is left; returns the last checkpoint."""
        at = None if self.file is None else load(self.file, self.job.folder.parent)
        if at is None:
            first = self.world.first()
            at = Checkpoint(first, first)
        while not at.closed:
            for number in range(at.parts, self.count):
                at = self._part(at, number)
                if number + 1 < self.count:
                    self._save(at)
            at = self._turn(at)
            self._save(at)
        return at

    def _part(self, at: Checkpoint, number: int) -> Checkpoint:
        rows = part_rows(self.scenario, self.period, number)
        record, state = simulate(
            self.world, self.mechanism, rows, at.state, seed=self.seed, progress=self.progress
        )
        done = replace(
            at,
            state=as_stored(state),
            parts=number + 1,
            intervals=at.intervals + rows.stop - rows.start,
        )
        if not self.once and self.count == 1:
            self.held = record
            return done
        return self._write(done, record, number)

    def _write(self, at: Checkpoint, record: Record, number: int) -> Checkpoint:
        from isojoule.apps.results.tables import part_frames, write_part

        job = self.job
        frames = part_frames(
            self.world.maker, record, self.period.name, prices=job.world == "market"
        )
        written = write_part(job.folder, job.first_part + number, frames)
        if self.once:  # what is written is what stays
            self.power.add_once(number, record.metered_uj)
        return at.with_files(job.folder.parent, written)

    def _turn(self, at: Checkpoint) -> Checkpoint:
        """The end of a round: the end of the job, or the beginning of the next round."""
        tolerance = self.scenario.cyclic_tolerance
        cyclic = True
        if tolerance is not None:
            capacity = np.rint(self.scenario.devices.capacity_j[self.world.maker.batteries] * 1e6)
            off = np.abs(at.state.stored_uj - at.start.stored_uj) / capacity
            cyclic = bool(np.all(off <= tolerance))
        if not cyclic and at.round < self.scenario.max_rounds:
            start = self.world.at(at.state.stored_uj)
            return Checkpoint(start, start, round=at.round + 1, intervals=at.intervals)
        if self.held is not None:
            at = self._write(at, self.held, 0)
        return replace(at, closed=True, cyclic=cyclic)

    def _save(self, at: Checkpoint) -> None:
        if self.file is not None:
            save(self.file, at)


def world_of(scenario: Scenario, mechanism: str, seed: bytes) -> World:
    """The world of a market; under the baseline's rule Orders stay with their own machines.

    Rules without a market see what meters show, and need no forecast.
    """
    alone = mechanism == scenario.baseline
    return World.of(scenario, alone=alone, seed=seed, market=mechanism not in BASELINES)


def parts_of(scenario: Scenario, period: Period) -> int:
    """How many parts a period is written in."""
    rows = scenario.rows(period)
    count: int = rows.stop - rows.start
    return -(-count // CHUNK)


def part_rows(scenario: Scenario, period: Period, number: int) -> slice:
    """Rows of the time axis that lie in one part of a period."""
    rows = scenario.rows(period)
    first = rows.start + number * CHUNK
    return slice(first, min(first + CHUNK, rows.stop))
