"""What lay behind what was promised: bonds put up, slashed and returned."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report.markup import table
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import energy, money, number, percent, period_name, text


def section(run: RunFiles) -> str:
    """The section; empty where there were no bonds."""
    settlement = run.summary["settlement"]
    told = settlement.get("bonds")
    if told is None:
        return ""
    currency, periods = run.summary["currency"], told["periods"]
    columns = [*periods, told] if len(periods) > 1 else periods

    def row(name: str, value: Any) -> list[str]:
        return [name, *(value(column) for column in columns)]

    def sums(name: str, key: str) -> list[str]:
        return row(name, lambda p: money(p[key], currency))

    rows = [
        row("Promised", lambda p: energy(p["promised_j"])),
        row("short of it", lambda p: energy(p["short_j"])),
        row("as a share", _share),
        row("held back by the network", lambda p: energy(p["excused_j"])),
        row("Bonds", lambda p: number(p["bonds"])),
        sums("at most in escrow at once", "most"),
        sums("Returned", "returned"),
        sums("Slashed", "slashed"),
        sums("for those who bore the cost", "made_good"),
        sums("fines", "fines"),
    ]
    if told["fines_shared"]:
        rows.append(sums("of them shared among members", "fines_shared"))
    if told["lent"]:
        rows.append(sums("Lent by the guarantee fund", "lent"))
        rows.append(sums("and paid back by who broke a promise", "repaid"))
    heads = ["", *(text(period_name(p["name"])) for p in periods)]
    if len(periods) > 1:
        heads.append("All")
    return (
        "<section>\n<h2>What lay behind the promises</h2>\n"
        "<p>Whoever is cleared puts up a bond: so much that to break the promise never pays. It "
        "comes back once the meter shows that the promise was kept. "
        f"{_harm(settlement['rules']['imbalance']['payer'])}</p>"
        + table(heads, rows, attributes='class="sums"')
        + "\n</section>"
    )


def _share(part: dict[str, Any]) -> str:
    whole = part["promised_j"]
    return percent(part["short_j"] / whole if whole else None)


def _harm(payer: str) -> str:
    if payer == "cause":
        return (
            "Here each has paid for its own imbalance already, so nobody else bore a cost, and a "
            "fine alone can be taken from a bond."
        )
    return (
        "Here all have paid for imbalances together, so what some caused is taken from their bonds "
        "and given back to the others."
    )
