"""What all others can have without one participant, on a forest, for one after the other.

Theory of operation. Of an optimum most stays as it is when one participant goes: what does not
move while prices change by some share of themselves is folded into constants
(`isojoule.kernels.unmoved`). Left are the places where something moves, and the ways from the
participant's places to the roots. On these the optimum is found anew, from the one before
(`isojoule.kernels.tree_newton`), or else from nothing (`isojoule.kernels.tree`; at one place
`isojoule.kernels.one_price`), whatever the curves and losses. If a price leaves the
interval in which the constants are such, nothing is told, and the caller asks again with a wider
share; at last nothing is folded.

What the others have more or less is summed over what has moved alone, so that small changes keep
their digits, and is corrected by what nodes lack, at their prices. The new prices are duals of the
program without the participant: what pieces and links, each alone, would still gain at them bounds
how much more there can be (weak duality).

Spec: docs/spec/vcg.md, P19.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.one_price import one_price
from isojoule.kernels.prices import integral_between
from isojoule.kernels.tree import solve_tree
from isojoule.kernels.tree_newton import Newton, newton
from isojoule.kernels.tree_walk import TreeProgram, Walk
from isojoule.kernels.unmoved import (
    Moving,
    Settled,
    Unmoved,
    brought_by,
    drawn_by,
    loose_link,
    loose_piece,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BALANCED = 1e-9
"""What a solution may lack, at its prices or not, as a share of what moves."""
SPAN = 4.0
"""Bounds look so many times further than all that moves."""
STEEP = 1e-6
"""Share of itself by which a price that nodes lack at may be wrong."""
ROUNDED = 1e-3
"""Of what moves and stands, this share counts as size: a double has so many more digits than
payments are known to."""


class Asked(NamedTuple):
    """Who is taken out.

    Attributes
    ----------
    number
        Party.
    first, place
        The places where it has offers, or links to them: place[first[q]] .. place[first[q + 1]].
    """

    number: Ints
    first: Ints
    place: Ints


class _Part(NamedTuple):
    """What is left of the forest: places, and what stands on them. Room for all of it.

    Attributes
    ----------
    place, above
        Places, each before all behind it, and those above them by their number here, -1: none.
    piece, first
        Pieces; those of the place n are piece[first[n]] .. piece[first[n + 1]].
    fixed
        What is drawn at each place whatever happens, J.
    stack, stack_above, stamp, way, next_way, way_stamp
        Scratch: places to come; which of the forest are on a way of the participant to a root, and
        those right behind each that are left for that alone.
    moved
        What pieces moved here before, J, one number.
    """

    place: Ints
    above: Ints
    stack: Ints
    stack_above: Ints
    piece: Ints
    first: Ints
    fixed: Floats
    stamp: Ints
    way: Ints
    next_way: Ints
    way_stamp: Ints
    moved: Floats


@kernel
def left_out(walk: Walk, s: Settled, known: Unmoved, may: Moving, asked: Asked, closed: float,
             dust: float, tolerance: float, most: float) -> tuple[
                 Floats, Floats, Floats]:  # fmt: skip
    """What others gain by a participant's going, and what it is known to.

    Parameters
    ----------
    walk, s, known, may
        The forest, the optimum on it, what stays in it, and what may move.
    asked
        Who goes.
    closed, dust
        What it may be off by, as a share of itself, or in money.
    tolerance, most
        As for `isojoule.kernels.tree.solve_tree`.

    Returns
    -------
    money
        What all others have more without it, money; nan where it is not told.
    size
        Of what it is made of, without signs.
    unsure
        By how much it may be off, but for digits of the size.
    """
    places, pieces = walk.order.size, s.lo.size
    part = _Part(
        np.empty(places, np.int64), np.empty(places, np.int64), np.empty(places + 1, np.int64),
        np.empty(places + 1, np.int64), np.empty(pieces, np.int64), np.zeros(places + 1, np.int64),
        np.empty(places), np.full(places, -1, np.int64), np.full(places, -1, np.int64),
        np.full(places, -1, np.int64), np.full(places, -1, np.int64), np.zeros(1),
    )  # fmt: skip
    count = asked.number.size
    money, size, unsure = np.full(count, math.nan), np.zeros(count), np.zeros(count)
    for q in range(count):
        number = asked.number[q]
        left = _gather(walk, s, known, may, asked, q, part)
        table, links = _tables(walk, s, part, left, number)
        x, flow, price = _as_before(s, part, left)
        above, first = part.above[:left].copy(), part.first[: left + 1].copy()
        fixed = part.fixed[:left].copy()
        if newton(Newton(above, first, fixed, table, links, x, flow, price)):
            if not _stays(may, part, left, price):
                continue
            more, terms, off = _difference(
                walk, s, known, part, left, number, table, links, x, flow, price
            )
            if off <= max(closed * abs(more), dust):
                money[q], size[q], unsure[q] = more, terms, off
                continue
        if left == 1:
            price[0] = one_price(
                table[0], table[1], table[2], table[3], table[4], table[5], table[6], -fixed[0], x
            )
        else:
            program = TreeProgram(
                first, table[0], table[1], table[2], table[3], table[4], table[5], table[6],
                -fixed, links[0], links[1], links[2], links[3],
            )  # fmt: skip
            order = np.arange(left)
            ways = Walk(order, above, np.where(above < 0, -1, order), np.ones(left, np.bool_))
            x, flow, price, _, rest = solve_tree(ways, program, tolerance, most)
            if not rest < BALANCED:
                continue
        if not _stays(may, part, left, price):  # nor does a price that is none
            continue
        more, terms, off = _difference(
            walk, s, known, part, left, number, table, links, x, flow, price
        )
        if off <= max(closed * abs(more), dust):
            money[q], size[q], unsure[q] = more, terms, off
    return money, size, unsure


@inline
def _gather(walk: Walk, s: Settled, known: Unmoved, may: Moving, asked: Asked, q: int,
            part: _Part) -> int:  # fmt: skip
    """Fill the part that is solved without a participant; returns how many places it has."""
    number = asked.number[q]
    top = 0
    for j in range(asked.first[q], asked.first[q + 1]):
        p = asked.place[j]
        while part.stamp[p] != q:
            part.stamp[p] = q
            u = walk.above[p]
            if u < 0:
                part.stack[top], part.stack_above[top] = p, -1
                top += 1
                break
            if not may.place[p]:
                if part.way_stamp[u] != q:
                    part.way_stamp[u], part.way[u] = q, -1
                part.next_way[p] = part.way[u]
                part.way[u] = p
            p = u
    count = pieces = 0
    part.moved[0] = 0.0
    while top > 0:  # each place before all behind it
        top -= 1
        p = part.stack[top]
        part.place[count], part.above[count] = p, part.stack_above[top]
        fixed = may.rest[p]
        for i in range(s.first[p], s.first[p + 1]):
            part.moved[0] += abs(s.x[i])
            if s.party[i] == number:
                continue
            if may.piece[i]:
                part.piece[pieces] = i
                pieces += 1
            else:
                fixed += s.x[i]
        child = may.child[p]
        while child >= 0:
            part.stack[top], part.stack_above[top] = child, count
            top += 1
            child = may.sibling[child]
        if part.way_stamp[p] == q:
            child = part.way[p]
            while child >= 0:
                part.stack[top], part.stack_above[top] = child, count
                top += 1
                fixed -= known.drawn[child]
                child = part.next_way[child]
        part.fixed[count] = fixed
        count += 1
        part.first[count] = pieces
    return count


@inline
def _tables(walk: Walk, s: Settled, part: _Part, left: int, number: int) -> tuple[Floats, Floats]:
    """Pieces and links of a part; its own links carry nothing."""
    m = part.first[left]
    table, links = np.empty((7, m)), np.zeros((4, left))
    for j in range(m):
        i = part.piece[j]
        table[0, j], table[1, j], table[2, j], table[3, j] = s.lo[i], s.hi[i], s.a[i], s.b[i]
        table[4, j], table[5, j], table[6, j] = s.c0[i], s.c1[i], s.k[i]
    for n in range(left):
        links[1, n] = 1.0
        if part.above[n] >= 0:
            e = walk.link[part.place[n]]
            links[0, n] = 0.0 if s.owner[e] == number else s.capacity[e]
            links[1, n], links[2, n], links[3, n] = s.gain[e], s.loss_per_j[e], s.fee[e]
    return table, links


@inline
def _as_before(s: Settled, part: _Part, left: int) -> tuple[Floats, Floats, Floats]:
    """Energies, flows and prices of a part at the optimum of all."""
    x, flow, price = np.empty(part.first[left]), np.empty(left), np.empty(left)
    for j in range(x.size):
        x[j] = s.x[part.piece[j]]
    for n in range(left):
        flow[n], price[n] = s.sent[part.place[n]], s.price[part.place[n]]
    return x, flow, price


@inline
def _stays(may: Moving, part: _Part, left: int, price: Floats) -> bool:
    """Whether what was folded into constants stays at the new prices."""
    for n in range(left):
        p = part.place[n]
        if not may.low[p] <= price[n] <= may.high[p]:
            return False
    return True


@inline
def _difference(walk: Walk, s: Settled, known: Unmoved, part: _Part, left: int, number: int,
                table: Floats, links: Floats, x: Floats, flow: Floats,
                price: Floats) -> tuple[float, float, float]:  # fmt: skip
    """What others have more than before, its size, and how far it may be off."""
    money = size = loose = stands = 0.0
    moved = part.moved[0]
    lack = -part.fixed[:left]
    for n in range(left):
        moved += abs(part.fixed[n])
        for j in range(part.first[n], part.first[n + 1]):
            moved += abs(x[j])
    span = SPAN * moved
    for n in range(left):
        p, lam = part.place[n], price[n]
        for j in range(part.first[n], part.first[n + 1]):
            lo, hi, a, b = table[0, j], table[1, j], table[2, j], table[3, j]
            c0, c1, k = table[4, j], table[5, j], table[6, j]
            more = integral_between(a, b, c0, c1, k, s.x[part.piece[j]], x[j])
            money += more
            size += abs(more)
            stands += abs(lam * x[j])
            lack[n] -= x[j]
            loose += loose_piece(lo, hi, a, b, c0, c1, k, x[j], lam, span)
        u = part.above[n]
        if u < 0:
            continue
        f, was, fee = flow[n], s.sent[p], links[3, n]
        gain, r = links[1, n], links[2, n]
        lack[n] += brought_by(f, gain, r)
        lack[u] -= drawn_by(f, gain, r)
        stands += abs(lam * f)
        if s.owner[walk.link[p]] != number:
            more = -fee * (abs(f) - abs(was))
            money += more
            size += abs(more)
        loose += loose_link(f, min(links[0, n], span), gain, r, fee, price[u], lam)
    off = 0.0
    for n in range(left):
        p = part.place[n]
        # at a price of 0 it would weigh nothing
        if abs(lack[n]) > BALANCED * moved or abs(known.lack[p]) > BALANCED * moved:
            return math.nan, 0.0, math.inf
        now, before = price[n] * lack[n], s.price[p] * known.lack[p]
        money += now - before
        off += abs(now) + abs(before)
    unsure = loose + known.loose + STEEP * off
    return money + 0.5 * loose, size + ROUNDED * stands, unsure
