"""The studies of a comparison: what a worker does, with plain data in and out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from time import perf_counter
from typing import Any

from isojoule.apps.results.alone import simulate_baseline
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.manifest import check_manifest
from isojoule.apps.results.run import run_scenario
from isojoule.apps.results.worlds import world_of
from isojoule.apps.studies import TimeUpError, time_limit
from isojoule.apps.studies.pool import Tick
from isojoule.core.errors import InputError, VerificationError
from isojoule.market import Refusal
from isojoule.market.mechanisms import get

SECONDS = "seconds.json"
_KEYWORDS = {"from": "start", "to": "end"}


def baseline_task(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    """Simulate one period of the baseline."""
    done = 0

    def count(step: int) -> None:
        nonlocal done
        done += step
        tick("baseline", done, data["intervals"])

    scenario = read_asked(Path(data["scenario"]), data["arguments"]).scenario
    simulate_baseline(scenario, Path(data["folder"]), data["seed"], count, only=data["period"])
    return {}


def run_task(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    """Run a scenario under one mechanism, or say why not.

    A run of the very same that stands there already is kept.
    """
    out = Path(data["out"])
    kept = standing(out, data)
    if kept is not None:
        return {"status": "ran", "seconds": kept}
    try:
        with time_limit(data["limit_s"]):  # the first use of a rule may compile it
            no = first_refusal(data)
    except TimeUpError as error:
        reason = f"{error.message}: the first interval"
        return {"status": "skipped", "reason": reason, "remedy": "give --limit more"}
    if no is not None:
        return {"status": "refused", "reason": no.reason, "remedy": no.remedy}
    clock = _Clock(data["intervals"])

    def report(stage: str, done: int, total: int) -> None:
        clock.hear(stage, done)
        tick(stage, done, total)

    asked = {_KEYWORDS.get(key, key): value for key, value in data["options"].items()}
    try:
        with time_limit(data["limit_s"]):
            run_scenario(
                data["scenario"],
                **asked,
                mechanism=data["mechanism"],
                parameters=data["parameters"],
                network=data["network"] or None,
                utility=data["utility"] or None,
                baseline=Path(data["baseline"]),
                rules=Path(data["rules"]),
                seed=data["seed"],
                out=out,
                report=report,
            )
    except TimeUpError as error:
        shutil.rmtree(out.with_name(f".{out.name}.part"), ignore_errors=True)
        done = f"; {clock.far}" if clock.far else ""
        return {"status": "skipped", "reason": error.message + done, "remedy": "give --limit more"}
    except InputError as error:
        where = f"{error.place}: " if error.place else ""
        return {"status": "refused", "reason": f"{where}{error.message}", "remedy": error.remedy}
    _note(out, clock.simulating_s)
    return {"status": "ran", "seconds": clock.simulating_s}


def first_refusal(data: dict[str, Any]) -> Refusal | None:
    """The mechanism's refusal of the first book of the scenario, if it refuses it."""
    scenario = read_asked(Path(data["scenario"]), data["identity"]["arguments"]).scenario
    seed = int(data["seed"]).to_bytes(8, "big", signed=True)
    world = world_of(scenario, data["mechanism"], seed)
    row = scenario.rows(scenario.periods[0]).start
    wanted = world.maker.energies_uj(slice(row, row + 1))
    opened = world.open(row, wanted[0], world.first())
    outcome = get(data["mechanism"], **data["parameters"]).clear(
        opened.book, scenario.grid, seed=seed
    )
    return outcome if isinstance(outcome, Refusal) else None


class _Clock:
    """How long the simulation took: what comes before and after it is the same for all."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.begun: float | None = None
        self.simulating_s = 0.0
        self.first, self.done = 0, 0

    def hear(self, stage: str, done: int) -> None:
        if stage == "simulating":
            now = perf_counter()
            if self.begun is None:
                self.begun, self.first = now, done
            self.done = done
            self.simulating_s = now - self.begun

    @property
    def far(self) -> str:
        """How far it is, and how long all of it would take."""
        mine = self.done - self.first
        if mine <= 0:
            return ""
        whole = self.simulating_s / mine * self.total
        return f"{mine:,} of {self.total:,} intervals, so all take about {whole:,.0f} s"


def standing(out: Path, data: dict[str, Any]) -> float | None:
    """Seconds that a run took that stands there, of the very same inputs; None if there is none.

    -1 where nobody noted its time.
    """
    try:
        found = check_manifest(out)
    except VerificationError:
        return None
    wanted = data["identity"]
    if any(found.get(key) != value for key, value in wanted.items()):
        return None
    try:
        noted: dict[str, float] = json.loads(_notes(out).read_text())
    except (OSError, ValueError):
        return -1.0
    return noted.get(out.name, -1.0)


def _note(out: Path, seconds: float) -> None:
    _notes(out).parent.mkdir(parents=True, exist_ok=True)
    _notes(out).write_text(json.dumps({out.name: seconds}))


def _notes(out: Path) -> Path:
    """Beside the run: what is measured is no part of it."""
    return out.parent.parent / "studies" / f"{out.name}-{SECONDS}"
