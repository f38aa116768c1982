"""How flows and energies on a mesh follow from prices, and which nodes hang together.

A link that carries something and is not full ties the prices of its ends; one that is idle or full
does not feel a small change. So an optimum falls into clusters, whose nodes hang together by ties,
and what happens in one of them is felt in another only once a link between them carries more, or
less, than before. What may move is a region of clusters; where a link to one outside moves, that
joins. `isojoule.kernels.ties_settle` goes from one optimum to another so.

Flows follow by a proximal rule. A link carries what it carried before, its anchor, and `firm` times
what a Joule more gains, within its limits; flat pieces likewise, while others take what they want.
So where rings leave flows open, they change least. By how much all this changes with the prices is
a sparse matrix, a weighted graph of the ties. It is factored once, at an optimum, and follows what
changes (`isojoule.kernels.ldl_change`).

Nodes are in elimination order. Spec: docs/spec/vcg.md, P16.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.ldl import Pattern, factor
from isojoule.kernels.ldl_change import change
from isojoule.kernels.prices import demand_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STALE = 0.05
"""A weight in the factors is left as it is if it is wrong by no more than this share."""
TURNED = 1e-3
"""So much may the share that arrives of one more Joule be wrong in the factors."""


class Mesh(NamedTuple):
    """A network with its pieces: nodes (n,), links (A,), pieces (P,) by node. J, money per J.

    Attributes
    ----------
    tail, head, gain, r, fee, owner
        Links: ends, share that arrives, quadratic loss per J, price per J; whose, -1: nobody's.
    start, incident
        Links at each node (`isojoule.kernels.incidence`).
    first
        Pieces of the node v: first[v] .. first[v + 1].
    node, party, a, b, c0, c1, k
        Pieces (`isojoule.valuation.curve`), where and whose they are.
    l_start, l_rows
        Columns of the factors (`isojoule.kernels.ldl.Pattern`).
    stiff
        J by which a tie carries more for a unit of money that a Joule more gains.
    least
        Weight of a price that nothing holds, J per unit of price.
    span
        No link carries more, and no piece moves further, J.
    dearest
        No price changes by more in one step.
    tolerance
        By how much a node may be off balance, J.
    """

    tail: Ints
    head: Ints
    gain: Floats
    r: Floats
    fee: Floats
    owner: Ints
    start: Ints
    incident: Ints
    first: Ints
    node: Ints
    party: Ints
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    l_start: Ints
    l_rows: Ints
    stiff: float
    least: float
    span: float
    dearest: float
    tolerance: float


class Stand(NamedTuple):
    """Where all stands, and the factored Newton matrix there.

    Attributes
    ----------
    price, lack
        Per node; `lack` is by how much more comes than is taken, J.
    capacity, flow, anchor, firm
        Per link, J; positive from tail to head. `firm` is J for a unit of price, its stiffness.
    lo, hi, x, held
        Per piece, J; `held` is the anchor of flat ones.
    pull, weight, slope
        Per link: J for a unit of price; the same as the factors have it, and the share of one more
        Joule that arrives, below 0 if it goes from head to tail.
    node_pull, node_weight
        Per node: the same of its pieces.
    l_values, d
        The factors.
    """

    price: Floats
    lack: Floats
    capacity: Floats
    flow: Floats
    anchor: Floats
    firm: Floats
    lo: Floats
    hi: Floats
    x: Floats
    held: Floats
    pull: Floats
    weight: Floats
    slope: Floats
    node_pull: Floats
    node_weight: Floats
    l_values: Floats
    d: Floats


class Clusters(NamedTuple):
    """Nodes that hang together by ties: `part` of each node, members in elimination order."""

    part: Ints
    first: Ints
    member: Ints


class Region(NamedTuple):
    """What may move.

    Attributes
    ----------
    size
        How many nodes, links and changed columns there are, (3,).
    node, link, column
        They; nodes in elimination order. Room for all.
    inside, met, changed
        Per node, per link and per column, whether it is among them.
    step, vector
        Scratch, (n,); 0 between uses.
    """

    size: Ints
    node: Ints
    link: Ints
    column: Ints
    inside: Bools
    met: Bools
    changed: Bools
    step: Floats
    vector: Floats


@inline
def carried(anchor: float, stiff: float, capacity: float, gain: float, r: float, fee: float,
            here: float, there: float) -> tuple[float, float]:  # fmt: skip
    """What a link carries between two prices, and how much more for a unit of price."""
    if not capacity > 0.0:
        return 0.0, 0.0
    if r == 0.0:
        ahead = anchor + stiff * (gain * there - here - fee)
        if ahead > 0.0:
            return (ahead, stiff) if ahead < capacity else (capacity, 0.0)
        back = stiff * (gain * here - there - fee) - anchor
        if back > 0.0:
            return (-back, stiff) if back < capacity else (-capacity, 0.0)
        return 0.0, 0.0
    hold = 1.0 / stiff
    bend = hold + 2.0 * r * max(there, 0.0)
    ahead = (anchor * hold + gain * there - here - fee) / bend
    bend_back = hold + 2.0 * r * max(here, 0.0)
    back = (gain * here - there - fee - anchor * hold) / bend_back
    if ahead > 0.0 and ahead >= back:
        return (ahead, 1.0 / bend) if ahead < capacity else (capacity, 0.0)
    if back > 0.0:
        return (-back, 1.0 / bend_back) if back < capacity else (-capacity, 0.0)
    return 0.0, 0.0


@inline
def wanted(held: float, stiff: float, lo: float, hi: float, a: float, b: float, c0: float,
           c1: float, k: float, price: float) -> tuple[float, float]:  # fmt: skip
    """What a piece takes at a price, and how much less for a unit of price."""
    if not hi > lo:
        return lo, 0.0
    if b == 0.0 or c1 == 0.0:
        x = held + stiff * ((a if b == 0.0 else a + b * c0**k) - price)
        pull = stiff
    else:
        x = demand_at(lo, hi, a, b, c0, c1, k, price, held)
        fall = b * c1
        if k != 1.0:
            fall *= k * max(c0 - c1 * x, 0.0) ** (k - 1.0)
        pull = 1.0 / max(fall, 1.0 / stiff)
    if x <= lo:
        return lo, 0.0
    return (x, pull) if x < hi else (hi, 0.0)


@kernel
def join(m: Mesh, s: Stand, clusters: Clusters, part: int, region: Region, soft: float) -> None:
    """Take a cluster into the region, and the links at its nodes.

    Links that are idle or full have the share `soft` of a tie's stiffness, or they would be walls
    that each step runs into.
    """
    at = region.size[0] - 1
    end = at + clusters.first[part + 1] - clusters.first[part]
    region.size[0] = end + 1
    for q in range(clusters.first[part + 1] - 1, clusters.first[part] - 1, -1):
        v = clusters.member[q]
        while at >= 0 and region.node[at] > v:
            region.node[end] = region.node[at]
            at -= 1
            end -= 1
        region.node[end] = v
        end -= 1
        region.inside[v] = True
        s.lack[v] = 0.0
        for p in range(m.start[v], m.start[v + 1]):
            e = m.incident[p]
            if not region.met[e]:
                region.met[e] = True
                region.link[region.size[1]] = e
                if s.pull[e] == 0.0:
                    s.firm[e] = soft * m.stiff
                region.size[1] += 1


@kernel
def respond(
    m: Mesh, s: Stand, before: Floats, clusters: Clusters, region: Region, soft: float
) -> float:
    """Flows, energies and balances at the prices; returns the greatest lack.

    A cluster whose links no longer carry what they carried `before` joins; `soft` as in `join`.
    """
    for n in range(region.size[0]):
        s.lack[region.node[n]] = 0.0
    at = 0
    while at < region.size[1]:
        e = region.link[at]
        at += 1
        t, h = m.tail[e], m.head[e]
        f, s.pull[e] = carried(
            s.anchor[e],
            s.firm[e],
            s.capacity[e],
            m.gain[e],
            m.r[e],
            m.fee[e],
            s.price[t],
            s.price[h],
        )
        s.flow[e] = f
        if f != before[e]:
            if not region.inside[t]:
                join(m, s, clusters, clusters.part[t], region, soft)
            if not region.inside[h]:
                join(m, s, clusters, clusters.part[h], region, soft)
        arrives = (m.gain[e] - m.r[e] * abs(f)) * abs(f)
        s.lack[t] += arrives if f < 0.0 else -f
        s.lack[h] += f if f < 0.0 else arrives
    worst = 0.0
    for n in range(region.size[0]):
        v = region.node[n]
        s.node_pull[v] = 0.0
        for i in range(m.first[v], m.first[v + 1]):
            s.x[i], pull = wanted(
                s.held[i], m.stiff, s.lo[i], s.hi[i], m.a[i], m.b[i], m.c0[i], m.c1[i], m.k[i],
                s.price[v],
            )  # fmt: skip
            s.lack[v] -= s.x[i]
            s.node_pull[v] += pull
        worst = max(worst, abs(s.lack[v]))
    return worst


@inline
def slope_of(gain: float, r: float, flow: float) -> float:
    """Share of one more Joule that arrives; below 0 where it matters that it runs backwards."""
    slope = gain - 2.0 * r * abs(flow)
    return -slope if flow < 0.0 and slope < 1.0 else slope


@kernel
def follow(m: Mesh, s: Stand, region: Region) -> None:
    """Bring the factors up to the weights of the region; more weight first, then less."""
    for less in (False, True):
        for n in range(region.size[0]):
            v = region.node[n]
            more = s.node_pull[v] - s.node_weight[v]
            if abs(more) > STALE * s.node_weight[v] and (more < 0.0) == less:
                region.vector[v] = 1.0
                _change(m, s, region, v, more)
                s.node_weight[v] = s.node_pull[v]
        for q in range(region.size[1]):
            e = region.link[q]
            pull, weight, was = s.pull[e], s.weight[e], s.slope[e]
            slope = slope_of(m.gain[e], m.r[e], s.flow[e])
            turned = pull > 0.0 and weight > 0.0 and abs(slope - was) > TURNED
            if not turned and abs(pull - weight) <= STALE * weight:
                continue
            if not less and turned:
                _reweigh(m, s, region, e, pull, slope)
            elif not less and pull > weight:
                _reweigh(m, s, region, e, pull - weight, was if weight > 0.0 else slope)
                s.weight[e], s.slope[e] = pull, was if weight > 0.0 else slope
            elif less:
                _reweigh(m, s, region, e, -weight if turned else pull - weight, was)
                s.weight[e], s.slope[e] = pull, slope if turned else was


@inline
def _reweigh(m: Mesh, s: Stand, region: Region, e: int, more: float, slope: float) -> None:
    """Change the weight of a link in the factors."""
    near, far = (m.tail[e], m.head[e]) if slope > 0.0 else (m.head[e], m.tail[e])
    region.vector[near], region.vector[far] = 1.0, -abs(slope)
    _change(m, s, region, min(near, far), more)


@inline
def _change(m: Mesh, s: Stand, region: Region, first: int, more: float) -> None:
    region.size[2] = change(
        m.l_start, m.l_rows, s.l_values, s.d, region.vector, first, more, m.least,
        region.changed, region.column, region.size[2],
    )  # fmt: skip


@kernel
def factored(m: Mesh, s: Stand, pattern: Pattern) -> None:
    """Factor the Newton matrix anew, with the weights as they are."""
    nodes = s.price.size
    diagonal, upper = np.full(nodes, m.least), np.zeros(pattern.column_rows.size)
    for v in range(nodes):
        s.node_weight[v] = s.node_pull[v]
        diagonal[v] += s.node_pull[v]
    for e in range(m.tail.size):
        s.weight[e], s.slope[e] = s.pull[e], slope_of(m.gain[e], m.r[e], s.flow[e])
        slope, near, far = abs(s.slope[e]), m.tail[e], m.head[e]
        if s.slope[e] < 0.0:
            near, far = far, near
        if s.pull[e] > 0.0:
            diagonal[near] += s.pull[e]
            diagonal[far] += s.pull[e] * slope * slope
            upper[pattern.edge_slot[e]] -= s.pull[e] * slope
    factor(pattern, diagonal, upper, s.l_values, s.d, np.zeros(nodes))
