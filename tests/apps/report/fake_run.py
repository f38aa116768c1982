"""A run folder that no market made: the files of a run, filled by a seeded generator.

The report is built from files alone, so it is tested on files alone. Numbers are plausible, and
energy adds up in every interval, but no mechanism has cleared anything here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.apps.report.fake_scenario import (
    BUYS,
    INTERVAL_S,
    KWH,
    SELLS,
    STARTS,
    Floats,
    Shape,
    node_names,
    parents,
    participant_names,
    write_scenario,
)
from tests.apps.report.fake_summary import write_summary


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
        want = net[t, : shape.batteries] if alone else net[t].sum() * share
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
    payment = np.where(net > 0, net * SELLS, net * BUYS) if alone else net * price[:, 2:]
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
        "served_share": 1.0,
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
