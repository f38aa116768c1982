"""What moves over time on the page of a comparison: packed tables, as in the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isojoule.apps.report.layout import straighten
from isojoule.apps.report.pack import pack
from isojoule.apps.report.payload import label, squeeze
from isojoule.apps.report.read import Floats, RunFiles, read_run
from isojoule.apps.report.windows import Window, choose_windows
from isojoule.core.units import J_PER_KWH, UJ_PER_J

MOST_NODES = 600
"""Grids with more nodes are not drawn for each mechanism."""
SERIES = ("price", "traded", "imported", "exported")


def series(
    document: dict[str, Any], rows: list[dict[str, Any]], folder: Path
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Names and places, and tables of one row a mechanism (or a mechanism and node)."""
    runs = [read_run(folder / "runs" / row["name"]) for row in rows]
    first = runs[0]
    interval_s = int(document["interval_s"])
    nodes = first.grid.nodes if len(first.grid.nodes) <= MOST_NODES else ()
    windows, whole = choose_windows(
        first.intervals("market"), interval_s, len(rows) * (len(nodes) + len(SERIES))
    )
    found = [_summed(run, "market", windows) for run in runs]
    found.append(_summed(first, "baseline", windows))
    tables = {
        name: pack(
            np.stack([values[at] for values in found])
            * (J_PER_KWH if name == "price" else 1.0 / interval_s),
            1e-4 if name == "price" else 1.0,
        )
        for at, name in enumerate(SERIES)
    }
    if nodes:
        prices = [
            np.concatenate(
                [run.matrix("nodes", nodes, "price_per_j", w.period, w.times_s) for w in windows],
                axis=1,
            )
            for run in runs
        ]
        tables["node_price"] = pack(np.concatenate(prices) * J_PER_KWH, 5e-4)
    tree = straighten(first.grid)
    facts: dict[str, Any] = {
        "whole": whole,
        "utility": first.grid.utility,
        "windows": [
            {"label": label(w, first, windows), "times": squeeze(w.times_s)} for w in windows
        ],
        "nodes": list(nodes),
        "from": first.grid.link_from.tolist(),
        "to": first.grid.link_to.tolist(),
        "depth": tree.depth.tolist(),
        "row": tree.row.tolist(),
        "in_tree": tree.in_tree.astype(int).tolist(),
    }
    return facts, tables


def _summed(run: RunFiles, world: str, windows: list[Window]) -> Floats:
    """`SERIES` of one world, per J and in J an interval, shape (series, times)."""
    import polars as pl

    frame = run.intervals(world)
    parts = []
    for window in windows:
        rows = frame.filter(
            (pl.col("period") == window.period)
            & pl.col("time_s").is_between(int(window.times_s[0]), int(window.times_s[-1]))
        ).sort("time_s")
        out = np.maximum(rows["sold_uj"].to_numpy() - rows["export_uj"].to_numpy(), 0) / UJ_PER_J
        if world == "baseline":
            out = np.zeros_like(out)
        price = rows["price_mean_per_j"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        flows = [rows[f"{way}_uj"].to_numpy() / UJ_PER_J for way in ("import", "export")]
        parts.append(np.stack([price, out, *flows]))
    return np.concatenate(parts, axis=1)
