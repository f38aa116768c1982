"""What a household does alone behind its meter, under the utility's two prices."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import demand_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Index = NDArray[np.int32]


@kernel
def meters(participant: Index, node: Index) -> tuple[Ints, int]:
    """Meter of each offer, one a participant and node, numbered in that order; and how many."""
    key = np.empty(node.size, np.int64)
    width = 1
    for i in range(node.size):
        width = max(width, node[i] + 1)
    for i in range(node.size):
        key[i] = np.int64(participant[i]) * width + node[i]
    meter = np.empty(node.size, np.int64)
    count = 0
    last = np.int64(0)
    for i in np.argsort(key):
        if count == 0 or key[i] != last:
            last = key[i]
            count += 1
        meter[i] = count - 1
    return meter, count


@kernel
def pieces_by_meter(meter: Ints, meters: int, piece_offer: Index, without: int
                    ) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """The pieces of each meter but those of one offer, in their order.

    Returns
    -------
    of_piece : meter of each piece
    start, order : pieces of meter m are order[start[m]:start[m+1]]
    """
    of_piece = np.empty(piece_offer.size, np.int64)
    start = np.zeros(meters + 1, np.int64)
    for i in range(piece_offer.size):
        of_piece[i] = meter[piece_offer[i]]
        if piece_offer[i] != without:
            start[of_piece[i] + 1] += 1
    for m in range(meters):
        start[m + 1] += start[m]
    order = np.empty(start[meters], np.int64)
    at = start[:meters].copy()
    for i in range(piece_offer.size):
        if piece_offer[i] != without:
            order[at[of_piece[i]]] = i
            at[of_piece[i]] += 1
    return of_piece, start, order


@kernel
def serve_own_home(piece_offer: Index, on_curve: Bools, offers: int, lo: Floats, hi: Floats,
                   a: Floats, b: Floats, c0: Floats, k: Floats, buys_at: float, sells_at: float
                   ) -> Floats:  # fmt: skip
    """Pieces with batteries that serve their own household.

    On the curve of a battery the bid becomes a price just above the utility's buying price, the
    ask one just below its selling price, if a round trip pays; else the piece is shut. The
    efficiency of the round trip is the ratio of bid to ask at no trade. A full battery has no
    bid, an empty one no ask: nothing to compare, nothing to lose.

    Returns
    -------
    (4, pieces): new lo, hi, a and b.
    """
    ask = np.full(offers, math.nan)
    bid = np.full(offers, math.nan)
    for i in range(lo.size):
        if on_curve[i]:
            level = a[i] + b[i] * max(c0[i], 0.0) ** k[i]
            if lo[i] <= 0.0 and hi[i] == 0.0:
                ask[piece_offer[i]] = level
            if hi[i] > 0.0:
                bid[piece_offer[i]] = level
    out = np.empty((4, lo.size))
    third = (sells_at - buys_at) / 3
    for i in range(lo.size):
        out[0, i], out[1, i], out[2, i], out[3, i] = lo[i], hi[i], a[i], b[i]
        if on_curve[i] and hi[i] > lo[i]:
            trip = bid[piece_offer[i]] / ask[piece_offer[i]]
            if not math.isfinite(trip) or trip * sells_at > buys_at:
                out[2, i] = buys_at + third if hi[i] > 0.0 else sells_at - third
                out[3, i] = 0.0
            else:
                out[0, i] = out[1, i] = 0.0
    return out


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
