"""The section on the network: violations, worst values, losses; off the grid, full links."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report import figures
from isojoule.apps.report.layout import straighten
from isojoule.apps.report.links import full_links
from isojoule.apps.report.markup import table
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    alone_head,
    count,
    energy,
    number,
    percent,
    text,
    while_alone,
)


def network(run: RunFiles) -> str:
    """The AC power flow: violations counted and placed, worst values, losses."""
    ac = run.summary.get("ac")
    if not run.scenario.has_utility:
        return full_links(run)
    if not ac:
        return "<p>This run has no AC power flow: the scenario gives no lines to calculate.</p>"
    market, base = ac["market"], ac["baseline"]
    found = market["voltage_violations"] + market["loading_violations"]
    before = base["voltage_violations"] + base["loading_violations"]
    if not found and not before:
        told = "All voltages and all lines stayed within their limits, with the market and without."
    else:
        told = (
            f"With the market, limits were left {count(found, 'time')}; "
            f"{while_alone(run.summary)}, {count(before, 'time')}."
        )
    sides = (market, base)

    def residual(side: dict[str, Any]) -> str:
        share = side["residual_j"] / side["loss_j"] if side["loss_j"] else None
        return f"{energy(side['residual_j'])} ({percent(share, 2)})"

    rows = [
        [
            "Voltage outside its limits",
            *(number(s["voltage_violations"]) for s in sides),
        ],
        [
            "Line or transformer above its limit",
            *(number(s["loading_violations"]) for s in sides),
        ],
        [
            "Lowest voltage (share of nominal)",
            *(
                f"{percent(s['worst_voltage_pu'])} at {text(s['worst_voltage_node'])}"
                for s in sides
            ),
        ],
        [
            "Highest voltage (share of nominal)",
            *(
                f"{percent(s['highest_voltage_pu'])} at {text(s['highest_voltage_node'])}"
                for s in sides
            ),
        ],
        [
            "Highest loading",
            *(f"{percent(s['worst_loading'])} of {text(s['worst_loading_link'])}" for s in sides),
        ],
        ["Losses by AC power flow", *(energy(s["loss_j"]) for s in sides)],
        [
            "Losses the market reckoned with",
            *(energy(s["market_loss_j"]) for s in sides),
        ],
        ["Difference", *(residual(s) for s in sides)],
    ]
    failed = [int(s.get("failed_intervals") or 0) for s in sides]
    if any(failed):
        rows.append(["Intervals without a solution", *(number(f) for f in failed)])
    sums = table(["Check", "With the market", alone_head(run.summary)], rows)
    return (
        f"<p>{told} Every one of {count(ac['intervals'], 'interval')} was calculated again with "
        "an AC power flow, which knows voltages. It takes the three phases as equally loaded: "
        "<b>it cannot see unbalance between phases</b>, which in real low-voltage streets makes "
        f"voltages worse than shown here.</p>{sums}{places(run, ac)}"
    )


def places(run: RunFiles, ac: dict[str, Any]) -> str:
    """Where limits were left: a picture and a table for each world that has any."""
    out = []
    tree = straighten(run.grid)
    for world, name in (("market", "With the market"), ("baseline", alone_head(run.summary))):
        side = ac[world]
        if not side["nodes"] and not side["links"]:
            continue
        rows = [
            [
                text(n["node"]),
                number(n["intervals"]),
                f"voltage from {percent(n['min_pu'])} to {percent(n['max_pu'])}",
            ]
            for n in side["nodes"][:50]
        ]
        rows += [
            [
                text(k["link"]),
                number(k["intervals"]),
                f"loaded up to {percent(k['max_loading'])}",
            ]
            for k in side["links"][:50]
        ]
        picture = ""
        if len(run.grid.nodes) <= 2000:
            picture = figures.violations(run, side, tree.row, tree.depth, 500)
        out.append(
            f"<figure><figcaption>{name}: triangles are nodes with a voltage outside its limits, "
            f"thick lines are overloaded. The utility is at the left.</figcaption>{picture}"
            + table(["Place", "Intervals", "What"], rows)
            + "</figure>"
        )
    return f'<h3>Where</h3><div class="pairs">{"".join(out)}</div>' if out else ""
