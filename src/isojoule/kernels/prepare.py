"""What a book says before anything is solved, in one walk over its pieces.

A piece is a row (lo, hi, a, b, c0, c1, k) with the marginal worth a + b * (c0 - c1 x)**k, in J and
money per J. Shapes: pieces (P,), offers (O,), links (L,), nodes (n,), connected parts (parts,).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UJ_PER_J = 1e6
NO_LIMIT_UJ = float(2**62)
WHOLE = 1e-3
"""A bound that is whole microjoules but for this much stays whole."""
MARGIN = 10.0
"""What is lost on the way costs no more than this times, where no price of energy says more."""


class Survey(NamedTuple):
    """What `survey` finds.

    Attributes
    ----------
    low_uj, high_uj
        Least and greatest energy of each offer, inside its bounds, (O,).
    alive
        Whether a part has a seller and a buyer, or a given supply, (parts,).
    fallback
        A price for parts that have not: the cheapest ask, no more than 0, or the dearest bid, no
        less than 0; money per J, (parts,).
    dead
        Number of parts that are not alive.
    joins
        Number of pieces that are one formula with the next of their offer, on the other side of 0.
    endless
        The cheapest unlimited piece to sell, if an unlimited one to buy is dearer; -1 if not.
    reach_j
        As in `reach`.
    """

    low_uj: Ints
    high_uj: Ints
    alive: Bools
    fallback: Floats
    dead: int
    joins: int
    endless: int
    reach_j: float


@inline
def worth_at_rest(a: float, b: float, c0: float, k: float) -> float:
    """Marginal worth of a piece where nothing is traded, money per J."""
    if b == 0.0:
        return a
    t = max(c0, 0.0)
    return a + b * t if k == 1.0 else a + b * t**k


@inline
def _reach(total: float, dearest: float, cheapest: float, top: float, capacity: Floats) -> float:
    """See `reach`.

    `total` are all finite quantities; `cheapest` sells without a limit, `top` buys without one.
    """
    if cheapest < top:
        # unlimited energy is sold and, dearer, bought: what links let through is traded, too
        for c in capacity:
            if c < math.inf:
                total += c
    ratio = dearest / cheapest if cheapest > 0.0 else 0.0
    return max(MARGIN, ratio) * total + 1.0


@kernel
def reach(lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, k: Floats,
          capacity: Floats) -> float:  # fmt: skip
    """No allocation that pays moves more than this through one offer or link, J.

    All finite quantities together, times what may be lost on the way: a Joule that arrives
    cannot be worth sending more than the ratio of the dearest worth to the cheapest price of
    unlimited energy (ten, if there is none).
    """
    total, dearest, cheapest, top = 0.0, 0.0, math.inf, -math.inf
    for i in range(lo.size):
        dearest = max(dearest, worth_at_rest(a[i], b[i], c0[i], k[i]))
        if lo[i] > -math.inf:
            total -= lo[i]
        else:
            cheapest = min(cheapest, a[i])
        if hi[i] < math.inf:
            total += hi[i]
        else:
            top = max(top, a[i])
    return _reach(total, dearest, cheapest, top, capacity)


@inline
def _whole_bound(bound_j: float, sense: float) -> int:
    """The bound in whole microjoules, rounded towards 0; `sense` is -1 below and 1 above."""
    bound = min(max(bound_j * UJ_PER_J, -NO_LIMIT_UJ), NO_LIMIT_UJ)
    if sense < 0.0:
        return math.ceil(bound - WHOLE)
    return math.floor(bound + WHOLE)


@kernel
def bounds(offer: Ints, lo: Floats, hi: Floats, offers: int) -> tuple[Ints, Ints]:
    """Least and greatest energy of each offer, microjoules, inside its bounds. Shapes (O,)."""
    least, most = np.zeros(offers), np.zeros(offers)
    for i in range(lo.size):
        least[offer[i]] += lo[i]
        most[offer[i]] += hi[i]
    low, high = np.empty(offers, np.int64), np.empty(offers, np.int64)
    for o in range(offers):
        low[o] = _whole_bound(least[o], -1.0)
        high[o] = _whole_bound(most[o], 1.0)
    return low, high


@kernel
def survey(node: Ints, offer: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
           c1: Floats, k: Floats, offers: int, part: Ints, parts: int, inject: Floats,
           capacity: Floats) -> tuple[Ints, Ints, Bools, Floats, int, int, int, float]:  # fmt: skip
    """Read the book once; see `Survey`, which has what is returned, in this order.

    Parameters
    ----------
    node, offer
        Of each piece.
    offers
        Number of offers; those without a piece have bounds of 0.
    part, parts
        Part of each node, and how many there are.
    inject
        What is given at each node, J, (n,) or empty.
    capacity
        Of links, J, (L,).
    """
    least, most = np.zeros(offers), np.zeros(offers)
    ask, bid = np.full(parts, math.inf), np.full(parts, -math.inf)
    total, dearest, cheapest, top = 0.0, 0.0, math.inf, -math.inf
    endless, joins, last = -1, 0, -1
    for i in range(lo.size):
        worth = worth_at_rest(a[i], b[i], c0[i], k[i])
        dearest = max(dearest, worth)
        if lo[i] > -math.inf:
            total -= lo[i]
        elif endless < 0 or a[i] < cheapest:
            cheapest = a[i]
            endless = i
        if hi[i] < math.inf:
            total += hi[i]
        else:
            top = max(top, a[i])
        least[offer[i]] += lo[i]
        most[offer[i]] += hi[i]
        at = part[node[i]]
        if lo[i] < 0.0 and worth < ask[at]:
            ask[at] = worth
        if hi[i] > 0.0 and worth > bid[at]:
            bid[at] = worth
        if hi[i] - lo[i] > 0.0:
            if last >= 0 and offer[last] == offer[i] and hi[last] == 0.0 and lo[i] == 0.0:
                same = a[last] == a[i] and b[last] == b[i] and c0[last] == c0[i]
                if same and c1[last] == c1[i] and k[last] == k[i]:  # two sides of one formula
                    joins += 1
            last = i
    low, high = np.empty(offers, np.int64), np.empty(offers, np.int64)
    for o in range(offers):
        low[o] = _whole_bound(least[o], -1.0)
        high[o] = _whole_bound(most[o], 1.0)
    alive = np.empty(parts, np.bool_)
    fallback = np.empty(parts)
    for at in range(parts):
        # a worth that is no number makes no market
        alive[at] = abs(ask[at]) < math.inf and abs(bid[at]) < math.inf
        fallback[at] = min(ask[at], 0.0) if abs(ask[at]) < math.inf else max(bid[at], 0.0)
    for v in range(inject.size):
        if inject[v] != 0.0:
            alive[part[v]] = True
    dead = 0
    for at in range(parts):
        if not alive[at]:
            dead += 1
    if not cheapest < top:
        endless = -1
    far = _reach(total, dearest, cheapest, top, capacity)
    return low, high, alive, fallback, dead, joins, endless, far


@kernel
def join(offer: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats,
         k: Floats) -> tuple[Floats, Bools]:  # fmt: skip
    """Lower bounds, and which pieces to keep, where two pieces of one formula are joined.

    Pieces without room do not stand between two others. Shapes (P,).
    """
    lower = lo.copy()
    keep = np.ones(lo.size, np.bool_)
    last = -1
    for i in range(lo.size):
        if hi[i] - lo[i] > 0.0:
            if last >= 0 and offer[last] == offer[i] and hi[last] == 0.0 and lo[i] == 0.0:
                same = a[last] == a[i] and b[last] == b[i] and c0[last] == c0[i]
                if same and c1[last] == c1[i] and k[last] == k[i]:
                    lower[i] = lo[last]
                    keep[last] = False
            last = i
    return lower, keep


@kernel
def within(node: Ints, lo: Floats, hi: Floats, tail: Ints, capacity: Floats, part: Ints,
           alive: Bools, price: Floats) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Bounds of pieces and capacities of links, 0 in parts that are not alive; prices of nodes.

    Shapes (P,), (P,), (L,), (n,); J, and money per J: the price of each node's part.
    """
    lower, upper = np.zeros(lo.size), np.zeros(lo.size)
    for i in range(lo.size):
        if alive[part[node[i]]]:
            lower[i] = lo[i]
            upper[i] = hi[i]
    room = np.zeros(tail.size)
    for e in range(tail.size):
        if alive[part[tail[e]]]:
            room[e] = capacity[e]
    at = np.empty(part.size)
    for v in range(part.size):
        at[v] = price[part[v]]
    return lower, upper, room, at


@kernel
def with_standing(lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats, k: Floats,
                  drawn_j: Floats, times: float) -> Floats:  # fmt: skip
    """The pieces, a row each column, with a load for each standing loss behind them.

    Such a load is worth `times` the dearest piece (1 if all are worth nothing). Shape
    (7, P + standing).
    """
    count = lo.size
    out = np.zeros((7, count + drawn_j.size))
    dearest = 0.0
    for i in range(count):
        out[0, i], out[1, i], out[2, i], out[3, i] = lo[i], hi[i], a[i], b[i]
        out[4, i], out[5, i], out[6, i] = c0[i], c1[i], k[i]
        bent = b[i] * abs(c0[i]) ** k[i] if b[i] != 0.0 else 0.0
        dearest = max(dearest, abs(a[i]) + bent)
    if dearest == 0.0:
        dearest = 1.0
    for j in range(drawn_j.size):
        out[1, count + j] = drawn_j[j]
        out[2, count + j] = times * dearest
        out[4, count + j] = out[6, count + j] = 1.0
    return out
