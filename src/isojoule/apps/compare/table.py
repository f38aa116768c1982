"""A comparison in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from isojoule.core.units import J_PER_KWH

DASH = "-"
WIDTH = 110
"""Of what is printed elsewhere than on a terminal."""


def show_comparison(document: dict[str, Any], console: Console | None = None) -> None:
    """Print a table of those that ran, the reasons of the others, and the ranking."""
    out = console or Console(highlight=False)
    if console is None and not out.is_terminal:
        out = Console(highlight=False, width=WIDTH)
    rows = [r for r in document["mechanisms"] if r["status"] in ("ran", "cleared")]
    order = {name: i for i, name in enumerate(document["ranking"]["order"])}
    rows.sort(key=lambda r: order[r["name"]])
    currency = document["currency"]
    table = Table(
        title=escape(document["title"]), title_justify="left", box=None, pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("Mechanism", no_wrap=True)
    scenario = document["kind"] == "scenario"
    heads = _SCENARIO if scenario else _BOOK
    for head in heads:
        table.add_column(head.replace("CUR", currency), justify="right", no_wrap=True)
    for row in rows:
        name = escape(row["name"]) + ("" if row.get("sees_wires", True) else " *")
        table.add_row(name, *(_scenario_cells(row) if scenario else _book_cells(row, document)))
    if rows:
        out.print(table)
    if scenario and rows:
        out.print(
            "saves, %: how much less the community pays than without a market, and in percent of "
            f"what it would pay{_of(document)}; `isojoule run` tells the same. All offer what "
            "energy is worth to them, also where a rule makes that costly."
        )
    if any(not r.get("sees_wires", True) for r in rows):
        out.print(
            "* ignores the wires: what it cleared was sent through them, and what they lost and "
            "could not carry falls to all members."
        )
    for told, names in reasons(document).items():
        out.print(f"[bold]{escape(', '.join(names))}[/bold] {escape(told)}")
    for line in ranking_lines(document):
        out.print(escape(line), soft_wrap=True)


def _of(document: dict[str, Any]) -> str:
    """The cost that savings are a share of."""
    cost = document["baseline"]["cost"]
    return f" ({_money(cost)} {document['currency']})"


def reasons(document: dict[str, Any]) -> dict[str, list[str]]:
    """Why those without numbers have none, and who they are."""
    found: dict[str, list[str]] = {}
    for row in document["mechanisms"]:
        if row["status"] not in ("ran", "cleared"):
            remedy = f" ({row['remedy']})" if row["remedy"] else ""
            found.setdefault(f"{row['status']}: {row['reason']}{remedy}", []).append(row["name"])
    return found


def ranking_lines(document: dict[str, Any]) -> list[str]:
    """Who comes first, by what weights, and the nearest flip."""
    r = document["ranking"]
    if not r["order"]:
        return ["No mechanism fits."]
    labels = {c["key"]: c["label"].lower() for c in r["criteria"]}
    weights = ", ".join(f"{labels[c['key']]} {c['weight']:g}" for c in r["criteria"])
    score = ", ".join(f"{name} {100 * r['scores'][name]:.1f}" for name in r["order"][:5])
    lines = [f"By the weights {weights}: {score}."]
    if r["flips"]:
        lines.append(flip_line(r["flips"][0], labels, r["order"][0]))
    elif len(r["order"]) > 1:
        lines.append(f"No change of a single weight takes the first place from {r['order'][0]}.")
    if r["left_out"]:
        lines.append(f"Not known of all, and left out: {', '.join(r['left_out'])}.")
    return lines


def flip_line(flip: dict[str, Any], labels: dict[str, str], winner: str) -> str:
    """The smallest change of one weight that changes who comes first."""
    if flip["to"] == flip["from"]:
        return (
            f"{winner} and {flip['winner']} are level; {labels[flip['criterion']]} with another "
            f"weight than {flip['from']:g} would put {flip['winner']} first."
        )
    way = "rises" if flip["to"] >= flip["from"] else "falls"
    return (
        f"{winner} stays first until the weight of {labels[flip['criterion']]} {way} from "
        f"{flip['from']:g} to {flip['to']:.4g}; beyond that it is {flip['winner']}."
    )


_SCENARIO = (
    "saves CUR", "%", "lose", "Gini", "ct/kWh", "self %", "peak kW", "operator", "AC", "s",
)  # fmt: skip
_BOOK = ("gains CUR", "of best", "operator", "members", "losers", "Gini", "price/kWh", "s")


def _scenario_cells(row: dict[str, Any]) -> list[str]:
    e, fair, ac = row["energy"], row["fairness"], row["physics"]
    mean = row["prices"]["mean_per_j"]
    return [
        _money(row["saving"]),
        _number(None if row["saving_share"] is None else 100 * row["saving_share"], 1),
        f"{fair['losers']}",
        _number(fair["gini"], 2),
        _number(None if mean is None else 100 * mean * J_PER_KWH, 1),
        _number(None if e["self_sufficiency"] is None else 100 * e["self_sufficiency"], 1),
        f"{max(e['peak_import_w'], e['peak_export_w']) / 1e3:,.1f}",
        _money(row["operator"]["surplus"] + row["operator"]["shared"]),
        DASH if ac is None else f"{ac['voltage_violations'] + ac['loading_violations']}",
        _number(row["seconds"], 1),
    ]


def _book_cells(row: dict[str, Any], document: dict[str, Any]) -> list[str]:
    fair = row["fairness"]
    mean = row["prices"]["mean_per_j"]
    members = sum(p["gain"] - p["levy"] for p in row["participants"] if not p["outside"])
    return [
        f"{row['welfare']['gains']:,.4g}",
        _percent(row["welfare"]["share_of_best"]),
        f"{row['operator']['surplus']:,.3g}",
        f"{members:,.4g}",
        f"{fair['losers']}/{fair['people']}",
        _number(fair["gini"], 2),
        DASH if mean is None else f"{mean * J_PER_KWH:,.4g}",
        _number(row["seconds"], 3),
    ]


def _money(value: float) -> str:
    return f"{value:,.{0 if abs(value) >= 1000 else 2}f}"


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return DASH if value is None else f"{100 * value:,.{digits}f} %"
