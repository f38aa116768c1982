"""What holders can commit, and by how much they may fall short, for many at once.

As `isojoule.settlement.commitments.risk`, in columns and whole lots; a test compares the two.
Spec: docs/spec/collateral.md, B17, B18 and B20.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.settlement.collateral.nouns import Side
from isojoule.settlement.day_ahead.blocks import Blocks
from isojoule.settlement.day_ahead.rules import BASIS, LOT_UJ, MOST_LOTS, DayAhead

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIGNS = {Side.SELL: -1, Side.BUY: 1}
"""A seller gives, a buyer takes: the sign of the net that counts."""


def delivered_lots(net_uj: Ints, side: Side) -> Ints:
    """What a net gave (or took), in whole lots, at most `MOST_LOTS`; of any shape."""
    lots: Ints = np.minimum(np.maximum(SIGNS[side] * net_uj, 0) // LOT_UJ, MOST_LOTS)
    return lots


def known_cases(blocks: Blocks, number: int, now_s: int, history_s: int) -> list[int]:
    """The same slot of earlier days, ended by now and not too old: blocks, the latest first."""
    oldest = int(blocks.start_s[number]) - history_s
    return [
        before
        for before in blocks.before[number]
        if blocks.end_s[before] <= now_s and blocks.start_s[before] >= oldest
    ]


def largest_lots(cases: Ints, rules: DayAhead) -> Ints:
    """The most lots whose expected shortfall is bearable, (P,). B18.

    Parameters
    ----------
    cases
        Lots delivered on each day, (N, P), N at least 1.
    """
    weight, tail = tail_weights(len(cases), rules.level)
    worst = np.sort(cases, axis=0)[: weight.size]
    share = round(rules.bearable * BASIS)
    # no more than the best case of the tail: beyond it the shortfall grows one for one
    low, high = np.zeros(cases.shape[1], np.int64), _beyond(worst, share)
    while np.any(low < high):
        middle = (low + high + 1) // 2
        short = (weight[:, None] * np.maximum(middle - worst, 0)).sum(0)
        fine = short * BASIS <= share * middle * tail
        low, high = np.where(fine, middle, low), np.where(fine, high, middle - 1)
    return low


def shortfall_lots(cases: Ints, promised: Ints, level: float) -> Floats:
    """Expected shortfall of what is promised, lots, (P,). B17."""
    weight, tail = tail_weights(len(cases), level)
    worst = np.sort(cases, axis=0)[: weight.size]
    short = (weight[:, None] * np.maximum(promised - worst, 0)).sum(0)
    out: Floats = short / tail
    return out


def tail_weights(count: int, level: float) -> tuple[Ints, int]:
    """How much each of the worst cases counts, the worst first, and all of it.

    In hundredths of a percent of a case.

    >>> tail_weights(4, 0.6)
    (array([10000,  6000]), 16000)
    """
    tail = (BASIS - round(level * BASIS)) * count
    whole, rest = divmod(tail, BASIS)
    weights = [BASIS] * whole + [rest] * (rest > 0)
    return np.array(weights, np.int64), tail


def _beyond(worst: Ints, share: int) -> Ints:
    """What nobody can commit more than, (P,): q - max(worst) <= share * q."""
    top = worst.max(0)
    most: Ints = np.minimum(top * BASIS // (BASIS - share) + 1, MOST_LOTS)
    return most
