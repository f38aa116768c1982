"""Prices times energies, in exact nano-units of money."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

LARGEST = 2**63 - 1
"""What no payment reaches; a larger one is a fault that the caller must refuse."""
HALF = np.uint64(32)
LOW_BITS = np.uint64(0xFFFFFFFF)


@inline
def payment_of(price_per_j: float, energy_uj: int) -> int:
    """ceil(price * energy) in nano-units: payers are rounded up, receivers down.

    Exact for every finite price and every energy below 2**63 microjoules: a double is an
    integer m below 2**53 times a power of two, and (1000 m) * energy is multiplied out in 128
    bits. Beyond 64 bits (nine billion units of money) the answer is +-`LARGEST`.
    """
    if energy_uj == 0 or price_per_j == 0.0:
        return 0
    fraction, exponent = math.frexp(abs(price_per_j))
    left = np.uint64(int(fraction * 9007199254740992.0) * 1000)  # 2**53
    right = np.uint64(abs(energy_uj))
    exponent -= 53
    # 128-bit product, by halves (Knuth, The Art of Computer Programming 2, 4.3.1)
    a, b = left >> HALF, left & LOW_BITS
    c, d = right >> HALF, right & LOW_BITS
    low = b * d
    middle = a * d + (low >> HALF)
    other = b * c + (middle & LOW_BITS)
    high = a * c + (middle >> HALF) + (other >> HALF)
    low = (other << HALF) | (low & LOW_BITS)
    # shift by the power of two: whole part, and whether anything is left behind
    left_over = False
    if exponent >= 0:
        room = np.uint64(62)
        if exponent > 62 or high != np.uint64(0) or low >> (room - np.uint64(exponent)):
            return LARGEST if (price_per_j > 0) == (energy_uj > 0) else -LARGEST
        low = low << np.uint64(exponent)
    elif exponent > -64:
        shift = np.uint64(-exponent)
        back = np.uint64(64 + exponent)
        left_over = (low << back) != np.uint64(0)
        if high >> (shift - np.uint64(1)):
            return LARGEST if (price_per_j > 0) == (energy_uj > 0) else -LARGEST
        low = (low >> shift) | (high << back)
    elif exponent > -128:
        shift = np.uint64(-exponent - 64)
        rest = high & ((np.uint64(1) << shift) - np.uint64(1))
        left_over = low != np.uint64(0) or rest != np.uint64(0)
        low = high >> shift
    else:
        left_over = True
        low = np.uint64(0)
    if low >= np.uint64(LARGEST):
        return LARGEST if (price_per_j > 0) == (energy_uj > 0) else -LARGEST
    whole = int(np.int64(low))
    if (price_per_j > 0) == (energy_uj > 0):
        return whole + 1 if left_over else whole
    return -whole


@kernel
def payments(price_per_j: NDArray[np.float64], energy_uj: NDArray[np.int64]) -> NDArray[np.int64]:
    """Payment per entry, nano-units. A nan price stands for no trade and pays 0."""
    out = np.zeros(energy_uj.size, np.int64)
    for i in range(energy_uj.size):
        if not math.isnan(price_per_j[i]):
            out[i] = payment_of(price_per_j[i], energy_uj[i])
    return out
