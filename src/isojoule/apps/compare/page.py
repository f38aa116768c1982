"""A comparison as one self-contained page: tables made here, pictures drawn by its script."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from isojoule.apps.compare.books import EVEN as ROUNDED
from isojoule.apps.compare.page_series import series
from isojoule.apps.compare.page_tables import (
    operator_table,
    overview,
    prices_by_node,
    refused,
    reproduce,
    who_pays,
)
from isojoule.apps.compare.page_words import defined
from isojoule.apps.report.build import script_json
from isojoule.apps.report.markup import asset as report_asset
from isojoule.apps.report.words import number, text
from isojoule.apps.results.summary import EVEN

NAME = "compare.html"
OK = ("ran", "cleared")


def write_page(document: dict[str, Any], folder: Path) -> Path:
    """Write `compare.html` into the folder of the comparison; returns its path."""
    path = folder / NAME
    path.write_text(build_page(document, folder), encoding="utf-8")
    return path


def build_page(document: dict[str, Any], folder: Path) -> str:
    """The page of a comparison, which needs no other file and no network.

    Parameters
    ----------
    document
        Of `compare_book` or `compare_scenario`.
    folder
        Of the comparison: its `runs` hold what moves over time.
    """
    rows = ranked(document)
    scenario = document["kind"] == "scenario"
    facts, tables = series(document, rows, folder) if scenario and rows else ({}, {})
    facts = {
        "currency": document["currency"], "timezone": document.get("timezone", "UTC"),
        "interval_s": document.get("interval_s", 0), "windows": [], "utility": -1, "machines": [],
        **facts,
        "kind": document["kind"],
        "even": EVEN if scenario else ROUNDED,
        "criteria": document["ranking"]["criteria"],
        "mechanisms": [mechanism_facts(row) for row in rows],
        "people": people_names(rows),
    }  # fmt: skip
    return Template(_asset("compare.html")).substitute(
        title=text(document["title"]),
        style=report_asset("style.css") + _asset("compare.css"),
        kicker=kicker(document),
        hidden_time="" if facts["windows"] else "hidden",
        overview=overview(document, rows),
        refused=refused(document),
        who_pays=who_pays(document, rows),
        nodes=prices_by_node(document, rows) if not scenario else "",
        operator=operator_table(document, rows),
        defined=defined(document),
        reproduce=reproduce(document),
        facts=script_json(facts),
        tables=script_json(tables),
        script="\n".join(
            [report_asset("data.js"), report_asset("charts.js")]
            + [_asset(name) for name in ("ranking.js", "moments.js", "gains.js", "main.js")]
        ),
    )


def ranked(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that have numbers, best first."""
    place = {name: i for i, name in enumerate(document["ranking"]["order"])}
    rows = [r for r in document["mechanisms"] if r["status"] in OK]
    return sorted(rows, key=lambda r: place[r["name"]])


def kicker(document: dict[str, Any]) -> str:
    """What is compared, in one line."""
    ran = sum(r["status"] in OK for r in document["mechanisms"])
    told = f"{number(ran)} of {number(len(document['mechanisms']))} mechanisms"
    if document["kind"] == "book":
        return f"{told} on one book of {number(document['offers'])} offers"
    days = sum(p["end_s"] - p["start_s"] for p in document["periods"]) / 86400
    length = f"{number(days, 1 if days % 1 else 0)} {'day' if days == 1 else 'days'}"
    return f"{told} on the scenario {text(document['scenario'])}, {length}"


def mechanism_facts(row: dict[str, Any]) -> dict[str, Any]:
    """What the script needs of a mechanism."""
    gain = "saving" if row["status"] == "ran" else "gain"
    return {
        "name": row["name"],
        "summary": row["summary"],
        "wires": row.get("sees_wires", True),
        "idle": row["idle"],
        "points": row["points"],
        "gains": [
            round(p[gain] - p.get("levy", 0.0), 9)
            for p in row["participants"]
            if not p.get("outside", False)
        ],
    }


def people_names(rows: list[dict[str, Any]]) -> list[str]:
    """Participants, in the order of the gains."""
    if not rows:
        return []
    return [
        p.get("label") or p["participant"]
        for p in rows[0]["participants"]
        if not p.get("outside", False)
    ]


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
