"""What all have without one participant, on a mesh, for one after the other.

From the optimum of all, a participant's pieces lose their room and its links their capacity, and
what moves then is settled again (`isojoule.kernels.ties`). What has not moved stays, and counts
nothing. What the others have more or less is summed over what has moved alone, so that small
changes keep their digits, and is corrected by what nodes lack, at their prices. The new prices are
duals of the program without the participant: what pieces and links, each alone, would still gain
at them bounds how much more there can be (weak duality). Afterwards all is put back.

Spec: docs/spec/vcg.md, P16.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prices import integral_between
from isojoule.kernels.ties import Clusters, Mesh, Region, Stand, join
from isojoule.kernels.ties_settle import settle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STEEP = 1e-6
"""Share of itself by which a price that nodes lack at may be wrong."""
ROUNDED = 1e-3
"""Of what stands where something moves, this share counts as size: a double has so many more
digits than payments are known to."""
SOFT = 0.01
"""Links that were idle or full have this share of the stiffness of ties at first."""
GOAL = 1e-13
"""It is settled where no more than this share of what it has traded could be gained,"""
GOAL_DUST = 0.01
"""or than this share of what it may be off by."""


class Asked(NamedTuple):
    """Who is taken out.

    Attributes
    ----------
    number
        Parties.
    first_piece, piece, first_link, link
        By party: those of p are piece[first_piece[p]] .. piece[first_piece[p + 1]].
    """

    number: Ints
    first_piece: Ints
    piece: Ints
    first_link: Ints
    link: Ints


@kernel
def taken_out(m: Mesh, base: Stand, s: Stand, clusters: Clusters, region: Region, asked: Asked,
              loose: float, closed: float, dust: float) -> tuple[
                  Floats, Floats, Floats, Ints]:  # fmt: skip
    """What all together have more without each who is asked for.

    Parameters
    ----------
    m, base, clusters
        The mesh, its optimum, and how it hangs together there.
    s, region
        A copy of the optimum, which is worked on, and put back; an empty region.
    asked
        Who goes.
    loose
        By how much the optimum may be off, money.
    closed, dust
        What the outcome may be off by, as a share of itself, or in money.

    Returns
    -------
    money
        Welfare without less welfare with, money; nan where it is not told.
    size
        Of what it is made of, without signs.
    unsure
        By how much it may be off, but for digits of the size.
    nodes
        How many nodes have been touched.
    """
    count = asked.number.size
    money, size, unsure = np.full(count, math.nan), np.zeros(count), np.zeros(count)
    nodes = np.zeros(count, np.int64)
    for q in range(count):
        worth, traded = _leave(m, s, clusters, region, asked, asked.number[q])
        goal = max(GOAL * traded, GOAL_DUST * dust)
        left, lack = settle(m, s, base.flow, clusters, region, goal, SOFT)
        nodes[q] = region.size[0]
        if lack <= m.tolerance:
            more, terms, off = _difference(m, base, s, region)
            off += left + loose
            if off <= max(closed * abs(more), dust):
                money[q], size[q] = more + 0.5 * left - worth, terms + abs(worth)
                unsure[q] = off
        _restore(m, base, s, region)
    return money, size, unsure, nodes


@inline
def _leave(m: Mesh, s: Stand, clusters: Clusters, region: Region, asked: Asked,
           party: int) -> tuple[float, float]:  # fmt: skip
    """Take the room of a participant; returns its worth, and what it trades at its prices."""
    worth = traded = 0.0
    for j in range(asked.first_piece[party], asked.first_piece[party + 1]):
        i = asked.piece[j]
        v = m.node[i]
        if not region.inside[v]:
            join(m, s, clusters, clusters.part[v], region, SOFT)
        worth += integral_between(m.a[i], m.b[i], m.c0[i], m.c1[i], m.k[i], 0.0, s.x[i])
        traded += abs(s.price[v] * s.x[i])
        s.lo[i] = s.hi[i] = s.held[i] = s.x[i] = 0.0
    for j in range(asked.first_link[party], asked.first_link[party + 1]):
        e = asked.link[j]
        for v in (m.tail[e], m.head[e]):
            if not region.inside[v]:
                join(m, s, clusters, clusters.part[v], region, SOFT)
        worth -= m.fee[e] * abs(s.flow[e])
        traded += abs(s.price[m.tail[e]] * s.flow[e])
        s.capacity[e] = 0.0
    return worth, traded


@inline
def _difference(m: Mesh, base: Stand, s: Stand, region: Region) -> tuple[float, float, float]:
    """What others have more than before, its size, and what it may be off for lacks."""
    money = size = stands = off = 0.0
    for q in range(region.size[1]):
        e = region.link[q]
        stands += abs(base.price[m.tail[e]] * s.flow[e])
        if base.capacity[e] > 0.0 and not s.capacity[e] > 0.0:
            continue  # of the participant
        more = m.fee[e] * (abs(base.flow[e]) - abs(s.flow[e]))
        money += more
        size += abs(more)
    for n in range(region.size[0]):
        v = region.node[n]
        for i in range(m.first[v], m.first[v + 1]):
            stands += abs(s.price[v] * s.x[i])
            if base.hi[i] > base.lo[i] and not s.hi[i] > s.lo[i]:
                continue
            more = integral_between(m.a[i], m.b[i], m.c0[i], m.c1[i], m.k[i], base.x[i], s.x[i])
            money += more
            size += abs(more)
        now, before = s.price[v] * s.lack[v], base.price[v] * base.lack[v]
        money += now - before
        off += abs(now) + abs(before)
    return money, size + ROUNDED * stands, STEEP * off


@inline
def _restore(m: Mesh, base: Stand, s: Stand, region: Region) -> None:
    """Put all back that was touched, and empty the region."""
    for n in range(region.size[0]):
        v = region.node[n]
        region.inside[v] = False
        s.price[v], s.lack[v] = base.price[v], base.lack[v]
        s.node_pull[v], s.node_weight[v] = base.node_pull[v], base.node_weight[v]
        for i in range(m.first[v], m.first[v + 1]):
            s.lo[i], s.hi[i] = base.lo[i], base.hi[i]
            s.x[i], s.held[i] = base.x[i], base.held[i]
    for q in range(region.size[1]):
        e = region.link[q]
        region.met[e] = False
        s.capacity[e], s.flow[e], s.anchor[e] = base.capacity[e], base.flow[e], base.anchor[e]
        s.firm[e] = base.firm[e]
        s.pull[e], s.weight[e], s.slope[e] = base.pull[e], base.weight[e], base.slope[e]
    for q in range(region.size[2]):
        j = region.column[q]
        region.changed[j] = False
        s.d[j] = base.d[j]
        for p in range(m.l_start[j], m.l_start[j + 1]):
            s.l_values[p] = base.l_values[p]
    region.size[:] = 0
