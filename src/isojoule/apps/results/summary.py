"""From the tables of a run to `summary.json`: audit, totals, who saved what, power flow.

Everything here follows from the stored tables (and, for the AC check, from the scenario), so
`isojoule verify` makes it again and compares.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from isojoule.apps.results.power import power_summary
from isojoule.apps.results.worlds import Outcome
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.audit import audit, totals
from isojoule.microworld.offers import UTILITY
from isojoule.microworld.scenario import DeviceKind, Period, Scenario

NAME = "summary.json"
EVEN = 0.005
"""A participant whose cost changes by less than half a cent neither gains nor loses."""


def write_summary(
    folder: Path,
    scenario: Scenario,
    run: str,
    outcomes: list[Outcome],
    identity: dict[str, Any],
    command: str,
) -> dict[str, Any]:
    """Sum the run up and write it."""
    facts = {
        (o.job.world, scenario.periods[o.job.period].name): {
            "rounds": o.rounds,
            "cyclic": o.cyclic,
            "unproven": o.unproven,
            "stored_change_uj": o.stored_change_uj,
            "start_uj": [int(v) for v in o.start_uj],
        }
        for o in outcomes
    }
    document = summarise(folder, scenario, facts)
    document = {
        "isojoule": 1,
        "run": run,
        "scenario": scenario.name,
        "title": scenario.title,
        "attribution": scenario.attribution,
        "currency": scenario.currency,
        "mechanism": identity["mechanism"],
        "interval_s": scenario.interval_s,
        "timezone": scenario.timezone,
        "headline": headline(scenario, document),
        **document,
        "ac": power_summary(scenario, outcomes),
        "reproduce": {
            "command": command,
            "version": identity["versions"]["isojoule"],
            "seed": identity["seed"],
        },
    }
    (folder / NAME).write_text(json.dumps(document, indent=1) + "\n")
    return document


def summarise(
    folder: Path, scenario: Scenario, facts: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, Any]:
    """What follows from the tables: totals, audits, participants, operator."""
    intervals = {
        world: pl.read_parquet(folder / world / "intervals" / "*.parquet")
        for world in ("market", "baseline")
    }
    full = {
        world: pl.scan_parquet(folder / world / "links" / "*.parquet")
        .group_by("period")
        .agg(pl.col("saturated").sum())
        .collect()
        for world in ("market", "baseline")
    }
    people = participants(folder, scenario)
    names = [p.name for p in scenario.periods]
    changes = {key: value["stored_change_uj"] for key, value in facts.items()}
    periods = []
    for p in scenario.periods:
        entry = _stretch(scenario, intervals, full, changes, [p], people, p.name)
        for world in ("market", "baseline"):
            entry[f"rounds_{world}"] = facts[world, p.name]["rounds"]
            entry[f"cyclic_{world}"] = facts[world, p.name]["cyclic"]
            entry[f"unproven_{world}"] = facts[world, p.name]["unproven"]
            entry[f"start_uj_{world}"] = facts[world, p.name]["start_uj"]
        periods.append(entry)
    total = _stretch(scenario, intervals, full, changes, list(scenario.periods), people, "total")
    operator = {
        world: int(table["operator_nano"].sum()) / NANO_PER_UNIT
        for world, table in intervals.items()
    }
    return {
        "total": total,
        "periods": periods,
        "participants": [_person(scenario, person, names) for person in people],
        "operator": operator,
    }


def _stretch(
    scenario: Scenario,
    intervals: dict[str, pl.DataFrame],
    full: dict[str, pl.DataFrame],
    changes: dict[tuple[str, str], int],
    periods: list[Period],
    people: list[dict[str, Any]],
    name: str,
) -> dict[str, Any]:
    names = [p.name for p in periods]
    tables = {
        world: {
            column: values.to_numpy()
            for column, values in frame.filter(pl.col("period").is_in(names))
            .drop("period")
            .to_dict()
            .items()
        }
        for world, frame in intervals.items()
    }
    change = {world: sum(changes[world, n] for n in names) for world in ("market", "baseline")}
    entry: dict[str, Any] = {
        "name": name,
        "start_s": periods[0].start_s,
        "end_s": periods[-1].end_s,
        "intervals": len(tables["market"]["time_s"]),
    }
    for world in ("market", "baseline"):
        count = full[world].filter(pl.col("period").is_in(names))["saturated"].sum()
        entry[world] = totals(tables[world], change[world], scenario.interval_s, int(count))
    entry["baseline"]["local_trade_j"] = 0.0
    result = audit(
        tables["market"],
        tables["baseline"],
        stored_change_uj=(change["market"], change["baseline"]),
        network_fee_per_j=scenario.network_fee_per_j,
    )
    savings = [sum(person["periods"][n]["saving"] for n in names) for person in people]
    entry["audit"] = {
        **asdict(result),
        "gainers": sum(s > EVEN for s in savings),
        "losers": sum(s < -EVEN for s in savings),
        "largest_gain": max(savings, default=0.0),
        "largest_loss": min([*savings, 0.0]),
        "median_saving": float(np.median(savings)) if savings else 0.0,
    }
    return entry


def participants(folder: Path, scenario: Scenario) -> list[dict[str, Any]]:
    """Cost, energy bought and sold of every participant in every period and world.

    The network fee is shared in proportion to the energy that a participant buys.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    local: dict[str, float] = {}
    for world in ("market", "baseline"):
        frame = (
            pl.scan_parquet(folder / world / "devices" / "*.parquet")
            .filter(pl.col("participant") != UTILITY)
            .group_by("period", "time_s", "participant", "node")
            .agg(pl.col("energy_uj").sum(), pl.col("payment_nano").sum())
            .group_by("period", "participant")
            .agg(
                pl.col("payment_nano").sum(),
                pl.col("energy_uj").clip(lower_bound=0).sum().alias("bought_uj"),
                (-pl.col("energy_uj").clip(upper_bound=0)).sum().alias("sold_uj"),
            )
            .collect()
        )
        for row in frame.iter_rows(named=True):
            person = found.setdefault(row["participant"], {})
            person.setdefault(row["period"], {})[world] = row
    earned = _link_owners(folder, scenario)
    if scenario.network_fee_per_j > 0:
        local = _local_trade(folder)
    bought_all: dict[str, int] = {}
    for person in found.values():
        for period, worlds in person.items():
            bought_all[period] = bought_all.get(period, 0) + worlds["market"]["bought_uj"]
    people = []
    for name in scenario.participants:
        periods = {}
        for p in scenario.periods:
            if p.name not in found.get(name, {}):
                periods[p.name] = {
                    "market_cost": 0.0, "baseline_cost": 0.0, "saving": 0.0,
                    "bought_uj": 0, "sold_uj": 0,
                }  # fmt: skip
                continue
            worlds = found[name][p.name]
            share = worlds["market"]["bought_uj"] / max(bought_all[p.name], 1)
            fee = scenario.network_fee_per_j * local.get(p.name, 0.0) * share
            paid = {
                world: (worlds[world]["payment_nano"] + earned.get((world, p.name, name), 0))
                / NANO_PER_UNIT
                for world in ("market", "baseline")
            }
            market, baseline = paid["market"] + fee, paid["baseline"]
            periods[p.name] = {
                "market_cost": market,
                "baseline_cost": baseline,
                "saving": baseline - market,
                "bought_uj": worlds["market"]["bought_uj"],
                "sold_uj": worlds["market"]["sold_uj"],
            }
        people.append({"participant": name, "periods": periods})
    return people


def _link_owners(folder: Path, scenario: Scenario) -> dict[tuple[str, str, str], int]:
    """What owners of links pay (negative: receive), by world, period and owner, nano-units."""
    owners = {
        link: owner
        for link, owner in zip(scenario.grid.link_ids, scenario.grid.owner, strict=True)
        if owner
    }
    paid: dict[tuple[str, str, str], int] = {}
    for world in ("market", "baseline") if owners else ():
        frame = (
            pl.scan_parquet(folder / world / "links" / "*.parquet")
            .filter(pl.col("link").is_in(list(owners)))
            .group_by("period", "link")
            .agg(pl.col("owner_payment_nano").sum())
            .collect()
        )
        for period, link, nano in frame.iter_rows():
            key = (world, period, owners[link])
            paid[key] = paid.get(key, 0) + nano
    return paid


def _local_trade(folder: Path) -> dict[str, float]:
    frame = (
        pl.scan_parquet(folder / "market" / "intervals" / "*.parquet")
        .group_by("period")
        .agg((pl.col("meters_out_uj") - pl.col("export_uj")).clip(lower_bound=0).sum())
        .collect()
    )
    return {row[0]: row[1] / UJ_PER_J for row in frame.iter_rows()}


def _person(scenario: Scenario, person: dict[str, Any], names: list[str]) -> dict[str, Any]:
    d = scenario.devices
    index = scenario.participants.index(person["participant"])
    mine = d.participant == index
    nodes = sorted({scenario.grid.node_ids[int(n)] for n in d.node[mine]})
    rows = [person["periods"][n] for n in names]
    return {
        "participant": person["participant"],
        "label": scenario.labels[index],
        "node": ", ".join(nodes),
        "market_cost": sum(r["market_cost"] for r in rows),
        "baseline_cost": sum(r["baseline_cost"] for r in rows),
        "saving": sum(r["saving"] for r in rows),
        "bought_j": sum(r["bought_uj"] for r in rows) / UJ_PER_J,
        "sold_j": sum(r["sold_uj"] for r in rows) / UJ_PER_J,
        "pv_w": float(d.power_w[mine & (d.kind == DeviceKind.PV)].sum()),
        "battery_j": float(d.capacity_j[mine & (d.kind == DeviceKind.BATTERY)].sum()),
        "periods": [
            {"name": n, **{k: r[k] for k in ("market_cost", "baseline_cost", "saving")}}
            for n, r in zip(names, rows, strict=True)
        ],
    }


def headline(scenario: Scenario, document: dict[str, Any]) -> str:
    """One sentence on who saved what."""
    audit_, total = document["total"]["audit"], document["total"]
    people = len(document["participants"])
    saving = audit_["saving"]
    days = total["intervals"] * scenario.interval_s / 86400
    span = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    title = scenario.title or scenario.name
    verb = "saved" if saving >= 0 else "lost"
    losers = audit_["losers"]
    loses = "none loses" if not losers else "1 loses" if losers == 1 else f"{losers} lose"
    who = f"{audit_['gainers']} of {people} participants gain and {loses}"
    operator = document["operator"]["market"] - document["operator"]["baseline"]
    people_saved = sum(p["saving"] for p in document["participants"])
    kept = ""
    if operator > 0.1 * abs(saving):
        did = "saved" if people_saved >= 0 else "lost"
        kept = (
            f" (households together {did} {abs(people_saved):,.2f}, the operator's account gained "
            f"{operator:,.2f})"
        )
    if scenario.network_fee_per_j == 0:
        kept += ", before network fees"
    return (
        f"{title}: in {span} the community {verb} {abs(saving):,.2f} {scenario.currency} "
        f"({abs(audit_['saving_share']):.1%}) by trading with neighbours instead of with the "
        f"utility alone{kept}; {who}."
    )
