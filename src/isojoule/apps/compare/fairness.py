"""How evenly gains are spread: a few plain measures, each with what it cannot see.

Gains are money that a participant has more (negative: less) than without the market. What is no
larger than a stated threshold is none: rounding is nobody's gain, and nobody's loss.

Points are for gains that are spread evenly, and only for gains. A measure of evenness alone calls
the rule under which nobody trades the fairest of all, and one under which all lose alike as fair
as one under which all gain alike: it would pay to take from some until nobody has more than others,
the levelling down against which D. Parfit argues. So evenness counts in proportion to what is
gained in all that is gained and lost, as A. Sen weighs the mean with it, and where nobody gains
there are none.

Sources: E. Raffinetti, E. Siletti, A. Vernizzi 2015, Stat. Methods Appl. 24:507-521,
doi 10.1007/s10260-014-0293-4 (the Gini coefficient of values of both signs); J. Rawls 1971, A
Theory of Justice (the worst off); A. Sen 1976, Real National Income, Rev. Econ. Stud. 43:19-39 (the
mean times 1 less the Gini coefficient); D. Parfit 1997, Equality and Priority, Ratio 10:202-221.
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
        0: all gain the same; 1: as uneven as it can be. None: nobody gains or loses.
    gained, lost
        What those who gain gain in all, and what those who lose lose, money.
    gainers, losers, people
        Participants who gain, who lose, and all.
    lowest, highest
        Gain of who gains least and most, money; None: there is nobody.
    min_max
        `lowest / highest`, 1 where all gain the same; None where nobody gains, or somebody loses.
    """

    gini: float | None
    gained: float
    lost: float
    gainers: int
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
        Who gains or loses no more than this neither gains nor loses, money.
    """
    if not gains:
        return Fairness(None, 0.0, 0.0, 0, 0, 0, None, None, None)
    real = [g if abs(g) > even else 0.0 for g in gains]
    low, high = min(real), max(real)
    return Fairness(
        gini=gini(real) if any(real) else None,
        gained=sum(max(g, 0.0) for g in real),
        lost=sum(max(-g, 0.0) for g in real),
        gainers=sum(g > 0 for g in real),
        losers=sum(g < 0 for g in real),
        people=len(gains),
        lowest=min(gains),
        highest=max(gains),
        min_max=low / high if high > 0 and low >= 0 else None,
    )


def fair_points(f: Fairness) -> float | None:
    """How evenly gains are spread, 0 to 1: 0 where nobody gains. None: there is nobody.

    1 less the Gini coefficient, times the gains' share of all that is gained and lost. So it falls
    to 0 without a leap as gains make room for losses.

    >>> [fair_points(fairness(g, 0.005)) for g in ([1, 1], [0.001, 0.001], [-1, -1], [3, -1])]
    [1.0, 0.0, 0.0, 0.0]
    """
    if not f.people:
        return None
    if f.gini is None or not f.gained:
        return 0.0
    return (1.0 - f.gini) * f.gained / (f.gained + f.lost)


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
