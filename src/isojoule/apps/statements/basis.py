"""A base and a rate, and how they are written."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from isojoule.apps.report.words import HUNDREDTHS, SPACE, number
from isojoule.core.units import NANO_PER_UNIT
from isojoule.settlement.statements import BillLine

KWH_UJ = 3_600_000_000_000
YEAR_D = 365
LATER = "Late readings changed this: what it is charged on now is not told here."
SHOWN = 4
"""Most digits behind the point of a rate on a page."""


class Basis(NamedTuple):
    """What a line is charged on.

    Attributes
    ----------
    amount
        How much, in its unit, with the sign of what is paid for it; None: not told.
    unit
        `kWh`, `d`, the currency, or the currency and `year`: money times years.
    rate
        Money for each unit.
    told
        In words, what it is; "" if the row says it.
    stated
        Whether the rate is that of the rules; else it is a mean.
    """

    amount: Fraction | None
    unit: str
    rate: float
    told: str
    stated: bool = False

    def makes(self, money_nano: int, slack_nano: int) -> bool:
        """Whether base times rate is an amount, but for so many nano-units of rounding."""
        if self.amount is None:
            return False
        due = float(self.amount * NANO_PER_UNIT) * self.rate
        return abs(due - money_nano) <= slack_nano + 1e-9 * abs(due)

    @property
    def amount_text(self) -> str:
        """For a table: all digits that count."""
        return "" if self.amount is None else decimal_text(self.amount)

    @property
    def rate_text(self) -> str:
        """For a table."""
        return "" if self.amount is None else decimal_text(Fraction(f"{self.rate:.15g}"))

    def amount_shown(self, currency: str) -> str:
        """For a page: so many digits that the product can be checked."""
        if self.amount is None:
            return ""
        if self.unit == "kWh":
            return f"{number(float(self.amount), 3)}{SPACE}kWh"
        if self.unit == "d":
            days = _trimmed(float(self.amount), 0, 3)
            return f"{days}{SPACE}{'day' if self.amount == 1 else 'days'}"
        if self.unit == currency:
            return f"{number(float(self.amount), 4)}{SPACE}{currency}"
        return f"{number(float(self.amount) * YEAR_D, 3)}{SPACE}{currency}{SPACE}days"

    def rate_shown(self, currency: str) -> str:
        """For a page: a rate of the rules in full, a mean to two digits."""
        if self.amount is None:
            return ""
        if self.unit in ("kWh", "d"):
            coin, scale = (HUNDREDTHS[currency], 100) if currency in HUNDREDTHS else (currency, 1)
            most = SHOWN if self.stated else 2
            each = _trimmed(self.rate * scale, 2 if scale > 1 else 4, most if scale > 1 else 6)
            return f"{each}{SPACE}{coin}/{'kWh' if self.unit == 'kWh' else 'day'}"
        share = _trimmed(100 * self.rate, 0, SHOWN)
        return f"{share}{SPACE}%{'' if self.unit == currency else f'{SPACE}a year'}"


def unknown(told: str) -> Basis:
    """Words alone."""
    return Basis(None, "", 0.0, told)


def mean(line: BillLine, amount: Fraction, unit: str, told: str) -> Basis:
    """A base at the mean rate that makes the amount of a line; words alone without a base."""
    if not amount:
        return unknown(told)
    return Basis(amount, unit, float(Fraction(line.money_nano, NANO_PER_UNIT) / amount), told)


def energy_basis(line: BillLine) -> Basis:
    """Energy at its mean price."""
    if not line.energy_uj:
        return unknown("Of intervals in which no energy came or went.")
    return mean(line, Fraction(line.energy_uj, KWH_UJ), "kWh", "")


def decimal_text(value: Fraction) -> str:
    """A number to 15 digits behind the point, without zeros at the end.

    >>> decimal_text(Fraction(1, 8)), decimal_text(Fraction(-2, 3)), decimal_text(Fraction(0))
    ('0.125', '-0.666666666666667', '0')
    """
    with localcontext(prec=60):
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        text = f"{exact:.15f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _trimmed(value: float, least: int, most: int) -> str:
    """A number with so many digits behind the point as it needs."""
    text = number(value, most)
    while "." in text and text.endswith("0") and len(text.split(".")[1]) > least:
        text = text[:-1]
    return text.rstrip(".")
