"""What accounts paid by the lines of a settlement."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from isojoule.settlement.settle import Line

Ints = NDArray[np.int64]


def paid_in(lines: Iterable[Line], groups: Ints) -> dict[str, Ints]:
    """What each account paid in each group of intervals, nano-units, (G,) each.

    Parameters
    ----------
    groups
        Place of the first interval of each group, (G,), rising, from 0.
    """
    paid: dict[str, Ints] = {}
    for line in lines:
        if line.money_nano is None:
            continue
        sums = np.add.reduceat(line.money_nano, groups)
        for name, nano in zip((*line.parties, line.other), (*sums.T, -sums.sum(1)), strict=True):
            paid[name] = paid[name] + nano if name in paid else nano
    return paid


def paid_in_all(lines: Iterable[Line]) -> dict[str, int]:
    """What each account paid in all intervals together, nano-units."""
    return {name: int(nano[0]) for name, nano in paid_in(lines, np.zeros(1, np.int64)).items()}
