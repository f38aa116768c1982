"""A comparison in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from isojoule.apps.compare.ranking import told
from isojoule.core.units import J_PER_KWH

DASH = "-"
DAGGER = "\N{DAGGER}"
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
    table.add_column("", justify="right")
    table.add_column("Mechanism", no_wrap=True)
    scenario = document["kind"] == "scenario"
    short = scenario and goes_without(document)
    heads = (*_SCENARIO[:5], "served", *_SCENARIO[5:]) if short else _SCENARIO
    for head in heads if scenario else _BOOK:
        table.add_column(head.replace("CUR", currency), justify="right", no_wrap=True)
    for row in rows:
        name = escape(row["name"]) + ("" if row.get("sees_wires", True) else " *")
        cells = _scenario_cells(row, document["baseline"], short) if scenario else _book_cells(row)
        table.add_row(f"{document['ranking']['places'][row['name']]}", name, *cells)
    if rows:
        out.print(table)
    if scenario and rows:
        out.print(
            "saves, %: how much less the community pays than without a market, and in percent of "
            f"what it would pay{_of(document)}; `isojoule run` tells the same."
        )
    if scenario and any(passes(row, document["baseline"]) for row in rows):
        out.print(
            f"{DAGGER} more passes through the operator than all bills are: all offer what "
            "energy is worth to them, must-serve need at its stated cost, also where a rule makes "
            "them pay that; it is shared by energy. So single gains and losses are large there."
        )
    if any(not r.get("sees_wires", True) for r in rows):
        out.print(
            "* ignores the wires: what it cleared was sent through them, and what they lost and "
            "could not carry falls to all members."
        )
    if short:
        served = "served: of the need, in %."
        if document["baseline"]["as_if_bought"]:
            served += (
                " Points count what is not served as bought from outside; self % and peak beside "
                "it are of what was bought."
            )
        out.print(served)
    for row in rows:
        if lines := line_words(row, currency):
            out.print(f"operator's lines of [bold]{escape(row['name'])}[/bold]: {escape(lines)}")
    for said, names in reasons(document).items():
        out.print(f"[bold]{escape(', '.join(names))}[/bold] {escape(said)}")
    for line in ranking_lines(document):
        out.print(escape(line), soft_wrap=True)


def _of(document: dict[str, Any]) -> str:
    """The cost that savings are a share of."""
    cost = document["baseline"]["cost"]
    return f" ({_money(cost)} {document['currency']})"


def goes_without(document: dict[str, Any]) -> bool:
    """Whether under some rule more than a thousandth of the need is not served."""
    rows = [r for r in document["mechanisms"] if r["status"] == "ran"]
    shares = [r["energy"]["served_share"] for r in [*rows, document["baseline"] or {"energy": {}}]
              if r["energy"].get("served_share") is not None]  # fmt: skip
    return min(shares, default=1.0) < 0.999


def collected(row: dict[str, Any]) -> float:
    """What the operator has left, before it is shared."""
    return float(row["operator"]["surplus"] + row["operator"].get("shared", 0.0))


def passes(row: dict[str, Any], base: dict[str, Any]) -> bool:
    """Whether more money passes through the operator than all members pay without a market."""
    return bool(abs(collected(row)) > base["bills"])


def lines_by_name(lines: dict[str, float]) -> dict[str, float]:
    """Lines of the operator by name, those of each link together."""
    found: dict[str, float] = {}
    for name, value in lines.items():
        head = name.split(".")[0].replace("_", " ")
        found[head] = found.get(head, 0.0) + value
    return found


def line_words(row: dict[str, Any], currency: str) -> str:
    """The operator's lines by name and amount, largest first; without what rounding leaves."""
    size = 0.005 if row["status"] == "ran" else 1e-6
    known = [(n, v) for n, v in lines_by_name(row["operator"]["lines"]).items() if abs(v) >= size]
    known.sort(key=lambda line: (-abs(line[1]), line[0]))
    amount = _money if row["status"] == "ran" else _short
    return ", ".join(f"{name} {amount(value)} {currency}" for name, value in known)


def reasons(document: dict[str, Any]) -> dict[str, list[str]]:
    """Why those without numbers have none, or nobody traded; and who they are."""
    found: dict[str, list[str]] = {}
    for row in document["mechanisms"]:
        if row.get("idle"):
            found.setdefault(row["idle"], []).append(row["name"])
        if row["status"] not in ("ran", "cleared"):
            remedy = f" ({row['remedy']})" if row["remedy"] else ""
            found.setdefault(f"{row['status']}: {row['reason']}{remedy}", []).append(row["name"])
    return found


def ranking_lines(document: dict[str, Any]) -> list[str]:
    """Who comes first, by what weights, and the nearest flip."""
    r = document["ranking"]
    if not r["order"]:
        return ["No mechanism fits."]
    top = leaders(r)
    labels = {c["key"]: c["label"].lower() for c in r["criteria"]}
    weights = ", ".join(f"{labels[c['key']]} {c['weight']:g}" for c in r["criteria"])
    score = ", ".join(
        f"{name} {told(r['scores'][name])}" for name in r["order"][: max(5, len(top))]
    )
    lines = [f"By the weights {weights}: {score}."]
    if len(top) > 1:
        lines.append(f"{_all(top)} are level (the same to a tenth of a point).")
    if r["flips"]:
        lines.append(flip_line(r["flips"][0], labels, top))
    elif len(r["order"]) > len(top):
        lines.append(f"No change of a single weight takes the first place from {_any(top)}.")
    lines += left_out_lines(r)
    return lines


def leaders(ranking: dict[str, Any]) -> list[str]:
    """Who is first: several, if they are level."""
    return [name for name in ranking["order"] if ranking["places"][name] == 1]


def left_out_lines(ranking: dict[str, Any]) -> list[str]:
    """Criteria that have no points here, by reason."""
    why: dict[str, list[str]] = {}
    for key, reason in ranking["left_out"].items():
        why.setdefault(reason, []).append(key.replace("_", "-"))
    return [f"Left out: {_all(keys)}, {reason}." for reason, keys in why.items()]


def flip_line(flip: dict[str, Any], labels: dict[str, str], top: list[str]) -> str:
    """The smallest change of one weight that changes who comes first."""
    way = "rises" if flip["to"] >= flip["from"] else "falls"
    stay = "stays" if len(top) == 1 else "stay"
    return (
        f"{_all(top)} {stay} first until the weight of {labels[flip['criterion']]} {way} from "
        f"{flip['from']:g} to {flip['to']:.4g}; beyond that it is {flip['winner']}."
    )


def _all(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]


def _any(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "those that are level"


_SCENARIO = (
    "saves CUR", "%", "lose", "Gini", "ct/kWh", "self %", "peak kW", "operator", "AC", "s",
)  # fmt: skip
_BOOK = ("gains CUR", "of best", "operator", "members", "losers", "Gini", "price/kWh", "s")


def _scenario_cells(row: dict[str, Any], base: dict[str, Any], short: bool) -> list[str]:
    e, fair, ac = row["energy"], row["fairness"], row["physics"]
    mean = row["prices"]["mean_per_j"]
    return [
        _money(row["saving"]),
        _number(None if row["saving_share"] is None else 100 * row["saving_share"], 1),
        f"{fair['losers']}",
        _number(fair["gini"], 2),
        _number(None if mean is None else 100 * mean * J_PER_KWH, 1),
        *([_number(None if (s := e["served_share"]) is None else 100 * s, 1)] if short else []),
        _number(None if e["self_sufficiency"] is None else 100 * e["self_sufficiency"], 1),
        f"{max(e['peak_import_w'], e['peak_export_w']) / 1e3:,.1f}",
        _money(collected(row)) + (DAGGER if passes(row, base) else ""),
        DASH if ac is None else f"{ac['voltage_violations'] + ac['loading_violations']}",
        _number(row["seconds"], 1),
    ]


def _book_cells(row: dict[str, Any]) -> list[str]:
    fair = row["fairness"]
    mean = row["prices"]["mean_per_j"]
    members = sum(p["gain"] - p["levy"] for p in row["participants"] if not p["outside"])
    return [
        _short(row["welfare"]["gains"]),
        _percent(row["welfare"]["share_of_best"]),
        _short(row["operator"]["surplus"], 3),
        _short(members),
        f"{fair['losers']}/{fair['people']}",
        _number(fair["gini"], 2),
        DASH if mean is None else _short(mean * J_PER_KWH),
        _number(row["seconds"], 3),
    ]


def _money(value: float) -> str:
    return _plain(f"{value:,.{0 if abs(value) >= 1000 else 2}f}")


def _short(value: float, digits: int = 4) -> str:
    """A number of so many digits; what rounding leaves is 0."""
    return f"{value if abs(value) >= 1e-8 else 0.0:,.{digits}g}"


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else _plain(f"{value:,.{digits}f}")


def _percent(value: float | None, digits: int = 1) -> str:
    return DASH if value is None else _plain(f"{100 * value:,.{digits}f} %")


def _plain(body: str) -> str:
    """Without the sign of what rounds to 0."""
    return body if any(c in "123456789" for c in body) else body.removeprefix("-")
