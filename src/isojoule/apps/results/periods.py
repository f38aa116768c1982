"""The scenario as a run was asked for it: the part of its time, and the forecast."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from isojoule.core.errors import InputError
from isojoule.microworld.scenario import Period, Scenario

CLEARED, TARIFF = "cleared", "tariff"
"""How the utility is paid: as the market's rule says, or by its tariff."""


def as_asked(scenario: Scenario, arguments: Mapping[str, Any]) -> Scenario:
    """The scenario as the arguments of a run want it.

    They are `from`, `to`, `days`, `periods`, `forecast`, `network` and `utility`.

    Raises
    ------
    InputError
        Nothing is left, an argument cannot be read, or the scenario cannot have that forecast.
    """
    asked = arguments.get("forecast")
    if asked is not None:
        from isojoule.apps.files.scenario_forecast import forecast_asked

        forecast = forecast_asked(str(asked), scenario.forecast)
        scenario = dataclasses.replace(scenario, forecast=forecast)
    market_network = str(arguments.get("network", ""))
    outside = arguments.get("utility", CLEARED)
    if outside not in (CLEARED, TARIFF):
        raise InputError(
            f"the utility cannot be paid by {outside!r}",
            place="--utility",
            remedy=f"use {CLEARED} or {TARIFF}",
        )
    if market_network or outside == TARIFF:
        scenario = dataclasses.replace(
            scenario, market_network=market_network, tariff_outside=outside == TARIFF
        )
    if "periods" in arguments:
        scenario = only_periods(scenario, str(arguments["periods"]))
    return cut_periods(scenario, arguments.get("from"), arguments.get("to"), arguments.get("days"))


def only_periods(scenario: Scenario, names: str) -> Scenario:
    """The scenario with the periods of these names alone, as "winter,summer".

    Raises
    ------
    InputError
        It has no such period.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [p.name for p in scenario.periods]
    for name in wanted:
        if name not in known:
            raise InputError(
                f"there is no period {name!r}",
                place="--periods",
                remedy=f"use some of {', '.join(known)}",
            )
    if not wanted:
        raise InputError(
            "no period is named", place="--periods", remedy="name one, or leave it out"
        )
    return dataclasses.replace(
        scenario, periods=tuple(p for p in scenario.periods if p.name in wanted)
    )


def cut_periods(
    scenario: Scenario, start: str | None, end: str | None, days: float | None
) -> Scenario:
    """The scenario with its periods cut to what was asked for.

    Raises
    ------
    InputError
        Nothing is left, or a time cannot be read.
    """
    first = _moment(start, scenario, "--from") if start else None
    last = _moment(end, scenario, "--to") if end else None
    if days is not None and not 0 < days < 1e6:
        raise InputError(f"--days {days} is no length", remedy="give a number of days above 0")
    step = scenario.interval_s
    periods = []
    for p in scenario.periods:
        a = max(p.start_s, first) if first is not None else p.start_s
        b = min(p.end_s, last) if last is not None else p.end_s
        a = p.start_s + -(-(a - p.start_s) // step) * step
        if days is not None:
            b = min(b, a + max(1, round(days * 86400 / step)) * step)
        b = p.start_s + (b - p.start_s) // step * step
        if a < b:
            periods.append(Period(p.name, a, b))
    if not periods:
        raise InputError(
            "no interval of the scenario lies in that time",
            place="--from / --to",
            remedy="the scenario covers "
            + ", ".join(f"{_text(p.start_s)} to {_text(p.end_s)}" for p in scenario.periods),
        )
    return dataclasses.replace(scenario, periods=tuple(periods))


def _text(seconds: int) -> str:
    from isojoule.core.interval import Interval

    return Interval(seconds, 1.0).start_text()


def _moment(text: str, scenario: Scenario, place: str) -> int:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is not a date or time", place=place, remedy="write it as 2016-07-11"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo(scenario.timezone))
    return int(when.timestamp())
