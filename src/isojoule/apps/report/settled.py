"""Who was paid what: the ledger of the run in a table, and how to check it."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report.markup import table
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import count, energy, money, number, percent, period_name, text

PAYERS = {
    "cause": "each for its own meter",
    "members": "all members together, by the energy of their meters",
}
PRICES = {
    "tie": "the utility's price of the moment",
    "dual": "two prices made from the utility's two",
    "fixed": "fixed prices",
}
PRICES_OFF_GRID = {
    "tie": "the price that energy had at each home in that moment",
    "dual": "two prices made from the one that energy had at each home",
    "fixed": "fixed prices",
}


def section(run: RunFiles) -> str:
    """What members paid, and to whom; amounts are the balances of the ledger."""
    settlement, currency = run.summary["settlement"], run.summary["currency"]
    periods = settlement["periods"]
    ledger = settlement["ledger"]

    def row(name: str, key: str) -> list[str]:
        return _row(name, [p[key] for p in periods], currency)

    rows = [row("Members paid, in all", "members_paid")]
    if run.scenario.has_utility:
        rows.append(row("of it to the utility", "utility"))
    for fee in dict.fromkeys(name for p in periods for name in p["fees"]):
        to, _, what = fee.partition("/")
        paid = [p["fees"].get(fee, 0.0) for p in periods]
        rows.append(_row(f"{text(what)}, to {text(to)}", paid, currency))
    rows.append(row("left with the operator", "operator"))
    if any(p["dividends"] for p in periods):
        rows.append(row("shared among members already", "dividends"))
    heads = ["", *(text(period_name(p["name"])) for p in periods)]
    if len(periods) > 1:
        heads.append("All")
    return (
        f"<p>{_rules(settlement['rules'])}</p>"
        + table(heads, rows, attributes='class="sums"')
        + _imbalance(run, periods, settlement["rules"]["imbalance"], currency)
        + "<p>Every amount is a balance of the run's ledger: "
        f"{count(ledger['transfers'], 'transfer')} between accounts, exact to a billionth of the "
        "currency. The hash "
        f"<code>{text(ledger['root'][:16])}…</code> stands for all of them; <code>isojoule verify"
        "</code> makes the ledger again and compares.</p>"
    )


def _row(name: str, values: list[float], currency: str) -> list[str]:
    cells = [money(value, currency) for value in values]
    if len(values) > 1:
        cells.append(f"<b>{money(sum(values), currency)}</b>")
    return [name, *cells]


def _rules(rules: dict[str, Any]) -> str:
    kept = rules["surplus"] == "keep"
    share = "stays with it" if kept else f"is shared by the rule <em>{text(rules['surplus'])}</em>"
    fees = len(rules["fees"])
    charged = "No fees are charged" if not fees else f"{count(fees, 'fee')} {_are(fees)} charged"
    return f"{charged}; what the operator's account is left with {share}."


def _are(many: int) -> str:
    return "is" if many == 1 else "are"


def _imbalance(
    run: RunFiles, periods: list[dict[str, Any]], rule: dict[str, Any], currency: str
) -> str:
    """What was metered and not cleared, where there was any."""
    short, long = (sum(p[key] for p in periods) for key in ("short_j", "long_j"))
    if short + long <= 0:
        return ""
    missed = sum(p["shortfall_j"] for p in periods)
    cleared = sum(p["cleared_j"] for p in periods)
    paid = sum(p["imbalance_paid"] for p in periods)
    share = percent(missed / cleared) if cleared else number(0)
    prices = PRICES if run.scenario.has_utility else PRICES_OFF_GRID
    side = "paid" if paid >= 0 else "were paid"
    return (
        f"<p><b>What came otherwise than forecast.</b> Meters took {energy(short)} more and "
        f"{energy(long)} less than was cleared; of what was cleared {share} was not delivered or "
        f"not taken. It is settled at {prices[rule['price']]}, {PAYERS[rule['payer']]}: members "
        f"{side} {money(abs(paid), currency)} for it.</p>"
    )
