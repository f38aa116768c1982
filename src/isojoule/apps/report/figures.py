"""Still pictures of a run as SVG text, for the report, and for notebooks.

Each function takes the run's `summary.json` (or its folder, where it needs the tables) and gives
a string. Nothing is drawn with a chart library. The width is in CSS pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isojoule.apps.report import svg
from isojoule.apps.report.plot import MOST_POINTS, Plot, blocks
from isojoule.apps.report.read import Index, RunFiles, read_run
from isojoule.apps.report.words import (
    A_CENT,
    A_SPECK,
    alone_head,
    energy,
    money,
    nothing,
    number,
    percent,
    period_name,
    power,
    price_unit,
    share_of,
    text,
    verdict,
)
from isojoule.core.units import J_PER_KWH, UJ_PER_J

TERMS = ("netting", "dispatch", "losses", "served", "orders", "storage", "fees")
ALWAYS = {"netting", "dispatch", "losses", "storage", "fees"}
"""Terms that are shown beside a utility even where they are 0."""
TERM_NAMES = {
    "netting": "Trading next door",
    "dispatch": "Better use of batteries",
    "losses": "Losses in the lines",
    "served": "Need that is served",
    "orders": "Orders that are finished",
    "storage": "Energy left in batteries",
    "fees": "Fees",
    "rest": "Not explained",
}


def terms_of(audit: dict[str, Any], shown: set[str] | None = None) -> list[tuple[str, float]]:
    """The audit's terms and their amounts, with what they leave unexplained, if anything.

    Parameters
    ----------
    shown
        Terms to keep even where they are 0; those beside a utility, if not given.
    """
    keep = ALWAYS if shown is None else shown
    every = [(name, float(audit.get(name) or 0.0)) for name in TERMS]
    out = [(name, v) for name, v in every if name in keep or abs(v) >= A_SPECK]
    rest = audit["saving"] - sum(v for _, v in every)
    if abs(rest) > max(A_CENT, 1e-6 * abs(audit["baseline_cost"])):
        out.append(("rest", rest))
    return out


def shown_terms(summary: dict[str, Any]) -> set[str]:
    """Terms that this run's pictures and tables have in common: those that change something."""
    entries = [summary["total"], *summary["periods"]]
    found = {t for e in entries for t in TERMS if abs(float(e["audit"].get(t) or 0.0)) >= A_SPECK}
    return found | ALWAYS if summary["baseline"] == "utility-only" else found


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
    size = max(abs(base), abs(market))
    rows: list[tuple[str, float, float, str, str]] = []
    reached = base
    for term, amount in terms_of(audit, shown_terms(summary)):
        colour = "good" if amount >= 0 else "bad"
        label = money(-amount, currency, sign=True, among=size)
        rows.append((TERM_NAMES[term], reached, reached - amount, colour, label))
        reached -= amount
    levels = [base, market, *(r[1] for r in rows), *(r[2] for r in rows)]
    low, high = min(levels), max(levels)
    some = not nothing(high - low, size)
    broken = some and low > 0 and (high - low) < 0.45 * high
    low = max(low - 0.6 * (high - low), 0.0) if broken else min(low, 0.0)
    high = max(high, 0.0)
    rows.insert(
        0,
        (
            alone_head(summary),
            low if broken else 0.0,
            base,
            "base",
            money(base, currency, among=size),
        ),
    )
    last = (
        "With the market",
        low if broken else 0.0,
        market,
        "grid",
        money(market, currency, among=size),
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
    size = max((abs(v) for v in values), default=0.0)
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
        title = f"{person['label']}: {money(person['saving'], currency, sign=True, among=size)}"
        gap = 0.2 * step if step > 3 else 0.0
        parts.append(
            svg.bar(left + i * step + gap / 2, y, step - gap, tall, kind_of(person), title)
        )
    parts.append(svg.rule(left, zero, width - 8, zero, "ink"))
    parts.append(svg.words(4, height - 8, f"{currency} saved by each", colour="soft"))
    lost = sum(v < -A_CENT for v in values)
    most = money(values[0], currency, among=size) if values else "0"
    least = money(values[-1], currency, among=size) if values else "0"
    told = f"Savings of {len(people)} participants, from {most} to {least}; {lost} lost money."
    return svg.picture(width, height, "".join(parts), told)


def energy_balance(run: RunFiles | Path, width: float = 720) -> str:
    """Where energy came from (above) and where it went (below), as mean power, whole run."""
    run = read_run(run) if isinstance(run, Path) else run
    table = run.intervals("market")
    to_kw = 1e-3 / (UJ_PER_J * run.summary["interval_s"])
    layers_up = [
        ("generated", "sun"),
        ("discharged", "battery"),
        ("import", "grid"),
        ("unserved", "full"),
    ]
    layers_down = [("consumed", "use"), ("charged", "charge"), ("export", "export")]
    layers_down += [("loss", "loss"), ("spilled", "spill")]
    if run.has_machines:  # batteries feed them directly: the same energy on both sides
        layers_up.append(("computed", "low"))
        layers_down.append(("computed", "low"))
    up = [(c, blocks(table, f"{n}_uj", MOST_POINTS) * to_kw) for n, c in layers_up]
    down = [(c, -blocks(table, f"{n}_uj", MOST_POINTS) * to_kw) for n, c in layers_down]
    high, low = float(sum(v for _, v in up).max()), float(sum(v for _, v in down).min())
    unit = "kW"
    if max(high, -low) < 1:
        unit, high, low = "W", 1e3 * high, 1e3 * low
        up, down = ([(c, 1e3 * v) for c, v in side] for side in (up, down))
    plot = Plot(width, 240.0, low, max(high, low + 1e-9))
    parts = [plot.axis(unit)]
    for stack in (up, down):
        reached = np.zeros(len(stack[0][1]))
        for colour, values in stack:
            parts.append(plot.area(reached, reached + values, colour))
            reached = reached + values
    parts.append(plot.level(0.0))
    total = run.summary["total"]["market"]
    grid = run.grid.utility >= 0
    bought = f", imported {energy(total['import_j'])}" if grid else ""
    sold = f", exported {energy(total['export_j'])}" if grid else ""
    told = (
        f"Energy balance over the run. In: generated {energy(total['generated_j'])}{bought}. "
        f"Out: consumed {energy(total['consumed_j'])}{sold}, lost {energy(total['loss_j'])}."
    )
    if run.has_machines:
        told += f" Drawn by machines from their batteries: {energy(total['computed_j'])}."
    return svg.picture(width, 240, "".join(parts), told)


def prices(run: RunFiles | Path, width: float = 720) -> str:
    """Lowest to highest nodal price over time, and the utility's two prices, if there is one."""
    run = read_run(run) if isinstance(run, Path) else run
    table = run.intervals("market")
    unit, scale = price_unit(run.summary["currency"])
    scale *= J_PER_KWH
    lowest = blocks(table, "price_min_per_j", MOST_POINTS, "min") * scale
    highest = blocks(table, "price_max_per_j", MOST_POINTS, "max") * scale
    mean = blocks(table, "price_mean_per_j", MOST_POINTS) * scale
    sells, buys = (blocks(table, f"{n}_at_per_j", MOST_POINTS) * scale for n in ("sells", "buys"))
    every = np.concatenate([lowest, highest, sells, buys])
    every = every[np.isfinite(every)] if np.isfinite(every).any() else np.zeros(1)
    plot = Plot(width, 200.0, min(0.0, float(every.min())), float(every.max()) * 1.05)
    parts = [plot.axis(unit), plot.area(lowest, highest, "export"), plot.line(mean, "grid")]
    if np.isfinite(sells).any():
        parts += [plot.line(sells, "bad", "5 3"), plot.line(buys, "soft", "5 3")]
    known = [v[np.isfinite(v)] for v in (lowest, highest)]
    told = "No prices."
    if known[0].size:
        least, most = float(known[0].min()), float(known[1].max())
        told = f"Prices over the run, from {number(least, 1)} to {number(most, 1)} {unit}."
    return svg.picture(width, 200, "".join(parts), told)


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
    served = summary["baseline"] != "utility-only"
    rows = []
    for entry in [*summary["periods"], summary["total"]]:
        audit, currency, market = entry["audit"], summary["currency"], entry["market"]
        cells = [
            period_name(entry["name"]),
            money(audit["baseline_cost"], currency),
            money(audit["market_cost"], currency),
            f"{money(audit['saving'], currency)} ({share_of(audit) or 'no share'})",
            percent(market["served_share"] if served else market["self_sufficiency"]),
            percent(entry["baseline"]["served_share"])
            if served
            else power(market["peak_import_w"]),
        ]
        rows.append("<tr>" + "".join(f"<td>{text(c)}</td>" for c in cells) + "</tr>")
    last = ["Need served", "Living alone"] if served else ["Self-sufficiency", "Peak import"]
    heads = ["Period", alone_head(summary), "Market", "Saving", *last]
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
