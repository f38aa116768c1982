"""From a run folder to a row of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isojoule.apps.compare.fairness import fairness
from isojoule.apps.compare.points import ratio
from isojoule.apps.results.summary import EVEN
from isojoule.core.canonical import digest
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J

if TYPE_CHECKING:
    from isojoule.microworld.scenario import Scenario

_WORLD = (
    "import_j", "export_j", "local_trade_j", "loss_j", "standing_loss_j", "generated_j",
    "spilled_j", "consumed_j", "unserved_j", "served_share", "self_sufficiency",
    "self_consumption", "peak_import_w", "peak_export_w", "carbon_kg", "saturated_link_intervals",
)  # fmt: skip
_PERSON = (
    "participant", "label", "baseline_cost", "market_cost", "saving", "bought_j", "sold_j",
)  # fmt: skip


def run_row(folder: Path, scenario: Scenario) -> dict[str, Any]:
    """What a run says, as plain data; points included."""
    s = json.loads((folder / "summary.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    market, base, audit = s["total"]["market"], s["total"]["baseline"], s["total"]["audit"]
    people = [{key: person[key] for key in _PERSON} for person in s["participants"]]
    fair = fairness([p["saving"] for p in people], EVEN)._asdict()
    beside = manifest["arguments"].get("network", "")
    return {
        "run": folder.name,
        "digest": _digest(manifest),
        "network": beside or scenario.network,
        "sees_wires": not beside or beside == scenario.network,
        "saving": audit["saving"],
        "saving_share": audit["saving_share"],
        "cost": audit["market_cost"],
        "parts": {
            k: audit[k]
            for k in ("netting", "dispatch", "losses", "served", "orders", "storage", "fees")
        },
        "operator": _operator(folder, s),
        "prices": {k: market[f"price_{k}"] for k in ("min_per_j", "mean_per_j", "max_per_j")},
        "energy": {key: market[key] for key in _WORLD},
        "physics": _physics(s, "market"),
        "curtailed_j": _curtailed(folder) if beside else 0.0,
        "unproven_intervals": sum(p["unproven_market"] for p in s["periods"]),
        "fairness": fair,
        "participants": people,
        "points": _points(market, base, ratio(audit["saving"], _bills(people)), fair),
    }


def _digest(manifest: dict[str, Any]) -> str:
    """Stands for inputs and tables. The report of a run also names the path of its rules."""
    tables = {n: h for n, h in manifest["outputs"].items() if n.endswith(".parquet")}
    return digest({"inputs": manifest["inputs"], "tables": tables})


def baseline_row(folder: Path, scenario: Scenario) -> dict[str, Any]:
    """The world without a market, as plain data."""
    s = json.loads((folder / "summary.json").read_text())
    base = s["total"]["baseline"]
    return {
        "name": scenario.baseline,
        "cost": s["total"]["audit"]["baseline_cost"],
        "bills": _bills(s["participants"]),
        "operator": s["operator"]["baseline"] + s["operator"]["baseline_shared"],
        "energy": {key: base[key] for key in _WORLD},
        "physics": _physics(s, "baseline"),
    }


def _bills(people: list[dict[str, Any]]) -> float:
    """What members pay and are paid without a market, added up without their signs.

    Unlike the cost of the community it is above 0 also where exports earn more than all pay, so it
    can be the scale of points.
    """
    return float(sum(abs(p["baseline_cost"]) for p in people))


def _operator(folder: Path, s: dict[str, Any]) -> dict[str, Any]:
    """The operator's account: what it collected, what losses and imbalance took, what it shared."""
    import polars as pl

    table = pl.read_parquet(folder / "market" / "intervals" / "*.parquet")
    lines = {
        name: int(table[f"{name}_nano"].sum()) / NANO_PER_UNIT
        for name in ("congestion_rent", "loss_rent")
    }
    cleared = int(table["operator_nano"].sum()) / NANO_PER_UNIT
    dividends = sum(p["dividends"] for p in s["settlement"]["periods"])
    dividends += s["settlement"].get("bonds", {}).get("fines_shared", 0.0)
    left = s["operator"]["market"]
    return {
        "surplus": left,
        "shared": dividends,
        "lines": {
            **{name: value for name, value in lines.items() if value},
            "all other lines": cleared - sum(lines.values()),
            "wires and imbalance": left + dividends - cleared,
        },
    }


def _physics(s: dict[str, Any], world: str) -> dict[str, Any] | None:
    """What the AC check found; None off the grid."""
    if s["ac"] is None:
        return None
    found = s["ac"][world]
    return {
        "voltage_violations": found["voltage_violations"],
        "loading_violations": found["loading_violations"],
    }


def _curtailed(folder: Path) -> float:
    """What was cleared and did not come, by all but the utility, J."""
    import polars as pl

    table = pl.scan_parquet(folder / "market" / "devices" / "*.parquet")
    if "metered_uj" not in table.collect_schema().names():
        return 0.0
    short = (pl.col("energy_uj").abs() - pl.col("metered_uj").abs()).clip(0)
    found = table.filter(pl.col("device") != "utility").select(short.sum()).collect().item()
    return int(found or 0) / UJ_PER_J


def _points(
    market: dict[str, Any], base: dict[str, Any], saved: float | None, fair: dict[str, Any]
) -> dict[str, float | None]:  # fmt: skip
    def peak(world: dict[str, Any]) -> float:
        return float(max(world["peak_import_w"], world["peak_export_w"]))

    def less(part: float | None, whole: float | None) -> float | None:
        share = ratio(part, whole)
        return None if share is None else 1.0 - share

    return {
        "cost": saved,
        "fairness": None if fair["gini"] is None else 1.0 - fair["gini"],
        "nobody_loses": 1.0 - fair["losers"] / fair["people"] if fair["people"] else None,
        "self_sufficiency": market["self_sufficiency"],
        "peak": less(peak(market), peak(base)),
        "carbon": less(market["carbon_kg"], base["carbon_kg"]),
    }
