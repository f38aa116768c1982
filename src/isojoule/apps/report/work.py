"""What machines did, read from a run: stages, work, what they asked, who paid whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report.read import Floats, Index, RunFiles
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.machine import Stage
from isojoule.microworld.offers import OfferMaker
from isojoule.valuation.battery import freshness

if TYPE_CHECKING:
    import polars as pl

ASLEEP = int(Stage.SHUTDOWN)
"""From this stage on a machine does nothing."""


class Step(NamedTuple):
    """A step of work. Energy in J, price in money."""

    at: int
    order: str
    machine: int
    customer: str
    operations: float
    energy_j: float
    price: float


@dataclass(frozen=True, eq=False)
class Work:
    """What machines did in one world.

    Attributes
    ----------
    times_s
        Starts of the intervals, epoch seconds, (intervals,).
    stage
        Of each machine, as `Stage`, (intervals, machines).
    operations
        Done by each machine, (intervals, machines).
    steps
        In the order in which they were taken; `at` is a row of `times_s`.
    """

    times_s: Index
    stage: NDArray[np.int8]
    operations: Floats
    steps: tuple[Step, ...]


class Paid(NamedTuple):
    """What one participant paid another for compute. Energy in J."""

    customer: str
    owner: str
    orders: int
    energy_j: float
    amount: float


def read_work(run: RunFiles, world: str) -> Work:
    """What machines did in "market" or "baseline"."""
    machines = run.scenario.machines
    frame = run.table(world, "machines").sort("time_s", maintain_order=True)
    times = np.sort(frame["time_s"].unique().to_numpy()).astype(np.int64)
    row = {m.name: i for i, m in enumerate(machines)}
    code = {stage.name.lower(): int(stage) for stage in Stage}
    stage = np.zeros((len(times), len(machines)), np.int8)
    columns = np.array([row[name] for name in frame["machine"].to_list()])
    at = np.searchsorted(times, frame["time_s"].to_numpy())
    stage[at, columns] = [code[name] for name in frame["stage"].to_list()]
    steps = read_steps(run.table(world, "steps"), times, row)
    operations = np.zeros(stage.shape)
    for step in steps:
        operations[step.at, step.machine] += step.operations
    return Work(times, stage, operations, steps)


def read_steps(frame: pl.DataFrame, times_s: Index, row: dict[str, int]) -> tuple[Step, ...]:
    """The table of steps, times as rows of `times_s`, machines as rows of the scenario."""
    at = np.searchsorted(times_s, frame["time_s"].to_numpy()).tolist()
    columns = ("order", "machine", "customer", "operations", "energy_uj", "price_nano")
    return tuple(
        Step(i, order, row[machine], customer, operations, uj / UJ_PER_J, nano / NANO_PER_UNIT)
        for i, (order, machine, customer, operations, uj, nano) in zip(
            at, frame.select(columns).iter_rows(), strict=True
        )
    )


def owners(run: RunFiles) -> list[int]:
    """Row of the participant who owns each machine."""
    s = run.scenario
    return [int(s.devices.participant[device]) for device in s.machine_device]


def asked(run: RunFiles, world: str, work: Work) -> Floats:
    """Price of the next operation on each machine, money, (intervals, machines).

    As the interval ends: Joules per operation times v(F) of the battery. nan while it sleeps.
    """
    s, d = run.scenario, run.scenario.devices
    maker = OfferMaker.of(s)
    at = np.searchsorted(maker.batteries, s.machine_device)
    frame = run.table(world, "devices")
    size = (len(work.times_s), -1)
    names = frame["device"].head(frame.height // len(work.times_s)).to_list()
    own = [names.index(d.ids[i]) for i in s.machine_device]

    def column(name: str) -> Index:
        values: Index = frame[name].fill_null(0).to_numpy().reshape(size)[:, own]
        return values

    came = run.as_it_came("devices", "energy_uj", world)
    stored, received, used = (column(n) for n in ("stored_uj", came, "used_uj"))
    i = s.machine_device
    reserve = d.reserve_j[i] * UJ_PER_J
    f_max = d.capacity_j[i] * UJ_PER_J - reserve
    keep = maker.keep_per_interval[at]
    perishes = np.isfinite(d.tau_s[i])
    tau, floor = np.where(perishes, d.tau_s[i], 1.0), np.where(perishes, d.floor[i], 1.0)
    idle, before = np.zeros(len(i)), np.rint(d.energy_j[i] * UJ_PER_J)
    out = np.full(stored.shape, np.nan)
    for t in range(len(stored)):
        free = before * keep - reserve
        given = np.maximum(-received[t], 0) / d.discharge_efficiency[i] + used[t]
        share = np.minimum(given / np.where(free > 0, free, np.inf), 1.0)
        idle = (idle + s.interval_s) * (1.0 - share)
        before = stored[t]
        left = np.clip((before - reserve) / f_max, 0.0, 1.0)
        curve = d.v_min_per_j[i] + (d.v_max_per_j[i] - d.v_min_per_j[i]) * (1 - left) ** d.k[i]
        fresh = np.where(perishes, freshness(idle, tau, floor), 1.0)
        out[t] = curve * fresh
    per_operation = np.array([m.energy_per_operation_j for m in s.machines])
    return np.where(work.stage < ASLEEP, out * per_operation, np.nan)


def paid(run: RunFiles, work: Work) -> list[Paid]:
    """Who paid whom for compute, largest first; own work on own machines included."""
    names, owner = run.scenario.participants, owners(run)
    pairs: dict[tuple[str, str], list[Step]] = {}
    for step in work.steps:
        pairs.setdefault((step.customer, names[owner[step.machine]]), []).append(step)
    rows = [
        Paid(
            customer,
            to,
            len({s.order for s in steps}),
            sum(s.energy_j for s in steps),
            sum(s.price for s in steps),
        )
        for (customer, to), steps in pairs.items()
    ]
    return sorted(rows, key=lambda p: (p.customer == p.owner, -p.amount, p.customer, p.owner))
