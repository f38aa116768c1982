"""The section on participants: who saved what."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.apps.report import figures
from isojoule.apps.report.markup import key_of, table, toned, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    A_CENT,
    alone_head,
    energy,
    money,
    nothing,
    number,
    percent,
    stated_cost,
    text,
    while_alone,
)
from isojoule.microworld.saving import share_of_cost

MOST_ROWS = 5000
FEW = 5
"""So few participants have no spread worth a table."""
UNSERVED = ("unserved_baseline_j", "unserved_market_j")


def people(run: RunFiles) -> str:
    """What each participant saved: picture, spread, losers, table."""
    summary = run.summary
    currency, everyone = summary["currency"], summary["participants"]
    ranked = sorted(everyone, key=lambda p: (-p["saving"], p["participant"]))
    size = size_of(everyone)
    losers = [p for p in reversed(ranked) if p["saving"] < -A_CENT]
    kinds = {figures.kind_of(p) for p in everyone}
    named_kinds = (
        ("use", "without panels or battery"),
        ("sun", "with solar panels"),
        ("battery", "with a battery"),
    )
    keys = key_of([entry for entry in named_kinds if entry[0] in kinds])
    rows = []
    for kind, name in figures.KINDS.items():
        saved = [p["saving"] for p in everyone if figures.kind_of(p) == kind]
        if saved:
            marks = np.percentile(saved, [0, 25, 50, 75, 100])
            rows.append(
                [
                    f"With {name}",
                    number(len(saved)),
                    *(money(float(m), currency, among=size) for m in marks),
                ]
            )
    spread = "<h3>How even is it?</h3>" + table(
        [
            "Participants",
            "How many",
            "Least",
            "A quarter below",
            "Middle",
            "A quarter above",
            "Most",
        ],
        rows,
    )
    even = all(nothing(p["saving"], size) for p in everyone)
    if len(everyone) < FEW or even:
        spread = ""
    if losers:
        named = ", ".join(
            f"{text(p['label'])} ({money(p['saving'], currency, among=size)})" for p in losers[:12]
        )
        more = f" and {len(losers) - 12} more (see the table)" if len(losers) > 12 else ""
        lost = f"<p><b>Who loses:</b> {named}{more}.</p>"
    else:
        lost = "<p><b>Nobody loses.</b></p>"
    cost = abs(summary["total"]["audit"]["baseline_cost"])
    held = (
        f"<p>The operator's account pays for losses, and takes what full lines leave over between "
        f"buyers and sellers. {_ends(summary, cost)}</p>"
    )
    told = ""
    if not run.scenario.has_utility:
        more = ", and what the Orders are worth that are finished" if run.has_machines else ""
        told = (
            "<p>What a participant gains is what it earns less what it pays, need that is served "
            f"where it was not, at {stated_cost(run)}{more}. Who lived well alone may lose.</p>"
        )
    pictures = two_widths(figures.savings(summary, 980), figures.savings(summary, 340))
    picture = (
        f"<figure>{pictures}<figcaption>Saving of each participant in {text(currency)}, "
        f"largest first. {keys}</figcaption></figure>{lost}"
    )
    if even:
        picture = (
            f"<p><b>Nobody's cost changes:</b> everybody is as well off as {while_alone(summary)}."
            "</p>"
        )
    return f"{told}{picture}{held}{spread}<h3>Everybody</h3>{people_table(ranked, summary)}"


def _ends(summary: dict[str, Any], cost: float) -> str:
    """What becomes of the operator's account in both worlds, beside a cost of this size."""
    line, currency = summary["operator"], summary["currency"]
    shared = line.get("baseline_shared", 0.0)
    if shared:
        return (
            "The members share what it is left with, by the rules of settlement: "
            f"{while_alone(summary)} that would be {money(shared, currency, among=cost)}."
        )
    ends = [money(line[world], currency, among=cost) for world in ("market", "baseline")]
    return f"It ends at {ends[0]} with the market and at {ends[1]} {while_alone(summary)}."


def size_of(everyone: list[dict[str, Any]]) -> float:
    """The largest cost of a participant: the size of the amounts in the tables."""
    costs = (abs(p[key]) for p in everyone for key in ("baseline_cost", "market_cost"))
    return max(costs, default=0.0)


def people_table(ranked: list[dict[str, Any]], summary: dict[str, Any]) -> str:
    """The table that can be searched and sorted; `data-v` holds the number to sort by."""
    currency, size = summary["currency"], size_of(ranked)
    short = any(p["unserved_baseline_j"] or p["unserved_market_j"] for p in ranked)
    rows = []
    for person in ranked[:MOST_ROWS]:
        base, market = person["baseline_cost"], person["market_cost"]
        share = share_of_cost(person["saving"], base) if base > A_CENT else None
        owns = {"use": "", "sun": "panels", "battery": "battery"}[figures.kind_of(person)]
        if owns == "battery" and (person.get("pv_w") or 0) > 0:
            owns = "panels, battery"
        cells = [
            (
                person["saving"],
                toned(person["saving"], money(person["saving"], currency, among=size), size),
            ),
            (share or 0, percent(share)),
            (base, money(base, currency, among=size)),
            (market, money(market, currency, among=size)),
            (person["bought_j"], energy(person["bought_j"])),
            (person["sold_j"], energy(person["sold_j"])),
            *((person[key], energy(person[key])) for key in UNSERVED if short),
            ("", owns),
            ("", text(person["node"])),
        ]
        body = "".join(
            f'<td data-v="{v:.6g}">{c}</td>' if v != "" else f'<td class="word">{c}</td>'
            for v, c in cells
        )
        rows.append(f'<tr><th scope="row">{text(person["label"])}</th>{body}</tr>')
    missed = ["Lacked alone", "Lacked, market"] if short else []
    heads = ["Name", "Saving", "Share", alone_head(summary), "Market", "Bought", "Sold", *missed]
    words = ["Owns", "Node"]
    head = "".join(
        f'<th scope="col" aria-sort="none"{mark}><button>{h}</button></th>'
        for names, mark in ((heads, ""), (words, ' class="word"'))
        for h in names
    )
    cut = ""
    if len(ranked) > MOST_ROWS:
        cut = f"<p>The table shows the first {number(MOST_ROWS)} of {number(len(ranked))}.</p>"
    return (
        '<p class="find"><label>Find a name or node <input type="search" id="find"></label> '
        '<span id="found" role="status"></span></p>'
        f'<div class="scroll tall" tabindex="0"><table id="people"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{cut}"
    )
