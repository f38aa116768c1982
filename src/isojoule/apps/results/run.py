"""Run a scenario: the market and its baseline, side by side, into a run folder.

What comes in: a scenario's folder or name, and options. What goes out: a folder
`runs/<id>/` with Parquet tables, `summary.json`, `report.html`, a copy of the inputs and a
`manifest.json` of hashes. The folder appears whole or not at all. The id follows from inputs and
options, so the same run has the same id, and the same bytes.
"""

from __future__ import annotations

import dataclasses
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from typing import Any

from isojoule.apps.results.manifest import (
    copy_inputs,
    input_hashes,
    run_id,
    versions,
    write_manifest,
)
from isojoule.apps.results.store import Run
from isojoule.apps.results.summary import write_summary
from isojoule.apps.results.worlds import Job, Outcome, parts_of, run_job
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import Period, Scenario

Report = Callable[[str, int, int], None]
"""Called with a stage, intervals done, and intervals expected (0 if unknown)."""


def run_scenario(
    scenario: str | Path,
    *,
    start: str | None = None,
    end: str | None = None,
    days: float | None = None,
    mechanism: str | None = None,
    parameters: dict[str, Any] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> Run:
    """Run a scenario and its baseline.

    Parameters
    ----------
    scenario
        Folder, or the name of a bundled scenario.
    start, end, days
        Part of the scenario to run: ISO dates or times in its time zone; `days` counts from the
        start of every period.
    mechanism, parameters
        Instead of the scenario's own mechanism.
    seed
        Where chance plays; recorded in any case.
    out
        Folder of the run; `runs/<id>` if not given. A run that stands there is replaced.
    workers
        Processes; the result does not depend on it. More than one start this program's main
        module anew, so a script that asks for them needs `if __name__ == "__main__":`.
    report
        Progress, see `Report`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        Bad scenario or options, or the mechanism refuses.
    """
    from isojoule.apps.files.scenario_files import bundled, read_scenario
    from isojoule.market.mechanisms import get

    tell = report or (lambda stage, done, total: None)
    if abs(seed) >= 2**53:
        raise InputError(f"seed {seed} is too large", remedy="give a number below 2**53")
    tell("reading the scenario", 0, 0)
    path = Path(scenario)
    name = str(scenario)
    if name in bundled() and not (path / "scenario.yaml").is_file():
        path = bundled()[name]
    elif not path.exists():
        raise InputError(
            f"there is no scenario {name!r}",
            remedy=f"give a folder, or one of {', '.join(sorted(bundled()))}",
        )
    world = read_scenario(path)
    folder = path.parent if path.is_file() else path
    options: dict[str, Any] = {
        key: value
        for key, value in (("from", start), ("to", end), ("days", days))
        if value is not None
    }
    chosen = mechanism or world.mechanism
    get(chosen, **(parameters or {}))  # an unknown name or parameter is refused before any work
    cut = cut_periods(world, start, end, days)
    cut = dataclasses.replace(cut, mechanism=chosen)
    inputs = input_hashes(folder)
    identity = {
        "scenario": world.name,
        "mechanism": chosen,
        "parameters": parameters or {},
        "seed": seed,
        "arguments": options,
        "inputs": inputs,
        "versions": versions(),
    }
    run = run_id(identity)
    final = Path("runs") / run if out is None else Path(out)
    if final.exists() and not (final / "manifest.json").is_file():
        raise InputError(
            "is there already, and is no run",
            place=str(final),
            remedy="give --out a folder that does not exist",
        )
    made = final.with_name(f".{final.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        copy_inputs(folder, made / "scenario")
        outcomes = _simulate(cut, chosen, parameters or {}, made, seed, workers, options, tell)
        tell("auditing", 0, 0)
        write_summary(made, cut, run, outcomes, identity, shown_command(name, identity, mechanism))
        tell("writing the report", 0, 0)
        _write_report(made, identity, run)
        shutil.rmtree(final, ignore_errors=True)
        made.rename(final)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Run(final)


def shown_command(name: str, identity: dict[str, Any], mechanism: str | None) -> str:
    """The command that makes this run again."""
    words = ["isojoule", "run", name]
    for key, value in identity["arguments"].items():
        words += [f"--{key}", str(value)]
    if mechanism:
        words += ["--mechanism", mechanism]
    for key, value in identity["parameters"].items():
        words += ["--set", f"{key}={value}"]
    return " ".join([*words, "--seed", str(identity["seed"])])


def cut_periods(
    scenario: Scenario, start: str | None, end: str | None, days: float | None
) -> Scenario:
    """The scenario with its periods cut to what was asked for.

    Raises
    ------
    InputError
        Nothing is left, or a time cannot be read.
    """
    first = _moment(start, scenario, "--from") if start else None
    last = _moment(end, scenario, "--to") if end else None
    if days is not None and not 0 < days < 1e6:
        raise InputError(f"--days {days} is no length", remedy="give a number of days above 0")
    step = scenario.interval_s
    periods = []
    for p in scenario.periods:
        a = max(p.start_s, first) if first is not None else p.start_s
        b = min(p.end_s, last) if last is not None else p.end_s
        a = p.start_s + -(-(a - p.start_s) // step) * step
        if days is not None:
            b = min(b, a + max(1, round(days * 86400 / step)) * step)
        b = p.start_s + (b - p.start_s) // step * step
        if a < b:
            periods.append(Period(p.name, a, b))
    if not periods:
        raise InputError(
            "no interval of the scenario lies in that time",
            place="--from / --to",
            remedy="the scenario covers "
            + ", ".join(f"{_text(p.start_s)} to {_text(p.end_s)}" for p in scenario.periods),
        )
    return dataclasses.replace(scenario, periods=tuple(periods))


def _text(seconds: int) -> str:
    from isojoule.core.interval import Interval

    return Interval(seconds, 1.0).start_text()


def _moment(text: str, scenario: Scenario, place: str) -> int:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is not a date or time", place=place, remedy="write it as 2016-07-11"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo(scenario.timezone))
    return int(when.timestamp())


def _simulate(
    scenario: Scenario,
    mechanism: str,
    parameters: dict[str, Any],
    folder: Path,
    seed: int,
    workers: int,
    arguments: dict[str, Any],
    tell: Report,
) -> list[Outcome]:
    jobs = []
    for world, chosen, own in (
        ("market", mechanism, parameters),
        ("baseline", scenario.baseline, {}),
    ):
        part = 0
        for number, period in enumerate(scenario.periods):
            jobs.append(Job(world, chosen, own, number, part, folder / world, seed))
            part += parts_of(scenario, period)
    intervals = sum(scenario.rows(p).stop - scenario.rows(p).start for p in scenario.periods)
    rounds = 2 if scenario.cyclic_tolerance is not None else 1
    total = 2 * rounds * intervals
    if workers <= 1 or total < 400:
        done = 0

        def count(step: int) -> None:
            nonlocal done
            done += step
            tell("simulating", done, max(total, done))

        return [run_job(scenario, job, count) for job in jobs]
    return _in_processes(folder / "scenario", arguments, jobs, workers, total, tell)


_shared: dict[str, Any] = {}


def _begin(inputs: Path, arguments: dict[str, Any], queue: Any) -> None:
    """Read the scenario in the worker: what is handed to a new process must be small.

    A process that dies at its start never reads it, and would leave us waiting.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends us
    from isojoule.apps.files.scenario_files import read_scenario

    scenario = cut_periods(
        read_scenario(inputs), arguments.get("from"), arguments.get("to"), arguments.get("days")
    )
    _shared.update(scenario=scenario, queue=queue)


def _work(job: Job) -> Outcome:
    pending = 0

    def count(step: int) -> None:
        nonlocal pending
        pending += step
        if pending >= 48:
            _shared["queue"].put(pending)
            pending = 0

    return run_job(_shared["scenario"], job, count)


def _in_processes(
    inputs: Path,
    arguments: dict[str, Any],
    jobs: list[Job],
    workers: int,
    total: int,
    tell: Report,
) -> list[Outcome]:
    """All jobs in worker processes; the longest (the market's) first."""
    context = get_context("spawn")
    queue = context.Queue()
    done = 0
    tell("starting workers", 0, total)
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=context,
        initializer=_begin,
        initargs=(inputs, arguments, queue),
    ) as pool:
        futures = [pool.submit(_work, job) for job in jobs]
        try:
            waiting = set(futures)
            while waiting:
                try:
                    done += queue.get(timeout=0.1)
                    tell("simulating", done, max(total, done))
                except Empty:
                    pass
                for future in [f for f in waiting if f.done()]:
                    future.result()
                    waiting.discard(future)
        except BrokenProcessPool:
            raise InputError(
                "a worker process ended at once",
                place="workers",
                remedy='put the call under `if __name__ == "__main__":`, or run with workers=1',
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _write_report(folder: Path, identity: dict[str, Any], run: str) -> None:
    """The report shows the manifest, and the manifest hashes the report: write both in turn."""
    from isojoule.apps.report import write_report

    write_manifest(folder, identity, run)
    write_report(folder)
    write_manifest(folder, identity, run)
