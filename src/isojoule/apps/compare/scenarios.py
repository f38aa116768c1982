"""Each mechanism runs the same scenario; every run stands by itself in a folder.

All meet the same homes, weather, tariffs and chance. The world without a market is simulated once.
All are settled alike: the utility is paid its tariff for what its meter shows, whatever a rule
would have paid it; the wires lose what they lose; what the operator has left or lacks goes to the
members (`isojoule.apps.compare.rules`). A mechanism that does not know the wires is given the book
without them, and what it clears is then sent through them (docs/spec/run.md, R21).

    OUT/runs/<mechanism>/    a run folder each, for `isojoule verify`
    OUT/studies/             what is finished, so that the same command goes on
    OUT/compare.json, OUT/compare.html
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isojoule.apps.compare.asked import Asked
from isojoule.apps.compare.idle import idle_words
from isojoule.apps.compare.points import NO_OUTSIDE, OUTSIDE, SCENARIO, ranking, simplicity
from isojoule.apps.compare.rules import settlement_rules
from isojoule.apps.compare.runs import baseline_row, run_row
from isojoule.apps.compare.tasks import baseline_task, run_task
from isojoule.apps.results.asked import RULES, read_asked, rules_file
from isojoule.apps.results.manifest import inputs_of
from isojoule.apps.results.run import identity_of, scenario_folder
from isojoule.apps.results.settlement import check_rules_of
from isojoule.apps.results.unfinished import locked
from isojoule.apps.studies import Study, run_studies
from isojoule.apps.studies.pool import Report
from isojoule.core.errors import InputError
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import BASELINES

if TYPE_CHECKING:
    from isojoule.microworld.scenario import Scenario

BESIDE = "copperplate"
"""The network of a market that does not know the wires."""
NAME = "compare.json"


def compare_scenario(
    scenario: str | Path,
    asked: Asked,
    out: Path,
    *,
    start: str | None = None,
    end: str | None = None,
    days: float | None = None,
    periods: str | None = None,
    rules: Path | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    fresh: bool = False,
    report: Report | None = None,
) -> dict[str, Any]:
    """Compare mechanisms on a scenario.

    Parameters
    ----------
    scenario
        Folder, or the name of a bundled scenario.
    out
        Folder of the comparison. What stands there of the very same inputs is used again.
    start, end, days, periods, rules
        As of `isojoule.apps.results.run.run_scenario`.
    workers, executor
        See `isojoule.apps.studies.run_studies`. The results do not depend on them.
    fresh
        Begin anew.

    Raises
    ------
    InputError
        Bad scenario or options, or a worker died.
    Interrupted
        By Ctrl-C; what is finished is kept.
    """
    path = scenario_folder(scenario)
    folder = path.parent if path.is_file() else path
    options: dict[str, Any] = {
        key: value
        for key, value in (("from", start), ("to", end), ("days", days), ("periods", periods))
        if value is not None
    }
    found, asked_rules = read_asked(path, options, rules)
    # what is wrong with the rules is no mechanism's fault
    check_rules_of(rules_file(path, rules), found, asked_rules)
    files = settlement_rules(folder, found, rules, out)
    for file in files:
        read_asked(path, options, file)
    shared = {
        "scenario": str(path.resolve()),
        "options": options,
        "seed": asked.seed,
        "baseline": str((out / "studies" / "baseline").resolve()),
    }
    rounds = 1 if found.cyclic_tolerance is None else 2
    intervals = sum(found.rows(p).stop - found.rows(p).start for p in found.periods)
    rows: list[dict[str, Any]] = []
    studies: list[Study] = []
    for name in asked.mechanisms:
        rule = get(name, **asked.of(name))
        row: dict[str, Any] = {
            "name": name,
            "parameters": asked.of(name),
            "summary": rule.traits.summary,
            "simplicity": simplicity(rule),
        }
        rows.append(row)
        network = network_for(found, rule.traits.networks)
        if isinstance(network, InputError):
            row |= {"status": "refused", "reason": network.message, "remedy": network.remedy}
            continue
        more = {"network": network} if network else {}
        more |= {} if name in BASELINES or not found.has_utility else {"utility": "tariff"}
        used = files[1] if network else files[0]
        data = {
            **shared,
            "mechanism": name,
            "parameters": asked.of(name),
            "network": network,
            "utility": more.get("utility", ""),
            "rules": str(used.resolve()),
            "out": str((out / "runs" / name).resolve()),
            "limit_s": asked.limit_s,
            "intervals": rounds * intervals,
            "identity": identity_of(
                found.name, name, asked.of(name), asked.seed, {**options, **more},
                inputs_of(folder, {RULES: used}),
            ),
        }  # fmt: skip
        studies.append(Study(name, run_task, data))
    pool: dict[str, Any] = {"workers": workers, "executor": executor, "report": report}
    with _alone(out):
        if studies:
            _baseline(found, folder, shared, options, out, fresh, pool)
        answers = _answers(studies, out, fresh, pool)
    for row in rows:
        row |= answers.get(row["name"], {})
        if row["status"] == "ran":
            row |= run_row(out / "runs" / row["name"], found)
            row["points"]["simplicity"] = row["simplicity"]["points"]
            still = row["name"] not in BASELINES and not row["energy"]["local_trade_j"]
            rule = get(row["name"], **row["parameters"])
            row["idle"] = idle_words(rule, row["parameters"]) if still else ""
    return _document(found, asked, rows, out, options)


def network_for(scenario: Scenario, networks: tuple[str, ...]) -> str | InputError:
    """The network that a mechanism is given: "" for that of the wires; or why it has none."""
    if scenario.network in networks:
        return ""
    if BESIDE not in networks:
        return InputError(
            f"it clears {' and '.join(networks)}, and not {scenario.network}",
            remedy="use a scenario with such a network",
        )
    return BESIDE


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder, so that no other process compares in it."""
    studies = out / "studies"
    studies.mkdir(parents=True, exist_ok=True)
    with (studies / "lock").open("w") as lock:
        if not locked(lock):
            raise InputError(
                "another process compares in this folder just now",
                place=str(out),
                remedy="wait for it, or give --out another folder",
            )
        yield


def _baseline(
    scenario: Scenario, folder: Path, shared: dict[str, Any], options: dict[str, Any], out: Path,
    fresh: bool, pool: dict[str, Any],
) -> None:  # fmt: skip
    """Simulate the world without a market, one study a period."""
    base = Path(shared["baseline"])
    what = {
        "inputs": identity_of("", "", {}, shared["seed"], options, inputs_of(folder, {})),
        "periods": [p.name for p in scenario.periods],
    }
    mark = base / "of.json"
    if fresh or not mark.is_file() or json.loads(mark.read_text()) != json.loads(json.dumps(what)):
        fresh = True
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        mark.write_text(json.dumps(what))
    studies = [
        Study(
            f"without a market, {p.name}",
            baseline_task,
            {
                "scenario": shared["scenario"], "arguments": options, "seed": shared["seed"],
                "folder": shared["baseline"], "period": number,
                "intervals": scenario.rows(p).stop - scenario.rows(p).start,
                "what": what,
            },
        )
        for number, p in enumerate(scenario.periods)
    ]  # fmt: skip
    run_studies(studies, out / "studies", fresh=fresh, **pool)


def _answers(
    studies: list[Study], out: Path, fresh: bool, pool: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """What became of each mechanism; a run that was taken away since is made again."""
    for study in studies:
        gone = not (out / "runs" / study.name / "manifest.json").is_file()
        kept = out / "studies" / f"{study.key}.json"
        if kept.is_file() and gone and json.loads(kept.read_text())["status"] == "ran":
            kept.unlink()
        if fresh and not gone:
            (out / "runs" / study.name / "manifest.json").unlink()
    found = run_studies(studies, out / "studies", fresh=fresh, **pool)
    return {s.name: answer for s, answer in zip(studies, found, strict=True)}


def _document(
    scenario: Scenario, asked: Asked, rows: list[dict[str, Any]], out: Path, options: dict[str, Any]
) -> dict[str, Any]:
    ran = [row for row in rows if row["status"] == "ran"]
    most = max((row["saving"] for row in ran), default=None)
    for row in ran:
        share = row["saving"] / most if most is not None and most > 0 else None
        row["welfare"] = {"gains": row["saving"], "share_of_best": share}
        if row["seconds"] is not None and row["seconds"] < 0:
            row["seconds"] = None
    return {
        "isojoule": 1,
        "kind": "scenario",
        "title": scenario.title,
        "scenario": scenario.name,
        "attribution": scenario.attribution,
        "currency": scenario.currency,
        "timezone": scenario.timezone,
        "network": scenario.network,
        "interval_s": scenario.interval_s,
        "periods": [
            {"name": p.name, "start_s": p.start_s, "end_s": p.end_s} for p in scenario.periods
        ],
        "options": options,
        "seed": asked.seed,
        "baseline": baseline_row(out / "runs" / ran[0]["name"], scenario) if ran else None,
        "best": most,
        "mechanisms": rows,
        "ranking": ranking(
            SCENARIO,
            {r["name"]: r["points"] for r in ran},
            asked.weights,
            {} if scenario.has_utility else dict.fromkeys(OUTSIDE, NO_OUTSIDE),
        ),
    }


def digest_of(document: dict[str, Any]) -> str:
    """SHA-256 of what does not depend on the machine: all but the seconds."""
    plain = json.loads(json.dumps(document))
    for row in plain["mechanisms"]:
        row.pop("seconds", None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
