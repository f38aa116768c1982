"""Which mechanism comes first, by weights, and when another one would.

A score is the sum of weight times points. Points are percentage points of something named, divided
by 100, and neither the best nor the worst of those compared sets their scale: so another mechanism
in the list never changes the order of the others (V. Belton, A. E. Gear 1983, Omega 11:228,
doi 10.1016/0305-0483(83)90047-6, show how other scales do that). A weight says how many points of
one criterion one point of another is worth.

Scores are told to a tenth of a point. Who has the same is level, whatever lies behind it: what
money is rounded to decides nothing. Those who are level share a place and stand by name.

Since a score is linear in each weight, the weight at which the first place changes hands is exact:
with all other weights as they are, the lead of the winner W over a rival R is
`lead + t * (points of W - points of R)` when the weight changes by t, and 0 at
`t = -lead / (points of W - points of R)`. Where several are level at the top, R must be ahead
of all of them. Numbers are taken as the exact fractions that they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Criterion:
    """What mechanisms are judged by.

    Parameters
    ----------
    key, label
        Its name in JSON, and for people.
    says
        What a point is, in plain words.
    weight
        Before anybody changes it.
    """

    key: str
    label: str
    says: str
    weight: float = 1.0


class Flip(NamedTuple):
    """The nearest weight of one criterion, in one direction, beyond which somebody else wins.

    Else: who is not level with the first now.

    Attributes
    ----------
    criterion
        Its position.
    at
        The weight at which the winner has the score of the best of those who are first now.
    change
        `at` less the weight as it is.
    winner
        Who wins just beyond.
    """

    criterion: int
    at: Fraction
    change: Fraction
    winner: str


ROUNDING = Fraction(1, 10**6)
"""Of a tenth of a point."""
Points = Mapping[str, Sequence[float]]
"""Points of each mechanism, by criterion."""


def scores(points: Points, weights: Sequence[float]) -> dict[str, Fraction]:
    """Sum of weight times points of each mechanism."""
    exact = [Fraction(w) for w in weights]
    return {
        name: sum((w * Fraction(p) for w, p in zip(exact, mine, strict=True)), Fraction(0))
        for name, mine in points.items()
    }


def tenths(points: Points, weights: Sequence[float]) -> dict[str, int]:
    """Scores as they are told: the weighted mean in tenths of a point, halves up.

    A millionth of a tenth is taken for rounding, so that a half is one on every machine.
    """
    whole = sum(Fraction(w) for w in weights) or Fraction(1)
    return {name: tenth(score / whole) for name, score in scores(points, weights).items()}


def tenth(mean: Fraction | float) -> int:
    """A weighted mean as it is told, in tenths of a point."""
    return math.floor(1000 * mean + Fraction(1, 2) + ROUNDING)


def told(mean: float) -> str:
    """The same in words.

    >>> told(0.8713), told(0.9375), told(-1e-9), told(-17.36336687)
    ('87.1', '93.8', '0.0', '-1736.3')
    """
    return f"{tenth(mean) / 10:.1f}"


def order(points: Points, weights: Sequence[float]) -> list[str]:
    """Names from the first to the last, by the scores as they are told; who is level by name."""
    told = tenths(points, weights)
    return sorted(told, key=lambda name: (-told[name], name))


def places(points: Points, weights: Sequence[float]) -> dict[str, int]:
    """Place of each, from 1: one more than have a higher score. Who is level shares it."""
    told = tenths(points, weights)
    return {name: 1 + sum(t > mine for t in told.values()) for name, mine in told.items()}


def flips(points: Points, weights: Sequence[float]) -> list[Flip]:
    """For each criterion, up and down, the nearest weight (0 or more) where the winner changes.

    Nearest first; equally near by criterion, up before down. What no weight can change is left out.
    That those who are level at the top draw apart is no flip.
    """
    if len(points) < 2 or not any(weights):
        return []
    found, place = scores(points, weights), places(points, weights)
    top = [name for name, at in place.items() if at == 1]
    out = []
    for at, weight in enumerate(weights):
        for up in (True, False):
            ahead = [
                t
                for name in points
                if name not in top and (t := _ahead(points, found, top, name, at, up)) is not None
            ]
            ours = [t for t in ahead if up or Fraction(weight) + t.change > 0]
            if ours:
                nearest = min(ours, key=lambda t: (abs(t.change), -t.pull, t.name))
                change = nearest.change
                out.append(Flip(at, Fraction(weight) + change, change, nearest.name))
    return sorted(out, key=lambda f: abs(f.change))


class _Ahead(NamedTuple):
    """By how much a weight must change for a rival to be first, and how its score grows then."""

    change: Fraction
    pull: Fraction
    name: str


def _ahead(
    points: Points, found: dict[str, Fraction], top: list[str], rival: str, at: int, up: bool
) -> _Ahead | None:
    """When a rival is ahead of all at the top; None: never in this direction."""
    sign = 1 if up else -1
    pull = sign * Fraction(points[rival][at])
    change = Fraction(0)
    for name in top:
        gains = pull - sign * Fraction(points[name][at])  # for each unit that the weight moves
        if gains <= 0:
            return None
        change = max(change, (found[name] - found[rival]) / gains)
    return _Ahead(sign * change, pull, rival)
