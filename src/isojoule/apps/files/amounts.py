"""Amounts in files, read exactly where the market counts exactly.

Energies become whole microjoules, loss rates whole parts of 1e-9, times whole nanoseconds: from
the digits as they stand, never through a float. All else is a float in SI.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from isojoule.apps.files.items import Item, kind
from isojoule.apps.files.quantities import parse_quantity, parse_unit
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH, NO_LIMIT_UJ, PPB, UJ_PER_J

_EXACT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\D.*)?", re.DOTALL)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*([Zz]|[+-]\d\d:?\d\d)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def amount(
    item: Item,
    unit: str,
    currency: str | None = None,
    *,
    what: str = "",
    lowest: float | None = None,
    above: float | None = None,
    highest: float | None = None,
) -> float:
    """A quantity in SI, within `lowest` .. `highest`, or strictly above `above`.

    Raises
    ------
    InputError
        Not a quantity of that unit, or out of range; names the place.
    """
    value = _rough(item, unit, currency) + 0.0  # no -0
    if lowest is not None and value < lowest:
        bad = "negative" if lowest == 0 else f"below {lowest:g}"
        raise InputError(
            f"{what} is {bad}: {item.text}", place=item.place, remedy=f"give {lowest:g} or more"
        )
    if above is not None and not value > above:
        raise InputError(
            f"{what} must be above {above:g}, not {item.text}",
            place=item.place,
            remedy=f"give more than {above:g}",
        )
    if highest is not None and value > highest:
        raise InputError(
            f"{what} is above {highest:g}: {item.text}",
            place=item.place,
            remedy=f"give at most {highest:g}",
        )
    return value


def energy_uj(item: Item, *, what: str = "energy", signed: bool = False) -> int:
    """An energy in whole microjoules, rounded half to even from its exact digits."""
    exact = _fraction(item, "J") * UJ_PER_J
    value = round(exact)
    if value < 0 and not signed:
        raise InputError(
            f"{what} is negative: {item.text}", place=item.place, remedy="give 0 or more"
        )
    if abs(value) >= NO_LIMIT_UJ:
        most = NO_LIMIT_UJ / UJ_PER_J / J_PER_KWH
        raise InputError(
            f"{what} is beyond {most:,.0f} kWh: {item.text}",
            place=item.place,
            remedy="check the unit, or clear a smaller area",
        )
    return value


def loss_ppb(item: Item) -> int:
    """A loss in whole parts of 1e-9, 0 <= loss < 1."""
    exact = _fraction(item, "1")
    if not 0 <= exact < 1:
        raise InputError(
            f"loss is outside 0 <= loss < 1: {item.text}",
            place=item.place,
            remedy="give the share of the energy that is lost, as 0.02",
        )
    value = exact * PPB
    if value.denominator != 1:
        raise InputError(
            f"loss is finer than 1e-9: {item.text}",
            place=item.place,
            remedy="give at most nine digits after the point",
        )
    return int(value)


def time_ns(item: Item) -> int:
    """A time in nanoseconds since 1970-01-01T00:00Z, from ISO 8601 with an offset or Z."""
    found = _TIME.fullmatch(item.value) if isinstance(item.value, str) else None
    example = "2026-06-21T12:00:00Z"
    if found is None:
        raise InputError(
            f"{item.text!r} is not a time", place=item.place, remedy=f"write it as {example}"
        )
    day, minute, second, fraction, zone = found.groups()
    if zone is None:
        raise InputError(
            f"the time {item.text} has no offset",
            place=item.place,
            remedy=f"add Z for UTC or an offset: {day}T{minute}:{second or '00'}+02:00",
        )
    zone = "+00:00" if zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}{zone}")
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise InputError(
            f"{item.text!r} is not a time of the calendar since 1970",
            place=item.place,
            remedy=f"write it as {example}",
        )
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def _rough(item: Item, unit: str, currency: str | None = None) -> float:
    if item.value is None or isinstance(item.value, list | dict):
        raise InputError(
            f"a quantity was expected, not {kind(item)}",
            place=item.place,
            remedy="write a number and a unit",
        )
    return parse_quantity(item.value, unit, place=item.place, currency=currency)


def _fraction(item: Item, unit: str) -> Fraction:
    """The amount in SI from its digits, exact."""
    rough = _rough(item, unit)  # refuses what is no quantity
    found = _EXACT.fullmatch(item.text.strip())
    if found is None:
        return Fraction(rough)
    value = Fraction(found[1])
    if found[2] and found[2].strip():
        factor = parse_unit(found[2], unit, place=item.place)
        value = value * Fraction(factor.up) / Fraction(factor.down)
    return value
