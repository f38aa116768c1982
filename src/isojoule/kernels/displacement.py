"""What winners of an auction of many units displace: the best of what others lose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.money import payment_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def displaced(trader: Ints, won_uj: Ints, loser: Ints, price_per_j: Floats, lost_uj: Ints,
              least_per_j: float, sign: int) -> Ints:  # fmt: skip
    """Payment of each winner, nano-units: others' losing steps, as far as it won, then the price.

    Each step is rounded by itself, payers up, receivers down. The time is that of all steps which
    are displaced.

    Parameters
    ----------
    trader, won_uj
        Winners, and what each won, microjoules, (winners,).
    loser, price_per_j, lost_uj
        Steps that lost, at least in part, best first: whose, at what, and how much of it, (steps,).
    least_per_j
        What a microjoule costs that nobody else wanted, money per J.
    sign
        1 where winners buy, -1 where they sell.
    """
    out = np.zeros(trader.size, np.int64)
    for i in range(trader.size):
        left = won_uj[i]
        for j in range(loser.size):
            if left == 0:
                break
            if loser[j] != trader[i]:
                part = min(left, lost_uj[j])
                out[i] += payment_of(price_per_j[j], sign * part)
                left -= part
        out[i] += payment_of(least_per_j, sign * left)
    return out
