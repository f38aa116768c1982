"""The `summary.json` of a run that no market made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from isojoule.microworld.saving import share_of_cost
from tests.apps.report.fake_scenario import (
    INTERVAL_S,
    KWH,
    SELLS,
    Floats,
    Shape,
    node_names,
    participant_names,
)


def audit(entry: dict[str, Any], gains: Floats) -> dict[str, Any]:
    """A savings audit whose terms add up."""
    base, market = entry["baseline"], entry["market"]
    cost = [w["cash"] - w["stored_change_value"] for w in (base, market)]
    saving = cost[0] - cost[1]
    losses = -(market["loss_j"] - base["loss_j"]) * SELLS
    storage = market["stored_change_value"] - base["stored_change_value"]
    netting = 0.62 * (saving - losses - storage)
    traded = market["local_trade_j"] / KWH
    fees = [0.0, 0.05, 0.10, 0.15, 0.20]
    return {
        "baseline_cost": cost[0],
        "market_cost": cost[1],
        "saving": saving,
        "saving_share": share_of_cost(saving, cost[0]),
        "netting": netting,
        "dispatch": saving - losses - storage - netting,
        "losses": losses,
        "storage": storage,
        "fees": 0.0,
        "gainers": int((gains > 0.005).sum()),
        "losers": int((gains < -0.005).sum()),
        "largest_gain": float(gains.max()),
        "largest_loss": float(-gains.min()),
        "break_even_fee_per_j": max(saving, 0.0) / traded / KWH if traded else None,
        "fee_table": [{"fee_per_kwh": f, "saving": saving - f * traded} for f in fees],
    }


def write_summary(
    folder: Path, shape: Shape, periods: list[dict[str, Any]], costs: dict[str, Floats]
) -> None:
    """Write `summary.json`."""
    total: dict[str, Any] = {"name": "total", "start_s": periods[0]["start_s"]}
    total |= {
        "end_s": periods[-1]["end_s"],
        "intervals": shape.intervals * len(periods),
    }
    if shape.loses:
        for entry in periods:
            entry["market"]["cash"] = entry["baseline"]["cash"] * 1.04
    for world in ("market", "baseline"):
        sides = [p[world] for p in periods]
        total[world] = {k: sum(s[k] for s in sides) for k in sides[0]}
        for key in ("self_sufficiency", "self_consumption", "served_share", "price_mean_per_j"):
            total[world][key] /= len(sides)
        for key in ("peak_import_w", "peak_export_w", "price_max_per_j"):
            total[world][key] = max(s[key] for s in sides)
        total[world]["price_min_per_j"] = min(s["price_min_per_j"] for s in sides)
        costs[f"total/{world}"] = np.sum([costs[f"{p['name']}/{world}"] for p in periods], axis=0)
    for entry in [*periods, total]:
        gains = costs[f"{entry['name']}/baseline"] - costs[f"{entry['name']}/market"]
        entry["audit"] = audit(entry, gains)
    share = total["audit"]["saving_share"]
    people, ids = participant_names(shape), node_names(shape)
    participants = []
    for i, person in enumerate(people):
        row: dict[str, Any] = {
            "participant": person,
            "label": person,
            "node": ids[i + 2],
        }
        for name in ["total", *[p["name"] for p in periods]]:
            market, base = (float(costs[f"{name}/{w}"][i]) for w in ("market", "baseline"))
            cell = {
                "market_cost": market,
                "baseline_cost": base,
                "saving": base - market,
            }
            if name == "total":
                row |= cell
                row |= {"unserved_market_j": 0.0, "unserved_baseline_j": 0.0}
                row |= {"bought_j": 9e8, "sold_j": 3e8 if i < shape.pv else 0.0}
                row |= {"pv_w": 8e3 if i < shape.pv else 0.0, "periods": []}
                row |= {"battery_j": 10 * KWH if i < shape.batteries else 0.0}
            else:
                row["periods"].append({"name": name, **cell})
        participants.append(row)
    side = {
        "voltage_violations": 7 if shape.violations else 0,
        "loading_violations": 2 if shape.violations else 0,
        "worst_voltage_pu": 0.893 if shape.violations else 0.951,
        "worst_voltage_node": ids[-1],
        "highest_voltage_pu": 1.031,
        "highest_voltage_node": ids[2],
        "worst_loading": 1.04 if shape.violations else 0.71,
        "worst_loading_link": "Line 1",
        "loss_j": total["market"]["loss_j"] * 1.02,
        "market_loss_j": total["market"]["loss_j"],
        "residual_j": total["market"]["loss_j"] * 0.02,
        "nodes": [{"node": ids[-1], "intervals": 7, "min_pu": 0.893, "max_pu": 1.02}],
        "links": [{"link": "Line 1", "intervals": 2, "max_loading": 1.04}],
    }
    if not shape.violations:
        side |= {"nodes": [], "links": []}
    worse = side | {"voltage_violations": 9} if shape.violations else side
    summary = {
        "isojoule": 1,
        "run": folder.name,
        "baseline": "utility-only",
        "orders": None,
        "scenario": "fake",
        "title": "A made-up feeder",
        "attribution": "Made by a seeded generator, for tests only.",
        "currency": "EUR",
        "mechanism": "equilibrium",
        "interval_s": INTERVAL_S,
        "headline": f"Together the homes saved {share:.1%} against the utility alone.",
        "total": total,
        "periods": periods,
        "participants": participants,
        "distance": {"welfare": 0.0, "share": 0.0},
        "operator": {"market": total["market"]["operator"], "baseline": 0.0},
        "settlement": {
            "rules": {
                "imbalance": {"price": "tie", "payer": "cause"},
                "fees": [],
                "surplus": "keep",
            },
            "ledger": {"entries": 9, "root": "ab" * 32, "transfers": 7},
            "periods": [settled(period) for period in periods],
        },
        "ac": {"intervals": total["intervals"], "market": side, "baseline": worse}
        if shape.ac
        else None,
        "reproduce": {
            "command": "isojoule run fake --seed 0",
            "version": "0.1.0",
            "seed": 0,
        },
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))


def settled(period: dict[str, Any]) -> dict[str, Any]:
    """A period's money as the ledger has it: all that members paid went to utility and operator."""
    market = period["market"]
    return {
        "name": period["name"],
        "members_paid": market["cash"] + market["operator"],
        "utility": market["cash"],
        "operator": market["operator"],
        "fees": {},
        "short_j": 0.0,
        "long_j": 0.0,
        "shortfall_j": 0.0,
        "cleared_j": 1e9,
        "imbalance_paid": 0.0,
        "dividends": 0.0,
        "kept": market["operator"],
    }
