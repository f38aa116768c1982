"""How far a market stayed from the best for all, and where its trade was stuck.

Shown for mechanisms that do not find the optimum and say so, as `diffusion` does.
"""

from __future__ import annotations

from isojoule.apps.report.markup import table
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    count,
    hardly_trades,
    money,
    nobody_trades,
    number,
    percent,
    price,
    text,
)

LEAST_SHARE = 1e-6
"""A smaller share of the gains left is rounding, and no story."""
MOST_ROWS = 12
NAMED = 3
"""So many places of a row are named."""
WHY = {
    "no storage": "nobody there buys or sells, so nobody passes energy on",
    "full": "its battery is full, and takes nothing in to pass on",
    "empty": "its battery is empty, and has nothing to give ahead",
    "kink": "it asks more for a Joule than it bids, so passing one on does not pay it",
}


def shown(run: RunFiles) -> bool:
    """Whether the market left something, or was looked at for where it was stuck."""
    stuck = (run.folder / "market" / "stuck").is_dir()
    return stuck or bool(run.summary["distance"]["share"] >= LEAST_SHARE)


def hint(run: RunFiles) -> str:
    """A line for the head of the page, where hardly anything is traded and the page says why."""
    left = run.summary["distance"]["share"]
    if not hardly_trades(run.summary) or not shown(run) or left < LEAST_SHARE:
        return ""
    traded = "Nobody traded" if nobody_trades(run.summary) else "Hardly anything was traded"
    return (
        f'<p class="notice">{traded}, though it would have paid: <a href="#far">How far from the '
        "best</a>, below, tells where trade was stuck and why.</p>"
    )


def section(run: RunFiles) -> str:
    """The section, or nothing where the market found the best for all."""
    distance, currency = run.summary["distance"], run.summary["currency"]
    stuck = (run.folder / "market" / "stuck").is_dir()
    if not shown(run):
        return ""
    most = distance["welfare"] / distance["share"] if distance["share"] > 0 else 0.0
    rule = f"<em>{text(run.summary['mechanism'])}</em>"
    share = percent(distance["share"], 1 if distance["share"] >= 1e-3 else 4)
    if distance["share"] < LEAST_SHARE:
        told = f"By their own curves, {rule} let the neighbours gain all that there is to gain."
    else:
        told = (
            f"By their own curves, the best for all would gain {money(most, currency)}, interval "
            f"by interval, with the batteries as they stood. Of that {rule} left "
            f"{money(distance['welfare'], currency)}, or {share}."
        )
        if nobody_trades(run.summary):
            told += " The rest everybody gains without trade, from what is theirs."
    places = where(run) if stuck else ""
    return f'<section id="far"><h2>How far from the best</h2><p>{told}</p>{places}</section>'


def where(run: RunFiles) -> str:
    """Where trade was stuck, why, and how often."""
    import polars as pl

    frame = run.table("market", "stuck")
    total = int(run.summary["total"]["intervals"])
    if frame.is_empty():
        return "<p>Nowhere did a place stand in the way for want of storage, or full, or empty.</p>"
    rows = (
        frame.group_by("node", "why")
        .agg(pl.len().alias("times"), pl.col("profit_per_j").median().alias("profit"))
        .sort(["times", "profit", "node"], descending=[True, True, False])
    )
    nodes = rows["node"].n_unique()
    alike: dict[tuple[str, str, str], list[str]] = {}
    for node, why, times, profit in rows.iter_rows():
        told = (WHY[why], percent(times / total), price(profit, run.summary["currency"]))
        alike.setdefault(told, []).append(text(node))
    cells = [[named(places), *told] for told, places in list(alike.items())[:MOST_ROWS]]
    more = len(alike) - len(cells)
    rest = f"<p>And {count(more, 'row')} more.</p>" if more > 0 else ""
    return (
        "<p>Each knows only its own neighbours. Where a place between them does not take part, "
        f"energy does not get through, though it would pay. That was so at {count(nodes, 'place')} "
        "(of each interval the twenty worst are kept).</p>"
        + table(
            ["Place", "Why", "Of all intervals", "Gain missed, median"],
            cells,
            attributes='class="told"',
        )
        + rest
    )


def named(places: list[str]) -> str:
    """Places in a row of the table: the first by name, the rest counted.

    >>> named(["a", "b"]), named(["a", "b", "c", "d", "e"])
    ('a, b', '5 places: a, b, c and 2 more')
    """
    if len(places) <= NAMED:
        return ", ".join(places)
    first = ", ".join(places[:NAMED])
    return f"{number(len(places))} places: {first} and {number(len(places) - NAMED)} more"
