"""The units that count exactly.

Energy ends as int64 microjoules (`_uj`), money as int64 nano-units of the currency (`_nano`).
Everything else is SI in float64 with the unit last in the name: `power_w`, `duration_s`,
`price_per_j`.
"""

from __future__ import annotations

import math
from decimal import Decimal

UJ_PER_J = 1_000_000
NANO_PER_UNIT = 1_000_000_000
PPB = 1_000_000_000
"""Loss rates are parts of 1e-9."""
J_PER_KWH = 3_600_000.0
DEAR_PER_KWH = 1e5
"""A price above this much money per kWh is told per J."""
NO_LIMIT_UJ = 2**62
"""Stands for "unlimited" where a limit is an int64."""


def price_unit(*prices_per_j: float) -> tuple[float, str]:
    """Joules in the unit of energy in which prices are told, and its name.

    >>> price_unit(1e-7), price_unit(0.5, float("nan"))
    ((3600000.0, 'kWh'), (1.0, 'J'))
    """
    dear = any(DEAR_PER_KWH <= abs(p) * J_PER_KWH < math.inf for p in prices_per_j)
    return (1.0, "J") if dear else (J_PER_KWH, "kWh")


def price_text(price_per_j: float, currency: str) -> str:
    """A price in words, to four digits.

    >>> price_text(1e-7, "EUR"), price_text(0.5, "EUR")
    ('0.36 EUR/kWh', '0.5 EUR/J')
    """
    joules, unit = price_unit(price_per_j)
    return f"{price_per_j * joules:.4g} {currency}/{unit}"


def joules_text(energy_uj: int) -> str:
    """Energy as a decimal string in J, exact to the microjoule.

    >>> joules_text(1_500_000), joules_text(-1), joules_text(0)
    ('1.5', '-0.000001', '0')
    """
    return _decimal_text(energy_uj, 6)


def money_text(money_nano: int) -> str:
    """Money as a decimal string, exact to the nano-unit.

    >>> money_text(40_000_000_000), money_text(-5)
    ('40', '-0.000000005')
    """
    return _decimal_text(money_nano, 9)


def parse_exact(text: str, digits: int) -> int:
    """The integer behind a decimal string written by `joules_text` or `money_text`.

    Raises
    ------
    ValueError
        If the text is not in the one form that those functions write.

    >>> parse_exact("1.5", 6)
    1500000
    >>> parse_exact("1.50", 6)
    Traceback (most recent call last):
    ...
    ValueError: '1.50' is not an exact decimal in canonical form
    """
    try:
        value = int(Decimal(text).scaleb(digits).to_integral_exact())
    except (ArithmeticError, ValueError):
        value = 0
    if not isinstance(text, str) or _decimal_text(value, digits) != text:
        raise ValueError(f"{text!r} is not an exact decimal in canonical form")
    return value


def _decimal_text(value: int, digits: int) -> str:
    text = str(abs(value)).zfill(digits + 1)
    point = len(text) - digits
    part = text[point:].rstrip("0")
    sign = "-" if value < 0 else ""
    return f"{sign}{text[:point]}.{part}" if part else sign + text[:point]
