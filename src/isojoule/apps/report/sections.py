"""The page's words, tables and still pictures, as HTML: headline, audit, how to do it again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isojoule.apps.report import figures
from isojoule.apps.report.markup import table, toned, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    A_CENT,
    count,
    day,
    money,
    number,
    percent,
    period_name,
    power,
    price,
    text,
    verdict,
)
from isojoule.core.units import J_PER_KWH

MEANING = {
    "netting": "One home's surplus serves another at a price between the utility's two. Alone, "
    "the surplus is sold cheaply to the utility and bought back dearly.",
    "dispatch": "Batteries work for the whole neighbourhood, not for one meter only.",
    "losses": "Lines and transformer warm up with what flows. More flow between neighbours can "
    "cost more here, less flow from outside saves.",
    "storage": "What the batteries hold at the end more (or less) than in the comparison, valued "
    "at the price the utility pays.",
    "fees": "What is paid for the use of the network when neighbours buy from each other.",
    "rest": "The part of the saving that the terms above do not explain.",
}


def headline(run: RunFiles) -> str:
    """The one sentence, and the few big figures, each against the utility alone."""
    summary = run.summary
    total, currency = summary["total"], summary["currency"]
    audit, market, base = total["audit"], total["market"], total["baseline"]
    spans = [span(p, run.timezone, named=len(summary["periods"]) > 1) for p in summary["periods"]]
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
            f"of {count(len(summary['participants']), 'participant')}; {extremes(summary)}",
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


def span(period: dict[str, Any], zone: str, *, named: bool) -> str:
    """First and last day of a period."""
    first = day(period["start_s"], zone)
    last = day(max(period["end_s"] - 1, period["start_s"]), zone)
    dates = first if first == last else f"{first} to {last}"
    return f"{text(period_name(period['name']))}: {dates}" if named else dates


def extremes(summary: dict[str, Any]) -> str:
    """The largest gain and the largest loss, where there are any."""
    result, currency = summary["total"]["audit"], summary["currency"]
    out = [f"largest gain {money(result['largest_gain'], currency)}"] if result["gainers"] else []
    if result["losers"]:
        out.append(f"largest loss {money(abs(result['largest_loss']), currency)}")
    return ", ".join(out) or "nothing changes for anyone"


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
        ac[w]["voltage_violations"] + ac[w]["loading_violations"] for w in ("market", "baseline")
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
        f'<span class="{"good" if change >= 0 else "bad"}">'
        f"{effect(change, currency)}</span></dt><dd>{MEANING[name]}</dd></div>"
        for name, change in terms
    )
    entries = [*summary["periods"], total] if len(summary["periods"]) > 1 else [total]
    rows = [["Utility alone", *(amount(e["audit"]["baseline_cost"]) for e in entries)]]
    for name, _ in terms:
        changes = [dict(figures.terms_of(e["audit"])).get(name, 0.0) for e in entries]
        rows.append([figures.TERM_NAMES[name], *(amount(-c, sign=True) for c in changes)])
    rows.append(["With the market", *(amount(e["audit"]["market_cost"]) for e in entries)])
    rows.append(["<b>Saving</b>", *(f"<b>{amount(e['audit']['saving'])}</b>" for e in entries)])
    rows.append(["Share of cost", *(percent(e["audit"]["saving_share"]) for e in entries)])
    by_period = table(
        [f"Cost in {text(currency)}", *(text(period_name(e["name"])) for e in entries)],
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
        f"</figcaption></figure><dl>{meanings}</dl></div>{by_period}{pictures}{beside(summary)}"
        f"{fees(summary)}"
    )


def beside(summary: dict[str, Any]) -> str:
    """What does not show in the money: the physical totals of both worlds."""
    total, currency = summary["total"], summary["currency"]
    worlds = (total["market"], total["baseline"])

    def row(label: str, key: str, form: Callable[[float], str]) -> list[str]:
        return [label, *("-" if w[key] is None else form(w[key]) for w in worlds)]

    def kwh(energy_j: float) -> str:
        return f"{number(energy_j / J_PER_KWH, 1 if energy_j < 1e3 * J_PER_KWH else 0)} kWh"

    def kw(power_w: float) -> str:
        return f"{number(power_w / 1e3, 1)} kW"

    rows = [
        row("Self-sufficiency", "self_sufficiency", percent),
        row("Own sun used in the neighbourhood", "self_consumption", percent),
        row("Highest import", "peak_import_w", kw),
        row("Highest export", "peak_export_w", kw),
        row("Energy bought from the utility", "import_j", kwh),
        row("Energy sold to the utility", "export_j", kwh),
        row("Traded between neighbours", "local_trade_j", kwh),
        row("Lost in the lines", "loss_j", kwh),
        row("Drawn by the transformer's iron", "standing_loss_j", kwh),
        row("Sun not used", "spilled_j", kwh),
        row("Need not served", "unserved_j", kwh),
        row("Carbon of what was bought", "carbon_kg", lambda kg: f"{number(kg, 0)} kg"),
        row("Operator's account", "operator", lambda m: money(m, currency)),
    ]
    low, high = total["market"]["price_min_per_j"], total["market"]["price_max_per_j"]
    prices = (
        f"<p>Prices in the market ran from {price(low, currency)} to {price(high, currency)}.</p>"
        if low is not None and high is not None
        else ""
    )
    return (
        "<h3>Beside the money</h3>"
        + table(
            ["All periods", "With the market", "Utility alone"], rows, attributes='class="sums"'
        )
        + prices
    )


def amount(value: float, *, sign: bool = False) -> str:
    """An amount in a table whose head names the currency."""
    return number(value, 2 if abs(value) < 1000 else 0, sign=sign)


def effect(value: float, currency: str) -> str:
    """What a term of the audit does."""
    if abs(value) < A_CENT:
        return "changes nothing"
    return f"{'saves' if value > 0 else 'costs'} {money(abs(value), currency)}"


def fees(summary: dict[str, Any]) -> str:
    """The table of network fees, and the fee at which nothing is left."""
    result, currency = summary["total"]["audit"], summary["currency"]
    even = result["break_even_fee_per_j"]
    if result["saving"] <= 0:
        told = "There is no saving that a network fee could take away."
    elif even is None or not math.isfinite(even):
        told = "No network fee would use up the saving, as nothing is bought in the market."
    else:
        told = (
            f"The saving is used up at a network fee of <b>{price(even, currency, 2)}</b> on "
            "energy that neighbours buy from each other."
        )
    rows = [
        [
            f"{number(f['fee_per_kwh'], 2)} {text(currency)}/kWh",
            toned(f["saving"], money(f["saving"], currency)),
        ]
        for f in result["fee_table"]
    ]
    return (
        "<h3>What if the network costs a fee?</h3>"
        f"<p>{told} The table keeps everybody's behaviour as it is and adds the fee.</p>"
        + table(["Network fee", "Saving left"], rows, attributes='class="small"')
    )


def reproduce(run: RunFiles) -> str:
    """How to get the same again, and whose data it is."""
    summary = run.summary
    again = summary["reproduce"]
    rows = [[f"<code>{text(k)}</code>", f"<code>{v}</code>"] for k, v in run.inputs.items()]
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
    keys = "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{name}</span>'
        for colour, name in (
            ("sun", "sun"),
            ("battery", "from batteries"),
            ("grid", "from the utility, and middle price"),
            ("full", "need not served"),
            ("use", "used"),
            ("charge", "into batteries"),
            ("export", "to the utility, and range of prices"),
            ("loss", "lost on the way"),
            ("spill", "sun not used"),
        )
    )
    return (
        f'<p class="notice">This run has {intervals} intervals. To keep this file small, the '
        "drawing and the charts with the slider show a few representative stretches of up to a "
        "week: each is the one whose need for energy is closest to the average of its part of "
        "the run. All sums and tables are of the whole run, as is this overview.</p>"
        f"<figure>{picture}<figcaption>The whole run. Above: mean power in kW, sources upward, "
        "uses downward. Below: lowest to highest price; dashed, the utility's two prices. "
        f"{keys}</figcaption></figure>"
    )
