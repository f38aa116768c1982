"""A plot over time, as SVG: scales, axes, areas, lines, days."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.report import svg
from isojoule.apps.report.read import Floats, Index
from isojoule.apps.report.words import number

MOST_POINTS = 370
DAY_S = 86_400


def shorten(values: Floats, most: int, how: str = "mean") -> Floats:
    """A series shortened to at most `most` points; "mean", "min" or "max" of what is there."""
    size = block_size(len(values), most)
    cut = np.append(values, np.full(-len(values) % size, np.nan)).reshape(-1, size)
    known = np.isfinite(cut)
    some = known.any(axis=1)
    if how == "mean":
        total = np.where(known, cut, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    elif how == "min":
        total = np.where(known, cut, np.inf).min(axis=1)
    else:
        total = np.where(known, cut, -np.inf).max(axis=1)
    return np.where(some, total, np.nan)


def block_size(count: int, most: int) -> int:
    """How many values make a point: whole days of quarter hours, where it comes close to that."""
    size = max(1, -(-count // most))
    return 96 if 24 <= size < 96 else size


def blocks(table: Any, column: str, most: int, how: str = "mean") -> Floats:
    """A column of intervals shortened to at most `most` points."""
    return shorten(table[column].cast(float).to_numpy().astype(np.float64), most, how)


class Plot:
    """A plot over time: scales, axis, areas, lines.

    Parameters
    ----------
    width, height
        Of the plot, pixels.
    low, high
        The values at its edges.
    top
        Where it begins in its picture.
    """

    def __init__(
        self, width: float, height: float, low: float, high: float, top: float = 0.0
    ) -> None:
        self.left, self.right = 46.0, width - 6
        self.top, self.bottom = top + 18.0, top + height - 8
        self.low, self.high = low, high if high > low else low + 1.0

    def x(self, count: int) -> Floats:
        """Horizontal places of so many points."""
        return np.linspace(self.left, self.right, count)

    def y(self, value: Floats) -> Floats:
        """Vertical places; a missing value lies at the bottom."""
        share = (np.nan_to_num(value, nan=self.low) - self.low) / (self.high - self.low)
        out: Floats = self.bottom - share * (self.bottom - self.top)
        return out

    def axis(self, unit: str, about: int = 4) -> str:
        """Lines at round numbers, and the unit."""
        parts = [svg.words(4, self.top - 7, unit, colour="soft")]
        for tick in svg.ticks(self.low, self.high, about):
            y = float(self.y(np.array(tick)))
            parts.append(svg.rule(self.left, y, self.right, y))
            span = self.high - self.low
            label = number(abs(tick), 0 if span > 4 else 1 if span > 0.4 else 2)
            parts.append(svg.words(self.left - 6, y + 4, label, anchor="end", colour="soft"))
        return "".join(parts)

    def area(self, lower: Floats, upper: Floats, colour: str) -> str:
        """The area between two series."""
        x = self.x(len(lower))
        points = list(zip(x, self.y(upper), strict=True))
        points += list(zip(x[::-1], self.y(lower)[::-1], strict=True))
        return f'<path d="{svg.path(points, close=True)}" {svg.fill(colour)}/>'

    def line(self, values: Floats, colour: str, dash: str = "") -> str:
        """A series as a line."""
        points = list(zip(self.x(len(values)), self.y(values), strict=True))
        return f'<path d="{svg.path(points)}" {svg.stroke(colour, 1.5, dash)}/>'

    def broken(self, values: Floats, colour: str, width: float = 1.5) -> str:
        """A series as a line with gaps where a value is missing."""
        x, y = self.x(len(values)), self.y(values)
        known = np.flatnonzero(np.isfinite(values))
        runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if known.size else []
        d = "".join(svg.path([(float(x[i]), float(y[i])) for i in run]) for run in runs)
        return f'<path d="{d}" {svg.stroke(colour, width)}/>' if d else ""

    def level(self, value: float) -> str:
        """A level line."""
        y = float(self.y(np.array(value)))
        return svg.rule(self.left, y, self.right, y, "ink")


def calendar(
    left: float, right: float, top: float, bottom: float, times_s: Index, end_s: int, zone: str
) -> str:
    """Marks and names of days below a picture; of hours where it shows two days or less.

    Parameters
    ----------
    left, right, top, bottom
        Edges of what is marked; the names stand 13 below the bottom.
    times_s
        Starts of the intervals, in order. Where periods meet they jump, and so do the marks.
    end_s
        The moment after the last.
    zone
        IANA name of the zone in which days begin.
    """
    local = ZoneInfo(zone)
    count = len(times_s)
    hours = int(end_s) - int(times_s[0]) <= 2 * DAY_S
    narrow = right - left < 480
    every = (6 if narrow else 3) if hours else 24
    parts, free, last = [], left, None
    for i, time in enumerate(times_s.tolist()):
        now = datetime.fromtimestamp(time, local)
        mark = (now.date(), now.hour // every)
        if mark == last:
            continue
        first, last = last is None, mark
        exact = now.hour % every == 0 and now.minute < 1
        x = left + (right - left) * i / count
        if exact and not first:
            parts.append(svg.rule(x, top, x, bottom))
        if not exact and hours:
            continue
        name = (
            f"{now:%H:%M}" if hours else f"{now:%a}" if narrow else f"{now:%a} {now.day} {now:%b}"
        )
        room = 6.6 * len(name)
        centred = hours and not first
        begin = x - room / 2 if centred else x
        if begin >= free and begin + room < right + 8:
            where, shift = ("middle", 0) if centred else ("start", 0 if hours else 3)
            parts.append(svg.words(x + shift, bottom + 13, name, anchor=where, colour="soft"))
            free = begin + room + 8
    return "".join(parts)
