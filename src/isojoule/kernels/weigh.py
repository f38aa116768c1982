"""What many points of one bordered program reach, and what their prices prove, all in one pass.

See `isojoule.kernels.border` for the program. Each point is that of all without somebody's pieces,
which are 0 there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import Bordered
from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import demand_at, integral_between

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Weighed(NamedTuple):
    """Of each point, scaled, shape (points,).

    Attributes
    ----------
    worth
        Of all pieces, less what arcs cost.
    lacking
        What lacks at nodes and in rows that cost, at their prices.
    gap
        What each piece and arc, alone at these prices, could still gain: no allocation within all
        limits has more than worth, `lacking` and this. inf where a row costs that has no limit.
    size
        Sum of worths without sign.
    open
        Sum of what lacks at nodes, each at the dearest of all prices.
    astray
        Most that lacks at a node, or that a row is passed by.
    """

    worth: Floats
    lacking: Floats
    gap: Floats
    size: Floats
    open: Floats
    astray: Floats


@kernel
def weigh(
    p: Bordered, owner: Ints, who: Ints, reach: float, y: Floats, node: Floats, row: Floats
) -> Weighed:
    """Weigh points against their prices.

    Parameters
    ----------
    p
        The program of all. Without limits, bounds of pieces and arcs count as `reach`.
    owner, who
        The party of each piece, and whose pieces are closed at each point.
    y, node, row
        Points within all bounds, prices of nodes, and of rows, scaled; shapes (points, P + A),
        (points, n) and (points, R).
    """
    points, pieces, arcs = y.shape[0], p.a.size, p.gain.size
    n, rows = node.shape[1], p.rows.shape[0]
    worth, lacking, gap = np.zeros(points), np.zeros(points), np.zeros(points)
    size, open_, astray = np.zeros(points), np.zeros(points), np.zeros(points)
    toll, over = np.zeros(pieces + arcs), np.zeros(n)
    for j in range(points):
        now, price = y[j], node[j]
        toll[:] = 0.0
        over[:] = p.inject
        for r in range(rows):
            mine, nu, value = p.rows[r], row[j, r], 0.0
            for i in range(pieces + arcs):
                value += mine[i] * now[i]
                toll[i] += nu * mine[i]
            lo, hi = p.lo[pieces + arcs + r], p.hi[pieces + arcs + r]
            astray[j] = max(astray[j], value - hi, lo - value)
            if nu != 0.0:
                limit = hi if nu > 0.0 else lo
                if math.isfinite(limit):
                    gap[j] += max(nu * (limit - value), 0.0)
                    lacking[j] += min(nu * (limit - value), 0.0)
                else:
                    gap[j] = math.inf
        for i in range(pieces):
            a, b, c0, c1, k = p.a[i], p.b[i], p.c0[i], p.c1[i], p.k[i]
            lo, hi, x = max(p.lo[i], -reach), min(p.hi[i], reach), now[i]
            if owner[i] == who[j]:
                lo = hi = 0.0
            at = price[p.piece_node[i]] + toll[i]
            want = demand_at(lo, hi, a, b, c0, c1, k, at, x)
            gap[j] += max(integral_between(a, b, c0, c1, k, x, want) - at * (want - x), 0.0)
            mine_worth = integral_between(a, b, c0, c1, k, 0.0, x)
            worth[j] += mine_worth
            size[j] += abs(mine_worth)
            over[p.piece_node[i]] -= x
        for e in range(arcs):
            i = pieces + e
            tail, head, f, loss = p.arc_tail[e], p.arc_head[e], now[i], p.loss[e]
            lo, hi = max(p.lo[i], -reach), min(p.hi[i], reach)
            slope = p.gain[e] * price[head] - price[tail] - p.price[e] - toll[i]
            bend = loss * price[head]
            most = max((slope - bend * lo) * lo, (slope - bend * hi) * hi)
            if bend > 0.0:
                peak = min(max(slope / (2.0 * bend), lo), hi)
                most = max(most, (slope - bend * peak) * peak)
            gap[j] += max(most - (slope - bend * f) * f, 0.0)
            worth[j] -= p.price[e] * abs(f)
            size[j] += p.price[e] * abs(f)
            over[head] += (p.gain[e] - loss * f) * f
            over[tail] -= f
        dearest = np.max(np.abs(price))
        for v in range(n):
            lacking[j] += price[v] * over[v]
            open_[j] += abs(over[v]) * dearest
            astray[j] = max(astray[j], abs(over[v]))
    return Weighed(worth, lacking, gap, size, open_, astray)
