"""What a holder may expect to fall short by, from the history of its own profile.

The expected shortfall at a level (CVaR) is the mean of the worst cases: at 0.95 of the worst 5 %. A
history has as many cases as it has days with the same interval.

Source: Rockafellar, Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2, 2000;
for discrete cases: Conditional value-at-risk for general loss distributions, J. Banking & Finance
26, 2002, https://doi.org/10.1016/S0378-4266(02)00271-6. Spec: docs/spec/collateral.md, B17 and B18.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from isojoule.core.errors import InputError


def cases_of(history_uj: Sequence[int], interval: int, per_day: int) -> list[int]:
    """What was delivered in one interval of the day, on each day of a history.

    Parameters
    ----------
    history_uj
        Consecutive intervals, the first of them the first of a day.
    interval
        Which of the day, from 0.
    per_day
        Intervals in a day.

    >>> cases_of([0, 5, 0, 7, 0, 6], 1, 2)
    [5, 7, 6]
    """
    return list(history_uj[interval::per_day])


def expected_shortfall_uj(cases_uj: Sequence[int], promised_uj: int, level: float) -> Fraction:
    """Mean shortfall in the worst `1 - level` of the cases, uJ.

    Parameters
    ----------
    cases_uj
        What was delivered in each case, all equally likely.
    promised_uj
        What is promised.
    level
        In [0, 1); 0: the mean of all cases.

    Raises
    ------
    InputError
        There is no case, or the level is none.

    >>> expected_shortfall_uj([10, 10, 10, 2], 10, 0.75), expected_shortfall_uj([10, 0], 10, 0.0)
    (Fraction(8, 1), Fraction(5, 1))
    """
    if not cases_uj:
        raise InputError("there is no history to learn from", remedy="promise once it was measured")
    if not 0 <= level < 1:
        raise InputError(f"{level} is no level", remedy="give one from 0 to below 1, as 0.95")
    worst = sorted((max(0, promised_uj - case) for case in cases_uj), reverse=True)
    tail = (1 - Fraction(level)) * len(worst)  # so many cases, the last one perhaps in part
    total, left = Fraction(0), tail
    for short in worst:
        part = min(left, Fraction(1))
        total += part * short
        left -= part
        if not left:
            break
    return total / tail


def largest_commitment_uj(cases_uj: Sequence[int], level: float, bearable_uj: int) -> int:
    """The most that can be promised with an expected shortfall that is bearable, uJ.

    Raises
    ------
    InputError
        As `expected_shortfall_uj`; or what is bearable is below 0.

    >>> largest_commitment_uj([10, 10, 10, 2], 0.75, 3)
    5
    """
    if bearable_uj < 0:
        raise InputError("what is bearable is below 0", remedy="give 0, or more")
    low, high = 0, max([*cases_uj, 0]) + bearable_uj
    while low < high:  # the shortfall rises with what is promised, beyond every case one for one
        middle = (low + high + 1) // 2
        if expected_shortfall_uj(cases_uj, middle, level) <= bearable_uj:
            low = middle
        else:
            high = middle - 1
    expected_shortfall_uj(cases_uj, low, level)
    return low
