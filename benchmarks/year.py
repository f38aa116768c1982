"""A year of a rural feeder: `python -m benchmarks.year [--ac] [--code CODE] [--days N]`.

The feeder and its profiles are those of SimBench, 35,136 intervals of a quarter of an hour; by
default 1-LV-rural3--2-no_sw, the feeder of the bundled scenario `rural`: 129 nodes, 212 devices, 16
of them batteries. The importer's scenario is kept in a folder of temporary files.

What is counted: the market world, from the state at the start of the year to the integer record of
its last interval, week by week as a run makes it: batteries, offers, clearing by `equilibrium`,
certificate, payments, and the check that energy and money are conserved. With `--ac` also the AC
power flow of every interval, in a thread beside the simulation. What is not: reading the scenario,
compiling (a first day is simulated before, and each year twice: the faster one counts), tables,
the baseline, the report; `isojoule run` tells of those. Conservation is summed once more at the
end, over all weeks.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.apps.results.power import PowerCheck
from isojoule.apps.results.worlds import part_rows, parts_of, world_of
from isojoule.core.errors import InputError
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import simulate

TITLE = "A year of a rural feeder"
CODE = "1-LV-rural3--2-no_sw"
DAY = 96
GOALS_S = {False: (20, 8), True: (30, 12)}
"""Seconds for the year to reach, and then to aim for, without and with the AC check."""


class Year(NamedTuple):
    """One year simulated: time, and what must be zero, microjoules and nano-units.

    `cpu_s` is the time of all threads, which says more where others use the machine, too.
    """

    intervals: int
    seconds: float
    cpu_s: float
    energy_left_uj: int
    money_left_nano: int
    unproven: int
    ac_violations: int | None


def scenario_of(code: str) -> Scenario:
    """The year of a SimBench grid, imported once.

    Raises
    ------
    InputError
        The importer's packages are missing.
    """
    folder = Path(tempfile.gettempdir()) / "isojoule-benchmarks" / code
    if not (folder / "scenario.yaml").is_file():
        if find_spec("simbench") is None:
            raise InputError(
                "the year needs the package simbench",
                remedy="pip install 'isojoule[import]', then run this again",
            )
        from isojoule.apps.importers.simbench_code import import_simbench

        folder.parent.mkdir(parents=True, exist_ok=True)
        import_simbench(code, folder)
    return read_scenario(folder)


def year(scenario: Scenario, *, ac: bool, intervals: int | None = None) -> Year:
    """Simulate the market of a scenario's first period.

    Parameters
    ----------
    ac
        Whether the AC power flow is solved, too.
    intervals
        Stop after so many; None: the whole period.
    """
    period = scenario.periods[0]
    world = world_of(scenario, scenario.mechanism, b"")
    mechanism = get(scenario.mechanism)
    state = world.first()
    done = unproven = energy = money = 0
    violations = None
    began, began_cpu = time.perf_counter(), time.process_time()
    with PowerCheck(scenario) as power:
        for number in range(parts_of(scenario, period)):
            rows = part_rows(scenario, period, number)
            if intervals is not None:
                rows = slice(rows.start, min(rows.stop, rows.start + intervals - done))
            record, state = simulate(world, mechanism, rows, state)
            if ac:
                power.add_once(number, record.energy_uj)
            energy += int(
                np.abs(
                    record.energy_uj.sum(1) + record.loss_uj.sum(1) + record.standing_uj.sum(1)
                ).sum()
            )
            paid = record.payment_nano.sum(1) + record.link_payment_nano.sum(1)
            money += int(np.abs(paid - record.operator_nano).sum())
            done += record.time_s.size
            unproven += record.unproven
            if done == intervals:
                break
        found = power.result() if ac else None
        if found is not None:
            violations = found.voltage_violations + found.loading_violations + len(found.failed)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return Year(done, seconds, cpu_s, energy, money, unproven, violations)


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """The year without and with the AC check, the faster of two each; `quick`: a day of `rural`."""
    try:
        scenario = read_scenario(Path(bundled()["rural"])) if quick else scenario_of(CODE)
    except InputError as error:
        return {"rows": [], "missing": str(error)}
    year(scenario, ac=True, intervals=DAY)
    found: dict[bool, list[Year]] = {False: [], True: []}
    for ac in (False, True, False, True):
        say(f"a {'day' if quick else 'year'} {'with' if ac else 'without'} AC check")
        found[ac].append(year(scenario, ac=ac, intervals=DAY if quick else None))
    rows = [
        {"ac": ac, **min(runs, key=lambda r: r.seconds)._asdict()} for ac, runs in found.items()
    ]
    return {"code": "rural" if quick else CODE, "nodes": scenario.grid.node_count, "rows": rows}


def page(data: dict[str, Any]) -> str:
    """The table."""
    if not data["rows"]:
        return f"Not measured: {data['missing']}\n"
    lines = [
        "| AC check | intervals | time | of a core | intervals a second | to reach | to aim for |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in data["rows"]:
        reach, aim = GOALS_S[r["ac"]]
        lines.append(
            f"| {'with' if r['ac'] else 'without'} | {r['intervals']:,} | {r['seconds']:.1f} s "
            f"| {r['cpu_s']:.1f} s | {r['intervals'] / r['seconds']:,.0f} | {reach} s | {aim} s |"
        )
    table = "\n".join(lines)
    return f"""\
The market of `{data["code"]}`, {data["nodes"]} nodes, interval after interval: batteries, offers,
clearing with its certificate, payments, records, and conservation to the last microjoule and
nano-unit, the faster of two runs. Tables, baseline and report are not counted. *Of a core*: the
time of all threads.

{table}
"""


def main() -> int:
    """Measure, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ac", action="store_true", help="only with the AC check")
    parser.add_argument("--code", default=CODE, help="SimBench code")
    parser.add_argument("--days", type=int, help="stop after so many days")
    given = parser.parse_args()
    try:
        scenario = scenario_of(given.code)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{given.code}: {scenario.grid.node_count} nodes, {scenario.devices.count} devices, "
        f"{scenario.times_s.size:,} intervals"
    )
    year(scenario, ac=True, intervals=DAY)
    count = None if given.days is None else given.days * DAY
    for ac in (True,) if given.ac else (False, True):
        runs = [year(scenario, ac=ac, intervals=count) for _ in range(2)]
        r = min(runs, key=lambda run: run.seconds)
        exact = "exact" if r.energy_left_uj == r.money_left_nano == 0 else "NOT CONSERVED"
        print(
            f"{'with' if ac else 'without'} AC check: {r.seconds:.1f} s ({r.cpu_s:.1f} s of a "
            f"core) for {r.intervals:,} intervals, {r.intervals / r.seconds:,.0f} intervals/s; "
            f"energy and money {exact}; "
            f"{r.unproven} unproven"
            + (f"; {r.ac_violations} AC violations" if r.ac_violations is not None else "")
        )
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mib:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
