"""Pauses of the market: stretches in which everybody falls back on the utility's tariff.

Spec: docs/spec/run.md, R20.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause

Ints = NDArray[np.int64]


def paused(pauses: tuple[Pause, ...], times_s: Ints) -> NDArray[np.bool_]:
    """Whether the market pauses in the intervals that start then, shape of `times_s`."""
    out = np.zeros(times_s.shape, bool)
    for pause in pauses:
        out |= (times_s >= pause.start_s) & (times_s < pause.end_s)
    return out


def check_pauses(pauses: tuple[Pause, ...], times_s: Ints, interval_s: int) -> None:
    """Refuse pauses that overlap, are out of order, or cut an interval in two.

    Raises
    ------
    InputError
        Names the pause.
    """
    for before, after in pairwise(pauses):
        if after.start_s < before.end_s:
            raise InputError(
                "starts before the one before it ends",
                place=after.place,
                remedy="list disjoint pauses in time order",
            )
    for pause in pauses:
        for moment in (pause.start_s, pause.end_s):
            if np.any((times_s < moment) & (moment < times_s + interval_s)):
                raise InputError(
                    f"begins or ends within an interval of {interval_s} s",
                    place=pause.place,
                    remedy="let it begin and end where intervals start",
                )
