"""What was agreed the day before: contracts, margins, and who gained by them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from isojoule.apps.report import svg
from isojoule.apps.report.markup import key_of, table, two_widths
from isojoule.apps.report.read import RunFiles
from isojoule.apps.report.words import (
    count,
    energy,
    money,
    number,
    percent,
    period_name,
    price_unit,
    text,
)
from isojoule.core.units import J_PER_KWH

HEIGHT = 190.0
LEFT = 44.0
WIDEST = 90.0
"""A day is no wider, pixels."""


def section(run: RunFiles) -> str:
    """The section; empty where there was no such market."""
    told = run.summary["settlement"].get("day_ahead")
    if told is None:
        return ""
    rules = run.summary["settlement"]["rules"]["day_ahead"]
    head = "<section>\n<h2>What was agreed the day before</h2>\n"
    if not told["contracts"]:
        days = count(rules["least_days"], "day")
        return (
            f"{head}<p>No contract was made: holders commit what their own earlier days bear out, "
            f"{days} of them at least (<code>least_days</code>), and nobody had enough to give. "
            "A longer run knows more days.</p>\n</section>"
        )
    return head + "".join(
        (_lead(told, rules), _picture(run, told), _table(run, told), _risk(told, rules),
         _margins(told, run.summary["currency"]), "\n</section>")
    )  # fmt: skip


def _lead(told: dict[str, Any], rules: dict[str, Any]) -> str:
    share = told["energy_j"] / told["sold_j"] if told["sold_j"] else None
    hour, block = rules["agreed_s"] // 3600, rules["block_s"] / 60
    length = f"{number(block / 60)} h" if block % 60 == 0 else f"{number(block)} min"
    return (
        f"<p>At {hour}:00 of the day before members made "
        f"{count(told['contracts'], 'contract')} about {energy(told['energy_j'])}, "
        f"{percent(share)} of all that they gave, in blocks of {length}, at the price of the same "
        "block the day before as far as it was known. A contract moves no energy: at its block the "
        "meter settles the difference between the market's price and the agreed one.</p>"
    )


def _table(run: RunFiles, told: dict[str, Any]) -> str:
    currency, periods = run.summary["currency"], told["periods"]
    columns = [*periods, told] if len(periods) > 1 else periods

    def row(name: str, value: Any) -> list[str]:
        return [name, *(value(column) for column in columns)]

    rows = [
        row("Contracts", lambda p: number(p["contracts"])),
        row("Energy agreed", lambda p: energy(p["energy_j"])),
        row("delivered of it", lambda p: energy(p["delivered_j"])),
        row("not taken by the network", lambda p: energy(p["curtailed_j"])),
        row("short", lambda p: energy(p["short_j"])),
        row("Sellers paid to buyers", lambda p: money(p["sellers_paid"], currency)),
        row("Buyers paid to sellers", lambda p: money(p["buyers_paid"], currency)),
        row("Margin calls", lambda p: number(p["calls"])),
        row("Contracts ended by default", lambda p: number(p["defaults"])),
    ]
    heads = ["", *(text(period_name(p["name"])) for p in periods)]
    if len(periods) > 1:
        heads.append("All")
    return table(heads, rows, attributes='class="sums"')


def _risk(told: dict[str, Any], rules: dict[str, Any]) -> str:
    whole = told["promised_j"]
    if not whole:
        return ""
    mean, worst, was, tail = (
        percent(told[key] / whole)
        for key in ("expected_short_j", "expected_worst_short_j", "short_j", "worst_short_j")
    )
    level = percent(1 - rules["level"], 0)
    return (
        f"<p><b>Risk, as it was seen and as it came.</b> By their own earlier days sellers were to "
        f"be short of {mean} of what they promised in the mean, and of {worst} in the worst "
        f"{level} of cases. They were short of {was}, and of {tail} in the worst {level}. "
        "A history of few days knows few bad ones.</p>"
    )


def _margins(told: dict[str, Any], currency: str) -> str:
    rest = told["beyond_margins"]
    beyond = (
        f" Where prices moved beyond margins, {money(rest, currency)} were paid besides."
        if rest
        else " No contract came to more than its margins."
    )
    unbacked = told["unbacked"]
    missing = (
        f" {count(unbacked, 'contract')} could not be made: a side had too little for its margin."
        if unbacked
        else ""
    )
    return (
        f"<p>Both sides of every contract put up a margin; at most "
        f"{money(told['margin_most'], currency)} lay in escrow at once, and all of it was resolved."
        f"{beyond}{missing} The differences are among members alone: what one pays another "
        f"gets. The ledger holds {count(told['transfers'], 'transfer')} of them.</p>"
    )


def _picture(run: RunFiles, told: dict[str, Any]) -> str:
    days = told["days"]
    keys = key_of([
        ("good", "delivered, or not taken by the network"), ("bad", "short"),
        ("grid", "price as agreed"), ("sun", "the market's price when it came"),
    ])  # fmt: skip
    drawn = two_widths(_drawing(run, days, 900.0), _drawing(run, days, 340.0))
    return f"<figure>{drawn}<figcaption>Each day with contracts. {keys}</figcaption></figure>"


def _drawing(run: RunFiles, days: list[dict[str, Any]], width: float) -> str:
    """Bars of energy, and below them the two mean prices of each day."""
    zone, currency = ZoneInfo(run.timezone), run.summary["currency"]
    unit, per_kwh = price_unit(currency)
    step = min((width - LEFT - 6) / len(days), WIDEST)
    top = max(day["energy_j"] for day in days)
    prices = [[day[k] * J_PER_KWH * per_kwh for day in days] for k in PRICES]
    low, high = min(0.0, *map(min, prices)), max(map(max, prices))
    base, floor, room = 92.0, HEIGHT - 20, 56.0
    parts = [
        svg.words(0, 12, "kWh", colour="soft"), svg.words(0, base + 14, unit, colour="soft"),
        svg.words(LEFT - 6, 26, number(top / J_PER_KWH), anchor="end", colour="soft"),
        svg.words(LEFT - 6, floor - room + 8, number(high, 1), anchor="end", colour="soft"),
        svg.words(LEFT - 6, floor, number(low, 1), anchor="end", colour="soft"),
        svg.rule(LEFT, base, width - 6, base), svg.rule(LEFT, floor, width - 6, floor),
    ]  # fmt: skip
    free = 0.0
    for at, day in enumerate(days):
        x = LEFT + at * step
        when = datetime.fromtimestamp(day["day_s"], zone)
        name = f"{when.day} {when:%b}"
        short = day["short_j"] / top * 70
        fine = (day["energy_j"] - day["short_j"]) / top * 70
        title = f"{name}: {energy(day['energy_j'])}, short of {energy(day['short_j'])}"
        parts.append(svg.bar(x + 1, base - fine, step - 2, fine, "good", title))
        if short:
            parts.append(svg.bar(x + 1, base - fine - short, step - 2, short, "bad", title))
        for values, colour in zip(prices, ("grid", "sun"), strict=True):
            y = floor - (values[at] - low) / ((high - low) or 1.0) * room
            parts.append(svg.dot(x + step / 2, y, 3.5 if width > 500 else 2.5, colour))
        if x >= free:
            parts.append(svg.words(x, HEIGHT - 4, name, colour="soft"))
            free = x + 7 * len(name) + 10
    alternative = f"Energy agreed on {len(days)} days, and the prices"
    return svg.picture(width, HEIGHT, "".join(parts), alternative)


PRICES = ("agreed_per_j", "reference_per_j")
