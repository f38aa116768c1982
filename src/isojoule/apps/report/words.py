"""Numbers and sentences, as people read them."""

from __future__ import annotations

import math
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from isojoule.core.units import J_PER_KWH

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
HUNDREDTHS = {
    "EUR": "ct",
    "USD": "ct",
    "AUD": "ct",
    "CAD": "ct",
    "GBP": "p",
    "CHF": "Rp",
}
A_CENT = 0.005


def text(value: object) -> str:
    """A name, safe inside HTML and inside its attributes."""
    return escape(str(value), quote=True)


def number(value: float | None, digits: int = 0, *, sign: bool = False) -> str:
    """A number with thousands separated, or a dash where there is none.

    >>> number(-1234.5, 1), number(None), number(3, sign=True), number(-0.001)
    ('\N{MINUS SIGN}1,234.5', '\N{EN DASH}', '+3', '0')
    """
    if value is None or not math.isfinite(value):
        return DASH
    body = f"{abs(value):,.{digits}f}"
    if not body.strip("0.,"):
        return body
    return (MINUS if value < 0 else "+" if sign else "") + body


def money(value: float | None, currency: str, *, sign: bool = False) -> str:
    """An amount; cents only where they matter."""
    digits = 2 if value is None or abs(value) < 1000 else 0
    return f"{number(value, digits, sign=sign)}{SPACE}{currency}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(100 * value, digits)}{SPACE}%"


def energy(value_j: float | None) -> str:
    """An energy in kWh, or MWh where it is large."""
    if value_j is None or not math.isfinite(value_j):
        return DASH
    kwh = value_j / J_PER_KWH
    if abs(kwh) >= 10_000:
        return f"{number(kwh / 1e3, 1)}{SPACE}MWh"
    return f"{number(kwh, 0 if abs(kwh) >= 100 else 1)}{SPACE}kWh"


def power(value_w: float | None) -> str:
    """A power in kW."""
    return f"{number(None if value_w is None else value_w / 1e3, 1)}{SPACE}kW"


def price(value_per_j: float | None, currency: str, digits: int = 1) -> str:
    """A price per kWh, in the hundredth of the currency where it has a common name."""
    if value_per_j is None or not math.isfinite(value_per_j):
        return DASH
    unit, scale = price_unit(currency)
    more = 0 if scale > 1 else 2
    return f"{number(value_per_j * J_PER_KWH * scale, digits + more)}{SPACE}{unit}"


def price_unit(currency: str) -> tuple[str, float]:
    """Unit in which prices are shown, and how many of it make one unit of money per kWh."""
    if currency in HUNDREDTHS:
        return f"{HUNDREDTHS[currency]}/kWh", 100.0
    return f"{currency}/kWh", 1.0


def count(value: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 home, 2 homes, no homes."""
    noun = one if value == 1 else many or f"{one}s"
    return f"{number(value) if value else 'no'} {noun}"


def day(time_s: int, zone: str) -> str:
    """A date in the scenario's zone."""
    when = datetime.fromtimestamp(time_s, ZoneInfo(zone))
    return f"{when.day} {when:%B %Y}"


def period_name(name: str) -> str:
    """A period's name as a heading."""
    if name == "total":
        return "All together"
    return (name[:1].upper() + name[1:]) if name else "The run"


NOTABLE = 0.1
"""The operator's part of a saving is said if it is more than this share."""


def verdict(summary: dict[str, Any]) -> str:
    """One plain sentence on the total, whatever its sign."""
    audit, currency = summary["total"]["audit"], summary["currency"]
    saving, homes = audit["saving"], len(summary["participants"])
    if abs(saving) < A_CENT:
        return "The market neither saved nor cost this neighbourhood anything."
    amount = money(abs(saving), currency)
    share = percent(abs(audit["saving_share"])) if audit["saving_share"] is not None else ""
    share = f" ({share})" if share else ""
    if saving < 0:
        return (
            f"The market made energy {amount}{share} dearer for this neighbourhood "
            f"than the utility alone would have."
        )
    winners = audit["gainers"]
    who = "everyone" if winners == homes else f"{number(winners)} of {number(homes)} participants"
    operator = summary["operator"]["market"] - summary["operator"]["baseline"]
    people = sum(person["saving"] for person in summary["participants"])
    did = "saved" if people >= 0 else "lost"
    kept = (
        f" (households {did} {money(abs(people), currency)}, the operator's account gained "
        f"{money(operator, currency)})"
        if operator > NOTABLE * saving
        else ""
    )
    return (
        f"Trading among themselves saved the community {amount}{share}{kept}; "
        f"{who} came out ahead of dealing with the utility alone."
    )
