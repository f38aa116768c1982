"""What each line of a bill is charged on, and at which rate: base times rate is its amount.

Rates are those of the rules where these have one, else means. What is given, or got for, is below
0. What late readings changed, so that the run does not say it any more, is not told.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from fractions import Fraction

import numpy as np

from isojoule.apps.statements.basis import KWH_UJ, LATER, Basis, energy_basis, mean, unknown
from isojoule.apps.statements.corrected import columns_apart
from isojoule.apps.statements.more_bases import contracts, fines, harm, interest, slashed
from isojoule.apps.statements.sheet import Sheet, exact
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT, PPB
from isojoule.settlement.collateral.folded import Code as FundCode
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.commitments.nouns import Code as CommitmentCode
from isojoule.settlement.day_ahead.nouns import Code as DayAheadCode
from isojoule.settlement.fees import Charged
from isojoule.settlement.payments.posting import Code as Pay
from isojoule.settlement.settle import Code
from isojoule.settlement.statements import BillLine, Way, payee_of

ON = {
    "bought": "On all that you drew from the network, net in each interval.",
    "sold": "On all that you gave to the network, net in each interval.",
    "local": "On what you bought from neighbours.",
    "imported": "On what you bought from outside the neighbourhood.",
    "exported": "On what you sold to outside the neighbourhood.",
    "days": "",
}
"""What fees are charged on, as a household reads it. Spec: Y17."""


def basis_of(sheet: Sheet, line: BillLine) -> Basis:
    """What a line is charged on; with nothing but words, or less, where there is no such thing."""
    how = _HOW.get(line.code)
    return energy_basis(line) if how is None else how(sheet, line)


def note_of(sheet: Sheet, line: BillLine, basis: Basis) -> str:
    """What is told below a line: why, and what it is charged on; "" if the row says all."""
    if line.code is Code.DIVIDEND_CHANGE:
        share = exact(sheet.statement.share_nano, sheet.currency)
        told = f"Readings that came late changed what was shared: your share is now {share}."
        return f"{told} {sheet.why_again}".rstrip()
    return sheet.why if line.code is Code.DIVIDEND else basis.told


def _fee(sheet: Sheet, line: BillLine) -> Basis:
    """A fee: what the rules charge it on."""
    for at, charged in enumerate(sheet.facts.charged):
        fee = charged.fee
        if (fee.name, fee.to) == (line.name, payee_of(fee.account)):
            amount, unit, rate = _charged(sheet, charged)
            before = [one.fee.name for one in sheet.facts.charged[:at]]
            told = _on_bill(before) if fee.on == "bill" else ON[fee.on]
            found = Basis(amount, unit, rate, told, stated=True)
            # each interval is rounded up (Y11)
            slack = sheet.facts.stretch.time_s.size
            return found if found.makes(line.money_nano, slack) else unknown(LATER)
    return unknown(LATER)


def _charged(sheet: Sheet, charged: Charged) -> tuple[Fraction, str, float]:
    """Base, unit and rate of a fee."""
    fee, sum_ = charged.fee, sum(charged.on[:, sheet.who].tolist())
    if fee.on == "days":
        days = Fraction(sheet.facts.stretch.interval_s) * sum_ / 86400
        return days, "d", fee.rate * 86400
    if fee.on == "bill":
        return Fraction(sum_, NANO_PER_UNIT), sheet.currency, round(fee.rate * PPB) / PPB
    return Fraction(sum_, KWH_UJ), "kWh", fee.rate * J_PER_KWH


def _on_bill(before: list[str]) -> str:
    """Y18."""
    fees = f", and for {', '.join(before)}" if before else ""
    return (
        f"On what you pay for energy, deviations and losses{fees}: of each interval in which that "
        "is above 0."
    )


def _imbalance(sheet: Sheet, line: BillLine) -> Basis:
    """A deviation: by its own energy, or what all pay together, by the energy of their meters."""
    if sheet.facts.rules.imbalance.payer == "cause":
        return energy_basis(line)
    return _by_meter(sheet, line, line.way)


def _losses(sheet: Sheet, line: BillLine) -> Basis:
    return _by_meter(sheet, line, None)


def _by_meter(sheet: Sheet, line: BillLine, way: Way | None) -> Basis:
    """What members pay together by the energy of their meters. Spec: Y4."""
    s, who = sheet.facts.stretch, sheet.who
    if any(columns_apart(sheet.facts, who, sheet.statement)):
        return unknown(LATER)
    metered = np.abs(s.metered_uj[:, who])
    if way is not None:
        deviation = np.sign(s.metered_uj[:, who] - s.cleared_uj[:, who])
        metered = metered[deviation == {Way.RECEIVED: 1, Way.GIVEN: -1, Way.NONE: 0}[way]]
    told = "All members pay for this together, by the energy of their meters: here of yours."
    return mean(line, Fraction(int(metered.sum()), KWH_UJ), "kWh", told)


def _lines(sheet: Sheet, line: BillLine) -> Basis:
    """What the owner of links is paid for: what they carried."""
    carried = sheet.facts.carried_uj
    if carried is None:
        return unknown("")
    told = "What your lines carried, and the mean of your price and of what a full line earns."
    return mean(line, Fraction(-int(carried[sheet.who]), KWH_UJ), "kWh", told)


def _dividend(sheet: Sheet, line: BillLine) -> Basis:
    """A share of what the market left over; the rule that shared it says why."""
    return mean(line, Fraction(-sheet.shared_nano, NANO_PER_UNIT), sheet.currency, "")


def _computing(sheet: Sheet, line: BillLine) -> Basis:
    return unknown("What the steps of your Orders cost, less what your machines earned.")


_HOW: dict[IntEnum, Callable[[Sheet, BillLine], Basis]] = {
    Code.FEE: _fee,
    Code.IMBALANCE: _imbalance,
    Code.LOSS_CHARGE: _losses,
    Code.LINK: _lines,
    Code.COMPUTE: _computing,
    Code.DIVIDEND: _dividend,
    BondCode.SLASH: slashed,
    FundCode.REPAID: slashed,
    BondCode.HARM: harm,
    BondCode.FINE: fines,
    FundCode.FINES_SHARED: fines,
    CommitmentCode.MARGIN_END: contracts,
    CommitmentCode.DIFFERENCE: contracts,
    DayAheadCode.REST: contracts,
    Pay.INTEREST: interest,
}
"""How each line follows; all others are energy at its price."""
