"""An optimum on a mesh from one nearby: only what moves is touched.

Theory of operation. For fixed anchors the balances of the nodes are the gradient of a convex
function of the prices, and Newton's method with a line search ends at its least after finitely many
steps where curves are straight (Li, Sun, Toh 2018, SIAM J. Optim. 28:433,
https://doi.org/10.1137/16M1097572). Anchors are then set to the flows found. That is the method of
multipliers, whose fixed points are the optima (Rockafellar 1976, Math. Oper. Res. 1:97,
https://doi.org/10.1287/moor.1.2.97); with stiff ties four or five rounds are enough. In the first
of them links that were idle or full are softer: hard ones would stop a step at each of them. The
first steps touch the clusters in which something was changed, and others join as links move.

How far it is from the optimum is told by what pieces and links, each alone, would gain at the
prices (weak duality), whatever the steps have done. Spec: docs/spec/vcg.md, P16.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.ldl_change import solve_some
from isojoule.kernels.ties import Clusters, Mesh, Region, Stand, carried, follow, respond, wanted
from isojoule.kernels.unmoved import loose_piece

Floats = NDArray[np.float64]

ROUNDS = 12
"""Anchors are set anew so often at most."""
STEPS = 60
"""Newton's steps between two anchors at most."""
CALM = 4
"""Steps that are tried, where nodes balance, until one is made in full."""
TRIES = 30
"""Places that a line search looks at, at most."""
ENOUGH = 0.3
"""A line search ends where the slope is this share of the first one."""
INSIDE = 0.1
"""It looks no nearer to an end of its interval than this share of it."""
ROUNDING = 2.0**-48
"""What prices differ by within this share of themselves is rounding, and no profit."""


@kernel
def slope_at(m: Mesh, s: Stand, region: Region, share: float) -> float:
    """Lack times step, when prices have gone this share of the step."""
    total = 0.0
    for q in range(region.size[1]):
        e = region.link[q]
        t, h = m.tail[e], m.head[e]
        at_tail, at_head = region.step[t], region.step[h]
        if at_tail == 0.0 and at_head == 0.0:
            continue
        f, _ = carried(
            s.anchor[e], s.firm[e], s.capacity[e], m.gain[e], m.r[e], m.fee[e],
            s.price[t] + share * at_tail, s.price[h] + share * at_head,
        )  # fmt: skip
        arrives = (m.gain[e] - m.r[e] * abs(f)) * abs(f)
        total += arrives * at_tail + f * at_head if f < 0.0 else arrives * at_head - f * at_tail
    for n in range(region.size[0]):
        v = region.node[n]
        if region.step[v] == 0.0:
            continue
        price = s.price[v] + share * region.step[v]
        for i in range(m.first[v], m.first[v + 1]):
            x, _ = wanted(
                s.held[i], m.stiff, s.lo[i], s.hi[i], m.a[i], m.b[i], m.c0[i], m.c1[i], m.k[i],
                price,
            )  # fmt: skip
            total -= x * region.step[v]
    return total


@kernel
def _length(m: Mesh, s: Stand, region: Region) -> float:
    """Which share of a step to go: to where the slope has fallen by enough, or nearly so."""
    first = 0.0
    for n in range(region.size[0]):
        v = region.node[n]
        first += s.lack[v] * region.step[v]
    low, high, at_low, at_high = 0.0, 1.0, first, slope_at(m, s, region, 1.0)
    if at_high <= -ENOUGH * first:
        return 1.0
    share, side = 1.0, 0
    for _ in range(TRIES):
        share = high - at_high * (high - low) / (at_high - at_low)
        least, most = low + INSIDE * (high - low), high - INSIDE * (high - low)
        share = min(max(share, least), most)
        here = slope_at(m, s, region, share)
        if abs(here) <= -ENOUGH * first:
            break
        if here > 0.0:
            high, at_high = share, here
            if side > 0:
                at_low *= 0.5
            side = 1
        else:
            low, at_low = share, here
            if side < 0:
                at_high *= 0.5
            side = -1
    return share


@kernel
def settle(m: Mesh, s: Stand, before: Floats, clusters: Clusters, region: Region,
           goal: float, soft: float) -> tuple[float, float]:  # fmt: skip
    """Go to an optimum; what is not in the region stays as it is.

    Parameters
    ----------
    before
        Flows of the links before anything has changed, J.
    goal
        It ends where pieces and links in the region could gain no more than this, money.
    soft
        See `isojoule.kernels.ties.join`.

    Returns
    -------
    What they still could gain, and the greatest lack, J.
    """
    loose = lack = math.inf
    idle = 0
    for round_ in range(ROUNDS):
        share, calm = 0.0, 0
        for _ in range(STEPS):
            lack = respond(m, s, before, clusters, region, soft if round_ == 0 else 1.0)
            calm = calm + 1 if lack <= m.tolerance else 0
            if calm > 0 and (share == 1.0 or calm > CALM):
                break
            follow(m, s, region)
            share = _go(m, s, region)
        was, loose = loose, loose_ends(m, s, region)
        idle += loose > 0.5 * was
        if loose <= goal or not lack <= m.tolerance or idle > 1:
            break
        for q in range(region.size[1]):
            e = region.link[q]
            s.anchor[e], s.firm[e] = s.flow[e], m.stiff
        for n in range(region.size[0]):
            v = region.node[n]
            s.held[m.first[v] : m.first[v + 1]] = s.x[m.first[v] : m.first[v + 1]]
    return loose, lack


@kernel
def _go(m: Mesh, s: Stand, region: Region) -> float:
    """One of Newton's steps, or a share of it, which is returned."""
    nodes, most = region.node[: region.size[0]], 0.0
    for v in nodes:
        region.step[v] = -s.lack[v]
    solve_some(m.l_start, m.l_rows, s.l_values, s.d, nodes, region.step)
    for v in nodes:
        most = max(most, abs(region.step[v]))
    if most > m.dearest:
        for v in nodes:
            region.step[v] *= m.dearest / most
    share = _length(m, s, region)
    for v in nodes:
        s.price[v] += share * region.step[v]
        region.step[v] = 0.0
    return share


@kernel
def loose_ends(m: Mesh, s: Stand, region: Region) -> float:
    """What pieces and links of the region, each alone, would still gain at the prices, money."""
    total = 0.0
    for q in range(region.size[1]):
        e = region.link[q]
        total += loose_tie(
            s.flow[e], min(s.capacity[e], m.span), m.gain[e], m.r[e], m.fee[e],
            s.price[m.tail[e]], s.price[m.head[e]],
        )  # fmt: skip
    for n in range(region.size[0]):
        v = region.node[n]
        for i in range(m.first[v], m.first[v + 1]):
            if s.hi[i] > s.lo[i]:
                total += loose_piece(
                    s.lo[i], s.hi[i], m.a[i], m.b[i], m.c0[i], m.c1[i], m.k[i], s.x[i], s.price[v],
                    m.span,
                )  # fmt: skip
    return total


@inline
def loose_tie(flow: float, capacity: float, gain: float, r: float, fee: float, here: float,
              there: float) -> float:  # fmt: skip
    """What a link would gain between these prices by carrying more, less or the other way.

    A profit within the rounding of the prices is none: there are prices as near as that at which
    it is exactly 0.
    """
    dust = ROUNDING * (abs(here) + abs(there) + fee)
    ahead, back = gain * there - here - fee, gain * here - there - fee
    ahead = 0.0 if abs(ahead) <= dust else ahead
    back = 0.0 if abs(back) <= dust else back
    best = max(_most(ahead, r * there, capacity), _most(back, r * here, capacity))
    sent = abs(flow)
    now = (back - r * here * sent) * sent if flow < 0.0 else (ahead - r * there * sent) * sent
    return max(best - now, 0.0)


@inline
def _most(profit: float, bend: float, capacity: float) -> float:
    """Greatest of profit * f - bend * f**2 for f from 0 to the capacity."""
    if profit <= 0.0 and bend >= 0.0:
        return 0.0
    f = min(capacity, profit / (2.0 * bend)) if bend > 0.0 else capacity
    return max((profit - bend * f) * f, 0.0)
