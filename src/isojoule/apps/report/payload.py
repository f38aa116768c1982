"""What the page's script draws: names and places as JSON, numbers as packed tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report.layout import CROWDED, CROWDED_ALONE, crowded, on_map, straighten
from isojoule.apps.report.pack import pack
from isojoule.apps.report.read import Floats, Index, RunFiles
from isojoule.apps.report.windows import Window, choose_windows
from isojoule.apps.report.words import alone, nobody_trades
from isojoule.apps.report.work import read_work
from isojoule.core.units import J_PER_KWH, UJ_PER_J

POWERS = [
    "generated",
    "import",
    "discharged",
    "unserved",
    "consumed",
    "export",
    "charged",
    "loss",
    "standing_loss",
    "spilled",
    "computed",
]
PRICES = ["price_min", "price_mean", "price_max", "sells_at", "buys_at"]


def payload(run: RunFiles) -> tuple[dict[str, Any], dict[str, dict[str, Any]], bool]:
    """The page's names, its packed tables, and whether they hold the whole run."""
    grid, summary = run.grid, run.summary
    interval_s = int(summary["interval_s"])
    frame = run.intervals("market")
    cells = len(grid.nodes) + 2 * len(grid.links) + len(run.devices)
    windows, whole = choose_windows(frame, interval_s, cells)
    batteries = [i for i, d in enumerate(run.devices) if d.kind == "battery"]
    names = [d.name for d in run.devices]
    packs = [names[i] for i in batteries]

    def gather(table: str, ids: list[str] | tuple[str, ...], column: str) -> Floats:
        column = run.as_it_came(table, column)
        parts = [run.matrix(table, ids, column, w.period, w.times_s) for w in windows]
        return np.concatenate(parts, axis=1)

    series = {world: summed(run, world, windows) for world in ("market", "baseline")}
    tables = {
        "powers": pack(series["market"][: len(POWERS)] / interval_s, 1.0),
        "stored": pack(
            np.stack([series[w][len(POWERS)] for w in ("market", "baseline")]),
            J_PER_KWH / 1e3,
        ),
        "baseline_import": pack(series["baseline"][1:2] / interval_s, 1.0),
        "prices": pack(series["market"][len(POWERS) + 1 :] * J_PER_KWH, 1e-4),
        "node_price": pack(gather("nodes", grid.nodes, "price_per_j") * J_PER_KWH, 1e-4),
        "flow": pack(gather("links", grid.links, "flow_uj") / interval_s, 1.0),
        "link_loss": pack(gather("links", grid.links, "loss_uj") / interval_s, 0.05),
        "saturated": pack(gather("links", grid.links, "saturated"), 1.0),
        "device_power": pack(gather("devices", names, "energy_uj") / interval_s, 1.0),
        "device_stored": pack(gather("devices", packs, "stored_uj"), J_PER_KWH / 1e3),
    }
    if run.has_machines:
        tables["stage"] = pack(stages(run, windows), 1.0)
    tree, place = straighten(grid), on_map(grid)
    facts: dict[str, Any] = {
        "currency": summary["currency"],
        "interval_s": interval_s,
        "timezone": run.timezone,
        "windows": [
            {"label": label(w, run, windows), "times": squeeze(w.times_s)} for w in windows
        ],
        "nodes": list(grid.nodes),
        "utility": grid.utility,
        "alone": alone(summary),
        "idle": nobody_trades(summary),
        "machines": [
            [m.name, int(device)]
            for m, device in zip(run.scenario.machines, run.scenario.machine_device, strict=True)
        ],
        "links": list(grid.links),
        "from": grid.link_from.tolist(),
        "to": grid.link_to.tolist(),
        "capacity_w": [float(c) if np.isfinite(c) else None for c in grid.capacity_w],
        "kind": list(grid.kind),
        "devices": [[d.name, d.owner, d.node, d.kind, d.capacity_j] for d in run.devices],
        "batteries": batteries,
        "depth": tree.depth.tolist(),
        "row": tree.row.tolist(),
        "in_tree": tree.in_tree.astype(int).tolist(),
        "map": None,
        "crowded": True,
    }
    if place is not None:
        facts["map"] = [np.round(axis, 5).tolist() for axis in place]
        share = CROWDED_ALONE if grid.utility < 0 else CROWDED
        facts["crowded"] = crowded(*place, share)
    return facts, tables, whole


def stages(run: RunFiles, windows: list[Window]) -> Floats:
    """Stage of each machine with the market, shape (machines, times)."""
    work = read_work(run, "market")
    rows = [np.searchsorted(work.times_s, w.times_s) for w in windows]
    out: Floats = np.ascontiguousarray(work.stage[np.concatenate(rows)].T, np.float64)
    return out


def summed(run: RunFiles, world: str, windows: list[Window]) -> Floats:
    """The series of the whole feeder, shape (series, times).

    First `POWERS` in J an interval, then the stored energy in J, then `PRICES` per J.
    """
    import polars as pl

    frame = run.intervals(world)
    columns = [f"{p}_uj" for p in POWERS] + ["stored_uj"] + [f"{p}_per_j" for p in PRICES]
    parts = []
    for window in windows:
        rows = frame.filter(
            (pl.col("period") == window.period)
            & pl.col("time_s").is_between(int(window.times_s[0]), int(window.times_s[-1]))
        ).sort("time_s")
        parts.append(
            np.stack(
                [
                    rows[c].cast(pl.Float64).to_numpy()
                    if c in rows.columns
                    else np.full(rows.height, np.nan)
                    for c in columns
                ]
            )
        )
    out: Floats = np.concatenate(parts, axis=1).astype(np.float64)
    out[: len(POWERS) + 1] /= UJ_PER_J
    return out


def squeeze(times_s: Index) -> dict[str, Any]:
    """Times as start, step and count where they are even, else as a list."""
    steps = np.unique(np.diff(times_s))
    if len(steps) == 1:
        return {"start": int(times_s[0]), "step": int(steps[0]), "count": len(times_s)}
    return {"list": [int(t) for t in times_s]}


def label(window: Window, run: RunFiles, windows: list[Window]) -> str:
    """Name of a window: the period, and its first day."""
    day = datetime.fromtimestamp(int(window.times_s[0]), ZoneInfo(run.timezone))
    date = f"{day.day} {day:%b %Y}"
    name = window.period
    if len({w.period for w in windows}) == 1 and len(windows) > 1:
        return f"from {date}"
    return f"{name[:1].upper()}{name[1:]}, from {date}" if name else f"from {date}"
