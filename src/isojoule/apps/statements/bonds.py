"""The part of a page on the bond behind what was announced."""

from __future__ import annotations

from isojoule.apps.report.words import energy, money
from isojoule.apps.statements.sheet import Sheet, exact
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.collateral.nouns import Code

TAKEN = (Code.SLASH, FundCode.REPAID)
"""What was taken of a bond, and what was paid back to the fund that had put up a part of it."""


def bonds(sheet: Sheet) -> str:
    """The section; empty where the household had none."""
    found = sheet.told_by("bonds")
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
    taken = sum(line.money_nano for line in sheet.statement.lines if line.code in TAKEN)
    if taken != round(found["slashed"] * NANO_PER_UNIT):
        words.append(
            f"That was before late readings: by them {exact(taken, currency)} are taken, as your "
            "bill says."
        )
    if found["made_good"]:
        words.append(
            f"From others' bonds you got {money(found['made_good'], currency)} for what their "
            "broken promises cost you."
        )
    return f"<section><h2>The bond behind what you announced</h2><p>{' '.join(words)}</p></section>"
