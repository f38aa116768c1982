"""Which lines were full, and how often: what stands for the network check off the grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report import svg
from isojoule.apps.report.markup import table, two_widths
from isojoule.apps.report.read import Index, RunFiles
from isojoule.apps.report.words import count, energy, nobody_trades, number, percent, text


def full_counts(run: RunFiles) -> tuple[NDArray[np.int64], int]:
    """Intervals in which each link was full with the market, and of how many."""
    import polars as pl

    frame = run.table("market", "links").group_by("link").agg(pl.col("saturated").sum(), pl.len())
    full = dict(zip(frame["link"].to_list(), frame["saturated"].to_list(), strict=True))
    most = frame["len"].max()
    counts = np.array([int(full.get(name, 0)) for name in run.grid.links], np.int64)
    return counts, int(most) if isinstance(most, int) else 0


def full_links(run: RunFiles) -> str:
    """Off the grid: which lines were full, and how often."""
    total = run.summary["total"]["market"]
    unseen = (
        "Voltages are not calculated: an AC power flow needs a place that holds the voltage, and "
        "here is none."
    )
    if not run.grid.links:
        return f"<p>There are no lines between these places. {unseen}</p>"
    counts, intervals = full_counts(run)
    some = np.flatnonzero(counts)
    lost = (
        f"Of {energy(total['local_trade_j'])} that neighbours sold each other, "
        f"{energy(total['loss_j'])} were lost on the way."
    )
    if nobody_trades(run.summary):
        lost = "No energy went from one neighbour to another."
    if not some.size:
        return f"<p>No line was ever full. {lost} {unseen}</p>"
    order = some[np.argsort(-counts[some], kind="stable")]
    hours = counts * run.scenario.interval_s / 3600
    first = int(order[0])
    rows = [
        [
            text(run.grid.links[i]),
            " \N{EN DASH} ".join(
                text(run.grid.nodes[end[i]]) for end in (run.grid.link_from, run.grid.link_to)
            ),
            number(hours[i], 1 if hours[i] < 10 else 0),
            percent(counts[i] / intervals),
        ]
        for i in order[:40].tolist()
    ]
    picture = two_widths(
        full_figure(run, counts, intervals, 720), full_figure(run, counts, intervals, 340)
    )
    return (
        f"<p>{number(len(some))} of {count(len(counts), 'line')} were full at some time, most "
        f"often {text(run.grid.links[first])}: {number(hours[first], 1)} hours, "
        f"{percent(counts[first] / intervals)} of the time. Where a line is full, energy costs "
        f"more behind it than before it. {lost} {unseen}</p>"
        f"<figure>{picture}<figcaption>Share of the time in which a line could not carry more, "
        f"the fullest first.</figcaption></figure><details><summary>As a table</summary>"
        + table(["Line", "Between", "Hours full", "Of the time"], rows)
        + "</details>"
    )


def full_figure(run: RunFiles, counts: Index, intervals: int, width: float = 720) -> str:
    """A bar for each line that was full: its share of the time; the 15 fullest."""
    order = np.argsort(-counts, kind="stable")[:15]
    order = order[counts[order] > 0]
    left, step = min(170.0, 0.34 * width), 22.0
    most = max(int(counts.max(initial=0)), 1) / intervals
    to_x = (width - left - 70) / most
    parts = []
    for row, i in enumerate(order.tolist()):
        y, share = row * step, counts[i] / intervals
        name = run.grid.links[i]
        limit = max(4, int(left / 6.8))
        name = name if len(name) <= limit else f"{name[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"
        parts.append(svg.words(left - 8, y + 14, name, anchor="end"))
        parts.append(svg.bar(left, y + 3, share * to_x, 15, "full", run.grid.links[i]))
        parts.append(svg.words(left + share * to_x + 6, y + 14, percent(share)))
    said = ", ".join(f"{run.grid.links[i]} {percent(counts[i] / intervals)}" for i in order[:5])
    return svg.picture(width, max(len(order), 1) * step + 4, "".join(parts), f"Lines full: {said}.")
