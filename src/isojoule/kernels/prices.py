"""Which prices support a given allocation, and how far from the optimum it can be at most.

Nothing here knows how the allocation was found: these kernels are what an auditor runs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

PEAK = 1e-4
"""A link whose marginal gain is below this share of its gain stands at its peak."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@inline
def marginal_at(a: float, b: float, c0: float, c1: float, k: float, x: float) -> float:
    """Marginal worth of a piece, money per J (see isojoule.valuation.curve)."""
    if b == 0.0:
        return a
    t = max(c0 - c1 * x, 0.0)
    return a + b * t if k == 1.0 else a + b * t**k


@inline
def integral_between(a: float, b: float, c0: float, c1: float, k: float, x0: float,
                     x1: float) -> float:  # fmt: skip
    """Worth of going from x0 to x1, money; accurate for small steps."""
    out = a * (x1 - x0)
    if b == 0.0:
        return out
    t0 = max(c0 - c1 * x0, 0.0)
    t1 = max(c0 - c1 * x1, 0.0)
    top = max(t0, t1)
    if top == 0.0:
        return out
    if k == 1.0:
        return float(out + b * (x1 - x0) * (0.5 * (t0 + t1)))
    d = abs(t0 - t1) / top
    mean = top**k
    if d >= 1.0:
        mean *= 1.0 / (k + 1.0)
    elif d > 0.0:
        mean *= -math.expm1((k + 1.0) * math.log1p(-d)) / ((k + 1.0) * d)
    return float(out + b * (x1 - x0) * mean)


@inline
def demand_at(lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float,
              price: float, stay: float) -> float:  # fmt: skip
    """The x in [lo, hi] that the piece wants at this price; `stay` where it is indifferent."""
    if b == 0.0 or c1 == 0.0:
        level = a if b == 0.0 else a + b * c0**k
        if price > level:
            return lo
        return hi if price < level else stay
    if price <= a:
        return hi
    t = (price - a) / b
    if k != 1.0:
        t = t ** (1.0 / k)
    return min(max((c0 - t) / c1, lo), hi)


@kernel
def fill(piece_offer: Ints, lo: Floats, hi: Floats, energy_j: Floats) -> Floats:
    """Walk each offer's pieces from zero outwards to the energy it receives. Shape (pieces,)."""
    x = np.zeros(lo.size)
    i = 0
    while i < lo.size:
        o = piece_offer[i]
        end = i
        while end < lo.size and piece_offer[end] == o:
            end += 1
        left = energy_j[o]
        if left > 0.0:
            for p in range(i, end):
                x[p] = min(hi[p], left)
                left -= x[p]
        elif left < 0.0:
            for p in range(end - 1, i - 1, -1):
                x[p] = max(lo[p], left)
                left -= x[p]
        i = end
    return x


@inline
def best_profit(gain: float, r: float, price: float, here: float, there: float,
                 most: float) -> float:  # fmt: skip
    """Greatest of there*(g f - r f^2) - here*f - price*f over 0 <= f <= most."""
    slope = gain * there - here - price
    bend = r * there
    f = most
    if slope <= 0.0 and bend >= 0.0:
        return 0.0
    if bend > 0.0:
        f = min(most, slope / (2.0 * bend))
    return max(0.0, (slope - bend * f) * f)


@kernel
def welfare_gap(node: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats,
                k: Floats, x: Floats, counts: NDArray[np.bool_], tail: Ints, head: Ints,
                flow: Floats, received: Floats, capacity: Floats, gain: Floats, r: Floats,
                price: Floats, dual: Floats) -> tuple[float, float, float]:  # fmt: skip
    """Welfare reached, and how much more any allocation could reach at most (weak duality).

    The gap is a sum of what each piece and each link, taken alone at the dual prices, would
    still gain. Every term is 0 or more for every choice of prices, so the bound holds whatever
    the duals are. Unlimited bounds must be made finite by the caller (see
    `isojoule.market.allocation`).

    Returns
    -------
    welfare : money, over the pieces that count
    gap : money
    worst : largest single term of the gap, money
    """
    welfare = 0.0
    gap = 0.0
    worst = 0.0
    for i in range(lo.size):
        if counts[i]:
            welfare += integral_between(a[i], b[i], c0[i], c1[i], k[i], 0.0, x[i])
        v = node[i]
        want = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], dual[v], x[i])
        term = integral_between(a[i], b[i], c0[i], c1[i], k[i], x[i], want)
        term -= dual[v] * (want - x[i])
        if not term <= 0.0:  # a nan must show
            gap += term
            worst = max(worst, term)
    for e in range(tail.size):
        sent = abs(flow[e])
        here = dual[tail[e]] if flow[e] >= 0.0 else dual[head[e]]
        there = dual[head[e]] if flow[e] >= 0.0 else dual[tail[e]]
        now = there * received[e] - (here + price[e]) * sent
        one = best_profit(gain[e], r[e], price[e], dual[tail[e]], dual[head[e]], capacity[e])
        two = best_profit(gain[e], r[e], price[e], dual[head[e]], dual[tail[e]], capacity[e])
        term = max(one, two) - now
        if not term <= 0.0:
            gap += term
            worst = max(worst, term)
        welfare -= price[e] * sent
    return welfare, gap, worst
