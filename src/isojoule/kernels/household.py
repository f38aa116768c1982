"""What a household does alone behind its meter, under the utility's two prices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import demand_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def behind_the_meter(meters: int, meter: Ints, start: Ints, order: Ints, lo: Floats, hi: Floats,
                     a: Floats, b: Floats, c0: Floats, c1: Floats, k: Floats, buys_at: float,
                     sells_at: float) -> Floats:  # fmt: skip
    """Where each piece stands when every meter trades with the utility alone.

    Each meter solves its own small market: its pieces meet at a price between the two prices of
    the utility. If even at the selling price it wants more than it has, it imports; if even at
    the buying price it has more than it wants, it exports; else it balances alone, at the price
    where demand crosses zero, offers that are tied there sharing in proportion.

    Parameters
    ----------
    meter
        Meter of each piece, -1 for none, shape (pieces,).
    start, order
        Pieces of each meter: order[start[m]:start[m+1]].
    lo, hi, a, b, c0, c1, k
        Pieces, J and money per J.

    Returns
    -------
    x : (pieces,), J
    """
    x = np.zeros(lo.size)
    for m in range(meters):
        first, last = start[m], start[m + 1]
        for price in (sells_at, buys_at):
            net = 0.0
            for p in range(first, last):
                i = order[p]
                x[i] = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], price, 0.0)
                net += x[i]
            if (price == sells_at and net >= 0.0) or (price == buys_at and net <= 0.0):
                break
        else:
            below, above = buys_at, sells_at
            for _ in range(200):
                price = 0.5 * (below + above)
                if price <= below or price >= above:
                    break
                net = 0.0
                for p in range(first, last):
                    i = order[p]
                    net += demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], price, 0.0)
                if net > 0.0:
                    below = price
                else:
                    above = price
            want, have = 0.0, 0.0
            for p in range(first, last):
                i = order[p]
                want += demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], below, 0.0)
                have -= demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], above, 0.0)
            share = want / (want + have) if want + have > 0.0 else 0.0
            for p in range(first, last):
                i = order[p]
                cheap = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], below, 0.0)
                dear = demand_at(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], above, 0.0)
                x[i] = cheap + share * (dear - cheap)
    return x
