"""How far the flows of a mesh are from the optimum: welfare, gap and imbalance, run by run.

The prices are those of the main curves where they stand, or better ones
(`isojoule.kernels.common_price`); whatever they are, they prove a bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.mesh import PARTS
from isojoule.kernels.prices import demand_at, integral_between, marginal_at

Floats = NDArray[np.float64]

WELFARE, GAP, OFF = range(3)
"""What `prove_nodes` and `add_links` tell, run by run: all in money."""


@kernel
def price_nodes(mesh: Mesh, part: int, rest: Floats, x: Floats, lam: Floats) -> None:
    """Let the main pieces of a run take what is left; fill `x` of them, and `lam`.

    `rest` becomes what they cannot take. Nodes without a main piece keep their price.
    """
    for v in range(mesh.node_first[part], mesh.node_first[part + 1]):
        m = mesh.main[v]
        if m < 0:
            continue
        x[m] = min(max(rest[v], mesh.lo[m]), mesh.hi[m])
        rest[v] -= x[m]
        lam[v] = marginal_at(mesh.a[m], mesh.b[m], mesh.c0[m], mesh.c1[m], mesh.k[m], x[m])


@kernel
def prove_nodes(mesh: Mesh, part: int, rest: Floats, x: Floats, lam: Floats,
                told: Floats) -> None:  # fmt: skip
    """Tell what the pieces of a run are worth, what they would still gain, and what is off."""
    welfare = gap = off = 0.0
    for v in range(mesh.node_first[part], mesh.node_first[part + 1]):
        off += abs(lam[v] * rest[v])
        m = mesh.main[v]
        if m >= 0:
            worth, more = _worth_and_more(mesh, m, x[m], lam[v])
            welfare += worth
            gap += more
    for p in range(mesh.piece_first[part], mesh.piece_first[part + 1]):
        i = mesh.others[p]
        worth, more = _worth_and_more(mesh, i, x[i], lam[mesh.piece_node[i]])
        welfare += worth
        gap += more
    told[part, WELFARE], told[part, GAP], told[part, OFF] = welfare, gap, off


@inline
def _worth_and_more(mesh: Mesh, i: int, x: float, price: float) -> tuple[float, float]:
    """What a piece is worth where it stands, and what it would gain at this price elsewhere."""
    a, b, c0, c1, k = mesh.a[i], mesh.b[i], mesh.c0[i], mesh.c1[i], mesh.k[i]
    worth = integral_between(a, b, c0, c1, k, 0.0, x)
    want = demand_at(mesh.lo[i], mesh.hi[i], a, b, c0, c1, k, price, x)
    more = integral_between(a, b, c0, c1, k, x, want) - price * (want - x)
    return worth, 0.0 if more <= 0.0 else more  # a nan must show


@kernel
def add_links(mesh: Mesh, flow: Floats, part: int, lam: Floats, told: Floats) -> None:
    """Add what the links of a run cost, and what they would still gain at these prices."""
    first, end = mesh.link_first[part], mesh.link_first[part + 1]
    tail, head = mesh.tail[first:end], mesh.head[first:end]
    capacity, gain, own = mesh.capacity[first:end], mesh.gain[first:end], flow[first:end]
    fees, bends = mesh.price[first:end], mesh.loss_per_j[first:end]
    welfare = gap = 0.0
    for e in range(own.size):
        here, there, g, c, f = lam[tail[e]], lam[head[e]], gain[e], capacity[e], own[e]
        fee = fees[e] if fees.size else 0.0
        r = bends[e] if bends.size else 0.0
        out, back = g * there - here - fee, g * here - there - fee
        most = max(_profit(out, r * there, c), _profit(back, r * here, c))
        now = (out - r * there * f) * f if f >= 0.0 else -(back + r * here * f) * f
        term = most - now
        if not term <= 0.0:
            gap += term
        welfare -= fee * abs(f)
    if part == PARTS:
        told[part, OFF] = 0.0
        told[part, WELFARE] = told[part, GAP] = 0.0
    told[part, WELFARE] += welfare
    told[part, GAP] += gap


@inline
def _profit(slope: float, bend: float, most: float) -> float:
    """Greatest of slope*f - bend*f*f over 0 <= f <= most."""
    if not slope > 0.0 and bend >= 0.0:
        return slope * 0.0  # 0, and a nan stays one
    f = min(most, slope / (2.0 * bend)) if bend > 0.0 else most
    return max(0.0, (slope - bend * f) * f)


@kernel
def largest_move(now: Floats, before: Floats) -> float:
    """Largest difference between two arrays; a nan shows."""
    most = 0.0
    for i in range(now.size):
        d = abs(now[i] - before[i])
        if not d <= most:
            most = d
    return most
