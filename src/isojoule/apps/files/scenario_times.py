"""The time axis of a scenario: starts of intervals, periods, pauses, prices until the next."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import located
from isojoule.apps.files.scenario_doc import ScenarioDoc
from isojoule.apps.files.tables import Table
from isojoule.apps.files.times import epoch_s, local_text
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.microworld.pauses import check_pauses, paused
from isojoule.microworld.scenario import Period

Times = NDArray[np.int64]


def epochs(table: Table, tz: ZoneInfo, column: str = "time") -> Times:
    """A column of times, epoch seconds, shape (rows,), in the table's order.

    Raises
    ------
    InputError
        A cell that is empty or no time.
    """
    times = np.empty(table.rows, dtype=np.int64)
    for row, value in enumerate(table.times[column]):
        if value is None or value == "":
            raise InputError(f"no {column}", place=table.place(row), remedy=f"fill in the {column}")
        if not isinstance(value, str) and not hasattr(value, "tzinfo"):
            raise InputError(
                f"{value} is not a time",
                place=table.place(row),
                remedy="store times as text or as timestamps, not as numbers",
            )
        times[row] = epoch_s(value, tz, place=table.place(row))
    return times


def _rising(table: Table, tz: ZoneInfo) -> Times:
    times = epochs(table, tz)
    if table.rows == 0:
        raise InputError("no rows", place=table.place(), remedy="add at least one row")
    for before in np.flatnonzero(np.diff(times) <= 0):
        now = int(before) + 1
        twice = times[now] == times[now - 1]
        raise InputError(
            f"{local_text(int(times[now]), tz)} "
            + ("stands twice" if twice else "comes after a later time"),
            place=table.place(now),
            remedy="remove one of the two" if twice else "sort the rows by time",
        )
    return times


def read_times(table: Table, tz: ZoneInfo, interval_s: int) -> Times:
    """The interval starts of the profiles, epoch seconds, shape (rows,).

    Raises
    ------
    InputError
        A time that is none, stands twice, goes back, or lies within an interval.
    """
    times = _rising(table, tz)
    for row in np.flatnonzero(np.diff(times) < interval_s):
        now = int(row) + 1
        raise InputError(
            f"{local_text(int(times[now]), tz)} is only {times[now] - times[now - 1]} s after the "
            f"row before, with intervals of {interval_s} s",
            place=table.place(now),
            remedy="give one row for each interval, or change `interval` in scenario.yaml",
        )
    return times


def read_periods(
    doc: ScenarioDoc, lines: Lines, tz: ZoneInfo, times_s: Times, interval_s: int, table: Table
) -> tuple[Period, ...]:
    """The periods, each without a gap in the profiles.

    Raises
    ------
    InputError
        A period that is empty, overlaps another, or has a gap; a gap where no period is named.
    """
    if doc.periods is None:
        whole = Period("all", int(times_s[0]), int(times_s[-1]) + interval_s)
        _check_gaps(whole, times_s, interval_s, table, tz)
        return (whole,)
    periods = []
    for i, given in enumerate(doc.periods):
        start = epoch_s(given.start, tz, place=lines.place("periods", i, "start"))
        end = epoch_s(given.end, tz, place=lines.place("periods", i, "end"))
        if end <= start:
            raise InputError(
                f"period {given.name!r} ends before it starts",
                place=lines.place("periods", i, "end"),
                remedy="give an end after the start",
            )
        periods.append(Period(given.name, start, end))
    names = [period.name for period in periods]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(
                f"period {name!r} stands twice",
                place=lines.place("periods", i, "name"),
                remedy="give each period a name of its own",
            )
    for i, (before, after) in enumerate(pairwise(periods), start=1):
        if after.start_s < before.end_s:
            raise InputError(
                f"period {after.name!r} starts before {before.name!r} ends",
                place=lines.place("periods", i, "start"),
                remedy="list disjoint periods in the order of time",
            )
    for i, period in enumerate(periods):
        if (period.end_s - period.start_s) % interval_s:
            raise InputError(
                f"period {period.name!r} is not a whole number of intervals",
                place=lines.place("periods", i, "end"),
                remedy=f"make it a multiple of {interval_s} s",
            )
        _check_gaps(period, times_s, interval_s, table, tz)
    return tuple(periods)


def read_pauses(
    doc: ScenarioDoc, lines: Lines, tz: ZoneInfo, times_s: Times, interval_s: int
) -> tuple[Pause, ...]:
    """The pauses of the market.

    Raises
    ------
    InputError
        A pause that is empty, overlaps another, cuts an interval, or lies outside the profiles.
    """
    pauses: list[Pause] = []
    for i, given in enumerate(doc.pauses or ()):
        start = epoch_s(given.start, tz, place=lines.place("pauses", i, "from"))
        end = epoch_s(given.end, tz, place=lines.place("pauses", i, "to"))
        at = lines.place("pauses", i)
        with located(lambda _, at=at: at):  # type: ignore[misc]
            pauses.append(Pause(start, end, given.reason))
            check_pauses(tuple(pauses[-2:]), times_s, interval_s)
        if not paused((pauses[-1],), times_s).any():
            raise InputError(
                "no interval of the scenario lies in this pause",
                place=at,
                remedy=f"the profiles cover {local_text(int(times_s[0]), tz)} to "
                f"{local_text(int(times_s[-1]) + interval_s, tz)}",
            )
    return tuple(pauses)


def _check_gaps(
    period: Period, times_s: Times, interval_s: int, table: Table, tz: ZoneInfo
) -> None:
    first, last = np.searchsorted(times_s, [period.start_s, period.end_s])
    wanted = np.arange(period.start_s, period.end_s, interval_s)
    there = times_s[first:last]
    if np.array_equal(there, wanted):
        return
    same = min(len(there), len(wanted))
    unequal = np.flatnonzero(there[:same] != wanted[:same])
    at = int(unequal[0]) if len(unequal) else same
    row = min(int(first) + at, table.rows - 1)
    raise InputError(
        f"gap in the profiles: the interval {local_text(int(wanted[min(at, len(wanted) - 1)]), tz)}"
        f" of period {period.name!r} is missing",
        place=table.place(row),
        remedy="add a row for it before this one, or name periods in scenario.yaml without it",
    )


def steps(table: Table, tz: ZoneInfo, times_s: Times) -> NDArray[np.intp]:
    """Row of a step function's table that holds at each time, shape of `times_s`.

    Raises
    ------
    InputError
        The table begins after the first time.
    """
    starts = _rising(table, tz)
    if starts[0] > times_s[0]:
        raise InputError(
            f"the table begins at {local_text(int(starts[0]), tz)}, after the first interval "
            f"({local_text(int(times_s[0]), tz)})",
            place=table.place(0),
            remedy="let its first row begin no later than the profiles",
        )
    return np.searchsorted(starts, times_s, side="right") - 1
