"""The page's words, tables and still pictures, section by section, as HTML."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.apps.report import figures
from isojoule.apps.report.layout import straighten
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    A_CENT,
    count,
    day,
    energy,
    money,
    number,
    percent,
    period_name,
    power,
    price,
    text,
    verdict,
)

MEANING = {
    "netting": "One home's surplus serves another at a price between the utility's two. Alone, "
    "the surplus is sold cheaply to the utility and bought back dearly.",
    "dispatch": "Batteries work for the whole neighbourhood, not for one meter only.",
    "losses": "Lines and transformer warm up with what flows. More flow between neighbours can "
    "cost more here, less flow from outside saves.",
    "storage": "What the batteries hold at the end more (or less) than in the comparison, valued "
    "at the price the utility pays.",
    "fees": "What is paid for the use of the network when energy is bought.",
    "rest": "The part of the saving that the terms above do not explain.",
}
MOST_ROWS = 5000


def table(heads: list[str], rows: list[list[str]], *, attributes: str = "") -> str:
    """A table; the first column is a heading of its row. Cells are HTML already."""
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{r[0]}</th>'
        + "".join(f"<td>{c}</td>" for c in r[1:])
        + "</tr>"
        for r in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table {attributes}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def two_widths(wide: str, narrow: str) -> str:
    """A picture for wide screens and one for narrow ones; only one of them is shown."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def headline(run: RunFiles) -> str:
    """The one sentence, and the few big figures, each against the utility alone."""
    summary = run.summary
    total, currency = summary["total"], summary["currency"]
    audit, market, base = total["audit"], total["market"], total["baseline"]
    zone = run.timezone
    spans = [
        f"{text(period_name(p['name']))}: {day(p['start_s'], zone)} to "
        f"{day(max(p['end_s'] - 1, p['start_s']), zone)}"
        for p in summary["periods"]
    ]
    if len(spans) > 6:
        spans = [*spans[:5], f"and {len(spans) - 5} more periods"]
    saved = audit["saving"] >= -A_CENT
    cards = [
        card(
            "Saved" if saved else "Lost",
            money(abs(audit["saving"]), currency),
            f"{percent(audit['saving_share'])} of {money(audit['baseline_cost'], currency)}, "
            "the cost with the utility alone",
            "good" if saved else "bad",
        ),
        card(
            "Self-sufficiency",
            percent(market["self_sufficiency"]),
            f"of the energy used is not bought from outside. Utility alone: "
            f"{percent(base['self_sufficiency'])}",
        ),
        card(
            "Highest import",
            power(market["peak_import_w"]),
            f"drawn from outside at once. Utility alone: {power(base['peak_import_w'])}",
        ),
        card(
            "Who gains, who loses",
            f"{number(audit['gainers'])} gain, {number(audit['losers'])} lose",
            f"of {count(len(summary['participants']), 'participant')}; largest gain "
            f"{money(audit['largest_gain'], currency)}, largest loss "
            f"{money(abs(audit['largest_loss']), currency)}",
            "bad" if audit["losers"] > audit["gainers"] else "",
        ),
        violation_card(summary.get("ac")),
    ]
    return (
        f'<p class="kicker">{text(summary["title"])}</p>'
        f"<h1>{text(verdict(summary))}</h1>"
        f'<p class="lead">This page shows a simulated local energy market (mechanism '
        f"<em>{text(summary['mechanism'])}</em>) beside the same homes, panels and batteries "
        f"dealing with their utility alone. {'; '.join(spans)}.</p>"
        f'<div class="cards">{"".join(cards)}</div>'
    )


def card(name: str, value: str, note: str, tone: str = "") -> str:
    """One big figure."""
    return (
        f'<div class="card {tone}"><div class="name">{name}</div>'
        f'<div class="value">{value}</div><div class="note">{note}</div></div>'
    )


def violation_card(ac: dict[str, Any] | None) -> str:
    """The big figure of the network check."""
    if not ac:
        return card("Network check", "not made", "the run has no AC power flow")
    found, base = (
        ac[w]["voltage_violations"] + ac[w]["loading_violations"]
        for w in ("market", "baseline")
    )
    return card(
        "Network violations",
        "none" if not found else number(found),
        f"times a voltage or a line left its limits, in {number(ac['intervals'])} intervals. "
        f"Utility alone: {number(base) if base else 'none'}",
        "bad" if found > base else "",
    )


def audit(run: RunFiles) -> str:
    """Where the saving comes from, and what a network fee would leave of it."""
    summary = run.summary
    total, currency = summary["total"], summary["currency"]
    terms = figures.terms_of(total["audit"])
    meanings = "".join(
        f"<div><dt>{figures.TERM_NAMES[name]} "
        f'<span class="{"good" if amount >= 0 else "bad"}">'
        f"{money(amount, currency, sign=True)}</span></dt><dd>{MEANING[name]}</dd></div>"
        for name, amount in terms
    )
    entries = [*summary["periods"], total] if len(summary["periods"]) > 1 else [total]
    rows = [
        [
            "Utility alone",
            *(money(e["audit"]["baseline_cost"], currency) for e in entries),
        ]
    ]
    for name, _ in terms:
        amounts = [dict(figures.terms_of(e["audit"])).get(name, 0.0) for e in entries]
        rows.append(
            [
                figures.TERM_NAMES[name],
                *(money(-a, currency, sign=True) for a in amounts),
            ]
        )
    rows.append(
        [
            "With the market",
            *(money(e["audit"]["market_cost"], currency) for e in entries),
        ]
    )
    rows.append(
        [
            "Saving",
            *(
                f"<b>{money(e['audit']['saving'], currency)}</b> "
                f"({percent(e['audit']['saving_share'])})"
                for e in entries
            ),
        ]
    )
    by_period = table(
        ["Cost", *(text(period_name(e["name"])) for e in entries)],
        rows,
        attributes='class="sums"',
    )
    pictures = ""
    if len(summary["periods"]) > 1:
        inner = "".join(
            f"<figure><figcaption>{text(period_name(p['name']))}</figcaption>"
            + two_widths(
                figures.waterfall(summary, p["name"], 500),
                figures.waterfall(summary, p["name"], 340),
            )
            + "</figure>"
            for p in summary["periods"][:12]
        )
        pictures = (
            f"<details><summary>The same picture for each period</summary>"
            f'<div class="pairs">{inner}</div></details>'
        )
    wide, narrow = figures.waterfall(summary), figures.waterfall(summary, width=340)
    broken = "do not start at zero" in wide
    return (
        f'<div class="split"><figure>{two_widths(wide, narrow)}'
        f"<figcaption>Cost of all energy, {text(currency)}. Bars to the left save, bars to the "
        f"right cost.{' The axis is cut, as the two notches show.' if broken else ''}"
        f"</figcaption></figure><dl>{meanings}</dl></div>{by_period}{pictures}{fees(summary)}"
    )


def fees(summary: dict[str, Any]) -> str:
    """The table of network fees, and the fee at which nothing is left."""
    result, currency = summary["total"]["audit"], summary["currency"]
    even = result["break_even_fee_per_j"]
    if result["saving"] <= 0:
        told = "There is no saving that a network fee could take away."
    elif even is None:
        told = "No network fee would use up the saving, as nothing is bought in the market."
    else:
        told = (
            f"The saving is used up at a network fee of <b>{price(even, currency, 2)}</b> on "
            "energy that is bought."
        )
    rows = [
        [
            f"{number(f['fee_per_kwh'], 2)} {text(currency)}/kWh",
            f'<span class="{"good" if f["saving"] >= 0 else "bad"}">'
            f"{money(f['saving'], currency)}</span>",
        ]
        for f in result["fee_table"]
    ]
    return (
        "<h3>What if the network costs a fee?</h3>"
        f"<p>{told} The table keeps everybody's behaviour as it is and adds the fee.</p>"
        + table(["Network fee", "Saving left"], rows, attributes='class="small"')
    )


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
        more = (
            f" and {len(losers) - 12} more (see the table)" if len(losers) > 12 else ""
        )
        lost = f"<p><b>Who loses:</b> {named}{more}.</p>"
    else:
        lost = "<p><b>Nobody loses.</b></p>"
    operator = summary["operator"]
    held = (
        f"<p>The operator's account, which takes what losses and full lines leave over between "
        f"buyers and sellers, ends at {money(operator['market'], currency)} with the market and "
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
        share = person["saving"] / abs(base) if base else None
        owns = {"use": "", "sun": "panels", "battery": "battery"}[
            figures.kind_of(person)
        ]
        if owns == "battery" and (person.get("pv_w") or 0) > 0:
            owns = "panels, battery"
        tone = "good" if person["saving"] >= -A_CENT else "bad"
        cells = [
            ("", text(person["node"])),
            ("", owns),
            (base, money(base, currency)),
            (market, money(market, currency)),
            (
                person["saving"],
                f'<span class="{tone}">{money(person["saving"], currency)}</span>',
            ),
            (share or 0, percent(share)),
            (person["bought_j"], energy(person["bought_j"])),
            (person["sold_j"], energy(person["sold_j"])),
        ]
        body = "".join(
            f'<td data-v="{v:.6g}">{c}</td>' if v != "" else f"<td>{c}</td>"
            for v, c in cells
        )
        rows.append(f'<tr><th scope="row">{text(person["label"])}</th>{body}</tr>')
    heads = [
        "Name",
        "Node",
        "Owns",
        "Utility alone",
        "Market",
        "Saving",
        "Share",
        "Bought",
        "Sold",
    ]
    head = "".join(
        f'<th scope="col" aria-sort="none"><button>{h}</button></th>' for h in heads
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


def network(run: RunFiles) -> str:
    """The AC power flow: violations counted and placed, worst values, losses."""
    ac = run.summary.get("ac")
    if not ac:
        return "<p>This run has no AC power flow: the scenario gives no lines to calculate.</p>"
    market, base = ac["market"], ac["baseline"]
    found = market["voltage_violations"] + market["loading_violations"]
    before = base["voltage_violations"] + base["loading_violations"]
    if not found and not before:
        told = "All voltages and all lines stayed within their limits, with the market and without."
    else:
        told = (
            f"With the market, limits were left {count(found, 'time')}; with the utility alone, "
            f"{count(before, 'time')}."
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
            *(
                f"{percent(s['worst_loading'])} of {text(s['worst_loading_link'])}"
                for s in sides
            ),
        ],
        ["Losses by AC power flow", *(energy(s["loss_j"]) for s in sides)],
        [
            "Losses the market reckoned with",
            *(energy(s["market_loss_j"]) for s in sides),
        ],
        ["Difference", *(residual(s) for s in sides)],
    ]
    sums = table(["Check", "With the market", "Utility alone"], rows)
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
    for world, name in (("market", "With the market"), ("baseline", "Utility alone")):
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


def reproduce(run: RunFiles) -> str:
    """How to get the same again, and whose data it is."""
    summary = run.summary
    again = summary["reproduce"]
    rows = [
        [f"<code>{text(k)}</code>", f"<code>{v}</code>"] for k, v in run.inputs.items()
    ]
    folder = f"runs/{summary['run']}"
    return (
        f"<pre><code>{text(again['command'])}\nisojoule verify {text(folder)}</code></pre>"
        f"<p>Isojoule {text(again['version'])}, seed {text(again['seed'])}. The first command "
        "makes this run again. The second checks the stored files alone: energy and money of "
        "every interval, capacities, prices and hashes.</p>"
        f"<p><b>Data.</b> {text(summary['attribution'])}</p>"
        "<details><summary>Hashes of all inputs (SHA-256)</summary>"
        + table(["File", "SHA-256"], rows, attributes='class="hashes"')
        + "</details><p>The hashes of all results stand in <code>manifest.json</code> beside this "
        "file.</p>"
    )


def long_run(run: RunFiles, whole: bool) -> str:
    """Note and overview for a run that is too long for the slider."""
    if whole:
        return ""
    intervals = number(run.summary["total"]["intervals"])
    picture = two_widths(
        figures.energy_balance(run, 980) + figures.prices(run, 980),
        figures.energy_balance(run, 340) + figures.prices(run, 340),
    )
    return (
        f'<p class="notice">This run has {intervals} intervals. To keep this file small, the '
        "drawing and the charts with the slider show a few representative stretches of up to a "
        "week: each is the one whose need for energy is closest to the average of its part of "
        "the run. All sums and tables are of the whole run, as is this overview.</p>"
        f"<figure>{picture}<figcaption>The whole run. Above: mean power in kW, sources upward, "
        "uses downward. Below: lowest to highest price; dashed, the utility's two prices."
        "</figcaption></figure>"
    )
