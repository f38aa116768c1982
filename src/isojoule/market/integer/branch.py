"""The best choice without part of a book, by branch and bound that goes on from what is known.

Each unit is a share between 0 and 1. The program with shares is concave, small, and of one shape
for all participants and all branches, so each is solved from the point of the one before it
(`isojoule.kernels.bordered`):

- a leg of a unit is a piece at its node, and rows tie the legs of a bundle, and the offers of a
  group, together;
- a divisible unit of a group has its share at a node of its own, which limits its pieces;
- at every node energy is to be had, and to be got rid of, at a price that no choice would pay, so
  that there always is a solution, and prices that show what cannot be balanced.

What counts are the prices alone: the Lagrangian bounds all choices of a branch by them
(`isojoule.market.integer.lagrangian`), and settles units (`isojoule.market.integer.settled`). What
is reached is cleared in integers, as ever. Source: Land, Doig 1960, Econometrica 28:497.

Spec: docs/spec/vcg.md, P18.
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.kernels.bordered import Bordered, Point, maximise_bordered
from isojoule.kernels.ldl import analyse
from isojoule.kernels.pieces import typical
from isojoule.market.integer.allocate import SAME, Chosen, Search
from isojoule.market.integer.lagrangian import Fixed, Lagrangian
from isojoule.market.integer.settled import settled

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RULED_OUT = 1e2
"""Energy from nowhere costs so many times the dearest worth."""
TOLERANCE = 1e-11
"""Scaled residual at which a branch is solved."""
LACKS = 1e-7
"""Energy from nowhere that shows that a choice does not balance, as a share of the typical."""
UNLIMITED = 0.99
"""A piece that ends beyond this share of the reach has no end."""
WHOLE = 1e-6
"""A share nearer to 0 or 1 than this is whole."""
MOST = 300
"""Most branches that are solved."""


class Shut(NamedTuple):
    """What is closed: pieces of the relaxation's columns, links, and units."""

    pieces: Bools
    links: Bools
    units: Bools


class Solved(NamedTuple):
    """A branch: where it stands, shares of units, prices of the grid's nodes, what is from nowhere.

    `lacks` is in units of the typical energy.
    """

    point: Point
    share: Floats
    duals: Floats
    lacks: float


class Shares:
    """The program with shares instead of yes and no, of one book.

    Units that have energy (`has`) take part in it.
    """

    def __init__(self, relaxation: Lagrangian, dearest: float) -> None:
        r = self.relaxation = relaxation
        n, units, c = r.network, r.units, r.columns
        legs = units.legs
        size = legs.energy_uj / UJ_PER_J
        self.leg = np.flatnonzero(size != 0.0)
        self.leg_unit = units.leg_unit[self.leg]
        self.size = size[self.leg]
        first = np.zeros(self.leg.size, bool)
        first[np.unique(self.leg_unit, return_index=True)[1]] = True
        soft = np.flatnonzero(~units.whole)
        self.soft, nodes = soft, n.nodes
        self.count = c.node.size
        p = c.pieces
        worth = np.where(first, units.worth[self.leg_unit] / self.size, 0.0)
        self.energy = float(typical(np.append(p.lo, 0 * size), np.append(p.hi, np.abs(size)), 1e-6))
        each = np.abs(np.concatenate([p.a + p.b, worth]))
        self.price = float(typical(0 * each, each, 1e-15))
        e, m = self.energy, self.price
        most = RULED_OUT * dearest / m
        # what ends at the reach has no end: so the solver sees it better
        p_lo = np.where(p.lo > -UNLIMITED * r.reach_j, p.lo / e, -np.inf)
        p_hi = np.where(p.hi < UNLIMITED * r.reach_j, p.hi / e, np.inf)
        at_legs, own = n.node_of[legs.node[self.leg]], np.full(soft.size, nodes)
        every, none = np.arange(nodes), np.zeros(nodes)
        # pieces, legs, shares of soft units and their counterpart, energy from and to nowhere
        self.node = np.concatenate([c.node, at_legs, own, own[:1], every, every]).astype(np.int64)
        more = np.zeros(soft.size + own[:1].size)
        self.a = np.concatenate([p.a / m, worth / m, more, none + most, none - most])
        rest = self.a.size - self.count
        self.curve = [np.concatenate([q, np.zeros(rest)]) for q in (p.b / m, p.c0, p.c1 * e)]
        self.k = np.concatenate([p.k, np.ones(rest)])
        self.lo = np.concatenate(
            [p_lo, np.minimum(self.size, 0.0) / e, np.zeros(soft.size),
             np.full(own[:1].size, -float(soft.size)), none - np.inf, none]
        )  # fmt: skip
        self.hi = np.concatenate(
            [p_hi, np.maximum(self.size, 0.0) / e, np.ones(soft.size), np.zeros(own[:1].size),
             none, none + np.inf]
        )  # fmt: skip
        self.at_leg = self.count + np.arange(self.leg.size)
        self.at_soft = self.count + self.leg.size + np.arange(soft.size)
        self.at_spare = np.arange(self.a.size - 2 * nodes, self.a.size)
        self.head = np.zeros(units.count, np.int64)  # where the share of a unit stands, its size
        self.unit_size = np.ones(units.count)
        self.head[self.leg_unit[first]] = self.at_leg[first]
        self.unit_size[self.leg_unit[first]] = self.size[first] / e
        self.head[soft] = self.at_soft
        self.has = np.zeros(units.count, bool)
        self.has[self.leg_unit] = self.has[soft] = True
        self.pattern = analyse(
            nodes + own[:1].size, n.arc_tail.astype(np.int32), n.arc_head.astype(np.int32)
        )
        self._rows(first)

    def _rows(self, first: Bools) -> None:
        """Ties of bundles, groups, and what soft units let their pieces have."""
        r, width = self.relaxation, self.a.size + self.relaxation.network.arc_link.size
        rows, low, high = [], [], []

        def add(parts: list[tuple[int, float]], least: float, most: float) -> None:
            if not parts:
                return
            row = np.zeros(width)
            for at, value in parts:
                row[at] += value
            scale = float(np.max(np.abs(row)))
            rows.append(row / scale)
            low.append(least / scale)
            high.append(most / scale)

        share = 1.0 / self.unit_size
        for at in np.flatnonzero(~first).tolist():
            u = int(self.leg_unit[at])
            mine = self.energy / float(self.size[at])
            add([(int(self.at_leg[at]), mine), (int(self.head[u]), -float(share[u]))], 0.0, 0.0)
        for number in range(r.units.groups):
            members = np.flatnonzero(self.has & (r.units.group == number)).tolist()
            add([(int(self.head[u]), float(share[u])) for u in members], -np.inf, 1.0)
        p = r.columns.pieces
        for i in np.flatnonzero((r.piece_unit >= 0) & (p.hi > p.lo)).tolist():
            end = float((p.lo[i] + p.hi[i]) / self.energy)
            add([(i, 1.0 / end), (int(self.head[r.piece_unit[i]]), -1.0)], -np.inf, 0.0)
        self.rows = np.array(rows).reshape(len(rows), width)
        self.row_lo, self.row_hi = np.array(low), np.array(high)

    def solve(self, fixed: Fixed, shut: Shut, start: Point | None) -> Solved:
        """The shares with some units fixed and some of the book closed."""
        n = self.relaxation.network
        program = self.program(fixed, shut)
        warm = start is not None
        found = maximise_bordered(program, self.pattern, start or self._nothing(), warm, TOLERANCE)
        if warm and not found.residual < 1e3 * TOLERANCE:
            found = maximise_bordered(program, self.pattern, self._nothing(), False, TOLERANCE)
        share = np.clip(found.y[self.head] / self.unit_size, 0.0, 1.0)
        share = np.where(self.has, share, 0.0)
        price = found.node[: n.nodes] * self.price
        lacks = float(np.abs(found.y[self.at_spare]).sum())
        return Solved(found, share, price[n.node_of], lacks)

    def program(self, fixed: Fixed, shut: Shut) -> Bordered:
        """What is solved."""
        n, e = self.relaxation.network, self.energy
        lo, hi = self.lo.copy(), self.hi.copy()
        lo[: self.count][shut.pieces] = hi[: self.count][shut.pieces] = 0.0
        taken, left = fixed == 1, fixed == 0
        at, size = self.at_leg, self.size / e
        lo[at] = np.where(taken[self.leg_unit], size, np.where(left[self.leg_unit], 0.0, lo[at]))
        hi[at] = np.where(taken[self.leg_unit], size, np.where(left[self.leg_unit], 0.0, hi[at]))
        lo[self.at_soft] = np.where(taken[self.soft], 1.0, 0.0)
        hi[self.at_soft] = np.where(left[self.soft], 0.0, 1.0)
        out = left[np.maximum(self.relaxation.piece_unit, 0)] & (self.relaxation.piece_unit >= 0)
        lo[: self.count][out] = hi[: self.count][out] = 0.0
        link = n.arc_link
        arc_hi = np.where(shut.links[link], 0.0, n.arc_hi / e)
        arc_lo = np.where(shut.links[link], 0.0, n.arc_lo / e)
        return Bordered(
            self.node, self.a, self.curve[0], self.curve[1], self.curve[2], self.k, n.arc_tail,
            n.arc_head, self.pattern.edge_slot, n.gain[link], n.limits.loss_per_j[link] * e,
            n.price[link] / self.price, np.zeros(self.pattern.order.size), self.rows,
            np.concatenate([lo, arc_lo, self.row_lo]), np.concatenate([hi, arc_hi, self.row_hi]),
        )  # fmt: skip

    def chooses(self, y: Floats) -> Bools:
        """Where shares are a choice that clears, at points (points, P + A). Shape (points,).

        What is whole is taken or left, of a group no more than one is used, nothing comes from
        nowhere or goes there, and no link runs, and no offer trades, both ways.
        """
        r, units = self.relaxation, self.relaxation.units
        share = np.abs(y[:, self.head] / self.unit_size)
        whole = (share == 0.0) | (share == 1.0) | ~(units.whole & self.has)
        used = np.where(units.whole, share, 0.0)
        for i in np.flatnonzero(r.piece_unit >= 0).tolist():
            used[:, r.piece_unit[i]] += np.abs(y[:, i])
        out: Bools = whole.all(axis=1) & (y[:, self.at_spare] == 0.0).all(axis=1)
        for number in range(units.groups):
            out &= np.count_nonzero(used[:, units.group == number], axis=1) <= 1
        n, f = r.network, y[:, self.a.size :]
        there = np.empty(n.tail.size, np.int64)
        there[n.arc_link[~n.arc_back]] = np.flatnonzero(~n.arc_back)
        back = np.flatnonzero(n.arc_back)
        out &= ~((f[:, back] > 0.0) & (f[:, there[n.arc_link[back]]] > 0.0)).any(axis=1)
        offer, x = r.columns.offer, y[:, : self.count]
        both = np.zeros((2, y.shape[0], r.columns.offer_node.size), bool)
        at, piece = np.nonzero(x)
        both[(x[at, piece] > 0.0).astype(np.int64), at, offer[piece]] = True
        out &= ~np.any(both[0] & both[1], axis=1)
        return out

    def _nothing(self) -> Point:
        size = self.lo.size + self.relaxation.network.arc_link.size + self.row_lo.size
        return Point(
            np.zeros(size), np.ones(self.pattern.order.size), np.zeros(self.row_lo.size),
            np.zeros(size, np.int8), 0, np.inf,
        )  # fmt: skip


def best_of(
    shares: Shares,
    search: Search,
    shut: Shut,
    open_: Fixed,
    known: list[Bools],
    start: Point | None,
) -> tuple[Chosen, float] | None:
    """The best choice of a search, and what no choice passes; None where this does not tell.

    Parameters
    ----------
    shares, search, shut
        The program of the book, and the search in what is left of it (`less`).
    open_
        What is known of the units.
    known
        Choices that were good elsewhere.
    start
        A point to start from.
    """
    r = search.relaxation
    root = shares.solve(open_, shut, start)
    gains = r.gains(root.duals)
    best: Chosen | None = None
    least = -math.inf  # what is not searched has no more

    def try_(choice: Bools, *, last: bool = False) -> None:
        """See whether a choice is better; the last of its branch is ruled out by a bound alone."""
        nonlocal best, least
        if choice.tobytes() in search.known:
            return
        seen = shares.solve(choice.astype(np.int8), shut, root.point)
        most = r.bound(r.gains(seen.duals), choice.astype(np.int8))
        if (seen.lacks > LACKS and not last) or (best is not None and most <= best.value):
            return
        found = search.clear(choice)
        if isinstance(found, Chosen) and (best is None or found.value > best.value):
            best = found
        elif not isinstance(found, Chosen):
            least = max(least, most)

    first = gains

    def rank_(choice: Bools) -> float:
        return -r.bound(first, choice.astype(np.int8))

    for choice in sorted((one & (open_ != 0) for one in known), key=rank_):
        if best is None or -rank_(choice) > best.value:
            try_(choice)
    try_((root.share > 0.5) & (open_ != 0))
    if best is None:
        nothing = search.clear(np.zeros(open_.size, bool))
        if not isinstance(nothing, Chosen):
            return None
        best = nothing
    heap = [(-r.bound(gains, open_), 0, open_, root, gains)]
    number = 1
    while heap:
        assert best is not None
        bound, _, fixed, solved, gains = heapq.heappop(heap)
        if -bound <= best.value + SAME * best.scale:
            return best, max(-bound, least, best.value)
        fixed = settled(r, gains, fixed, best.value)
        part = np.where(fixed < 0, np.minimum(solved.share, 1.0 - solved.share), -1.0)
        if part.max(initial=-1.0) < 0.0:
            try_(fixed == 1, last=True)
            continue
        at = int(np.argmax(part))
        if part[at] <= WHOLE:
            try_(np.where(fixed >= 0, fixed == 1, solved.share > 0.5))
        for value in (1, 0):
            child = fixed.copy()
            child[at] = value
            group = r.units.group
            if value and group[at] >= 0:
                child[(group == group[at]) & (child < 0)] = 0
            if number > MOST:
                return None
            below = shares.solve(child, shut, solved.point)
            there = r.gains(below.duals)
            now = min(-bound, r.bound(there, child))
            if now > best.value + SAME * best.scale:
                heapq.heappush(heap, (-now, number, child, below, there))
            else:
                least = max(least, now)
            number += 1
    assert best is not None
    return best, max(least, best.value)
