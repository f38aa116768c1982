"""Pivots at one place from one sorting (see `isojoule.market.pivots.merit_order`).

Worths are summed in pairs of doubles, which hold 106 bits (Dekker 1971, Numer. Math. 18:224,
https://doi.org/10.1007/BF01397083), so that the difference of two large sums keeps every digit of
a small payment. Sizes are whole microjoules, added up exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.incidence import grouped
from isojoule.kernels.money import LARGEST

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPLIT = 134217729.0  # 2**27 + 1
HALF_WORD = 1 << 31
NANO = 1000.0
"""Nano-units in money per J times microjoules."""


@inline
def two_sum(a: float, b: float) -> tuple[float, float]:
    """The sum, and what rounding takes from it."""
    s = a + b
    other = s - a
    return s, (a - (s - other)) + (b - other)


@inline
def two_product(a: float, b: float) -> tuple[float, float]:
    """The product, and what rounding takes from it."""
    p = a * b
    t = SPLIT * a
    a1 = t - (t - a)
    a2 = a - a1
    t = SPLIT * b
    b1 = t - (t - b)
    b2 = b - b1
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


@inline
def plus(high: float, low: float, more: float, rest: float) -> tuple[float, float]:
    """Sum of two pairs."""
    s, e = two_sum(high, more)
    t, f = two_sum(low, rest)
    s, e = two_sum(s, e + t)
    return two_sum(s, e + f)


@inline
def worth_of(worth_per_j: float, size_uj: int) -> tuple[float, float]:
    """Worth times whole microjoules, as a pair; sizes beyond 2**53 in two parts."""
    high = (size_uj // HALF_WORD) * HALF_WORD
    p, e = two_product(worth_per_j, float(high))
    q, f = two_product(worth_per_j, float(size_uj - high))
    return plus(p, e, q, f)


@inline
def rounded_up(high: float, low: float, last_digit: float) -> int:
    """Up to the next whole number, but for this share; beyond 64 bits +-`LARGEST`."""
    if not abs(high) < 9e18:
        return LARGEST if high > 0.0 else -LARGEST
    near = np.rint(high)
    more = (high - near) + low
    whole = np.rint(more)
    more -= whole
    out = int(near) + int(whole)
    return out + 1 if more > last_digit * abs(high) else out


@kernel
def held_of(offer: Ints, size_uj: Ints, sold: Bools, energy_uj: Ints) -> tuple[Ints, bool]:
    """What is held of each step, and whether steps hold all that offers receive or deliver.

    Parameters
    ----------
    offer, size_uj, sold
        Of each step: its offer, ascending, its size, and whether it sells. The curve of an offer
        falls from step to step.
    energy_uj
        Of each offer.
    """
    held = np.zeros(size_uj.size, np.int64)
    left = energy_uj.copy()
    for i in range(size_uj.size):  # bought first where the curve is dearest
        if sold[i]:
            held[i] = size_uj[i]
        elif left[offer[i]] > 0:
            held[i] = min(size_uj[i], left[offer[i]])
            left[offer[i]] -= held[i]
    for i in range(size_uj.size - 1, -1, -1):  # sold first where it is cheapest
        if sold[i] and left[offer[i]] < 0:
            held[i] = size_uj[i] - min(size_uj[i], -left[offer[i]])
            left[offer[i]] += size_uj[i] - held[i]
    whole = True
    for o in range(left.size):
        whole = whole and left[o] == 0
    return held, whole


@kernel
def pivots_in_order(worth_per_j: Floats, size_uj: Ints, sold: Bools, held_uj: Ints, owner: Ints,
                    owners: int, last_digit: float) -> tuple[Floats, Floats, Ints]:  # fmt: skip
    """What each owner pays, nano-units, as pairs of doubles, and rounded up.

    Parameters
    ----------
    worth_per_j, size_uj, sold, held_uj, owner
        Of the steps, the dearest first. All sizes together are below 2**63.
    last_digit
        Share of itself by which a payment may pass a whole nano-unit and still be that one.
    """
    steps = size_uj.size
    ends = np.zeros(steps + 1, np.int64)
    high, low = np.zeros(steps + 1), np.zeros(steps + 1)
    had = np.zeros(owners, np.int64)
    mine, mine_low = np.zeros(owners), np.zeros(owners)
    now = now_low = 0.0
    every = 0
    for i in range(steps):
        o = owner[i]
        ends[i + 1] = ends[i] + size_uj[i]
        p, e = worth_of(worth_per_j[i], size_uj[i])
        high[i + 1], low[i + 1] = plus(high[i], low[i], p, e)
        if sold[i]:
            had[o] += size_uj[i]
            every += size_uj[i]
        p, e = worth_of(worth_per_j[i], held_uj[i])
        mine[o], mine_low[o] = plus(mine[o], mine_low[o], p, e)
        now, now_low = plus(now, now_low, p, e)
    first, at = grouped(owner, owners)
    out, rest = np.zeros(owners), np.zeros(owners)
    nano = np.zeros(owners, np.int64)
    for o in range(owners):
        # the others hold what they had in the dearest of their steps; own ones are passed
        target = every - had[o]
        out_size = 0
        best = best_low = 0.0
        if target > 0:
            for j in range(first[o], first[o + 1]):
                i = at[j]
                if ends[i] - out_size >= target:
                    break
                out_size += size_uj[i]
                p, e = worth_of(worth_per_j[i], size_uj[i])
                best, best_low = plus(best, best_low, -p, -e)
            last = np.searchsorted(ends, target + out_size) - 1  # the step in which they end
            best, best_low = plus(best, best_low, high[last], low[last])
            p, e = worth_of(worth_per_j[last], target + out_size - ends[last])
            best, best_low = plus(best, best_low, p, e)
        best, best_low = plus(best, best_low, -now, -now_low)
        best, best_low = plus(best, best_low, mine[o], mine_low[o])
        p, e = two_product(best, NANO)
        out[o], rest[o] = two_sum(p, e + best_low * NANO)
        nano[o] = rounded_up(out[o], rest[o], last_digit)
    return out, rest, nano
