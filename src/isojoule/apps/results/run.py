"""Run a scenario: the market and its baseline, side by side, into a run folder.

What comes in: a scenario's folder or name, and options. What goes out: a folder
`runs/<id>/` with Parquet tables, `summary.json`, `report.html`, a copy of the inputs and a
`manifest.json` of hashes. The folder appears whole or not at all; what an interrupted run had
finished is kept beside it (`isojoule.apps.results.unfinished`). The id follows from inputs and
options, so the same run has the same id, and the same bytes.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isojoule.apps.results.alone import take_over
from isojoule.apps.results.asked import RULES, read_asked, rules_file
from isojoule.apps.results.manifest import (
    copy_inputs,
    input_hashes,
    inputs_of,
    run_id,
    versions,
    write_manifest,
)
from isojoule.apps.results.settlement import check_rules_of, find_ledger, keep, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.results.summary import write_summary
from isojoule.apps.results.unfinished import Workplace, kept_intervals, unfinished
from isojoule.apps.results.workers import here, in_processes
from isojoule.apps.results.worlds import Job, Outcome, parts_of
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import BASELINES, Scenario

FEW = 400
"""Fewer intervals than this are not worth the start of a process."""
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
    periods: str | None = None,
    forecast: str | None = None,
    network: str | None = None,
    utility: str | None = None,
    baseline: Path | None = None,
    rules: str | Path | None = None,
    ledger: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    workers: int = 1,
    fresh: bool = False,
    report: Report | None = None,
) -> Run:
    """Run a scenario and its baseline.

    If it is interrupted, what is finished stays, and the same call goes on from there.

    Parameters
    ----------
    scenario
        Folder, or the name of a bundled scenario.
    start, end, days
        Part of the scenario to run: ISO dates or times in its time zone; `days` counts from the
        start of every period.
    periods
        Names of the periods to run, as "winter,summer"; all of them if not given.
    mechanism, parameters
        Instead of the scenario's own mechanism.
    forecast
        Instead of the scenario's own: "none", "persistence", "noise", or with parameters
        "noise,load_error=10%,correlation_time=3h".
    network
        What the market sees of the network, if not all of it: "copperplate" ignores the wires, and
        what it clears is then sent through them.
    utility
        "tariff": the utility is paid its tariff for what is cleared; "cleared", and by default:
        what the mechanism makes of it.
    baseline
        Folder in which `isojoule.apps.results.alone.simulate_baseline` has put the baseline of the
        same inputs; it is taken over instead of simulated again.
    rules
        File of the rules of settlement, instead of the `settlement.yaml` of the scenario.
    ledger
        URL or path of a ledger that keeps the transfers of the run besides.
    seed
        Where chance plays; recorded in any case.
    out
        Folder of the run; `runs/<id>` if not given. A run that stands there is replaced.
    workers
        Processes; the result does not depend on it. More than one start this program's main
        module anew, so a script that asks for them needs `if __name__ == "__main__":`.
    fresh
        Begin anew, whatever an interrupted run left.
    report
        Progress, see `Report`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        Bad scenario or options, or the mechanism refuses; or an interrupted run is left, and its
        inputs changed since.
    Interrupted
        By Ctrl-C, after something was finished; says where it is kept.
    """
    from isojoule.apps.certificates.inside import write_inside
    from isojoule.market.mechanisms import get

    tell = report or (lambda stage, done, total: None)
    if abs(seed) >= 2**53:
        raise InputError(f"seed {seed} is too large", remedy="give a number below 2**53")
    tell("reading the scenario", 0, 0)
    name, path = str(scenario), scenario_folder(scenario)
    folder = path.parent if path.is_file() else path
    options: dict[str, Any] = {
        key: value
        for key, value in (
            ("from", start),
            ("to", end),
            ("days", days),
            ("periods", periods),
            ("forecast", forecast),
            ("network", network),
            ("utility", utility),
        )
        if value is not None
    }
    own_rules = None if rules is None else Path(rules)
    asked = read_asked(path, options, own_rules)
    chosen = mechanism or asked.scenario.mechanism
    if asked.scenario.tariff_outside and chosen in BASELINES:
        raise InputError(
            f"{chosen} bills each meter by the tariff already",
            place="--utility",
            remedy="leave it out",
        )
    get(chosen, **(parameters or {}))  # an unknown name or parameter is refused before any work
    cut = dataclasses.replace(asked.scenario, mechanism=chosen)
    check_rules_of(rules_file(path, own_rules), cut, asked.rules)
    inputs = inputs_of(folder, {} if own_rules is None else {RULES: own_rules})
    identity = identity_of(cut.name, chosen, parameters or {}, seed, options, inputs)
    if ledger is not None:
        find_ledger(ledger)  # before the work, not after it
    run = run_id(identity)
    final = Path("runs") / run if out is None else Path(out)
    if final.exists() and not (final / "manifest.json").is_file():
        raise InputError(
            "is there already, and is no run",
            place=str(final),
            remedy="give --out a folder that does not exist",
        )
    with unfinished(final, identity, fresh=fresh) as place:
        made = place.run
        copy_inputs(inputs, made / "scenario")
        if baseline is not None:
            take_over(baseline, place)
        outcomes = _simulate(cut, chosen, parameters or {}, place, seed, workers, options, tell)
        tell("settling", 0, 0)
        market = [o for o in outcomes if o.job.world == "market"]
        starts = [o.start_uj for o in sorted(market, key=lambda o: o.job.period)]
        settled = settle_run(made, cut, asked.rules, run, seed, starts)
        tell("auditing", 0, 0)
        command = shown_command(name, identity, mechanism, own_rules)
        write_summary(made, cut, run, outcomes, identity, command, settled)
        write_inside(settled.settling, tell)
        tell("writing the report", 0, 0)
        _write_report(made, identity, run)
    if ledger is not None:
        tell("writing into the ledger", 0, 0)
        keep(settled, ledger)
    return Run(final)


def scenario_folder(scenario: str | Path) -> Path:
    """Where a scenario lies: a folder or its `scenario.yaml`, or the bundled one of that name.

    Raises
    ------
    InputError
        There is none.
    """
    from isojoule.apps.files.scenario_files import bundled

    path, name = Path(scenario), str(scenario)
    if name in bundled() and not (path / "scenario.yaml").is_file():
        return bundled()[name]
    if not path.exists():
        raise InputError(
            f"there is no scenario {name!r}",
            remedy=f"give a folder, or one of {', '.join(sorted(bundled()))}",
        )
    return path


def identity_of(
    scenario: str,
    mechanism: str,
    parameters: dict[str, Any],
    seed: int,
    options: dict[str, Any],
    inputs: dict[str, Path],
) -> dict[str, Any]:
    """All that a run follows from, as its manifest states it.

    Parameters
    ----------
    options
        Those that were given: `from`, `to`, `days`, `forecast`, `network`, `utility`.
    inputs
        Files by name, see `isojoule.apps.results.manifest.inputs_of`.
    """
    return {
        "scenario": scenario,
        "mechanism": mechanism,
        "parameters": parameters,
        "seed": seed,
        "arguments": options,
        "inputs": input_hashes(inputs),
        "versions": versions(),
    }


def shown_command(
    name: str, identity: dict[str, Any], mechanism: str | None, rules: Path | None
) -> str:
    """The command that makes this run again."""
    words = ["isojoule", "run", name]
    for key, value in identity["arguments"].items():
        words += [f"--{key}", shlex.quote(str(value))]
    if mechanism:
        words += ["--mechanism", mechanism]
    for key, value in identity["parameters"].items():
        words += ["--set", f"{key}={value}"]
    if rules:
        words += ["--rules", shlex.quote(str(rules))]
    return " ".join([*words, "--seed", str(identity["seed"])])


def _simulate(
    scenario: Scenario,
    mechanism: str,
    parameters: dict[str, Any],
    place: Workplace,
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
            jobs.append(Job(world, chosen, own, number, part, place.run / world, seed))
            part += parts_of(scenario, period)
    intervals = sum(scenario.rows(p).stop - scenario.rows(p).start for p in scenario.periods)
    rounds = 2 if scenario.cyclic_tolerance is not None else 1
    total = 2 * rounds * intervals
    done = kept_intervals(place.progress)
    tell("simulating", done, max(total, done))

    def count(step: int) -> None:
        nonlocal done
        done += step
        tell("simulating", done, max(total, done))

    workers = min(workers, len(jobs))
    if workers <= 1 or total < FEW:
        return here(scenario, jobs, place.progress, count)
    return in_processes(place.run / "scenario", arguments, jobs, place.progress, workers, count)


def _write_report(folder: Path, identity: dict[str, Any], run: str) -> None:
    """The report shows the manifest, and the manifest hashes the report: write both in turn."""
    from isojoule.apps.report import write_report

    write_manifest(folder, identity, run)
    write_report(folder)
    write_manifest(folder, identity, run)
