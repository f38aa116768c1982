"""From a run folder to a row of a comparison."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isojoule.apps.compare.fairness import fair_points, fairness
from isojoule.apps.compare.points import OUTSIDE, ratio
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
    market, audit = s["total"]["market"], s["total"]["audit"]
    bought = _bought(folder, scenario, "market")
    people = [{key: person[key] for key in _PERSON} for person in s["participants"]]
    fair = fairness([p["saving"] for p in people], EVEN)
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
        "as_if_bought": bought,
        "physics": _physics(s, "market"),
        "curtailed_j": _curtailed(folder) if beside else 0.0,
        "unproven_intervals": sum(p["unproven_market"] for p in s["periods"]),
        "fairness": fair._asdict(),
        "participants": people,
        "points": {
            "cost": ratio(audit["saving"], _bills(people)),
            "fairness": fair_points(fair),
            "nobody_loses": 1.0 - fair.losers / fair.people if fair.people else None,
            **_outside(bought, _bought(folder, scenario, "baseline")),
        },
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
        "as_if_bought": _bought(folder, scenario, "baseline"),
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

    cleared = pl.read_parquet(
        folder / "market" / "intervals" / "*.parquet", columns=["operator_nano"]
    )
    collected = int(cleared["operator_nano"].sum()) / NANO_PER_UNIT
    named = _named(folder)
    dividends = sum(p["dividends"] for p in s["settlement"]["periods"])
    dividends += s["settlement"].get("bonds", {}).get("fines_shared", 0.0)
    left = s["operator"]["market"]
    tariff = round(collected - sum(named.values()), 9)
    beside = round(left + dividends - collected, 9)
    more = {"utility at its tariff": tariff, "wires and imbalance": beside}
    return {
        "surplus": left,
        "shared": dividends,
        "lines": {**named, **{name: value for name, value in more.items() if value}},
    }


def _named(folder: Path) -> dict[str, float]:
    """The lines that the rule itself names, summed over all intervals."""
    import polars as pl

    if not (folder / "market" / "operator").is_dir():
        return {}
    table = pl.read_parquet(folder / "market" / "operator" / "*.parquet")
    summed = table.group_by("line").agg(pl.col("amount_nano").sum()).sort("line")
    return {name: nano / NANO_PER_UNIT for name, nano in summed.iter_rows() if nano}


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


def _bought(folder: Path, scenario: Scenario, world: str) -> dict[str, float | None] | None:
    """None off the grid, where nothing comes from outside."""
    return as_if_bought(folder, world, scenario.interval_s) if scenario.has_utility else None


def as_if_bought(folder: Path, world: str, interval_s: int) -> dict[str, float | None]:
    """What comes from outside, with need that is not served as if it had been bought there.

    Else a world would look green that serves nobody.

    Returns
    -------
    dict
        `self_sufficiency`: share of need and losses that is not imported; `peak_w`: the largest
        mean power of an interval, in or out; `carbon_kg`: null where its intensity is not known.
    """
    import polars as pl

    table = pl.read_parquet(folder / world / "intervals" / "*.parquet")
    imported, out = table["import_uj"].to_numpy(), table["export_uj"].to_numpy()
    wanted = imported + table["unserved_uj"].to_numpy()
    needed = int((table["consumed_uj"] + table["loss_uj"] + table["standing_loss_uj"]).sum())
    most = int(max(wanted.max(initial=0), out.max(initial=0)))
    intensity = table["carbon_kg_per_j"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    carbon = float(np.sum(intensity * wanted)) / UJ_PER_J
    return {
        "self_sufficiency": 1.0 - int(wanted.sum()) / needed if needed > 0 else None,
        "peak_w": most / UJ_PER_J / interval_s,
        "carbon_kg": carbon if math.isfinite(carbon) else None,
    }


def _outside(
    market: dict[str, float | None] | None, base: dict[str, float | None] | None
) -> dict[str, float | None]:
    """Points for what comes from outside; none off the grid, where nothing does."""
    if market is None or base is None:
        return dict.fromkeys(OUTSIDE)

    def less(name: str) -> float | None:
        share = ratio(market[name], base[name])
        return None if share is None else 1.0 - share

    return {
        "self_sufficiency": market["self_sufficiency"],
        "peak": less("peak_w"),
        "carbon": less("carbon_kg"),
    }
