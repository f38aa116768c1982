"""Which mechanism comes first, by weights, and when another one would.

A score is the sum of weight times points. Points are percentage points of something named, divided
by 100, and neither the best nor the worst of those compared sets their scale: so another mechanism
in the list never changes the order of the others (V. Belton, A. E. Gear 1983, Omega 11:228,
doi 10.1016/0305-0483(83)90047-6, show how other scales do that). A weight says how many points of
one criterion one point of another is worth.

Since a score is linear in each weight, the weight at which the first place changes hands is exact:
with all other weights as they are, the lead of the winner W over a rival R is
`lead + t * (points of W - points of R)` when the weight changes by t, and 0 at
`t = -lead / (points of W - points of R)`. Numbers are taken as the exact fractions that they are.
"""

from __future__ import annotations

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

    Attributes
    ----------
    criterion
        Its position.
    at
        The weight at which both have the same score.
    change
        `at` less the weight as it is.
    winner
        Who wins just beyond.
    """

    criterion: int
    at: Fraction
    change: Fraction
    winner: str


Points = Mapping[str, Sequence[float]]
"""Points of each mechanism, by criterion."""


def scores(points: Points, weights: Sequence[float]) -> dict[str, Fraction]:
    """Sum of weight times points of each mechanism."""
    exact = [Fraction(w) for w in weights]
    return {
        name: sum((w * Fraction(p) for w, p in zip(exact, mine, strict=True)), Fraction(0))
        for name, mine in points.items()
    }


def order(points: Points, weights: Sequence[float]) -> list[str]:
    """Names from the first to the last; equal scores by name."""
    found = scores(points, weights)
    return sorted(found, key=lambda name: (-found[name], name))


def flips(points: Points, weights: Sequence[float]) -> list[Flip]:
    """For each criterion, up and down, the nearest weight (0 or more) where the winner changes.

    Nearest first; equally near by criterion, up before down. What no weight can change is left out.
    """
    if len(points) < 2:
        return []
    found = scores(points, weights)
    winner = order(points, weights)[0]
    out = []
    for at, weight in enumerate(weights):
        rivals = []
        for name, mine in points.items():
            slope = Fraction(points[winner][at]) - Fraction(mine[at])
            if name != winner and slope != 0:
                rivals.append((-(found[winner] - found[name]) / slope, slope, name))
        for up in (True, False):
            # a rival that gains on the winner in this direction
            ours = [(t, slope, n) for t, slope, n in rivals if (slope < 0) == up]
            ours = [r for r in ours if Fraction(weight) + r[0] > 0 or up]
            if not ours:
                continue
            nearest = min(ours, key=lambda r: abs(r[0]))[0]
            tied = [r for r in ours if r[0] == nearest]
            beyond = min(tied, key=lambda r: (r[1] if up else -r[1], r[2]))[2]
            out.append(Flip(at, Fraction(weight) + nearest, nearest, beyond))
    return sorted(out, key=lambda f: abs(f.change))
