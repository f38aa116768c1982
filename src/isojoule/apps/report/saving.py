"""The section on the saving: its parts, what stands beside the money, what a fee would leave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isojoule.apps.report import figures
from isojoule.apps.report.markup import table, toned, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    A_CENT,
    A_SPECK,
    LARGE,
    alone_head,
    energy,
    money,
    nothing,
    number,
    percent,
    period_name,
    price,
    share_of,
    stated_cost,
    text,
)
from isojoule.core.units import J_PER_KWH

MEANING = {
    "netting": "One home's surplus serves another at a price between the utility's two. Alone, "
    "the surplus is sold cheaply to the utility and bought back dearly.",
    "dispatch": "Batteries work for the whole neighbourhood, not for one meter only.",
    "losses": "Lines and transformer warm up with what flows. More flow between neighbours can "
    "cost more here, less flow from outside saves.",
    "served": "Need that goes unserved alone and is served with the market",
    "orders": "What Orders are worth that stay unfinished alone and are finished with the market.",
    "storage": "What the batteries hold at the end more (or less) than in the comparison, valued "
    "at the price the utility pays.",
    "fees": "What members pay besides because of the market: for the network, taxes, dues.",
    "rest": "The part of the saving that the terms above do not explain.",
}


OFF_GRID = {
    "fees": "What members pay besides because of the market: for the wires, dues.",
}


def meaning(run: RunFiles, term: str) -> str:
    """What a term of the audit is, in this world."""
    scenario, told = run.scenario, MEANING[term]
    if term == "served":
        return f"{told}, at {stated_cost(run)}."
    if term == "storage" and scenario.stored_value_per_j is not None:
        stated = price(scenario.stored_value_per_j, run.summary["currency"])
        return told.replace("the price the utility pays", f"a stated {stated}")
    return told if scenario.has_utility else OFF_GRID.get(term, told)


def audit(run: RunFiles) -> str:
    """Where the saving comes from, and what a network fee would leave of it."""
    summary = run.summary
    total, currency = summary["total"], summary["currency"]
    shown = figures.shown_terms(summary)
    terms = figures.terms_of(total["audit"], shown)
    cost = abs(total["audit"]["baseline_cost"])
    digits = 4 if cost < 10 and abs(total["audit"]["saving"]) < 1 else 2

    def amount(value: float, *, sign: bool = False) -> str:
        return number(value, digits if abs(value) < 1000 else 0, sign=sign)

    meanings = "".join(
        f"<div><dt>{figures.TERM_NAMES[name]} "
        f"{toned(change, effect(change, currency, digits), LARGE if digits == 2 else 0.0)}</dt>"
        f"<dd>{meaning(run, name)}</dd></div>"
        for name, change in terms
    )
    entries = [*summary["periods"], total] if len(summary["periods"]) > 1 else [total]
    rows = [[alone_head(summary), *(amount(e["audit"]["baseline_cost"]) for e in entries)]]
    for name, _ in terms:
        changes = [dict(figures.terms_of(e["audit"], shown)).get(name, 0.0) for e in entries]
        rows.append([figures.TERM_NAMES[name], *(amount(-c, sign=True) for c in changes)])
    rows.append(["With the market", *(amount(e["audit"]["market_cost"]) for e in entries)])
    rows.append(["<b>Saving</b>", *(f"<b>{amount(e['audit']['saving'])}</b>" for e in entries)])
    shares = [share_of(e["audit"]) for e in entries]
    if any(shares):
        rows.append(["Share of cost", *(share or "-" for share in shares)])
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
    same = nothing(total["audit"]["saving"], cost)
    reading = (
        "The market changes nothing." if same else "Bars to the left save, bars to the right cost."
    )
    broken = "do not start at zero" in wide
    return (
        f'{boundary(run)}<div class="split"><figure>{two_widths(wide, narrow)}'
        f"<figcaption>{what_costs(run)}, {text(currency)}. {reading}"
        f"{' The axis is cut, as the two notches show.' if broken else ''}"
        f"</figcaption></figure><dl>{meanings}</dl></div>{by_period}{pictures}{beside(run)}"
        f"{fees(summary)}"
    )


def boundary(run: RunFiles) -> str:
    """Why cash is no part of the saving off the grid."""
    if run.scenario.has_utility:
        return ""
    counts = []
    if run.summary["total"]["market"]["served_share"] is not None:
        counts.append(f"need that is not served counts at {stated_cost(run)}")
    if run.has_machines:
        counts.append("unfinished Orders count at their worth")
    return (
        "<p>Nothing is bought from outside, so no money enters or leaves this community: what "
        "neighbours pay each other stays among them. What counts is what people do without: "
        f"{', and '.join(counts) or 'nothing here'}. Who pays whom is the next section.</p>"
    )


def what_costs(run: RunFiles) -> str:
    """What the bars of the waterfall count."""
    return "Cost of all energy" if run.scenario.has_utility else "Cost of going without"


def beside(run: RunFiles) -> str:
    """What does not show in the money: the physical totals of both worlds."""
    summary, grid = run.summary, run.scenario.has_utility
    total, currency = summary["total"], summary["currency"]
    worlds = (total["market"], total["baseline"])
    size = abs(total["audit"]["baseline_cost"])

    def row(label: str, key: str, form: Callable[[float], str]) -> list[str]:
        return [label, *("-" if w[key] is None else form(w[key]) for w in worlds)]

    def kwh(energy_j: float) -> str:
        if not grid:
            return energy(energy_j)
        return f"{number(energy_j / J_PER_KWH, 1 if energy_j < 1e3 * J_PER_KWH else 0)} kWh"

    def kw(power_w: float) -> str:
        return f"{number(power_w / 1e3, 1)} kW"

    sun = row("Own sun used in the neighbourhood", "self_consumption", percent)
    carbon = row("Carbon of what was bought", "carbon_kg", lambda kg: f"{number(kg, 0)} kg")
    served, iron, last = [row("Need served", "served_share", percent)], [], []
    short = [row("Need not served", "unserved_j", kwh)]
    if max(w["unserved_j"] for w in worlds) < 1:
        served, short = [], []
    first = [*served, sun]
    if grid:
        first = [
            row("Self-sufficiency", "self_sufficiency", percent),
            sun,
            row("Highest import", "peak_import_w", kw),
            row("Highest export", "peak_export_w", kw),
            row("Energy bought from the utility", "import_j", kwh),
            row("Energy sold to the utility", "export_j", kwh),
        ]
        iron, last = [row("Drawn by the transformer's iron", "standing_loss_j", kwh)], [carbon]
    if run.has_machines:
        first += [
            row("Orders finished", "orders_finished", number),
            row("Energy for Orders and for being awake", "computed_j", energy),
            row("Paid for compute", "orders_paid", lambda m: money(m, currency)),
        ]
    rows = [
        *first,
        row("Traded between neighbours", "local_trade_j", kwh),
        row("Lost in the lines", "loss_j", kwh),
        *iron,
        row("Sun not used", "spilled_j", kwh),
        *short,
        *last,
        row("Operator's account", "operator", lambda m: money(m, currency, among=size)),
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
            ["All periods", "With the market", alone_head(summary)], rows, attributes='class="sums"'
        )
        + prices
    )


def effect(value: float, currency: str, digits: int = 2) -> str:
    """What a term of the audit does, where amounts are told with so many digits."""
    if abs(value) < (A_CENT if digits == 2 else A_SPECK):
        return "changes nothing"
    among = LARGE if digits == 2 else 0.0
    return f"{'saves' if value > 0 else 'costs'} {money(abs(value), currency, among=among)}"


def fees(summary: dict[str, Any]) -> str:
    """The table of network fees, and the fee at which nothing is left."""
    result, currency = summary["total"]["audit"], summary["currency"]
    even = result["break_even_fee_per_j"]
    if nothing(result["saving"], abs(result["baseline_cost"])):
        return ""
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
            toned(f["saving"], money(f["saving"], currency), abs(result["baseline_cost"])),
        ]
        for f in result["fee_table"]
    ]
    return (
        "<h3>What if the network costs a fee?</h3>"
        f"<p>{told} The table keeps everybody's behaviour as it is and adds the fee.</p>"
        + table(["Network fee", "Saving left"], rows, attributes='class="small"')
    )
