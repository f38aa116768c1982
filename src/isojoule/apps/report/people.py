"""The section on participants: who saved what."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.apps.report import figures
from isojoule.apps.report.markup import table, toned, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import A_CENT, energy, money, number, percent, text

MOST_ROWS = 5000


def people(run: RunFiles) -> str:
    """What each participant saved: picture, spread, losers, table."""
    summary = run.summary
    currency, everyone = summary["currency"], summary["participants"]
    ranked = sorted(everyone, key=lambda p: (-p["saving"], p["participant"]))
    losers = [p for p in reversed(ranked) if p["saving"] < -A_CENT]
    keys = "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{name}</span>'
        for colour, name in (
            ("use", "without panels or battery"),
            ("sun", "with solar panels"),
            ("battery", "with a battery"),
        )
    )
    rows = []
    for kind, name in figures.KINDS.items():
        saved = [p["saving"] for p in everyone if figures.kind_of(p) == kind]
        if saved:
            marks = np.percentile(saved, [0, 25, 50, 75, 100])
            rows.append(
                [
                    f"With {name}",
                    number(len(saved)),
                    *(money(float(m), currency) for m in marks),
                ]
            )
    spread = table(
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
    if losers:
        named = ", ".join(
            f"{text(p['label'])} ({money(p['saving'], currency)})" for p in losers[:12]
        )
        more = f" and {len(losers) - 12} more (see the table)" if len(losers) > 12 else ""
        lost = f"<p><b>Who loses:</b> {named}{more}.</p>"
    else:
        lost = "<p><b>Nobody loses.</b></p>"
    operator = summary["operator"]
    held = (
        f"<p>The operator's account pays for losses, and takes what full lines leave over between "
        f"buyers and sellers. It ends at {money(operator['market'], currency)} with the market and "
        f"at {money(operator['baseline'], currency)} with the utility alone.</p>"
    )
    picture = two_widths(figures.savings(summary, 980), figures.savings(summary, 340))
    return (
        f"<figure>{picture}<figcaption>Saving of each participant in {text(currency)}, largest "
        f"first. {keys}</figcaption></figure>{lost}{held}<h3>How even is it?</h3>{spread}"
        f"<h3>Everybody</h3>{people_table(ranked, currency)}"
    )


def people_table(ranked: list[dict[str, Any]], currency: str) -> str:
    """The table that can be searched and sorted; `data-v` holds the number to sort by."""
    rows = []
    for person in ranked[:MOST_ROWS]:
        base, market = person["baseline_cost"], person["market_cost"]
        share = person["saving"] / base if base > A_CENT else None
        owns = {"use": "", "sun": "panels", "battery": "battery"}[figures.kind_of(person)]
        if owns == "battery" and (person.get("pv_w") or 0) > 0:
            owns = "panels, battery"
        cells = [
            (person["saving"], toned(person["saving"], money(person["saving"], currency))),
            (share or 0, percent(share)),
            (base, money(base, currency)),
            (market, money(market, currency)),
            (person["bought_j"], energy(person["bought_j"])),
            (person["sold_j"], energy(person["sold_j"])),
            ("", owns),
            ("", text(person["node"])),
        ]
        body = "".join(
            f'<td data-v="{v:.6g}">{c}</td>' if v != "" else f"<td>{c}</td>" for v, c in cells
        )
        rows.append(f'<tr><th scope="row">{text(person["label"])}</th>{body}</tr>')
    heads = ["Name", "Saving", "Share", "Utility alone", "Market", "Bought", "Sold", "Owns", "Node"]
    head = "".join(f'<th scope="col" aria-sort="none"><button>{h}</button></th>' for h in heads)
    cut = ""
    if len(ranked) > MOST_ROWS:
        cut = f"<p>The table shows the first {number(MOST_ROWS)} of {number(len(ranked))}.</p>"
    return (
        '<p class="find"><label>Find a name or node <input type="search" id="find"></label> '
        '<span id="found" role="status"></span></p>'
        f'<div class="scroll tall" tabindex="0"><table id="people"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{cut}"
    )
