"""Bases of what is charged besides: bonds and fines, contracts, interest."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from isojoule.apps.report.words import price
from isojoule.apps.statements.basis import KWH_UJ, LATER, YEAR_D, Basis, mean, unknown
from isojoule.apps.statements.sheet import Sheet, exact
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, UJ_PER_J
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.commitments.nouns import Code as CommitmentCode
from isojoule.settlement.day_ahead.nouns import Code as DayAheadCode
from isojoule.settlement.payments.rules import PARTS
from isojoule.settlement.payments.state import ENDS, BillState
from isojoule.settlement.statements import BillLine

YEAR_S = YEAR_D * 86400
TOLD = 3
"""More debts than these are told as one sum."""
OF_BONDS = (BondCode.SLASH, FundCode.REPAID)
OF_CONTRACTS = (CommitmentCode.MARGIN_END, CommitmentCode.DIFFERENCE, DayAheadCode.REST)


def slashed(sheet: Sheet, line: BillLine) -> Basis:
    """What was announced and did not come about, at the fine, and at what it cost others."""
    found, rules = sheet.told_by("bonds"), sheet.facts.rules.collateral
    taken = _sum(sheet, OF_BONDS)
    if found is None or rules is None or _nano(found["slashed"]) != taken or not taken:
        return unknown(LATER)
    short = Fraction(round(found["short_j"] * UJ_PER_J), KWH_UJ)
    part = Fraction(line.money_nano, taken)
    own = "" if taken == line.money_nano else _part_of(line)
    fine = Basis(short, "kWh", rules.fine_per_j * J_PER_KWH, "", stated=True)
    if fine.makes(taken, sheet.facts.stretch.time_s.size):
        told = f"A fine on what you announced and did not keep{own}."
        return fine._replace(amount=short * part, told=told)
    told = f"What it cost others that you did not keep what you announced{own}; in the mean"
    if rules.fine_per_j:
        told += f", with a fine of {price(rules.fine_per_j, sheet.currency, 2)}"
    return mean(line, short * part, "kWh", f"{told}.")


def _part_of(line: BillLine) -> str:
    """Whose part of a bond was taken first, and what the fund lent."""
    if line.code is BondCode.SLASH:
        return ": the part of it that your own money was behind"
    return ": the part of it that the fund had put up for you"


def harm(sheet: Sheet, line: BillLine) -> Basis:
    """A part of what all broken promises cost."""
    part = _period_of_bonds(sheet)
    if part is None:
        return unknown(LATER)
    told = "Your part of what broken promises cost all, by what each was charged for it."
    return mean(line, _got(_nano(part["slashed"]) - _nano(part["fines"])), sheet.currency, told)


def fines(sheet: Sheet, line: BillLine) -> Basis:
    """All fines, or a share of them."""
    part = _period_of_bonds(sheet)
    if part is None:
        return unknown(LATER)
    shared = line.code is FundCode.FINES_SHARED
    how = ", shared like what the market left over" if shared else ", which go to you"
    told = f"Of all fines of this time{how}."
    return mean(line, _got(_nano(part["fines"])), sheet.currency, told)


def contracts(sheet: Sheet, line: BillLine) -> Basis:
    """What contracts came to, over their energy; by which prices stands in a section of its own."""
    found = sheet.told_by("day_ahead")
    if found is None or _nano(found["sold"]["paid"] + found["bought"]["paid"]) != _sum(
        sheet, OF_CONTRACTS
    ):
        return unknown(LATER)
    energy_j = found["sold"]["energy_j"] + found["bought"]["energy_j"]
    amount = Fraction(round(energy_j * UJ_PER_J), KWH_UJ) * (1 if line.money_nano > 0 else -1)
    told = "Over all your contracts, in the mean; which prices made it stands below."
    return mean(line, amount, "kWh", told)


def interest(sheet: Sheet, line: BillLine) -> Basis:
    """Money times the time for which it was overdue, at the rate of a year. Spec: O20."""
    payment = sheet.facts.rules.payment
    side = 0 if line.payee == "creditors" else 1
    overdue: Counter[int] = Counter()
    for bill in sheet.bills:
        overdue.update(_overdue(bill, side))
    if payment is None:
        return unknown(LATER)
    years = Fraction(sum(s * nano for s, nano in overdue.items()), NANO_PER_UNIT * YEAR_S)
    rate = payment.interest_ppb / PARTS
    told = [
        f"{exact(nano, sheet.currency)}, {seconds / 86400:.3g} days overdue"
        for seconds, nano in sorted(overdue.items())
    ]
    if len(told) > TOLD:
        told = [f"{exact(sum(overdue.values()), sheet.currency)} in all, each by its days overdue"]
    words = f"{' and '.join(told)}; a year is 365 days, and each debt is rounded up."
    found = Basis(years * (-1 if side else 1), f"{sheet.currency} year", rate, words, stated=True)
    # each debt to each creditor is rounded by itself
    slack = len(overdue) * (len(sheet.facts.stretch.members) + len(sheet.facts.rules.fees) + 4)
    return found if found.makes(line.money_nano, slack) else unknown(LATER)


def _overdue(bill: BillState, side: int) -> Counter[int]:
    """What of a side of a bill was ended so many seconds after it was due."""
    found: Counter[int] = Counter()
    for event in bill.events:
        over_s = event.time_s - bill.due_s
        if event.what in ENDS and over_s > 0:
            found[over_s] += (event.owed_nano, event.due_nano)[side]
    return +found


def _period_of_bonds(sheet: Sheet) -> dict[str, Any] | None:
    """What all bonds of the period came to; None where late readings changed it."""
    told = sheet.facts.files.summary["settlement"].get("bonds")
    if told is None or sheet.corrected:
        return None
    found: dict[str, Any] = next(p for p in told["periods"] if p["name"] == sheet.facts.span.name)
    return found


def _sum(sheet: Sheet, codes: tuple[object, ...]) -> int:
    """What lines of some codes come to."""
    return sum(line.money_nano for line in sheet.statement.lines if line.code in codes)


def _got(nano: int) -> Fraction:
    """Money that is got, a part of it at least."""
    return Fraction(-nano, NANO_PER_UNIT)


def _nano(money: float) -> int:
    return round(money * NANO_PER_UNIT)
