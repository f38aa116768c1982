"""From floats to whole microjoules that balance: rounding, and then the commit.

Shapes: pieces (P,), offers and standing losses (O,), links (L,).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.commit import commit
from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.links import loss_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Signs = NDArray[np.int8]

UJ_PER_J = 1e6
NO_LIMIT_UJ = float(2**62)
DUST_SHARE = 1e-8
"""Flows below this share of the largest may be the solver's dust."""
DROPPED = (0.0, 1e-9, 1e-6, 1e-3, 1.0)
"""Flows below this share of the largest are dropped, one after the other, until all balances."""


@kernel
def at_bounds(x: Floats, side: Signs, lo: Floats, hi: Floats, offer: Ints,
              offers: int) -> tuple[Floats, Floats]:  # fmt: skip
    """Pieces with what is at a bound exactly there, J, (P,), and the sums per offer, (O,).

    `side` is -1 at the lower bound, 1 at the upper.
    """
    out, sums = np.empty(x.size), np.zeros(offers)
    for i in range(x.size):
        value = x[i]
        if side[i] < 0 and lo[i] > -math.inf:
            value = lo[i]
        elif side[i] > 0 and hi[i] < math.inf:
            value = hi[i]
        out[i] = value
        sums[offer[i]] += value
    return out, sums


@kernel
def within_bounds(x: Floats, lo: Floats, hi: Floats, offer: Ints,
                  offers: int) -> tuple[Floats, Signs, Floats]:  # fmt: skip
    """Pieces within their bounds, J, at which of them they stand, and the sums per offer."""
    out, side, sums = np.empty(x.size), np.zeros(x.size, np.int8), np.zeros(offers)
    for i in range(x.size):
        value = x[i]
        if value <= lo[i]:
            value = lo[i]
            side[i] = -1
        elif value >= hi[i]:
            value = hi[i]
            side[i] = 1
        out[i] = value
        sums[offer[i]] += value
    return out, side, sums


@kernel
def on_links(arc_link: Ints, arc_back: NDArray[np.bool_], f: Floats,
             links: int) -> tuple[Floats, Floats]:  # fmt: skip
    """Net flow of each link, and the sum of what runs both ways, J."""
    net, gross = np.zeros(links), np.zeros(links)
    for i in range(f.size):
        e = arc_link[i]
        net[e] += -f[i] if arc_back[i] else f[i]
        gross[e] += abs(f[i])
    return net, gross


@inline
def _rounded(value_j: float, least: int, most: int) -> int:
    """Whole microjoules nearest to so many Joules, within bounds (integers, as they are)."""
    uj = np.rint(value_j * UJ_PER_J)
    if uj >= NO_LIMIT_UJ:
        return most
    if uj <= -NO_LIMIT_UJ:
        return least
    return min(max(int(uj), least), most)


@inline
def _wanted(net: float, gross: float, dust: float, capacity: int) -> int:
    """Flow that is meant, microjoules.

    A link that runs both ways almost alike, and little, carries but the solver's dust; a small flow
    on a link of quadratic loss may well be such a difference, and is meant.
    """
    if abs(net) < 0.5 * gross and gross < dust:
        return 0
    return _rounded(net, -capacity, capacity)


@kernel
def to_whole(tail: Ints, head: Ints, capacity: Ints, ppb: Ints, r: Floats, price: Floats,
             start: Ints, incident: Ints, net: Floats, gross: Floats, offer: Ints, x: Floats,
             side: Signs, lo: Floats, hi: Floats, offer_node: Ints, offer_x: Floats, low: Ints,
             high: Ints) -> tuple[Ints, Ints, Ints, int]:  # fmt: skip
    """Energies of offers, and flows and losses of links, in microjoules that balance.

    Where the flows cannot be balanced (a circle of dust that loses more than anybody sells),
    small flows are dropped, at last all.

    Parameters
    ----------
    tail, head, capacity, ppb, r, price, start, incident
        Links, as in `isojoule.kernels.commit.commit`; capacity in microjoules.
    net, gross
        Flow of each link, signed, and what runs both ways together, its sign aside, J.
    offer, x, side, lo, hi
        Of pieces: offer, where it stands, J, and at which of its bounds (0: inside).
    offer_node, offer_x, low, high
        Of offers: node, sum of the pieces, J, bounds in microjoules.

    Returns
    -------
    energy : (O,), flow : (L,), loss : (L,)
    bad : number of nodes that do not balance
    """
    links, offers = tail.size, offer_x.size
    largest_gross = 0.0
    for e in range(links):
        largest_gross = max(largest_gross, abs(gross[e]))
    dust = DUST_SHARE * largest_gross
    largest = 0
    for e in range(links):
        largest = max(largest, abs(_wanted(net[e], abs(gross[e]), dust, capacity[e])))
    down, up = np.zeros(offers), np.zeros(offers)
    for i in range(x.size):
        if side[i] == 0:
            down[offer[i]] += min((x[i] - lo[i]) * UJ_PER_J, NO_LIMIT_UJ)
            up[offer[i]] += min((hi[i] - x[i]) * UJ_PER_J, NO_LIMIT_UJ)
    energy, flow = np.empty(offers, np.int64), np.empty(links, np.int64)
    inner_low, inner_high = np.empty(offers, np.int64), np.empty(offers, np.int64)
    bad = 0
    for attempt in range(len(DROPPED)):
        share = DROPPED[attempt]
        for e in range(links):
            wanted = _wanted(net[e], abs(gross[e]), dust, capacity[e])
            flow[e] = wanted if abs(wanted) > share * largest else 0
        for o in range(offers):
            # an offer stays on the pieces that it stands inside of
            value = offer_x[o] if share < 1.0 else 0.0
            energy[o] = _rounded(value, low[o], high[o])
            inner_low[o] = _lower(energy[o], down[o], low[o])
            inner_high[o] = _upper(energy[o], up[o], high[o])
        bad = commit(tail, head, capacity, ppb, r, price, flow, offer_node, energy, low, high,
                     inner_low, inner_high, start, incident)  # fmt: skip
        if bad == 0:
            break
    loss = np.empty(links, np.int64)
    for e in range(links):
        loss[e] = loss_of(abs(flow[e]), ppb[e], r[e])
    return energy, flow, loss, bad


@inline
def _lower(energy: int, down_uj: float, low: int) -> int:
    """The energy less so much, but no less than its bound."""
    return max(low, energy - math.floor(min(down_uj, NO_LIMIT_UJ)))


@inline
def _upper(energy: int, up_uj: float, high: int) -> int:
    """The energy and so much more, but no more than its bound."""
    return min(high, energy + math.floor(min(up_uj, NO_LIMIT_UJ)))
