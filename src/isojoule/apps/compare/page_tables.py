"""The tables of the page of a comparison, and its words."""

from __future__ import annotations

from typing import Any

from isojoule.apps.compare.table import collected, lines_by_name, passes
from isojoule.apps.report.markup import table, toned
from isojoule.apps.report.words import energy, money, number, percent, power, price, share_of, text

Row = dict[str, Any]
MOST_PEOPLE = 400
MOST_NODES = 60


def overview(document: Row, rows: list[Row]) -> str:
    """All measures side by side, one row a mechanism."""
    if not rows:
        return "<p>No mechanism fits.</p>"
    kind = _of_scenario if document["kind"] == "scenario" else _of_book
    idle = "".join(f"<li>{text(r['name'])} {text(r['idle'])}.</li>" for r in rows if r["idle"])
    return kind(document, rows) + (f'<ul class="soft">{idle}</ul>' if idle else "")


def _of_scenario(document: Row, rows: list[Row]) -> str:
    currency, base = document["currency"], document["baseline"]
    heads = [
        "Mechanism", "Saved", "Cost", "Of the best", "Lose", "Gini", "Worst off", "Best off",
        "Mean price", "From the neighbours", "Need served", "Self-sufficiency",
        "Peak in / out", "Carbon",
        "Operator's line", "Lost", "Not carried", "Voltage / loading violations", "Time",
    ]  # fmt: skip
    body = []
    for r in rows:
        e, fair, ac = r["energy"], r["fairness"], r["physics"]
        body.append(
            [
                _name(r),
                toned(r["saving"], money(r["saving"], currency), 10.0)
                + f" <small>{share_of(r)}</small>",
                money(r["cost"], currency),
                percent(r["welfare"]["share_of_best"], 0),
                f"{number(fair['losers'])} <small>of {number(fair['people'])}</small>",
                number(fair["gini"], 2),
                money(fair["lowest"], currency) + _why(r, base),
                money(fair["highest"], currency),
                price(r["prices"]["mean_per_j"], currency),
                energy(e["local_trade_j"]),
                percent(e["served_share"]),
                percent(e["self_sufficiency"]),
                f"{power(e['peak_import_w'])} / {power(e['peak_export_w'])}",
                "" if e["carbon_kg"] is None else f"{number(e['carbon_kg'])} kg",
                money(collected(r), currency) + (OWN if passes(r, base) else ""),
                energy(e["loss_j"] + e["standing_loss_j"]),
                energy(r["curtailed_j"]) if not r["sees_wires"] else "",
                "" if ac is None
                else f"{number(ac['voltage_violations'])} / {number(ac['loading_violations'])}",
                _seconds(r["seconds"]),
            ]
        )  # fmt: skip
    e, ac = base["energy"], base["physics"]
    body.append(
        [
            f"<em>without a market ({text(base['name'])})</em>", "", money(base["cost"], currency),
            "", "", "", "", "", "", "",
            percent(e["served_share"]), percent(e["self_sufficiency"]),
            f"{power(e['peak_import_w'])} / {power(e['peak_export_w'])}",
            "" if e["carbon_kg"] is None else f"{number(e['carbon_kg'])} kg",
            money(base["operator"], currency), energy(e["loss_j"] + e["standing_loss_j"]), "",
            "" if ac is None
            else f"{number(ac['voltage_violations'])} / {number(ac['loading_violations'])}",
            "",
        ]
    )  # fmt: skip
    told = table(heads, body, attributes='class="compare"')
    return told + OF_WHAT + _own_bids(rows, base, currency) + _star(rows, base)


OF_WHAT = (
    '<p class="soft">Saved: how much less the community pays than without a market, and in % of '
    "what it would pay; the report of each run tells the same.</p>"
)
"""What the first columns say."""
OWN = ' <sup title="explained below the table">\N{DAGGER}</sup>'


def _why(row: Row, base: Row) -> str:
    """What makes the worst off so, beside the number."""
    marks = OWN if passes(row, base) else ""
    mine, theirs = row["energy"]["served_share"], base["energy"]["served_share"]
    if row["fairness"]["losers"] and None not in (mine, theirs) and mine < theirs - 0.001:
        marks += "<br><small>need not served</small>"
    return marks


def _own_bids(rows: list[Row], base: Row, currency: str) -> str:
    """The footnote of rules that send more money through the operator than all bills."""
    told = [f"{text(r['name'])} ({money(collected(r), currency)})" for r in rows if passes(r, base)]
    if not told:
        return ""
    return (
        f"<p><b>\N{DAGGER}</b> More money passes through the operator than all bills are without "
        f"a market ({money(base['bills'], currency)}): {', '.join(told)}. Everybody offers what "
        "energy is worth to them, must-serve need at its stated cost, also where a rule makes them "
        "pay that. It is shared by the energy of the meters, so some get what others paid. Who "
        "offers with more care loses less.</p>"
    )


def _star(rows: list[Row], base: Row) -> str:
    if all(r["sees_wires"] for r in rows):
        return ""
    who = (
        "what they cannot carry is curtailed, deliveries first, as the operator of the network "
        "would. The utility makes up for the difference at its tariff, and all members pay for it"
    )
    if base["physics"] is None:
        who = (
            "where they cannot carry it, or more is lost than there is, batteries make up for it, "
            "then needs go without. Who makes up for it is paid, and all members pay for losses"
        )
    return (
        "<p><b>*</b> This rule does not know the wires. It was given the homes as if all stood at "
        "one place (copperplate). What it cleared was then sent through the wires: they lose what "
        f"they lose, and {who}, so no rule wins by looking away.</p>"
    )


def _of_book(document: Row, rows: list[Row]) -> str:
    currency = document["currency"]
    heads = [
        "Mechanism", "Gains from trade", "Of the best", "Traders gain", "Operator", "Lose", "Gini",
        "Worst off", "Best off", "Prices", "Imported", "Exported", "Lost", "Time",
    ]  # fmt: skip
    body = []
    for r in rows:
        fair, e, p = r["fairness"], r["energy"], r["prices"]
        members = sum(q["gain"] - q["levy"] for q in r["participants"] if not q["outside"])
        span = price(p["min_per_j"], currency)
        if p["max_per_j"] != p["min_per_j"]:
            span += f" to {price(p['max_per_j'], currency)}"
        body.append(
            [
                _name(r),
                money(r["welfare"]["gains"], currency),
                percent(r["welfare"]["share_of_best"]),
                money(members, currency),
                toned(r["operator"]["surplus"], money(r["operator"]["surplus"], currency)),
                f"{number(fair['losers'])} <small>of {number(fair['people'])}</small>",
                number(fair["gini"], 2),
                money(fair["lowest"], currency),
                money(fair["highest"], currency),
                span,
                energy(e["imported_j"]),
                energy(e["exported_j"]),
                energy(e["lost_j"]),
                _seconds(r["seconds"]),
            ]
        )
    return table(heads, body, attributes='class="compare"')


def refused(document: Row) -> str:
    """Those without numbers, and why."""
    rows = [r for r in document["mechanisms"] if r["status"] not in ("ran", "cleared")]
    if not rows:
        return ""
    body = [[_name(r), text(r["status"]), text(r["reason"]), text(r["remedy"])] for r in rows]
    return (
        "<h3>Those that do not fit, and why</h3>"
        + table(["Mechanism", "", "Reason", "What would help"], body, attributes='class="told why"')
    )  # fmt: skip


def who_pays(document: Row, rows: list[Row]) -> str:
    """What each participant gains under each mechanism, and of a book what it pays and gets."""
    if not rows:
        return ""
    currency, book = document["currency"], document["kind"] == "book"
    heads = ["Participant", *(text(r["name"]) for r in rows)]
    body = []
    for at, person in enumerate(rows[0]["participants"][:MOST_PEOPLE]):
        cells = []
        for r in rows:
            p = r["participants"][at]
            if not book:
                cells.append(toned(p["saving"], money(p["saving"], currency), 10.0))
                continue
            what = "pays" if p["pays"] >= 0 else "is paid"
            levy = f", pays {money(p['levy'], currency)} of the deficit" if p["levy"] else ""
            cells.append(
                f"{toned(p['gain'] - p['levy'], money(p['gain'] - p['levy'], currency))}<br><small>"
                f"{energy(p['energy_j'])}, {what} {money(abs(p['pays']), currency)}{levy}</small>"
            )
        body.append([text(person.get("label") or person["participant"]), *cells])
    head = "Gain of each, energy received, and money" if book else "Saving of each"
    more = len(rows[0]["participants"]) - MOST_PEOPLE
    rest = f"<p>And {number(more)} more, in compare.json.</p>" if more > 0 else ""
    inner = table(heads, body, attributes='class="people"') + rest
    return (
        f"<details{' open' if book else ''}><summary>{head}, as a table</summary>{inner}</details>"
    )


def prices_by_node(document: Row, rows: list[Row]) -> str:
    """Of a book: the price at each node under each mechanism."""
    if not rows:
        return ""
    nodes = list(rows[0]["prices"]["nodes"])[:MOST_NODES]
    body = [
        [text(n), *(price(r["prices"]["nodes"][n], document["currency"], 2) for r in rows)]
        for n in nodes
    ]
    heads = ["Node", *(text(r["name"]) for r in rows)]
    return f"<section><h2>Prices, place by place</h2>{table(heads, body)}</section>"


def operator_table(document: Row, rows: list[Row]) -> str:
    """The operator's named lines."""
    if not rows:
        return ""
    names = sorted({name for r in rows for name in _lines(r)})
    heads = ["Mechanism", *(text(n) for n in names), "Left in all"]
    if document["kind"] == "scenario":
        heads += ["Shared"]
    currency = document["currency"]
    body = []
    for r in rows:
        lines, o = _lines(r), r["operator"]
        cells = [money(lines[n], currency) if n in lines else "" for n in names]
        left = collected(r)
        row = [_name(r), *cells, toned(left, money(left, currency))]
        body.append([*row, money(o["shared"], currency)] if "shared" in o else row)
    return table(heads, body)


def _lines(row: Row) -> dict[str, float]:
    return lines_by_name(row["operator"]["lines"])


def reproduce(document: Row) -> str:
    """How to make the page again, and how to check it."""
    names = ",".join(r["name"] for r in document["mechanisms"])
    if document["kind"] == "book":
        line = f"isojoule compare {document['title']} --mechanisms {names} --out FOLDER"
        return f"<pre>{text(line)}</pre>"
    time = "".join(f" --{key} {value}" for key, value in document["options"].items())
    line = (
        f"isojoule compare {document['scenario']} --mechanisms {names}{time} "
        f"--seed {document['seed']} --out FOLDER\nisojoule verify FOLDER/runs/NAME"
    )
    return (
        f"<pre>{text(line)}</pre><p>Each mechanism has a run folder of its own, with a report, "
        f"which can be checked alone. {text(document['attribution'])}</p>"
    )


def _name(row: Row) -> str:
    star = "" if row.get("sees_wires", True) else " *"
    idle = row.get("idle", "")
    idle = f"<br><small>{text(idle.split(';')[0])}</small>" if idle else ""
    return f'<span title="{text(row["summary"])}">{text(row["name"])}</span>{star}{idle}'


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{number(value * 1e3, 1)} ms" if value < 1 else f"{number(value, 0)} s"
