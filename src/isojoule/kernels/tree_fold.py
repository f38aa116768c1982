"""From the leaves to the roots, and the prices on the way back (see `isojoule.kernels.tree`)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline
from isojoule.kernels.polyline import (
    MOST_POINTS,
    add,
    between,
    crossing,
    draw,
    refine,
    sent_for,
    through,
    trim,
)
from isojoule.kernels.prices import PEAK
from isojoule.kernels.tree_walk import TreeProgram, Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_ROOM = 1024
"""Points that there is room for at first."""


class Rows(NamedTuple):
    """Room for rows.

    Attributes
    ----------
    at, want
        Rows that wait for the node above, one behind the other.
    sum_at, sum_want
        Sums of rows, while they are made.
    kept_at, kept_want
        What links with a quadratic loss make of the rows behind them; read on the way back.
    """

    at: Floats
    want: Floats
    sum_at: Floats
    sum_want: Floats
    kept_at: Floats
    kept_want: Floats


class Waiting(NamedTuple):
    """Where rows stand.

    Attributes
    ----------
    begin
        Of the rows that wait, q is begin[q] .. begin[q + 1].
    owner
        Place that each of them waits for.
    kept_first, kept_last
        Of each place, what is kept.
    always
        What each place has to give to links behind it, whatever the price, J.
    """

    begin: Ints
    owner: Ints
    kept_first: Ints
    kept_last: Ints
    always: Floats


@inline
def fold_up(walk: Walk, program: TreeProgram, near: Floats, wide: Floats, level: Floats,
            around: Floats, low: Floats, high: Floats, marks: Floats, price: Floats,
            drawn: Floats, most: float) -> bool:  # fmt: skip
    """Fold all rows into the roots, and find the prices; what each link takes is `drawn`."""
    nodes = walk.order.size
    waiting = Waiting(
        np.zeros(nodes + program.lo.size + 2, np.int64), np.empty(nodes + 1, np.int64),
        np.zeros(nodes, np.int64), np.zeros(nodes, np.int64), np.zeros(nodes),
    )  # fmt: skip
    room = FIRST_ROOM
    rows = Rows(
        np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room),
        np.empty(room),
    )  # fmt: skip
    place, count, kept, work = nodes - 1, 0, 0, 0.0
    while place >= 0:
        place, count, kept, work, need = _fold(
            walk, program, near, wide, level, around, low, high, marks, price, waiting, rows,
            place, count, kept, work, most,
        )  # fmt: skip
        if need < 0:
            return False
        if need > 0:
            end, room = waiting.begin[count], 2 * need
            rows = Rows(
                _longer(rows.at, end, room), _longer(rows.want, end, room), np.empty(room),
                np.empty(room), _longer(rows.kept_at, kept, kept + room),
                _longer(rows.kept_want, kept, kept + room),
            )  # fmt: skip
    _prices(
        walk, program, marks, price, drawn, waiting.kept_first, waiting.kept_last, rows.kept_at,
        rows.kept_want,
    )  # fmt: skip
    return True


@inline
def _fold(walk: Walk, program: TreeProgram, near: Floats, wide: Floats, level: Floats,
          around: Floats, low: Floats, high: Floats, marks: Floats, price: Floats,
          waiting: Waiting, room: Rows, start: int, rows: int, kept: int, work: float,
          most: float) -> tuple[int, int, int, float, int]:  # fmt: skip
    """Fold from a place to the first one, or as far as there is room.

    No array changes its name here, and none is made: the compiler would count its references in
    every step.

    Parameters
    ----------
    start, rows, kept, work
        Where to begin, rows that wait, points that are kept, points handled so far.

    Returns
    -------
    The same four where it ends, and how much room it needs to go on; 0 at the end, below 0 where
    a part has no balance, or there are too many points.
    """
    above, link, first = walk.above, walk.link, program.first
    lo, hi, a, b = program.lo, program.hi, program.a, program.b
    c0, c1, k, inject = program.c0, program.c1, program.k, program.inject
    capacity, gain, loss, fee = program.capacity, program.gain, program.loss_per_j, program.price
    begin, owner, kept_first, kept_last, always = waiting
    at, want, sum_at, sum_want, kept_at, kept_want = room
    for p in range(start, -1, -1):
        count = rows
        while count > 0 and owner[count - 1] == p:
            count -= 1
        end = begin[rows]
        need = end + MOST_POINTS * (first[p + 1] - first[p] + 1)
        if need > at.size or kept + need > kept_at.size:
            return p, rows, kept, work, need
        last = rows
        fixed = always[p] - inject[p]
        for i in range(first[p], first[p + 1]):
            if not hi[i] > lo[i]:
                fixed += lo[i]
                continue
            drawn = draw(
                lo[i], hi[i], a[i], b[i], c0[i],
                c1[i], k[i], near[i], wide[i], at, want, end,
            )  # fmt: skip
            if at[end] <= low[p]:  # the same at every price that is looked at
                fixed += lo[i]
            elif at[drawn - 1] >= high[p]:
                fixed += hi[i]
            else:
                end = drawn
                last += 1
                begin[last] = end
        base = begin[count]
        rows = count
        if last == count:
            kept_first[p] = kept_last[p] = kept
            if fixed == 0.0:  # nothing here wants anything
                marks[p, 0] = marks[p, 1] = math.inf
                marks[p, 2] = marks[p, 3] = -math.inf
                price[p] = 0.0
                continue
            at[base], want[base] = 0.0, 0.0
            last += 1
            begin[last] = base + 1
        top = base
        if last == count + 1:
            for j in range(base, begin[last]):
                sum_at[j], sum_want[j] = at[j], want[j]
            top = begin[last]
            work += top - base
        while last - count > 1:  # add the rows in pairs, until one is left
            top = base
            place = count
            for q in range(count, last, 2):
                begin_q, middle = begin[q], begin[q + 1]
                if q + 1 < last:
                    top = add(at, want, begin_q, middle, begin[q + 2], sum_at, sum_want, top)
                else:
                    for j in range(begin_q, middle):
                        sum_at[top], sum_want[top] = at[j], want[j]
                        top += 1
                place += 1
                begin[place] = top  # what stood there has been read
            work += top - base
            last = place
            if last - count > 1:
                for j in range(base, top):
                    at[j], want[j] = sum_at[j], sum_want[j]
        if work > most:
            return p, rows, kept, work, -1
        if fixed != 0.0:
            for j in range(base, top):
                sum_want[j] += fixed
        bottom = base
        if low[p] > -math.inf:
            bottom, top = trim(sum_at, sum_want, base, top, low[p], high[p])
        if above[p] < 0:
            if not _root(sum_at, sum_want, bottom, top, price, p):
                return p, rows, kept, work, -1
            continue
        e = link[p]
        r = loss[e]
        if r > 0.0 and around[p] < math.inf:
            end = refine(sum_at, sum_want, bottom, top, level[p], around[p], at, want, base)
            for j in range(base, end):
                sum_at[j], sum_want[j] = at[j], want[j]
            bottom, top = base, end
        end = through(
            sum_at, sum_want, bottom, top, capacity[e], gain[e], r,
            fee[e], marks, p, at, want, base,
        )  # fmt: skip
        if low[p] > -math.inf:  # full at every price that is looked at: its price lies beyond
            if sum_want[bottom] >= gain[e] * capacity[e] - r * capacity[e] * capacity[e] > 0.0:
                marks[p, 3] = high[p]
            if sum_want[top - 1] < -capacity[e]:
                marks[p, 0] = marks[p, 1] = low[p]
        if r > 0.0:  # what it takes is read off this row on the way back
            kept_first[p] = kept
            for j in range(base, end):
                kept_at[kept], kept_want[kept] = at[j], want[j]
                kept += 1
            kept_last[p] = kept
        bends = False
        for j in range(base + 1, end):
            bends = bends or want[j] != want[base]
        if not bends:
            always[above[p]] += want[base]
        else:
            owner[rows] = above[p]
            rows += 1
            begin[rows] = end
    return -1, rows, kept, work, 0


@inline
def _longer(values: Floats, used: int, room: int) -> Floats:
    out = np.empty(room)
    out[:used] = values[:used]
    return out


@inline
def _root(at: Floats, want: Floats, base: int, top: int, price: Floats, p: int) -> bool:
    """Fill the price at which a root wants nothing; whether there is one."""
    if want[base] > 0.0 or want[top - 1] < 0.0:
        return False
    i = base
    while want[i] < 0.0:
        i += 1
    if want[i] > 0.0:
        price[p] = crossing(at, want, i, 0.0)
        return True
    j = i
    while j + 1 < top and want[j + 1] == 0.0:
        j += 1
    # nothing is wanted between two prices, either of which may be open
    if i > base and j + 1 < top:
        price[p] = 0.5 * (at[i] + at[j])
    else:
        price[p] = at[i] if i > base else at[j]
    return True


@inline
def _prices(walk: Walk, program: TreeProgram, marks: Floats, price: Floats, drawn: Floats,
            first: Ints, last: Ints, at: Floats, want: Floats) -> None:  # fmt: skip
    """Fill the prices of all places from those of the roots.

    With a quadratic loss a link's price depends on what it takes: its row in `at` and `want` says.
    """
    for p in range(walk.order.size):
        if walk.above[p] < 0:
            continue
        e = walk.link[p]
        there = price[walk.above[p]]
        gain, fee, r = program.gain[e], program.price[e], program.loss_per_j[e]
        to, fro = gain, gain
        if r > 0.0 and last[p] > first[p]:
            j = first[p]
            while j < last[p] and at[j] > there:
                j += 1
            taken = between(at, want, first[p], last[p], j, there)
            drawn[p] = taken
            if taken > 0.0:
                to = max(gain - 2.0 * r * taken, PEAK * gain)
            else:
                fro = max(gain - 2.0 * r * sent_for(-taken, gain, r), PEAK * gain)
        take = (there + fee) / to
        give = fro * there - fee
        if take < marks[p, 2]:
            price[p] = max(take, marks[p, 3])
        elif give > marks[p, 1]:
            price[p] = min(give, marks[p, 0])
        else:  # nothing is carried
            price[p] = min(max(there, marks[p, 2], give), marks[p, 1], take)
