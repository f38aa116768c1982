"""How batteries move in an interval, in whole microjoules."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLACK_UJ = 2
"""An offer rounded to the microjoule may reach so far past a wall."""


@kernel
def move_packs(stored_uj: Ints, received_uj: Ints, kept_uj: Ints, eta_c: Floats, eta_d: Floats,
               capacity_uj: Ints) -> tuple[Ints, int]:  # fmt: skip
    """Energy after receiving (negative: delivering), before anything else is drawn.

    Converters round against the battery: charging down, discharging up.

    Parameters
    ----------
    kept_uj
        What is promised and never leaves.

    Returns
    -------
    after : (batteries,), microjoules
    bad : the first battery that left its bounds, or -1
    """
    after = np.empty(stored_uj.size, np.int64)
    bad = -1
    for i in range(stored_uj.size):
        gain = math.floor(max(received_uj[i], 0) * eta_c[i])
        drain = math.ceil(max(-received_uj[i], 0) / eta_d[i])
        level = stored_uj[i] + np.int64(gain) - np.int64(drain)
        out = level < kept_uj[i] - SLACK_UJ or level > capacity_uj[i] + SLACK_UJ
        if out and bad < 0:
            bad = i
        after[i] = min(max(level, kept_uj[i]), capacity_uj[i])
    return after, bad


@kernel
def idle_packs(idle_s: Floats, stored_uj: Ints, received_uj: Ints, used_uj: Ints,
               reserve_uj: Floats, eta_d: Floats, interval_s: float) -> Floats:  # fmt: skip
    """Time since each battery last gave energy, s: (idle + interval) * (1 - given / free)."""
    idle = np.empty(idle_s.size)
    for i in range(idle_s.size):
        free = stored_uj[i] - reserve_uj[i]
        given = max(-received_uj[i], 0) / eta_d[i] + used_uj[i]
        left = 1.0 - min(given / free, 1.0) if free > 0.0 else 1.0
        idle[i] = (idle_s[i] + interval_s) * left
    return idle
