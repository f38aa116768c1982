"""The baseline of a scenario by itself, for several runs that share it.

    simulate_baseline(asked.scenario, folder, seed)
    run_scenario(..., baseline=folder)          # as often as wanted

A world without a market does not depend on the market's rule, so runs of one scenario under several
rules have the same baseline. Each gets a copy of the tables with the checkpoints that say that they
are finished (spec run.md, R16), so each run folder is whole by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from isojoule.apps.results.unfinished import Workplace
from isojoule.apps.results.worlds import Job, parts_of, run_job
from isojoule.microworld.scenario import Scenario

BASELINE, PROGRESS = "baseline", "progress"


def simulate_baseline(
    scenario: Scenario,
    folder: Path,
    seed: int,
    count: Callable[[int], None] | None = None,
    *,
    only: int | None = None,
) -> None:
    """Simulate the baseline into a folder; what stands there already, whole, is kept.

    Parameters
    ----------
    folder
        Of this scenario and this part of its time alone.
    count
        Called with the number of intervals done since it was last called.
    only
        Position of the one period to simulate; None: all of them.
    """
    (folder / PROGRESS).mkdir(parents=True, exist_ok=True)
    part = 0
    for number, period in enumerate(scenario.periods):
        if only is None or only == number:
            job = Job(BASELINE, scenario.baseline, {}, number, part, folder / BASELINE, seed)
            run_job(scenario, job, count, folder / PROGRESS)
        part += parts_of(scenario, period)


def take_over(folder: Path, place: Workplace) -> None:
    """Copy a baseline into a run that is being made, unless it has begun its own."""
    if any(place.progress.glob(f"{BASELINE}-*.json")):
        return
    shutil.copytree(folder / BASELINE, place.run / BASELINE, dirs_exist_ok=True)
    for path in sorted((folder / PROGRESS).glob(f"{BASELINE}-*.json")):
        shutil.copyfile(path, place.progress / path.name)
