"""The keys `day_ahead` and `collateral` of `settlement.yaml`.

Spec: docs/spec/collateral.md, B19 to B32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import parse_share, parse_with_unit
from isojoule.apps.files.strict_doc import Quantity, Strict
from isojoule.apps.files.times import epoch_s
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.settlement.collateral.asked import BondRules, Claim
from isojoule.settlement.day_ahead.rules import DayAhead

HOUR_S = 3600


class DayAheadDoc(Strict):
    """When contracts are made, how much holders commit, and which margins lie behind them."""

    move: Quantity = Field(
        description="how far the price may move between two markings and still be covered by the "
        "margins, as '0.05 EUR/kWh'"
    )
    hour: int = Field(
        default=12, ge=0, le=23,
        description="hour of the day before at which contracts are made, local time",
    )  # fmt: skip
    block: Quantity = Field(
        default="1 h",
        description="length of what a contract is about: a multiple of the interval, of which a "
        "day has a whole number",
    )
    level: Quantity = Field(
        default="95 %",
        description="a holder commits the most of which, in the worst cases beyond this level, it "
        "expects to be short by no more than `bearable`; its cases are the same block of its own "
        "earlier days",
    )
    bearable: Quantity = Field(
        default="5 %", description="that share of what is committed, below 100 %"
    )
    least_days: int = Field(
        default=3, ge=1, le=366, description="days of its own that a holder must have seen before"
    )
    history: Quantity = Field(default="28 d", description="no day older than that counts")
    least: Quantity = Field(default="50 Wh", description="no contract is smaller")
    highest: Quantity | None = Field(
        default=None,
        description="what the price of imbalance does not exceed; absent: as the rule of imbalance "
        "and the utility's tariff have it",
    )
    firm: Quantity = Field(
        default="2 h",
        description="from so long before the block on the seller's margin covers that price",
    )
    grace: Quantity = Field(default="1 h", description="how long a call may stay unmet")
    mark: Quantity = Field(default="1 h", description="time between two markings, up to a day")
    cash: Quantity | None = Field(
        default=None,
        description="what each member has for margins and differences, as '50 EUR'; absent: enough",
    )


class ClaimDoc(Strict):
    """A dispute about what a meter shows: until it is decided, the bond does not move."""

    member: str = Field(description="whose bonds are frozen")
    start: str = Field(alias="from", description="begin of the time in dispute, ISO 8601")
    end: str = Field(alias="to", description="the moment after it")
    decided: str = Field(description="when the dispute ends, and the bond is settled")
    upheld: bool = Field(
        default=False, description="whether it ends for the member: then nothing was short"
    )
    reason: str = Field(default="", description="why, for people")


class BondsDoc(Strict):
    """What lies in escrow behind what was cleared, until the meter is read."""

    highest: Quantity | None = Field(
        default=None,
        description="what the price of imbalance does not exceed; absent: as the rule of imbalance "
        "and the utility's tariff have it",
    )
    lowest: Quantity | None = Field(
        default=None, description="what it does not go below; absent: likewise"
    )
    fine: Quantity = Field(
        default=0,
        description="charged beyond the harm on what was promised and is short, as '0.02 EUR/kWh'",
    )
    fines_to: str = Field(
        default="operator",
        description="who has the fines: `operator`, `utility`, `member/NAME`, or a payee of "
        "`fees` or `payees`",
    )
    credit: Quantity = Field(
        default=0,
        description="the most that a guarantee fund puts up for a member that delivers, as '5 EUR'",
    )
    least_share: Quantity = Field(
        default="90 %", description="delivered share below which it puts up nothing, below 100 %"
    )
    prior: Quantity = Field(
        default=0,
        description="energy that counts as promised and not delivered before anything was "
        "measured, as '10 kWh'",
    )
    claims: list[ClaimDoc] = Field(
        default=[], description="disputes that freeze bonds; absent: none"
    )


_UNITS = {
    "move": "money/J",
    "block": "s",
    "level": "1",
    "bearable": "1",
    "history": "s",
    "least": "J",
    "highest": "money/J",
    "firm": "s",
    "grace": "s",
    "mark": "s",
    "cash": "money",
}
_FIELDS = {
    "move": "move_per_j",
    "block": "block_s",
    "history": "history_s",
    "least": "least_uj",
    "highest": "highest_per_j",
    "firm": "firm_s",
    "grace": "grace_s",
    "mark": "mark_s",
    "cash": "cash_nano",
}
_BONDS = {
    "highest": ("money/J", "highest_per_j"),
    "lowest": ("money/J", "lowest_per_j"),
    "fine": ("money/J", "fine_per_j"),
    "credit": ("money", "credit_nano"),
    "least_share": ("1", "least_share"),
    "prior": ("J", "prior_uj"),
}
"""Key of `collateral`: its unit, and the field of `BondRules`."""
_WHOLE = {"s": 1, "J": UJ_PER_J, "money": NANO_PER_UNIT}
"""What counts in whole numbers, and how many of them are one."""
_EXAMPLES = {"money/J": "0.05 EUR/kWh", "money": "50 EUR", "s": "1 h", "J": "50 Wh"}


def day_ahead_of(doc: DayAheadDoc, lines: Lines, currency: str) -> DayAhead:
    """The rules in SI.

    Raises
    ------
    InputError
        With file, line and remedy.
    """
    values: dict[str, Any] = {"agreed_s": doc.hour * HOUR_S, "least_days": doc.least_days}
    for key, unit in _UNITS.items():
        given = getattr(doc, key)
        if given is not None:
            place = lines.place("day_ahead", key)
            values[_FIELDS.get(key, key)] = _number(given, unit, place, currency)
    with located(lambda at: lines.place("day_ahead", at.removeprefix("day_ahead."))):
        return DayAhead(**values)


def bonds_of(
    doc: BondsDoc, lines: Lines, currency: str, tz: ZoneInfo, fines_to: Callable[[str, str], str]
) -> BondRules:
    """The rules of bonds in SI; times without an offset are those of `tz`.

    `fines_to` gives the account for the name that the file has, and its place.

    Raises
    ------
    InputError
        With file, line and remedy.
    """
    claims = []
    for at, given in enumerate(doc.claims):
        start, end, decided = (
            epoch_s(text, tz, place=lines.place("collateral", "claims", at, key))
            for key, text in (("from", given.start), ("to", given.end), ("decided", given.decided))
        )
        claims.append(Claim(given.member, start, end, decided, given.upheld, given.reason))
    account = fines_to(doc.fines_to, lines.place("collateral", "fines_to"))
    values: dict[str, Any] = {"fines_to": account, "claims": tuple(claims)}
    for key, (unit, name) in _BONDS.items():
        given = getattr(doc, key)
        if given is not None:
            values[name] = _number(given, unit, lines.place("collateral", key), currency)
    with located(lambda at: lines.place("collateral", *_keys(at))):
        return BondRules(**values)


def _keys(place: str) -> tuple[str | int, ...]:
    """The keys at fault; an account that cannot be is that of the fines."""
    if place.startswith("claims["):
        return ("claims", int(place.removeprefix("claims[").removesuffix("]")), "from")
    return (place.removeprefix("collateral.") if place.startswith("collateral.") else "fines_to",)


def _number(given: Quantity, unit: str, place: str, currency: str) -> float | int:
    """A quantity in SI, whole where it is counted. All but shares need a unit."""
    if unit in _EXAMPLES:
        number = parse_with_unit(
            given, unit, example=_EXAMPLES[unit], place=place, currency=currency
        )
    else:
        number = parse_share(given, place=place)
    if unit not in _WHOLE:
        return number
    if not abs(number) < 2.0**62 / _WHOLE[unit]:
        raise InputError(f"{given} is too large", place=place, remedy="check the unit")
    return round(number * _WHOLE[unit])
