"""A run folder that no market made: the files of a run, filled by a seeded generator.

The report is built from files alone, so it is tested on files alone. Numbers are plausible, and
energy adds up in every interval, but no mechanism has cleared anything here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KWH = 3.6e6
INTERVAL_S = 900
SELLS, BUYS = 0.30 / KWH, 0.08 / KWH
STARTS = {
    "winter": 1452466800,
    "spring": 1460930400,
    "summer": 1468792800,
    "autumn": 1476655200,
}


@dataclass(frozen=True)
class Shape:
    """What the fake run looks like. `names` are put on the first participants, to test escapes."""

    nodes: int = 12
    strings: int = 3
    batteries: int = 2
    pv: int = 4
    periods: int = 2
    intervals: int = 96
    coordinates: bool = True
    violations: bool = True
    loses: bool = False
    ac: bool = True
    names: tuple[str, ...] = ()


def parents(shape: Shape, rng: np.random.Generator) -> NDArray[np.int64]:
    """Parent of each node but the first two (utility, busbar): a few long strings, some stubs."""
    out = [0, 0]
    heads = [1] * shape.strings
    for node in range(2, shape.nodes):
        string = int(rng.integers(shape.strings))
        out.append(heads[string])
        if rng.random() > 0.12:
            heads[string] = node
    return np.array(out)


def write_scenario(folder: Path, shape: Shape, parent: NDArray[np.int64], rated: Floats) -> None:
    """`scenario.yaml` and the tables of nodes, links, participants and devices."""
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(
        "isojoule: 1\nname: fake\ntitle: A made-up feeder\ntimezone: Europe/Berlin\n"
        "currency: EUR\ninterval: 15 min\nutility: Utility\nnetwork: transport\n"
        "attribution: Made by a seeded generator, for tests only.\n"
    )
    count = shape.nodes
    ids = node_names(shape)
    nodes: dict[str, Any] = {"node": ids}
    if shape.coordinates:
        rng = np.random.default_rng(5)
        x, y = np.zeros(count), np.zeros(count)
        heading = rng.uniform(0, 6.3, count)
        for i in range(2, count):
            heading[i] = heading[parent[i]] + rng.normal(0, 0.3) if parent[i] > 1 else heading[i]
            x[i] = x[parent[i]] + 0.0002 * np.cos(heading[i])
            y[i] = y[parent[i]] + 0.0001 * np.sin(heading[i])
        nodes |= {"x": 11.41 + x, "y": 53.65 + y}
    pl.DataFrame(nodes).write_csv(folder / "nodes.csv")
    pl.DataFrame(
        {
            "link": [f"Line {i}" for i in range(1, count)],
            "from": [ids[p] for p in parent[1:]],
            "to": ids[1:],
            "kind": ["transformer"] + ["line"] * (count - 2),
            "capacity [kW]": rated[1:] / 1e3,
        }
    ).write_csv(folder / "links.csv")
    people = participant_names(shape)
    pl.DataFrame({"participant": people, "label": people}).write_csv(folder / "participants.csv")
    rows = [(f"{p} load", p, n, "load", None) for p, n in zip(people, ids[2:], strict=True)]
    rows += [(f"{people[i]} roof", people[i], ids[i + 2], "pv", None) for i in range(shape.pv)]
    rows += [
        (f"{people[i]} pack", people[i], ids[i + 2], "battery", 10.0)
        for i in range(shape.batteries)
    ]
    pl.DataFrame(
        rows,
        schema=["device", "participant", "node", "kind", "capacity [kWh]"],
        orient="row",
        infer_schema_length=None,
    ).write_csv(folder / "devices.csv")


def node_names(shape: Shape) -> list[str]:
    """Names of the nodes."""
    return ["Utility", "Busbar"] + [f"Bus {i}" for i in range(2, shape.nodes)]


def participant_names(shape: Shape) -> list[str]:
    """Names of the participants, one a node from the third node on."""
    names = [f"Household {i}" for i in range(2, shape.nodes)]
    names[: len(shape.names)] = shape.names
    return names


def profiles(
    shape: Shape, start_s: int, number: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Load and sun of each household, J per interval, shape (intervals, households)."""
    homes = shape.nodes - 2
    hour = (np.arange(shape.intervals) * INTERVAL_S / 3600 + 0.0) % 24
    base = 0.25 + 0.5 * np.exp(-((hour - 19) ** 2) / 6) + 0.25 * np.exp(-((hour - 7.5) ** 2) / 3)
    size = rng.lognormal(-0.4, 0.5, homes)
    load = base[:, None] * size * rng.lognormal(0, 0.35, (shape.intervals, homes))
    day = np.clip(np.cos((hour - 13) / (3.4 + 2.2 * (number % 4 in (1, 2))) * np.pi / 2), 0, None)
    day[np.abs(hour - 13) > 3.4 + 2.2 * (number % 4 in (1, 2))] = 0
    cloud = np.repeat(rng.uniform(0.3, 1, shape.intervals // 96 + 1), 96)[: shape.intervals]
    roof = np.zeros(homes)
    roof[: shape.pv] = rng.uniform(4, 14, shape.pv)
    sun = (day * cloud)[:, None] * roof * (0.5 + 0.5 * (number % 4 in (1, 2)))
    return load * 1e3 * INTERVAL_S, sun * 1e3 * INTERVAL_S


def batteries(net: Floats, shape: Shape, *, alone: bool) -> tuple[Floats, Floats]:
    """Grid-side energy (received) and stored energy of each battery, (intervals, batteries)."""
    capacity, power = 10 * KWH, 4e3 * INTERVAL_S
    grid = np.zeros((len(net), shape.batteries))
    stored = np.zeros_like(grid)
    level = np.full(shape.batteries, 0.4 * capacity)
    share = np.linspace(0.4, 1.6, shape.batteries) / max(shape.batteries, 1)
    for t in range(len(net)):
        if alone:
            want = net[t, : shape.batteries]
        else:
            want = net[t].sum() * share
        charge = np.minimum(np.clip(want, 0, power), (capacity - level) / 0.95)
        discharge = np.minimum(np.clip(-want, 0, power), (level - 0.1 * capacity) * 0.95)
        discharge = np.clip(discharge, 0, None)
        level = level + charge * 0.95 - discharge / 0.95
        grid[t], stored[t] = charge - discharge, level
    return grid, stored


def flows(inject: Floats, parent: NDArray[np.int64], rated: Floats) -> tuple[Floats, Floats]:
    """Energy sent over each link (from parent to child positive, at the sender) and its loss."""
    need = -inject.copy()
    flow, loss = np.zeros_like(need), np.zeros_like(need)
    for child in range(len(parent) - 1, 0, -1):
        lost = 0.03 * need[:, child] ** 2 / (rated[child] * INTERVAL_S)
        flow[:, child] = np.where(need[:, child] > 0, need[:, child] + lost, need[:, child])
        loss[:, child] = lost
        need[:, parent[child]] += need[:, child] + lost
    return flow[:, 1:], loss[:, 1:]


def uj(values: Floats) -> NDArray[np.int64]:
    """Joules as integer microjoules."""
    return np.round(values * 1e6).astype(np.int64)


def make_fake_run(folder: Path, shape: Shape | None = None, seed: int = 0) -> Path:
    """Write a whole run folder (without report and manifest) and return it."""
    shape = shape or Shape()
    rng = np.random.default_rng(seed)
    parent = parents(shape, rng)
    below = np.ones(shape.nodes)
    for child in range(shape.nodes - 1, 0, -1):
        below[parent[child]] += below[child]
    rated = 1.1e3 * below + 2.5e3
    write_scenario(folder / "scenario", shape, parent, rated)
    names = list(STARTS)
    sums: list[dict[str, Any]] = []
    homes_cost: dict[str, Floats] = {}
    for number in range(shape.periods):
        name = names[number] if shape.periods <= 4 else f"part {number + 1}"
        start = STARTS[names[number % 4]] + (number // 4) * 7 * 86400
        load, sun = profiles(shape, start, number, rng)
        entry: dict[str, Any] = {"name": name, "start_s": start}
        entry |= {
            "end_s": start + shape.intervals * INTERVAL_S,
            "intervals": shape.intervals,
        }
        entry |= {"rounds_market": 3, "rounds_baseline": 2}
        for world in ("market", "baseline"):
            side, cost = write_world(
                folder / world, number, name, start, shape, parent, rated, load, sun
            )
            entry[world] = side
            homes_cost[f"{name}/{world}"] = cost
        sums.append(entry)
    write_summary(folder, shape, sums, homes_cost)
    return folder


def write_world(
    folder: Path,
    number: int,
    period: str,
    start: int,
    shape: Shape,
    parent: NDArray[np.int64],
    rated: Floats,
    load: Floats,
    sun: Floats,
) -> tuple[dict[str, float], Floats]:
    """Write the four tables of one period in one world; give its sums and the homes' costs."""
    alone = folder.name == "baseline"
    homes, count = shape.nodes - 2, shape.intervals
    pack, stored = batteries(sun - load, shape, alone=alone)
    inject = np.zeros((count, shape.nodes))
    inject[:, 2:] = sun - load
    inject[:, 2 : 2 + shape.batteries] -= pack
    flow, loss = flows(inject, parent, rated)
    root = flow[:, 0]
    imports, exports = np.clip(root, 0, None), np.clip(-root - loss[:, 0], 0, None)
    short = np.tanh(root / (0.3 * rated[1] * INTERVAL_S))
    mean = BUYS + (SELLS - BUYS) * (0.5 + 0.5 * short)
    deep = np.zeros(shape.nodes)
    for child in range(1, shape.nodes):
        deep[child] = deep[parent[child]] + 1
    price = mean[:, None] * (1 + 0.004 * deep * short[:, None])
    saturated = np.abs(flow) > 0.8 * rated[1:] * INTERVAL_S
    time = start + np.arange(count) * INTERVAL_S
    net = (load - sun).copy()
    net[:, : shape.batteries] += pack
    if alone:
        payment = np.where(net > 0, net * SELLS, net * BUYS)
    else:
        payment = net * price[:, 2:]
    # Alone, every meter deals with the utility; together, only the sum at the boundary does.
    cash = imports * SELLS - exports * BUYS
    if alone:
        cash = payment.sum(1) + loss.sum(1) * SELLS
    frame: dict[str, Any] = {"period": [period] * count, "time_s": time}
    series = {
        "import_uj": imports,
        "export_uj": exports,
        "loss_uj": loss.sum(1),
        "standing_loss_uj": np.zeros(count),
        "generated_uj": sun.sum(1),
        "spilled_uj": np.zeros(count),
        "consumed_uj": load.sum(1),
        "unserved_uj": np.zeros(count),
        "charged_uj": np.clip(pack, 0, None).sum(1),
        "discharged_uj": np.clip(-pack, 0, None).sum(1),
        "self_discharge_uj": np.zeros(count),
        "stored_uj": stored.sum(1),
    }
    frame |= {key: uj(value) for key, value in series.items()}
    operator = payment.sum(1) - cash
    money = {
        "boundary_cash": cash,
        "operator": operator,
        "congestion_rent": operator * 0,
    }
    frame |= {
        f"{k}_nano": np.round(v * 1e9).astype(np.int64)
        for k, v in (money | {"loss_rent": operator}).items()
    }
    frame |= {
        "sells_at_per_j": np.full(count, SELLS),
        "buys_at_per_j": np.full(count, BUYS),
    }
    frame |= {"carbon_kg_per_j": np.full(count, 0.35 / KWH)}
    frame |= {"price_min_per_j": price.min(1), "price_mean_per_j": price.mean(1)}
    frame |= {"price_max_per_j": price.max(1), "gap": np.full(count, 1e-9)}
    part = f"part-{number:05d}.parquet"
    ids, people = node_names(shape), participant_names(shape)
    save(folder / "intervals" / part, frame)
    if not alone:
        cells = price.copy()
        cells[0, 0] = np.nan
        save(
            folder / "nodes" / part,
            long(period, time, "node", ids)
            | {"price_per_j": [None if np.isnan(v) else v for v in cells.ravel()]},
        )
    links = [f"Line {i}" for i in range(1, shape.nodes)]
    save(
        folder / "links" / part,
        long(period, time, "link", links)
        | {"flow_uj": uj(flow).ravel(), "loss_uj": uj(loss).ravel()}
        | {"saturated": saturated.ravel()},
    )
    energy = np.hstack([load, -sun[:, : shape.pv], pack])
    who = list(range(homes)) + list(range(shape.pv)) + list(range(shape.batteries))
    suffix = ["load"] * homes + ["roof"] * shape.pv + ["pack"] * shape.batteries
    levels = np.full((count, len(who)), np.nan)
    levels[:, homes + shape.pv :] = stored
    stored_uj = [None if np.isnan(v) else round(v * 1e6) for v in levels.ravel()]
    device = [f"{people[i]} {s}" for i, s in zip(who, suffix, strict=True)]
    save(
        folder / "devices" / part,
        long(period, time, "device", device)
        | {"participant": [people[i] for i in who] * count}
        | {"node": [ids[i + 2] for i in who] * count}
        | {"energy_uj": uj(energy).ravel(), "stored_uj": stored_uj}
        | {"payment_nano": np.zeros(energy.size, np.int64)},
    )
    sums = {key[:-3] + "_j": float(value.sum()) for key, value in series.items()}
    del sums["stored_j"]
    served = sums["consumed_j"]
    sums |= {
        "cash": float(cash.sum()),
        "stored_change_j": float(stored[-1].sum() - 4 * KWH * shape.batteries),
        "stored_change_value": float(stored[-1].sum() - 4 * KWH * shape.batteries) * BUYS,
        "operator": float(operator.sum()),
        "congestion_rent": 0.0,
        "loss_rent": float(operator.sum()),
        "self_sufficiency": 1 - sums["import_j"] / served,
        "self_consumption": 1 - sums["export_j"] / max(sums["generated_j"], 1.0),
        "peak_import_w": float(imports.max() / INTERVAL_S),
        "peak_export_w": float(exports.max() / INTERVAL_S),
        "carbon_kg": sums["import_j"] / KWH * 0.35,
        "local_trade_j": float(np.clip(-net, 0, None).sum()),
        "price_min_per_j": float(price.min()),
        "price_mean_per_j": float(price.mean()),
        "price_max_per_j": float(price.max()),
        "saturated_link_intervals": int(saturated.sum()),
    }
    return sums, payment.sum(0)


def long(period: str, time: NDArray[np.int64], name: str, ids: list[str]) -> dict[str, Any]:
    """The first columns of a table with one row for each time and each name."""
    size = len(time) * len(ids)
    return {
        "period": [period] * size,
        "time_s": np.repeat(time, len(ids)),
        name: ids * len(time),
    }


def save(path: Path, columns: dict[str, Any]) -> None:
    """Write one part of a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)


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
        "saving_share": saving / cost[0] if cost[0] else 0.0,
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
        for key in ("self_sufficiency", "self_consumption", "price_mean_per_j"):
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
        "operator": {"market": total["market"]["operator"], "baseline": 0.0},
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
