"""Still pictures of a run as SVG text, for the report, and for notebooks.

Each function takes the run's `summary.json` (or its folder, where it needs the tables) and gives
a string. Nothing is drawn with a chart library. The width is in CSS pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isojoule.apps.report import svg
from isojoule.apps.report.read import Floats, Index, RunFiles, read_run
from isojoule.apps.report.words import (
    A_CENT,
    energy,
    money,
    number,
    percent,
    period_name,
    power,
    price_unit,
    text,
    verdict,
)
from isojoule.core.units import J_PER_KWH, UJ_PER_J

TERMS = ("netting", "dispatch", "losses", "storage", "fees")
TERM_NAMES = {
    "netting": "Trading next door",
    "dispatch": "Better use of batteries",
    "losses": "Losses in the lines",
    "storage": "Energy left in batteries",
    "fees": "Network fees",
    "rest": "Not explained",
}
MOST_POINTS = 370


def terms_of(audit: dict[str, Any]) -> list[tuple[str, float]]:
    """The audit's terms and their amounts, with what they leave unexplained, if anything."""
    out = [(name, float(audit.get(name) or 0.0)) for name in TERMS]
    rest = audit["saving"] - sum(v for _, v in out)
    if abs(rest) > max(A_CENT, 1e-6 * abs(audit["baseline_cost"])):
        out.append(("rest", rest))
    return out


def waterfall(summary: dict[str, Any], name: str = "total", width: float = 620) -> str:
    """From the cost without the market to the cost with it, term by term.

    Parameters
    ----------
    summary
        `summary.json`.
    name
        A period's name, or "total".
    """
    currency = summary["currency"]
    entry = next(e for e in [summary["total"], *summary["periods"]] if e["name"] == name)
    audit = entry["audit"]
    base, market = audit["baseline_cost"], audit["market_cost"]
    rows: list[tuple[str, float, float, str, str]] = []
    reached = base
    for term, amount in terms_of(audit):
        colour = "good" if amount >= 0 else "bad"
        label = money(-amount, currency, sign=True)
        rows.append((TERM_NAMES[term], reached, reached - amount, colour, label))
        reached -= amount
    levels = [base, market, *(r[1] for r in rows), *(r[2] for r in rows)]
    low, high = min(levels), max(levels)
    broken = low > 0 and (high - low) < 0.45 * high
    low = max(low - 0.6 * (high - low), 0.0) if broken else min(low, 0.0)
    high = max(high, 0.0)
    rows.insert(
        0,
        ("Utility alone", low if broken else 0.0, base, "base", money(base, currency)),
    )
    last = (
        "With the market",
        low if broken else 0.0,
        market,
        "grid",
        money(market, currency),
    )
    rows.append(last)
    narrow = width < 480
    left, right, step = (4.0, 96.0, 46.0) if narrow else (168.0, 92.0, 34.0)
    scale = (width - left - right) / ((high - low) or 1.0)
    parts = []
    for i, (label, start, end, colour, amount_text) in enumerate(rows):
        y = (22 if narrow else 8) + i * step
        x1, x2 = (left + (v - low) * scale for v in (min(start, end), max(start, end)))
        whole = i in (0, len(rows) - 1)
        if narrow:
            parts.append(svg.words(left, y - 5, label, bold=whole))
        else:
            parts.append(svg.words(left - 10, y + 16, label, anchor="end", bold=whole))
        parts.append(svg.bar(x1, y, x2 - x1, 22, colour, f"{label}: {amount_text}"))
        parts.append(svg.words(x2 + 6, y + 16, amount_text, bold=whole))
        if i < len(rows) - 1 and not narrow:
            x = left + (end - low) * scale
            parts.append(svg.rule(x, y + 22, x, y + step, "soft", "2 2"))
        if broken and whole:
            x = left + 12
            cut = [(x - 3, y - 2), (x + 3, y + 6), (x - 3, y + 15), (x + 3, y + 24)]
            parts.append(f'<path d="{svg.path(cut)}" {svg.stroke("paper", 3)}/>')
    said = ", ".join(f"{r[0]} {r[4]}" for r in rows)
    told = f"Costs, {period_name(name)}: {said}."
    if broken:
        told += " The bars do not start at zero."
    return svg.picture(width, 8 + len(rows) * step, "".join(parts), told)


def kind_of(person: dict[str, Any]) -> str:
    """What a participant owns, in a word that is also a colour."""
    if (person.get("battery_j") or 0) > 0:
        return "battery"
    return "sun" if (person.get("pv_w") or 0) > 0 else "use"


KINDS = {"use": "neither", "sun": "solar panels", "battery": "a battery"}


def savings(summary: dict[str, Any], width: float = 720) -> str:
    """What each participant saved, largest first, one bar each."""
    people = sorted(summary["participants"], key=lambda p: (-p["saving"], p["participant"]))
    currency = summary["currency"]
    values = [p["saving"] for p in people]
    height, left, top, bottom = 250.0, 52.0, 14.0, 32.0
    high, low = max([*values, 0.0]), min([*values, 0.0])
    if high == low:
        high = 1.0
    scale = (height - top - bottom) / (high - low)
    zero = top + high * scale
    step = (width - left - 8) / max(len(people), 1)
    parts = []
    for tick in svg.ticks(low, high):
        y = zero - tick * scale
        parts.append(svg.rule(left, y, width - 8, y))
        digits = 0 if max(high, -low) >= 8 else 2
        parts.append(svg.words(left - 6, y + 4, number(tick, digits), anchor="end", colour="soft"))
    for i, person in enumerate(people):
        tall = abs(person["saving"]) * scale
        y = zero - tall if person["saving"] >= 0 else zero
        title = f"{person['label']}: {money(person['saving'], currency, sign=True)}"
        gap = 0.2 * step if step > 3 else 0.0
        parts.append(
            svg.bar(left + i * step + gap / 2, y, step - gap, tall, kind_of(person), title)
        )
    parts.append(svg.rule(left, zero, width - 8, zero, "ink"))
    parts.append(svg.words(4, height - 8, f"{currency} saved by each", colour="soft"))
    lost = sum(v < -A_CENT for v in values)
    most = money(values[0], currency) if values else "0"
    least = money(values[-1], currency) if values else "0"
    told = f"Savings of {len(people)} participants, from {most} to {least}; {lost} lost money."
    return svg.picture(width, height, "".join(parts), told)


def blocks(table: Any, column: str, most: int, how: str = "mean") -> Floats:
    """A column of intervals shortened to at most `most` points."""
    values = table[column].to_numpy().astype(np.float64)
    size = max(1, -(-len(values) // most))
    if 24 <= size < 96:
        size = 96
    cut = np.append(values, np.full(-len(values) % size, np.nan)).reshape(-1, size)
    if how == "min":
        return np.asarray(np.nanmin(cut, axis=1))
    return np.asarray(np.nanmax(cut, axis=1) if how == "max" else np.nanmean(cut, axis=1))


def energy_balance(run: RunFiles | Path, width: float = 720) -> str:
    """Where energy came from (above) and where it went (below), as mean power, whole run."""
    run = read_run(run) if isinstance(run, Path) else run
    table = run.intervals("market")
    to_w = 1.0 / (UJ_PER_J * run.summary["interval_s"])
    layers_up = [
        ("generated", "sun"),
        ("discharged", "battery"),
        ("import", "grid"),
        ("unserved", "full"),
    ]
    layers_down = [("consumed", "use"), ("charged", "charge"), ("export", "export")]
    layers_down += [("loss", "loss"), ("spilled", "spill")]
    up = [(c, blocks(table, f"{n}_uj", MOST_POINTS) * to_w / 1e3) for n, c in layers_up]
    down = [(c, -blocks(table, f"{n}_uj", MOST_POINTS) * to_w / 1e3) for n, c in layers_down]
    high, low = float(sum(v for _, v in up).max()), float(sum(v for _, v in down).min())
    plot = Plot(width, 240.0, low, max(high, low + 1e-9))
    parts = [plot.axis("kW")]
    for stack in (up, down):
        reached = np.zeros(len(stack[0][1]))
        for colour, values in stack:
            parts.append(plot.area(reached, reached + values, colour))
            reached = reached + values
    parts.append(plot.level(0.0))
    total = run.summary["total"]["market"]
    told = (
        f"Energy balance over the run. In: generated {energy(total['generated_j'])}, imported "
        f"{energy(total['import_j'])}. Out: consumed {energy(total['consumed_j'])}, exported "
        f"{energy(total['export_j'])}, lost {energy(total['loss_j'])}."
    )
    return svg.picture(width, 240, "".join(parts), told)


def prices(run: RunFiles | Path, width: float = 720) -> str:
    """Lowest to highest nodal price over time, and the utility's two prices."""
    run = read_run(run) if isinstance(run, Path) else run
    table = run.intervals("market")
    unit, scale = price_unit(run.summary["currency"])
    scale *= J_PER_KWH
    lowest = blocks(table, "price_min_per_j", MOST_POINTS, "min") * scale
    highest = blocks(table, "price_max_per_j", MOST_POINTS, "max") * scale
    mean = blocks(table, "price_mean_per_j", MOST_POINTS) * scale
    sells, buys = (blocks(table, f"{n}_at_per_j", MOST_POINTS) * scale for n in ("sells", "buys"))
    every = np.concatenate([lowest, highest, sells, buys])
    plot = Plot(width, 200.0, min(0.0, float(np.nanmin(every))), float(np.nanmax(every)) * 1.05)
    parts = [plot.axis(unit), plot.area(lowest, highest, "export")]
    parts += [
        plot.line(mean, "grid"),
        plot.line(sells, "bad", "5 3"),
        plot.line(buys, "soft", "5 3"),
    ]
    told = (
        f"Prices over the run, from {number(float(np.nanmin(lowest)), 1)} to "
        f"{number(float(np.nanmax(highest)), 1)} {unit}."
    )
    return svg.picture(width, 200, "".join(parts), told)


class Plot:
    """A plot over time: scales, axis, areas, lines."""

    def __init__(self, width: float, height: float, low: float, high: float) -> None:
        self.left, self.right = 46.0, width - 6
        self.top, self.bottom = 18.0, height - 8
        self.low, self.high = low, high

    def x(self, count: int) -> Floats:
        """Horizontal places of so many points."""
        return np.linspace(self.left, self.right, count)

    def y(self, value: Floats) -> Floats:
        """Vertical places; a missing value lies at the bottom."""
        share = (np.nan_to_num(value, nan=self.low) - self.low) / (self.high - self.low)
        out: Floats = self.bottom - share * (self.bottom - self.top)
        return out

    def axis(self, unit: str) -> str:
        """Lines at round numbers, and the unit."""
        parts = [svg.words(4, 11, unit, colour="soft")]
        for tick in svg.ticks(self.low, self.high):
            y = float(self.y(np.array(tick)))
            parts.append(svg.rule(self.left, y, self.right, y))
            label = number(abs(tick), 0 if self.high - self.low > 4 else 1)
            parts.append(svg.words(self.left - 6, y + 4, label, anchor="end", colour="soft"))
        return "".join(parts)

    def area(self, lower: Floats, upper: Floats, colour: str) -> str:
        """The area between two series."""
        x = self.x(len(lower))
        points = list(zip(x, self.y(upper), strict=True))
        points += list(zip(x[::-1], self.y(lower)[::-1], strict=True))
        return f'<path d="{svg.path(points, close=True)}" {svg.fill(colour)}/>'

    def line(self, values: Floats, colour: str, dash: str = "") -> str:
        """A series as a line."""
        points = list(zip(self.x(len(values)), self.y(values), strict=True))
        return f'<path d="{svg.path(points)}" {svg.stroke(colour, 1.5, dash)}/>'

    def level(self, value: float) -> str:
        """A level line."""
        y = float(self.y(np.array(value)))
        return svg.rule(self.left, y, self.right, y, "ink")


def violations(
    run: RunFiles, side: dict[str, Any], row: Index, depth: Index, width: float = 640
) -> str:
    """The feeder with the places of voltage and loading violations marked."""
    grid = run.grid
    wide, tall = int(depth.max(initial=0)) + 1, int(row.max(initial=0)) + 1
    step_x, step_y = (width - 20) / wide, min(22.0, (width - 20) / wide * 0.9)
    place = [(10 + (d + 0.5) * step_x, 12 + r * step_y) for d, r in zip(depth, row, strict=True)]
    bad_links = {entry["link"] for entry in side["links"]}
    bad_nodes = {entry["node"] for entry in side["nodes"]}
    parts = []
    for i, link in enumerate(grid.links):
        (x1, y1), (x2, y2) = place[grid.link_from[i]], place[grid.link_to[i]]
        if x1 > x2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        bend = [(x1, y1), (x1 + step_x / 2, y1), (x1 + step_x / 2, y2), (x2, y2)]
        bad = link in bad_links
        title = f"<title>{text(link)}</title>" if bad else ""
        line = svg.stroke("bad", 5) if bad else svg.stroke("line", 1.5)
        parts.append(f'<path d="{svg.path(bend if y1 != y2 else [(x1, y1), (x2, y2)])}" {line}>')
        parts.append(f"{title}</path>")
    for i, node in enumerate(grid.nodes):
        x, y = place[i]
        if node in bad_nodes:
            d = svg.path([(x, y - 7), (x + 7, y + 6), (x - 7, y + 6)], close=True)
            parts.append(f'<path d="{d}" {svg.fill("bad")}><title>{text(node)}</title></path>')
        else:
            parts.append(f'<circle cx="{svg.at(x)}" cy="{svg.at(y)}" r="2.5" {svg.fill("soft")}/>')
    told = f"The feeder, with {len(bad_nodes)} nodes and {len(bad_links)} links marked."
    return svg.picture(width, 24 + tall * step_y, "".join(parts), told)


def summary_html(folder: Path) -> str:
    """A short HTML summary for notebooks: a sentence, a table and two figures."""
    run = read_run(folder)
    summary = run.summary
    rows = []
    for entry in [*summary["periods"], summary["total"]]:
        audit, currency = entry["audit"], summary["currency"]
        cells = [
            period_name(entry["name"]),
            money(audit["baseline_cost"], currency),
            money(audit["market_cost"], currency),
            f"{money(audit['saving'], currency)} ({percent(audit['saving_share'])})",
            percent(entry["market"]["self_sufficiency"]),
            power(entry["market"]["peak_import_w"]),
        ]
        rows.append("<tr>" + "".join(f"<td>{text(c)}</td>" for c in cells) + "</tr>")
    heads = [
        "Period",
        "Utility alone",
        "Market",
        "Saving",
        "Self-sufficiency",
        "Peak import",
    ]
    head = "".join(f"<th>{h}</th>" for h in heads)
    return (
        f"<div><h3>{text(summary['title'])}</h3><p>{text(verdict(summary))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"{waterfall(summary)}{energy_balance(run)}</div>"
    )


__all__ = [
    "energy_balance",
    "prices",
    "savings",
    "summary_html",
    "violations",
    "waterfall",
]
