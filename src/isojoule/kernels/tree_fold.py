"""From the leaves to the roots, and the prices on the way back (see `isojoule.kernels.tree`)."""

from __future__ import annotations

import math

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


@inline
def fold_up(walk: Walk, program: TreeProgram, near: Floats, wide: Floats, level: Floats,
            around: Floats, low: Floats, high: Floats, marks: Floats, price: Floats,
            drawn: Floats, most: float) -> bool:  # fmt: skip
    """Fold all rows into the roots, and find the prices; what each link takes is `drawn`."""
    nodes = walk.order.size
    above, link, first = walk.above, walk.link, program.first
    lo, hi, a, b = program.lo, program.hi, program.a, program.b
    c0, c1, k, inject = program.c0, program.c1, program.k, program.inject
    capacity, gain, loss, fee = program.capacity, program.gain, program.loss_per_j, program.price
    kept_first, kept_last = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    kept_at, kept_want = np.empty(1024), np.empty(1024)
    kept = 0
    room = 1024
    at, want = np.empty(room), np.empty(room)
    sum_at, sum_want = np.empty(room), np.empty(room)
    # rows waiting for the node above stand one behind the other; row q is begin[q]..begin[q + 1]
    begin = np.zeros(nodes + lo.size + 2, np.int64)
    owner = np.empty(nodes + 1, np.int64)
    rows = 0
    work = 0.0
    for p in range(nodes - 1, -1, -1):
        count = rows
        while count > 0 and owner[count - 1] == p:
            count -= 1
        end = begin[rows]
        need = end + MOST_POINTS * (first[p + 1] - first[p] + 1)
        if need > room:
            room = 2 * need
            at, want = _longer(at, end, room), _longer(want, end, room)
            sum_at, sum_want = np.empty(room), np.empty(room)
        last = rows
        fixed = -inject[p]
        for i in range(first[p], first[p + 1]):
            if not hi[i] > lo[i]:
                fixed += lo[i]
                continue
            end = draw(
                lo[i], hi[i], a[i], b[i], c0[i],
                c1[i], k[i], near[i], wide[i], at, want, end,
            )  # fmt: skip
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
                at[base:top] = sum_at[base:top]
                want[base:top] = sum_want[base:top]
        if work > most:
            return False
        if fixed != 0.0:
            for j in range(base, top):
                sum_want[j] += fixed
        bottom = base
        if low[p] > -math.inf:
            bottom, top = trim(sum_at, sum_want, base, top, low[p], high[p])
        if above[p] < 0:
            if not _root(sum_at, sum_want, bottom, top, price, p):
                return False
            continue
        e = link[p]
        r = loss[e]
        if r > 0.0 and around[p] < math.inf:
            end = refine(sum_at, sum_want, bottom, top, level[p], around[p], at, want, base)
            sum_at[base:end] = at[base:end]
            sum_want[base:end] = want[base:end]
            bottom, top = base, end
        end = through(
            sum_at, sum_want, bottom, top, capacity[e], gain[e], r,
            fee[e], marks[p], at, want, base,
        )  # fmt: skip
        if r > 0.0:  # what it takes is read off this row on the way back
            if kept + end - base > kept_at.size:
                longer = 2 * (kept + end - base)
                kept_at = _longer(kept_at, kept, longer)
                kept_want = _longer(kept_want, kept, longer)
            kept_at[kept : kept + end - base] = at[base:end]
            kept_want[kept : kept + end - base] = want[base:end]
            kept_first[p], kept_last[p] = kept, kept + end - base
            kept += end - base
        some = False
        for j in range(base, end):
            some = some or want[j] != 0.0
        if some:
            owner[rows] = above[p]
            rows += 1
            begin[rows] = end
    _prices(walk, program, marks, price, drawn, kept_first, kept_last, kept_at, kept_want)
    return True


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
