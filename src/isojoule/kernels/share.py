"""Whole amounts shared in proportion, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

HALF = np.uint64(32)
LOW_BITS = np.uint64(0xFFFFFFFF)
ONE = np.uint64(1)
TOP = np.uint64(63)
MOST = np.uint64(2**63)
"""Above every remainder."""


@inline
def multiply_divide(a: np.uint64, w: np.uint64, s: np.uint64) -> tuple[np.uint64, np.uint64]:
    """floor(a * w / s) and its remainder, for w <= s < 2**63; exact in 128 bits."""
    a1, a0, w1, w0 = a >> HALF, a & LOW_BITS, w >> HALF, w & LOW_BITS
    low = a0 * w0
    middle = a1 * w0 + (low >> HALF)
    other = w1 * a0 + (middle & LOW_BITS)
    high = a1 * w1 + (middle >> HALF) + (other >> HALF)
    low = (other << HALF) | (low & LOW_BITS)
    # schoolbook division by bits: high < s, since a * w < 2**64 * s
    quotient = np.uint64(0)
    for _ in range(64):
        high = (high << ONE) | (low >> TOP)
        low = low << ONE
        quotient = quotient << ONE
        if high >= s:
            high -= s
            quotient |= ONE
    return quotient, high


@kernel
def share_rows(
    total: NDArray[np.int64], weight: NDArray[np.int64], rank: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Share totals in proportion to weights, by largest remainder.

    Parameters
    ----------
    total
        Of either sign, (T,).
    weight
        Not negative, each row summing to less than 2**63, (T, P), P at least 1. Where all are 0
        each counts as 1.
    rank
        Which of two equal remainders is served first, (P,), a permutation.

    Returns
    -------
    Parts, (T, P), of the sign of their total; each row sums to it, and each part is the exact one
    rounded down or up.
    """
    rows, parties = weight.shape
    parts = np.zeros((rows, parties), np.int64)
    rest = np.empty(parties, np.uint64)
    missing = np.empty(parties, np.uint64)
    served = np.zeros(parties, np.bool_)
    for row in range(rows):
        if total[row] == 0:
            continue
        whole = np.uint64(0)
        for at in range(parties):
            whole += np.uint64(weight[row, at])
        even = whole == np.uint64(0)
        if even:
            whole = np.uint64(parties)
        amount = np.uint64(abs(total[row]))
        left = amount
        for at in range(parties):
            mine = ONE if even else np.uint64(weight[row, at])
            part, rest[at] = multiply_divide(amount, mine, whole)
            parts[row, at] = np.int64(part)
            left -= part
        if left > 0:
            for at in range(parties):
                missing[rank[at]] = MOST - rest[at]
            # a stable sort: among equal remainders the order of rank
            first = np.argsort(missing, kind="mergesort")
            for at in range(np.int64(left)):
                served[first[at]] = True
            for at in range(parties):
                parts[row, at] += served[rank[at]]
                served[rank[at]] = False
        if total[row] < 0:
            for at in range(parties):
                parts[row, at] = -parts[row, at]
    return parts
