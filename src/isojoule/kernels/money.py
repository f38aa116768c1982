"""Prices times energies, in exact nano-units of money."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

SPLIT = 134217729.0  # 2**27 + 1


@inline
def payment_of(price_per_j: float, energy_uj: int) -> int:
    """ceil(price * energy) in nano-units: payers are rounded up, receivers down.

    Exact for |price * energy| below 2**53 nano-units (nine million units of money): the product
    of two doubles is a double plus an error that is a double too (Dekker 1971, Numer. Math.
    18:224). The energy in nano-joules must be below 2**53 (2.5 MWh), else it is split.
    """
    if energy_uj == 0 or price_per_j == 0.0:
        return 0
    scaled = energy_uj * 1000
    if abs(energy_uj) >= 9_007_199_254_740:
        # split into two parts that are exact; each is rounded up
        half = energy_uj // 2
        return payment_of(price_per_j, half) + payment_of(price_per_j, energy_uj - half)
    n = float(scaled)
    p = price_per_j * n
    t = SPLIT * price_per_j
    price_high = t - (t - price_per_j)
    price_low = price_per_j - price_high
    t = SPLIT * n
    n_high = t - (t - n)
    n_low = n - n_high
    error = (
        (price_high * n_high - p) + price_high * n_low + price_low * n_high
    ) + price_low * n_low
    c = math.ceil(p)
    if c == p and error > 0.0:
        return int(c) + 1
    return int(c)


@kernel
def payments(
    price_per_j: NDArray[np.float64], energy_uj: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Payment per entry, nano-units. A nan price stands for no trade and pays 0."""
    out = np.zeros(energy_uj.size, np.int64)
    for i in range(energy_uj.size):
        if not math.isnan(price_per_j[i]):
            out[i] = payment_of(price_per_j[i], energy_uj[i])
    return out
