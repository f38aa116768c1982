"""The part of a page on day-ahead contracts: what was agreed, what it came to, at which risk."""

from __future__ import annotations

from typing import Any

from isojoule.apps.report.words import A_SPECK, count, energy, percent, price
from isojoule.apps.statements.sheet import Sheet, exact, table
from isojoule.core.units import NANO_PER_UNIT


def agreed(sheet: Sheet) -> str:
    """The section; empty where the household had no contract."""
    found = sheet.told_by("day_ahead")
    if found is None:
        return ""
    rules = sheet.facts.rules.day_ahead
    level = percent(rules.level, 0) if rules else ""
    lines = [
        _line(title, found[side], sheet.currency, sign)
        for title, side, sign in (("To give", "sold", 1), ("To take", "bought", -1))
        if found[side]["contracts"]
    ]
    heads = ["", "Contracts", "Energy", "Agreed at", "The market's price then", "You pay"]
    return (
        "<section><h2>What you agreed on the day before</h2>"
        "<p>A contract fixes a price: where the market's turns out higher, who gives pays the "
        "difference to who takes, and else the other way round. So the two together cost, or "
        "earn, the agreed price. What was promised and not given costs what it takes to make up "
        "for it. All of that stands in your bill above.</p>"
        f'{table(heads, lines)}<p class="soft">{" ".join(_risk(found, level))}</p></section>'
    )


def _line(title: str, side: dict[str, Any], currency: str, sign: int) -> str:
    """A row; below it the difference of prices, and the rest: what was missing, or ended early.

    `sign` is 1 for who gives: it pays what the market's price turns out higher. Spec: B16.
    """
    higher = side["reference_per_j"] - side["agreed_per_j"]
    due = round(sign * higher * side["energy_j"] * NANO_PER_UNIT)
    rest = round(side["paid"] * NANO_PER_UNIT) - due
    parts = f"The difference of prices: {exact(due, currency)}"
    if abs(rest) >= A_SPECK * NANO_PER_UNIT:
        parts += f"; what was missing, or ended early: {exact(rest, currency)}"
    cells = [
        count(side["contracts"], "contract"),
        energy(side["energy_j"]),
        price(side["agreed_per_j"], currency, 2),
        price(side["reference_per_j"], currency, 2),
        exact(round(side["paid"] * NANO_PER_UNIT), currency),
    ]
    below = f"{title}<small>{parts}</small>"
    return f'<tr><th scope="row">{below}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'


def _risk(found: dict[str, Any], level: str) -> list[str]:
    """By how much the household could be expected to fall short, and by how much it did."""
    told = []
    given, taken = found["sold"], found["bought"]
    if given["contracts"]:
        told.append(
            f"By your own earlier days you were to be short of {energy(given['expected_short_j'])} "
            f"of what you were to give, and in the worst cases beyond a level of {level} of "
            f"{energy(given['worst_short_j'])}. You were short of {energy(given['short_j'])}."
        )
    if taken["contracts"]:
        told.append(
            f"In those cases you would have used {energy(taken['worst_short_j'])} less than what "
            "you were to take; for that nothing is charged."
        )
    ended = given["defaults"] + taken["defaults"]
    if ended:
        told.append(f"{count(ended, 'contract')} ended early: a margin was not put up in time.")
    return told
