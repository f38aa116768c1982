"""Put a run's report together."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from isojoule.apps.report import (
    bonds,
    certificates,
    day_ahead,
    machines,
    offgrid,
    payments,
    saving,
    sections,
    settled,
    stuck,
)
from isojoule.apps.report.markup import asset
from isojoule.apps.report.payload import payload
from isojoule.apps.report.people import people
from isojoule.apps.report.powerflow import network
from isojoule.apps.report.read import RunFiles, read_run
from isojoule.apps.report.words import text

SCRIPTS = ("data.js", "feeder.js", "charts.js", "people.js", "main.js")


def build_report(run_dir: Path) -> str:
    """The report of a run as one HTML text that needs no other file and no network.

    Parameters
    ----------
    run_dir
        A run folder with `summary.json`, `scenario/`, `market/` and `baseline/`. A manifest is
        not needed: the report is one of the files that it lists.

    Raises
    ------
    InputError
        The folder is not a run, or a table is missing.
    """
    return page(read_run(run_dir))


def page(run: RunFiles) -> str:
    """The report of an open run."""
    facts, tables, whole = payload(run)
    return Template(asset("template.html")).substitute(
        title=text(run.summary["title"]),
        style=asset("style.css"),
        headline=sections.headline(run),
        long_run=sections.long_run(run, whole),
        audit=saving.audit(run),
        stories=offgrid.dark(run)
        + (machines.section(run) if run.has_machines else "")
        + stuck.section(run),
        settled=settled.section(run),
        certificates=certificates.section(run),
        promised=day_ahead.section(run) + bonds.section(run),
        payments=payments.section(run),
        people=people(run),
        network=network(run),
        reproduce=sections.reproduce(run),
        facts=script_json(facts),
        tables=script_json(tables),
        script="\n".join(asset(name) for name in SCRIPTS),
    )


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into the run folder and return its path."""
    path = run_dir / "report.html"
    path.write_text(build_report(run_dir), encoding="utf-8")
    return path


def script_json(value: Any) -> str:
    r"""JSON that may stand inside a script element, whatever names it holds.

    >>> script_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        body = body.replace(mark, f"\\u{ord(mark):04x}")
    return body
