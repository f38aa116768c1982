"""The part of a page on the bond behind what was announced."""

from __future__ import annotations

from isojoule.apps.report.words import energy, money
from isojoule.apps.statements.sheet import Sheet


def bonds(sheet: Sheet) -> str:
    """The section; empty where the household had none."""
    told = sheet.facts.files.summary["settlement"].get("bonds")
    mine = (sheet.facts.span.name, sheet.facts.stretch.members[sheet.who])
    rows = [] if told is None else told["members"]
    found = next((row for row in rows if (row["period"], row["name"]) == mine), None)
    if found is None:
        return ""
    currency = sheet.currency
    missing = energy(found["short_j"])
    words = [
        f"Of {energy(found['promised_j'])} that you announced, {missing} did not come about.",
        f"Behind that lay a bond of at most {money(found['most'], currency)} at a time.",
    ]
    if found["lent_most"]:
        words.append(
            f"For what you kept before, a fund put up {money(found['lent_most'], currency)} of it."
        )
    if found["excused_j"]:
        words.append(f"{energy(found['excused_j'])} more the network held back: no fault of yours.")
    words.append(
        f"{money(found['slashed'], currency)} were taken from it, and all the rest came back."
        if found["slashed"]
        else "All of it came back."
    )
    if found["made_good"]:
        words.append(
            f"From others' bonds you got {money(found['made_good'], currency)} for what their "
            "broken promises cost you."
        )
    return f"<section><h2>The bond behind what you announced</h2><p>{' '.join(words)}</p></section>"
