"""Between which prices the parts of a forest stay as they are.

A piece at an end of its room stays there while the price lies on the right side of its marginal
worth there; inside its room it stays at one price alone. What lies behind a link stays while all of
it does, and the link carries the same. Seen from the place above this is an interval of prices,

    carrying f towards the leaves:  price above = (gain - 2 r f) * price behind - fee,
    carrying f towards the root:    price above = (price behind + fee) / (gain - 2 r f),

where an idle link leaves a range between both, and a full one is open to one side: behind it
everything may be in the middle of its room, and still does not feel the price above.

So when somebody is taken out of the forest, and prices change by so much, only what does not stay
has to be solved again (`isojoule.kernels.left_out`). Spec: docs/spec/vcg.md, P19.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prices import PEAK, best_profit, demand_at, integral_between, marginal_at
from isojoule.kernels.tree_walk import Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Settled(NamedTuple):
    """An optimum on a forest, by places of its walk. J and money per J.

    Attributes
    ----------
    first
        Pieces of the place p: first[p] .. first[p + 1], (places + 1,).
    party
        Whose each piece is, -1: nobody's.
    lo, hi, a, b, c0, c1, k, x
        Pieces, finite, and where they stand.
    capacity, gain, loss_per_j, fee, owner
        Per link: as in `isojoule.kernels.tree_walk.TreeProgram`, and whose it is, -1: nobody's.
    sent
        Per place, what the link to it sends, positive away from the root.
    price
        Per place.
    """

    first: Ints
    party: Ints
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    x: Floats
    capacity: Floats
    gain: Floats
    loss_per_j: Floats
    fee: Floats
    owner: Ints
    sent: Floats
    price: Floats


class Unmoved(NamedTuple):
    """Prices between which parts of an optimum stay as they are.

    Attributes
    ----------
    low, high
        Per piece, at its place.
    drawn
        Per place, what the link to it takes from the place above, J.
    behind_low, behind_high
        Per place: prices at the place above between which it and all behind it stay.
    lack
        Per place, by how much more comes than is taken, J: what the floats of the optimum leave.
    loose
        What pieces and links, each alone, would still gain at the prices, money.
    """

    low: Floats
    high: Floats
    drawn: Floats
    behind_low: Floats
    behind_high: Floats
    lack: Floats
    loose: float


@inline
def drawn_by(sent: float, gain: float, r: float) -> float:
    """What a link takes from its near end when so much is sent away from it."""
    return sent if sent >= 0.0 else (gain + r * sent) * sent


@inline
def brought_by(sent: float, gain: float, r: float) -> float:
    """What a link brings to its far end when so much is sent towards it."""
    return (gain - r * sent) * sent if sent >= 0.0 else sent


@inline
def loose_piece(lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float, x: float,
                price: float, span: float) -> float:  # fmt: skip
    """What a piece would gain at this price by moving no further than `span`, money."""
    want = demand_at(max(lo, x - span), min(hi, x + span), a, b, c0, c1, k, price, x)
    if want == x:
        return 0.0
    gain = integral_between(a, b, c0, c1, k, x, want) - price * (want - x)
    return max(gain, 0.0)


@inline
def loose_link(sent: float, capacity: float, gain: float, r: float, fee: float, here: float,
               there: float) -> float:  # fmt: skip
    """What a link would gain between these prices by carrying more, less or the other way."""
    if sent >= 0.0:
        now = there * (gain - r * sent) * sent - (here + fee) * sent
    else:
        now = -here * (gain + r * sent) * sent + (there + fee) * sent
    one = best_profit(gain, r, fee, here, there, capacity)
    two = best_profit(gain, r, fee, there, here, capacity)
    return max(max(one, two) - now, 0.0)


@kernel
def unmoved(walk: Walk, s: Settled, span: float) -> Unmoved:
    """See `Unmoved`; nothing moves further than `span`, J, which may be all that does."""
    places, pieces = walk.order.size, s.lo.size
    low, high = np.full(pieces, -math.inf), np.full(pieces, math.inf)
    drawn, lack = np.zeros(places), np.zeros(places)
    behind_low, behind_high = np.full(places, -math.inf), np.full(places, math.inf)
    here_low, here_high = np.full(places, -math.inf), np.full(places, math.inf)
    loose = 0.0
    for p in range(places - 1, -1, -1):
        price = s.price[p]
        for i in range(s.first[p], s.first[p + 1]):
            lo, hi, x = s.lo[i], s.hi[i], s.x[i]
            lack[p] -= x
            if not hi > lo:
                continue
            a, b, c0, c1, k = s.a[i], s.b[i], s.c0[i], s.c1[i], s.k[i]
            loose += loose_piece(lo, hi, a, b, c0, c1, k, x, price, span)
            if x <= lo:
                low[i] = marginal_at(a, b, c0, c1, k, lo)
            elif x >= hi:
                high[i] = marginal_at(a, b, c0, c1, k, hi)
            else:
                low[i] = high[i] = price
            here_low[p], here_high[p] = max(here_low[p], low[i]), min(here_high[p], high[i])
        u = walk.above[p]
        if u < 0:
            continue
        e, f = walk.link[p], s.sent[p]
        gain, r, fee = s.gain[e], s.loss_per_j[e], s.fee[e]
        limit = s.capacity[e]
        drawn[p] = drawn_by(f, gain, r)
        lack[p] += brought_by(f, gain, r)
        lack[u] -= drawn[p]
        loose += loose_link(f, min(limit, span), gain, r, fee, s.price[u], price)
        slope = max(gain - 2.0 * r * abs(f), PEAK * gain)
        low_p, high_p = here_low[p], here_high[p]
        if f > 0.0:
            behind_high[p] = slope * high_p - fee
            if f < limit:
                behind_low[p] = slope * low_p - fee
        elif f < 0.0:
            behind_low[p] = (low_p + fee) / slope
            if -f < limit:
                behind_high[p] = (high_p + fee) / slope
        else:
            behind_low[p], behind_high[p] = gain * low_p - fee, (high_p + fee) / gain
        here_low[u] = max(here_low[u], behind_low[p])
        here_high[u] = min(here_high[u], behind_high[p])
    return Unmoved(low, high, drawn, behind_low, behind_high, lack, loose)


class Moving(NamedTuple):
    """What may move when prices change by no more than a share of themselves.

    Attributes
    ----------
    piece
        Per piece, whether it may.
    place
        Per place, whether it or something behind it may.
    child, sibling
        Of the places that may: per place the first one right behind it, and the next one beside it;
        -1: none.
    rest
        Per place, what links take to places right behind it that stay, J.
    low, high
        Per place, prices between which what stays there, or right behind it, truly does.
    """

    piece: Bools
    place: Bools
    child: Ints
    sibling: Ints
    rest: Floats
    low: Floats
    high: Floats


@kernel
def moving(walk: Walk, s: Settled, known: Unmoved, share: float) -> Moving:
    """See `Moving`; where the share is infinite, all of it may."""
    places, pieces = walk.order.size, s.lo.size
    piece, place = np.zeros(pieces, np.bool_), np.zeros(places, np.bool_)
    child, sibling = np.full(places, -1, np.int64), np.full(places, -1, np.int64)
    rest = np.zeros(places)
    low, high = np.full(places, -math.inf), np.full(places, math.inf)
    for p in range(places - 1, -1, -1):
        for i in range(s.first[p], s.first[p + 1]):
            if not s.hi[i] > s.lo[i]:
                continue
            piece[i] = _reached(s.price[p], share, known.low[i], known.high[i])
            if not piece[i]:
                low[p], high[p] = max(low[p], known.low[i]), min(high[p], known.high[i])
        u = walk.above[p]
        if u < 0:
            place[p] = True
            continue
        place[p] = _reached(s.price[u], share, known.behind_low[p], known.behind_high[p])
        if place[p]:
            sibling[p] = child[u]
            child[u] = p
        else:
            rest[u] += known.drawn[p]
            low[u] = max(low[u], known.behind_low[p])
            high[u] = min(high[u], known.behind_high[p])
    return Moving(piece, place, child, sibling, rest, low, high)


@inline
def _reached(price: float, share: float, low: float, high: float) -> bool:
    """Whether a price that changes by this share may leave an interval."""
    if not share < math.inf:
        return True
    return price - share * abs(price) < low or price + share * abs(price) > high
