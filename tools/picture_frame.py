"""What pictures of mechanisms share: the example in units for people, axes, steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isojoule.apps.files.book_files import BookFile
from isojoule.apps.report.svg import at, dot, path, rule, stroke, ticks, words
from isojoule.core.units import UJ_PER_J
from isojoule.market import Clearing
from isojoule.valuation import Utility
from isojoule.valuation.curve import Pieces, marginal

WIDTH, HEIGHT = 640.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 20.0, 44.0, 44.0
SLICES = 16
"""A sloping piece is drawn as so many steps."""
SAMPLES = 160
"""A price that moves is drawn by so many points."""
SECOND_NS = 10**9


class Example(NamedTuple):
    """A worked example: who would do what, and what came of it, in units for people.

    `joules` are in the unit of energy `unit`.
    """

    name: str
    rule: Any
    file: BookFile
    cleared: Clearing
    joules: float
    unit: str

    @property
    def money(self) -> str:
        """The unit of prices."""
        return f"{self.file.book.currency}/{self.unit}"

    def energy(self, offer: int) -> float:
        """What an offer got (negative: gave)."""
        return float(self.cleared.energy_uj[offer]) / UJ_PER_J / self.joules

    def paid(self, offer: int) -> float:
        """What it paid, or was paid, for each unit; it must have traded."""
        return float(self.cleared.payment_nano[offer]) / 1e9 / self.energy(offer)


Drawing = tuple[float, list[str]]
"""How high a picture is, and its parts."""
Drawer = Callable[[Example], Drawing]


class Step(NamedTuple):
    """A part of an offer at one price; `got` of `size` was traded."""

    offer: int
    price: float
    size: float
    got: float


class Axes:
    """Where values lie in a picture, with a frame, marks and names of both axes."""

    def __init__(
        self, xs: tuple[float, float], ys: tuple[float, float], names: tuple[str, str],
        box: tuple[float, float, float, float] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
    ) -> None:  # fmt: skip
        self.xs, self.ys, self.box = xs, ys, box
        x0, y0, x1, y1 = box
        self.parts = []
        for value in ticks(*xs, 6):
            self.parts.append(rule(self.x(value), y0, self.x(value), y1))
            self.parts.append(words(self.x(value), y1 + 15, f"{value:g}", anchor="middle"))
        for value in ticks(*ys, 5):
            self.parts.append(rule(x0, self.y(value), x1, self.y(value)))
            self.parts.append(words(x0 - 6, self.y(value) + 4, f"{value:g}", anchor="end"))
        self.parts.append(words(x1, y1 + 31, names[0], anchor="end", colour="soft"))
        self.parts.append(words(8, y0 - 10, names[1], colour="soft"))

    def x(self, value: float) -> float:
        """Across."""
        (low, high), (x0, _, x1, _) = self.xs, self.box
        return x0 + (x1 - x0) * (min(max(value, low), high) - low) / (high - low)

    def y(self, value: float) -> float:
        """Down."""
        (low, high), (_, y0, _, y1) = self.ys, self.box
        return y1 - (y1 - y0) * (min(max(value, low), high) - low) / (high - low)

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 2.0) -> None:
        """A line through values."""
        d = path([(self.x(x), self.y(y)) for x, y in points])
        self.parts.append(f'<path d="{d}" {stroke(colour, width)}/>')

    def level(self, price: float, until: float, body: str, colour: str = "bad", *,
              down: float = -5) -> None:  # fmt: skip
        """A price as a dashed line, with its name at the left."""
        x, y = self.box[0], self.y(price)
        self.parts.append(rule(x, y, self.x(until), y, colour, "5 3"))
        self.parts.append(words(x + 6, y + down, body, colour=colour, bold=True))

    def say(self, x: float, y: float, body: str, *, down: float = -7, anchor: str = "start",
            colour: str = "ink") -> None:  # fmt: skip
        """Words at values."""
        self.parts.append(words(self.x(x), self.y(y) + down, body, anchor=anchor, colour=colour))

    def dot(self, x: float, y: float, colour: str = "bad") -> None:
        """A dot at values."""
        self.parts.append(dot(self.x(x), self.y(y), 4, colour))


def key_of(entries: list[tuple[str, str]]) -> list[str]:
    """What the colours mean, at the top right."""
    parts, x = [], WIDTH - RIGHT
    for colour, body in reversed(entries):
        x -= 7.0 * len(body)
        parts.append(words(x, 18, body, colour="soft"))
        x -= 20
        parts.append(f'<line x1="{at(x)}" y1="14" x2="{at(x + 15)}" y2="14" {stroke(colour, 3)}/>')
        x -= 14
    return parts


def top_of(*values: float) -> float:
    """A little above the greatest."""
    return 1.18 * max(values)


def steps_of(e: Example, side: int, among: list[int]) -> list[Step]:
    """What offers would buy (1) or sell (-1), the best first, and what of it was traded."""
    book, found = e.file.book, []
    for i, offer in enumerate(book.piece_offer):
        if int(offer) not in among or isinstance(book.offers[offer].spec, Utility):
            continue
        p = Pieces(*(column[i : i + 1] for column in book.pieces))
        end = float(p.hi[0] if side > 0 else p.lo[0])
        if end * side <= 0:
            continue
        slopes = float(p.b[0] * p.c1[0]) != 0
        slices = SLICES if slopes else 1
        for n in range(slices):
            worth = float(marginal(p, np.array([end * (n + 0.5) / slices]))[0])
            size = abs(end) / e.joules / slices
            found.append(Step(int(offer), worth * e.joules, size, 0.0))
    found.sort(key=lambda step: (-side * step.price, step.offer))
    left = {offer: max(0.0, side * e.energy(offer)) for offer in among}
    for k, step in enumerate(found):
        got = min(step.size, left[step.offer])
        left[step.offer] -= got
        found[k] = step._replace(got=got)
    return found
