"""How evenly gains are spread: a few plain measures, each with what it cannot see.

Gains are money that a participant has more (negative: less) than without the market.

Sources: E. Raffinetti, E. Siletti, A. Vernizzi 2015, Stat. Methods Appl. 24:507-521,
doi 10.1007/s10260-014-0293-4 (the Gini coefficient of values of both signs); J. Rawls 1971, A
Theory of Justice (the worst off).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Fairness(NamedTuple):
    """How gains are spread over participants.

    Attributes
    ----------
    gini
        0: all gain the same; 1: as uneven as it can be. None: there is nobody.
    losers, people
        Participants who lose, and all.
    lowest, highest
        Gain of who gains least and most, money; None: there is nobody.
    min_max
        `lowest / highest`, 1 where all gain the same; None where nobody gains, or somebody loses.
    """

    gini: float | None
    losers: int
    people: int
    lowest: float | None
    highest: float | None
    min_max: float | None


def fairness(gains: Sequence[float], even: float) -> Fairness:
    """Measure gains.

    Parameters
    ----------
    gains
        Of all participants, money.
    even
        Who loses no more than this neither gains nor loses, money.
    """
    if not gains:
        return Fairness(None, 0, 0, None, None, None)
    low, high = min(gains), max(gains)
    return Fairness(
        gini=gini(gains),
        losers=sum(g < -even for g in gains),
        people=len(gains),
        lowest=low,
        highest=high,
        min_max=low / high if high > 0 and low >= 0 else None,
    )


def gini(gains: Sequence[float]) -> float:
    """Gini coefficient of values of both signs, from 0 to 1.

    The sum of all differences, over the most that it can be: `2 (n - 1)` times the sum of all
    sizes, which is reached when one has all that is gained and another all that is lost. Where
    nothing is negative it is the usual coefficient times n / (n - 1). It is of amounts: who uses
    ten times as much and saves ten times as much counts as uneven.

    >>> gini([1, 1, 1]), gini([0, 0, 3]), gini([-1, 1]), gini([1, 2, 3])
    (0.0, 1.0, 1.0, 0.3333333333333333)
    """
    values = np.sort(np.asarray(gains, np.float64))
    n, size = values.size, float(np.abs(values).sum())
    if n < 2 or size == 0:
        return 0.0
    # each pair once: the value at place i is added i times and taken away n - 1 - i times
    apart = float(np.sum(values * (2 * np.arange(n) - (n - 1))))
    return min(max(apart / ((n - 1) * size), 0.0), 1.0)
