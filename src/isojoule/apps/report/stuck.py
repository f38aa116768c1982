"""How far a market stayed from the best for all, and where its trade was stuck.

Shown for mechanisms that do not find the optimum and say so, as `diffusion` does.
"""

from __future__ import annotations

from isojoule.apps.report.markup import table
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import count, money, number, percent, price, text

LEAST_SHARE = 1e-6
"""A smaller share of the gains left is rounding, and no story."""
MOST_NODES = 12
WHY = {
    "no storage": "nobody there buys or sells, so nobody passes energy on",
    "full": "its battery is full, and takes nothing in to pass on",
    "empty": "its battery is empty, and has nothing to give ahead",
    "kink": "it asks more for a Joule than it bids, so passing one on does not pay it",
}


def section(run: RunFiles) -> str:
    """The section, or nothing where the market found the best for all."""
    distance, currency = run.summary["distance"], run.summary["currency"]
    stuck = (run.folder / "market" / "stuck").is_dir()
    if not stuck and distance["share"] < LEAST_SHARE:
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
    places = where(run) if stuck else ""
    return f"<section><h2>How far from the best</h2><p>{told}</p>{places}</section>"


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
    cells = [
        [
            text(node),
            WHY[why],
            percent(times / total),
            price(profit, run.summary["currency"]),
        ]
        for node, why, times, profit in rows.head(MOST_NODES).iter_rows()
    ]
    more = rows.height - len(cells)
    rest = f"<p>And {number(more)} more.</p>" if more > 0 else ""
    return (
        "<p>Neighbours know each other alone. Where a place between them does not take part, "
        f"energy does not get through, though it would pay. That was so at {count(nodes, 'place')} "
        "(of each interval the twenty worst are kept).</p>"
        + table(
            ["Place", "Why", "Of all intervals", "Would have gained, middle"],
            cells,
            attributes='class="sums"',
        )
        + rest
    )
