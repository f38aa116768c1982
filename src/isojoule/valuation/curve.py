"""One curve: the marginal worth of energy, as a function of the energy received.

A curve is a row of *pieces*. A piece is a variable x in [lo, hi], with lo <= 0 <= hi and one of
them 0, whose marginal worth is

    m(x) = a + b * (c0 - c1*x)**k,    b, c1 >= 0, k > 0, c0 - c1*x >= 0,

which falls in x. What the offer receives is q = sum of x over its pieces (negative: delivers).
A step has b = 0, a sloped step k = 1, a battery any k > 0. The pieces of an offer stand in
ascending order of the energy they cover, with falling marginal worth, so that filling them from
zero outwards is the same as walking along the curve. No trade is x = 0 everywhere.

Units: x in J, m in money per J, integrals in money. Spec: docs/spec/valuation.md, V1 to V4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Pieces(NamedTuple):
    """Columns of pieces, all of one shape. See the module for what they mean."""

    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats


def marginal(pieces: Pieces, x: Floats) -> Floats:
    """Marginal worth m(x), money per J. `x` has the shape of the pieces."""
    t = np.maximum(pieces.c0 - pieces.c1 * x, 0.0)
    return pieces.a + pieces.b * t**pieces.k


def integral(pieces: Pieces, x: Floats) -> Floats:
    """Worth of x, money: the integral of m from 0 to x.

    Written as b*x*mean(t**k) so that small x loses no digits: with t running from t0 to t1,
    the mean is (t0**(k+1) - t1**(k+1)) / ((k+1) (t0 - t1)), by expm1 and log1p near t0 = t1.
    """
    t0 = np.maximum(pieces.c0, 0.0)
    t1 = np.maximum(pieces.c0 - pieces.c1 * x, 0.0)
    return pieces.a * x + pieces.b * x * _mean_power(t0, t1, pieces.k)


def inverse(pieces: Pieces, price: Floats) -> Floats:
    """The x within [lo, hi] at which the marginal worth is `price`, nearest to it if none is.

    On a flat piece: lo if the price is above, hi if it is below, 0 (no trade) if equal.
    """
    flat = (pieces.b == 0) | (pieces.c1 == 0)
    level = pieces.a + np.where(flat, pieces.b * pieces.c0**pieces.k, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.maximum(price - pieces.a, 0.0) / pieces.b
        curved = (pieces.c0 - t ** (1.0 / pieces.k)) / pieces.c1
    step = np.where(price > level, pieces.lo, np.where(price < level, pieces.hi, 0.0))
    x: Floats = np.clip(np.where(flat, step, curved), pieces.lo, pieces.hi)
    return x


def _mean_power(t0: Floats, t1: Floats, k: Floats) -> Floats:
    """Mean of t**k for t between t0 and t1, both >= 0, accurate also where they nearly agree."""
    high = np.maximum(t0, t1)
    low = np.minimum(t0, t1)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.where(high > 0, (high - low) / high, 0.0)  # 0 <= d <= 1
        # high**k * (1 - (1-d)**(k+1)) / ((k+1) d)
        ratio = -np.expm1((k + 1.0) * np.log1p(-d)) / ((k + 1.0) * d)
        ratio = np.where(d > 0, np.where(d < 1, ratio, 1.0 / (k + 1.0)), 1.0)
    mean: Floats = high**k * ratio
    return mean
