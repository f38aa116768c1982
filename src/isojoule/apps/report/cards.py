"""The big figures at the head of the page: beside a utility, and off the grid."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    alone_head,
    count,
    energy,
    money,
    nothing,
    number,
    percent,
    power,
    share_of,
    stated_cost,
    text,
    while_alone,
)


def cards(run: RunFiles) -> str:
    """All big figures of a run, as HTML."""
    summary = run.summary
    out = utility_cards(summary) if run.scenario.has_utility else off_grid_cards(run)
    if run.has_machines:
        out.insert(1, orders_card(summary))
    return f'<div class="cards">{"".join(out)}</div>'


def utility_cards(summary: dict[str, Any]) -> list[str]:
    """The big figures beside a utility."""
    total = summary["total"]
    market, base = total["market"], total["baseline"]
    alone, while_ = alone_head(summary), while_alone(summary)
    return [
        saving_card(summary, ("Saved", "Lost"), f"the cost {while_}"),
        card(
            "Self-sufficiency",
            percent(market["self_sufficiency"]),
            f"of the energy used is not bought from outside. {alone}: "
            f"{percent(base['self_sufficiency'])}",
        ),
        card(
            "Highest import",
            power(market["peak_import_w"]),
            f"drawn from outside at once. {alone}: {power(base['peak_import_w'])}",
        ),
        gainers_card(summary),
        violation_card(summary.get("ac"), alone),
    ]


def off_grid_cards(run: RunFiles) -> list[str]:
    """The big figures of a world without a utility."""
    summary = run.summary
    total, alone = summary["total"], alone_head(summary)
    market, base = total["market"], total["baseline"]
    counted = [f"need at {stated_cost(run)}"] if market["served_share"] is not None else []
    counted += ["Orders at their worth"] if run.has_machines else []
    out = [
        saving_card(
            summary,
            ("Better off by", "Worse off by"),
            f"what living alone costs, counting {' and '.join(counted) or 'what batteries hold'}",
        )
    ]
    if market["served_share"] is not None and max(market["unserved_j"], base["unserved_j"]) >= 1:
        out.append(
            card(
                "Need served",
                percent(market["served_share"]),
                f"of {energy(market['consumed_j'])}. {alone}: {percent(base['served_share'])}",
            )
        )
        out.append(dark_card(summary))
    if max(market["spilled_j"], base["spilled_j"]) > 1e-3 * market["generated_j"]:
        share = market["spilled_j"] / market["generated_j"]
        out.append(
            card(
                "Sun not used",
                percent(share),
                f"{energy(market['spilled_j'])} of {energy(market['generated_j'])}. {alone}: "
                f"{energy(base['spilled_j'])}",
            )
        )
    out.append(gainers_card(summary))
    return out


def saving_card(summary: dict[str, Any], names: tuple[str, str], cost: str) -> str:
    """What the market saves, and of what; `names` of a gain and of a loss."""
    audit, currency = summary["total"]["audit"], summary["currency"]
    saving, base = audit["saving"], audit["baseline_cost"]
    if nothing(saving, abs(base)):
        return card("Nothing saved", money(0.0, currency), f"of {money(base, currency)}, {cost}")
    share = share_of(audit)
    told = f"{share} of {money(base, currency)}, {cost}"
    if not share:
        told = f"{money(audit['market_cost'], currency)} instead of {money(base, currency)}, {cost}"
    return card(
        names[saving < 0], money(abs(saving), currency), told, "good" if saving >= 0 else "bad"
    )


def dark_card(summary: dict[str, Any]) -> str:
    """What the worst off lacked, and how many lacked anything."""
    people = summary["participants"]
    lacked = {}
    for world in ("market", "baseline"):
        key = f"unserved_{world}_j"
        most = max(people, key=lambda p: (p[key], p["label"]))
        lacked[world] = (most[key], text(most["label"]), sum(p[key] >= 1 for p in people))
    (now, who, many), (before, whom, most_) = lacked["market"], lacked["baseline"]
    told = f"is what {who} lacked, the worst off. " if many else "lacked anything. "
    told += f"{alone_head(summary)}: {energy(before)}, {whom}. " if most_ else ""
    told += f"{number(many)} of {number(len(people))} lacked something, alone {number(most_)}"
    return card("Went without", energy(now) if many else "Nobody", told, "bad" * (now > before))


def orders_card(summary: dict[str, Any]) -> str:
    """How many Orders were finished."""
    market, base = summary["total"]["market"], summary["total"]["baseline"]
    return card(
        "Orders finished",
        f"{number(market['orders_finished'])} of {number(market['orders'])}",
        f"{alone_head(summary)}: {number(base['orders_finished'])}. Not finished, and worth "
        f"{money(market['orders_undone_value'], summary['currency'])}, alone "
        f"{money(base['orders_undone_value'], summary['currency'])}",
        "bad" if market["orders_finished"] < base["orders_finished"] else "",
    )


def gainers_card(summary: dict[str, Any]) -> str:
    """How many gain and lose."""
    audit = summary["total"]["audit"]
    return card(
        "Who gains, who loses",
        f"{number(audit['gainers'])} gain{'s' * (audit['gainers'] == 1)}, "
        f"{number(audit['losers'])} lose{'s' * (audit['losers'] == 1)}",
        f"of {count(len(summary['participants']), 'participant')}; {extremes(summary)}",
        "bad" if audit["losers"] > audit["gainers"] else "",
    )


def extremes(summary: dict[str, Any]) -> str:
    """The largest gain and the largest loss, where there are any."""
    result, currency = summary["total"]["audit"], summary["currency"]
    out = [f"largest gain {money(result['largest_gain'], currency)}"] if result["gainers"] else []
    if result["losers"]:
        out.append(f"largest loss {money(abs(result['largest_loss']), currency)}")
    return ", ".join(out) or "nobody's cost changes"


def card(name: str, value: str, note: str, tone: str = "") -> str:
    """One big figure."""
    return (
        f'<div class="card {tone}"><div class="name">{name}</div>'
        f'<div class="value">{value}</div><div class="note">{note}</div></div>'
    )


def violation_card(ac: dict[str, Any] | None, alone: str) -> str:
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
        f"{alone}: {number(base) if base else 'none'}",
        "bad" if found > base else "",
    )
