"""From the roots to the leaves: who takes how much (see `isojoule.kernels.tree`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline
from isojoule.kernels.polyline import sent_for
from isojoule.kernels.prices import PEAK, demand_at
from isojoule.kernels.tree_walk import TreeProgram, Walk

Floats = NDArray[np.float64]


@inline
def share_out(walk: Walk, program: TreeProgram, near: float, marks: Floats, price: Floats,
              x: Floats, flow: Floats) -> float:  # fmt: skip
    """Fill the energies and flows at these prices; those as `near` as this are one.

    Returns what does not balance, at its prices, as a share of what moves.
    """
    nodes = walk.order.size
    spread = np.zeros(x.size)
    low, high = -program.inject, -program.inject  # what each place wants, with all behind it
    link_low, link_high = np.zeros(nodes), np.zeros(nodes)  # and what comes to the one above
    for p in range(nodes - 1, -1, -1):
        u, lam = walk.above[p], price[p]
        hair = near * max(abs(lam), abs(price[u]) if u >= 0 else 0.0)
        for i in range(program.first[p], program.first[p + 1]):
            lo, hi, a, b = program.lo[i], program.hi[i], program.a[i], program.b[i]
            c0, c1, k = program.c0[i], program.c1[i], program.k[i]
            x[i] = lo
            if hi > lo:
                x[i] = demand_at(lo, hi, a, b, c0, c1, k, lam + hair, lo)
                spread[i] = max(demand_at(lo, hi, a, b, c0, c1, k, lam - hair, hi) - x[i], 0.0)
            low[p] += x[i]
            high[p] += x[i] + spread[i]
        if u < 0:
            continue
        e = walk.link[p]
        gain, capacity, r = program.gain[e], program.capacity[e], program.loss_per_j[e]
        fee = program.price[e]
        full = max(gain - 2.0 * r * capacity, PEAK * gain) if r > 0.0 else gain
        if (price[u] + fee) / full < marks[p, 3] - hair:
            link_low[p] = link_high[p] = capacity
        elif full * price[u] - fee > marks[p, 0] + hair:
            link_low[p] = link_high[p] = _drawn(-capacity, gain, r, capacity)
        else:
            least, most = low[p], high[p]
            if gain * price[u] - fee < marks[p, 1] - hair:
                least = max(least, 0.0)
            if (price[u] + fee) / gain > marks[p, 2] + hair:
                most = min(most, 0.0)
            link_low[p] = _drawn(min(least, most), gain, r, capacity)
            link_high[p] = _drawn(max(most, least), gain, r, capacity)
            if r > 0.0 and hair > 0.0:  # the two prices say what it carries, unless both are 0
                some = _at_prices(price[u], lam - hair, gain, r, fee, capacity)
                more = _at_prices(price[u], lam + hair, gain, r, fee, capacity)
                if some > link_low[p]:
                    link_low[p] = min(some, link_high[p])
                if more < link_high[p]:
                    link_high[p] = max(more, link_low[p])
        low[u] += link_low[p]
        high[u] += link_high[p]
    share = np.zeros(nodes)
    off = moved = 0.0
    for p in range(nodes):
        u = walk.above[p]
        wanted = 0.0
        if u >= 0:
            e = walk.link[p]
            drawn = link_low[p] + share[u] * (link_high[p] - link_low[p])
            gain, r = program.gain[e], program.loss_per_j[e]
            wanted = (gain - r * drawn) * drawn if drawn > 0.0 else -sent_for(-drawn, gain, r)
            sent = drawn if drawn > 0.0 else wanted
            flow[e] = sent if walk.ahead[p] else -sent
        if high[p] > low[p]:
            share[p] = min(max((wanted - low[p]) / (high[p] - low[p]), 0.0), 1.0)
        for i in range(program.first[p], program.first[p + 1]):
            x[i] += share[p] * spread[i]
            moved += abs(price[p] * x[i])
        off += abs(price[p] * (wanted - min(max(wanted, low[p]), high[p])))
    return off / moved if off > 0.0 else 0.0


@inline
def _at_prices(here: float, there: float, gain: float, r: float, fee: float,
               capacity: float) -> float:  # fmt: skip
    """What a link with a quadratic loss takes from its near end at the prices of both ends."""
    if gain * there - here - fee > 0.0:
        return min(capacity, (gain * there - here - fee) / (2.0 * r * there))
    if gain * here - there - fee > 0.0:
        sent = min(capacity, (gain * here - there - fee) / (2.0 * r * here))
        return -(gain - r * sent) * sent
    return 0.0


@inline
def _drawn(wanted: float, gain: float, r: float, capacity: float) -> float:
    """What a link takes from its near end when so much is wanted behind it."""
    if wanted > 0.0:
        return min(capacity, sent_for(wanted, gain, r))
    sent = min(capacity, -wanted)
    return -(gain - r * sent) * sent
