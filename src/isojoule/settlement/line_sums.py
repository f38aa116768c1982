"""What accounts paid by the lines of a settlement."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from isojoule.settlement.settle import Line

Bools = NDArray[np.bool_]
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


def paid_in_all(lines: Iterable[Line], rows: Bools | slice = slice(None)) -> dict[str, int]:
    """What each account paid in all of these intervals together, nano-units."""
    paid: dict[str, int] = {}
    for line in lines:
        if line.money_nano is None:
            continue
        sums = line.money_nano[rows].sum(0).tolist()
        for name, nano in zip((*line.parties, line.other), (*sums, -sum(sums)), strict=True):
            paid[name] = paid.get(name, 0) + nano
    return paid
