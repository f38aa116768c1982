"""Numbers and sentences, as people read them."""

from __future__ import annotations

import math
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from isojoule.core.units import J_PER_KWH

if TYPE_CHECKING:
    from isojoule.apps.report.read import RunFiles

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
SMALL = 0.1
"""Amounts below this are shown in hundredths of the currency."""
LARGE = 2.0
"""Beside amounts of this size they are not."""
A_SPECK = 1e-6
"""Amounts below this are what rounding leaves."""


def nothing(value: float, size: float = 0.0) -> bool:
    """Whether an amount is 0 beside amounts of this size, but for rounding.

    >>> nothing(0.004, 37.0), nothing(0.004, 0.2), nothing(-5e-7, 0.2)
    (True, False, True)
    """
    return abs(value) < (A_CENT if size >= LARGE else A_SPECK)


def nobody_trades(summary: dict[str, Any]) -> bool:
    """Whether neighbours sell each other next to nothing."""
    market = summary["total"]["market"]
    used = market["consumed_j"] + market.get("computed_j", 0.0)
    return bool(market["local_trade_j"] <= 1e-9 * used)


def hardly_trades(summary: dict[str, Any]) -> bool:
    """Whether neighbours sell each other less than a hundredth of what they use."""
    market = summary["total"]["market"]
    used = market["consumed_j"] + market.get("computed_j", 0.0)
    return bool(market["local_trade_j"] <= 0.01 * used)


def share_of(audit: dict[str, Any]) -> str:
    """The saving as a share of the cost without the market; empty where a share says nothing."""
    share = audit["saving_share"]
    return "" if share is None else percent(share)


def costs_told(audit: dict[str, Any], currency: str) -> str:
    """The cost without the market and with it, where a share says nothing."""
    costs = (audit["baseline_cost"], audit["market_cost"])
    size = max(abs(c) for c in costs)
    before, after = (money(c, currency, among=size) for c in costs)
    return f"a cost of {after} instead of {before}"


def alone(summary: dict[str, Any]) -> str:
    """How the world beside the market is called: each with the utility alone, or just alone."""
    return "utility alone" if summary["baseline"] == "utility-only" else "living alone"


def alone_head(summary: dict[str, Any]) -> str:
    """The same as a heading."""
    return alone(summary).capitalize()


def while_alone(summary: dict[str, Any]) -> str:
    """The same within a sentence."""
    return "with the utility alone" if summary["baseline"] == "utility-only" else "living alone"


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


def money(value: float | None, currency: str, *, sign: bool = False, among: float = 0.0) -> str:
    """An amount; cents only where they matter, and parts of a cent where there is no more.

    Parameters
    ----------
    among
        Size of the amounts that it is read together with: beside large ones it keeps their unit.

    >>> [money(v, c).split() for v, c in ((0.0312, "EUR"), (0.0312, "JPY"), (12.3, "EUR"))]
    [['3.1', 'ct'], ['0.031', 'JPY'], ['12.30', 'EUR']]
    """
    if value is not None and among < LARGE and A_SPECK <= abs(value) < SMALL:
        if currency in HUNDREDTHS:
            return f"{fine(100 * value, sign=sign)}{SPACE}{HUNDREDTHS[currency]}"
        return f"{fine(value, sign=sign)}{SPACE}{currency}"
    digits = 2 if value is None or abs(value) < 1000 else 0
    return f"{number(value, digits, sign=sign)}{SPACE}{currency}"


def fine(value: float, *, sign: bool = False) -> str:
    """A number by its first two digits, all before the point.

    >>> fine(0.01234), fine(3.21), fine(456.0), fine(0.0)
    ('0.012', '3.2', '456', '0')
    """
    if not math.isfinite(value) or value == 0:
        return number(value)
    digits = max(0, 1 - math.floor(math.log10(abs(value)) + 1e-9))
    return number(value, min(digits, 12), sign=sign)


def percent(value: float | None, digits: int = 1) -> str:
    """A share."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(100 * value, digits)}{SPACE}%"


def energy(value_j: float | None) -> str:
    """An energy in Wh, kWh or MWh, by its size.

    >>> [energy(v).split() for v in (4.4424e7, 16416.0, 0.0)]
    [['12.3', 'kWh'], ['4.6', 'Wh'], ['0', 'kWh']]
    """
    if value_j is None or not math.isfinite(value_j):
        return DASH
    kwh = value_j / J_PER_KWH
    if abs(kwh) >= 10_000:
        return f"{number(kwh / 1e3, 1)}{SPACE}MWh"
    if abs(kwh) < 1e-6:
        return f"0{SPACE}kWh"
    if abs(kwh) < 1:
        return f"{fine(1e3 * kwh)}{SPACE}Wh"
    return f"{number(kwh, 0 if abs(kwh) >= 100 else 1)}{SPACE}kWh"


def power(value_w: float | None) -> str:
    """A power in W or kW, by its size."""
    if value_w is not None and 1e-6 <= abs(value_w) < 100:
        return f"{fine(value_w)}{SPACE}W"
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


def stated_cost(run: RunFiles) -> str:
    """What the scenario says a kWh of need costs that is not served."""
    cost = run.scenario.unserved_cost_per_j * J_PER_KWH
    return f"{money(cost, run.summary['currency'])} a kWh" if cost else "no stated cost"


NOTABLE = 0.1
"""The operator's part of a saving is said if it is more than this share."""


def verdict(summary: dict[str, Any]) -> str:
    """One plain sentence on the total, whatever its sign."""
    audit, currency = summary["total"]["audit"], summary["currency"]
    saving, homes = audit["saving"], len(summary["participants"])
    if summary["baseline"] != "utility-only":
        return verdict_alone(summary)
    if nobody_trades(summary) and nothing(saving, abs(audit["baseline_cost"])):
        return "Nobody traded: everything is as with the utility alone."
    if abs(saving) < A_CENT:
        return "The market neither saved nor cost this neighbourhood anything."
    amount = money(abs(saving), currency)
    share = f" ({share_of(audit).removeprefix(MINUS) or costs_told(audit, currency)})"
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


def verdict_alone(summary: dict[str, Any]) -> str:
    """The sentence where the comparison is everybody alone: who was served, what was finished."""
    total, currency = summary["total"], summary["currency"]
    market, base, saving = total["market"], total["baseline"], total["audit"]["saving"]
    told = []
    if summary["orders"] is not None:
        told.append(
            f"finished {number(market['orders_finished'])} of {count(market['orders'], 'Order')} "
            f"instead of {number(base['orders_finished'])}"
        )
    shares = [None if w["served_share"] is None else percent(w["served_share"])
              for w in (market, base)]  # fmt: skip
    better = "better" if saving >= 0 else "worse"
    off = f"left the community {better} off by {money(abs(saving), currency)}"
    if nothing(saving, abs(total["audit"]["baseline_cost"])):
        if nobody_trades(summary):
            need = f"{shares[0]} of the need was served, as " if shares[0] else "everything is as "
            return f"Nobody traded: {need}living alone."
        off = "left the community neither better nor worse off"
    if None not in shares and shares[0] != shares[1]:
        told.append(f"served {shares[0]} of the need instead of {shares[1]}")
    return f"Trading with neighbours {' and '.join([', '.join(told), off] if told else [off])}."
