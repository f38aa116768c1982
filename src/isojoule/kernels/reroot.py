"""What each participant's energy is worth to all others, on a forest, for all of them at once.

Theory of operation. Every place of the forest has items: what a participant has there, and the
links to the places behind it. Sums over items are taken pair by pair in a tree of them. On the way
up, each pair of this tree, and each link, gets the row of what lies behind it: how much more or
less that wants at each price (`isojoule.kernels.reroot_rows`). On the way down it gets the row of
all that does not lie behind it: that of the pair above, and of its sibling. So at a participant's
own item stands what all others want at each price, and what they lose by its receiving x Joules is
the area below it:

    pivot = integral of the price at which the others give up q, from q = 0 to q = x.

Energies of the optimum are where rows begin to be counted, so that the digits of small participants
are not lost among large ones. Rows are cut to a window of changes, so that they have few points:
who moves more than that is not answered, and asks again with a wider window.

This is rerooting, as for sums over trees, of nonserial dynamic programming (Bertele, Brioschi
1972). The cost is O(n) times the points of a row in the window, and a logarithm of the links at
a node.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.incidence import grouped
from isojoule.kernels.prices import marginal_at
from isojoule.kernels.reroot_rows import area, both, carry, cut, drawn_for
from isojoule.kernels.tree_walk import Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DIGITS = 1e-12
"""Share of what its pieces move below which an item moves nothing."""
WORK = 10.0
"""So many times the most points that are kept may be handled on the way down."""


class Items(NamedTuple):
    """What participants have at places, and links. J and money per J.

    Attributes
    ----------
    at
        Items of the place p: at[p] .. at[p + 1], (places + 1,).
    first
        Pieces of the item: first[i] .. first[i + 1], (items + 1,).
    lo, hi, a, b, c0, c1, k, x
        Pieces, finite and straight, and where they stand at the optimum.
    capacity, gain, price
        Per link; no loss grows with the square.
    """

    at: Ints
    first: Ints
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    x: Floats
    capacity: Floats
    gain: Floats
    price: Floats


class _Rows(NamedTuple):
    """Where the row of each pair begins and ends, and the prices between which it holds."""

    first: Ints
    last: Ints
    high: Floats
    low: Floats


@inline
def _empty(size: int) -> _Rows:
    return _Rows(
        np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, math.inf),
        np.full(size, -math.inf),
    )  # fmt: skip


@inline
def _longer(values: Floats, used: int, room: int) -> Floats:
    out = np.empty(room)
    out[:used] = values[:used]
    return out


@kernel
def areas(walk: Walk, items: Items, window: float,
          most: float) -> tuple[Floats, Floats, bool]:  # fmt: skip
    """What each item's energy costs all others, money; nan where the window is too narrow.

    Parameters
    ----------
    walk, items
        The forest, and what stands on it at the optimum.
    window
        Changes up to which rows are kept, J.
    most
        Most points of rows that are kept.

    Returns
    -------
    money, size
        Per item; `size` without signs of prices.
    done
        False: there were too many points, and nothing is known.
    """
    places, count = walk.order.size, items.first.size - 1
    money, size = np.full(count, math.nan), np.zeros(count)
    # pairs: those of place p are base[p] + 1 .. base[p] + 2 m - 1, leaves last; j has 2 j, 2 j + 1
    base = np.zeros(places + 1, np.int64)
    below, child = grouped(walk.above + 1, places + 1)  # of the place p: below[p + 1] ...
    for p in range(places):
        m = items.at[p + 1] - items.at[p] + below[p + 2] - below[p + 1]
        base[p + 1] = base[p] + 2 * max(m, 1)
    up, down = _empty(base[places]), _empty(base[places])
    now = np.zeros(places)
    room = 8 * (base[places] + 8)
    at, more = np.empty(room), np.empty(room)
    end = 0
    slot = np.zeros(places, np.int64)  # pair of the link to the place, at the place above
    for p in range(places):
        for q in range(below[p + 1], below[p + 2]):
            own = items.at[p + 1] - items.at[p]
            m = max(own + below[p + 2] - below[p + 1], 1)
            slot[child[q]] = base[p] + m + own + q - below[p + 1]
    for p in range(places - 1, -1, -1):
        first_item = items.at[p]
        own = items.at[p + 1] - first_item
        m = (base[p + 1] - base[p]) // 2
        for j in range(2 * m - 1, 0, -1):
            pair = base[p] + j
            need = 64
            if j < m:
                one, other = base[p] + 2 * j, base[p] + 2 * j + 1
                need += up.last[one] - up.first[one] + up.last[other] - up.first[other]
            elif j - m < own:
                i = first_item + j - m
                need += 8 * (items.first[i + 1] - items.first[i])
            if end + need > room:
                if end > most:
                    return money, size, False
                room = 2 * (end + need)
                at, more = _longer(at, end, room), _longer(more, end, room)
            if j < m:
                high, low = min(up.high[one], up.high[other]), max(up.low[one], up.low[other])
                last = both(
                    at, more, up.first[one], up.last[one], at, more, up.first[other],
                    up.last[other], at, more, end,
                )  # fmt: skip
            elif j - m < own:
                high, low = math.inf, -math.inf
                begin, last = _drawn(items, first_item + j - m, at, more, end)
                for q in range(
                    items.first[first_item + j - m], items.first[first_item + j - m + 1]
                ):
                    now[p] += items.x[q]
                end = begin
            elif own + below[p + 2] - below[p + 1] == 0:
                high, low = math.inf, -math.inf
                at[end], more[end] = 0.0, 0.0
                last = end + 1
            else:
                continue  # a link; it has its row already
            _keep(up, pair, at, more, end, last, window, high, low)
            end = up.last[pair]
        u = walk.above[p]
        if u < 0:
            continue
        if end + 64 + up.last[base[p] + 1] - up.first[base[p] + 1] > room:
            if end > most:
                return money, size, False
            room = 2 * room + up.last[base[p] + 1] - up.first[base[p] + 1]
            at, more = _longer(at, end, room), _longer(more, end, room)
        e, top = walk.link[p], base[p] + 1
        last, high, low = carry(
            at, more, up.first[top], up.last[top], up.high[top], up.low[top], now[p],
            items.capacity[e], items.gain[e], items.price[e], at, more, end,
        )  # fmt: skip
        if last == end:
            at[end], more[end] = 0.0, 0.0
            last += 1
        now[u] += min(drawn_for(now[p], items.gain[e]), items.capacity[e])
        _keep(up, slot[p], at, more, end, last, window, high, low)
        end = up.last[slot[p]]
    room_down = room
    to_at, to_more = np.empty(room_down), np.empty(room_down)
    mark = np.zeros(places, np.int64)  # rows of a place are kept until what lies behind is done
    end = 0
    work = 0
    for p in range(places):
        first_item = items.at[p]
        own = items.at[p + 1] - first_item
        m = (base[p + 1] - base[p]) // 2
        top = base[p] + 1
        end = mark[walk.above[p]] if walk.above[p] >= 0 else 0
        begin = end
        need = 64
        if walk.above[p] >= 0:
            need += down.last[slot[p]] - down.first[slot[p]]
        if end + need > room_down:
            room_down = 2 * (end + need)
            to_at, to_more = _longer(to_at, end, room_down), _longer(to_more, end, room_down)
        if walk.above[p] < 0:
            to_at[end], to_more[end] = 0.0, 0.0
            last, high, low = end + 1, math.inf, -math.inf
        else:
            s, e = slot[p], walk.link[p]
            want = -min(drawn_for(now[p], items.gain[e]), items.capacity[e])
            last, high, low = carry(
                to_at, to_more, down.first[s], down.last[s], down.high[s], down.low[s], want,
                items.capacity[e], items.gain[e], items.price[e], to_at, to_more, end,
            )  # fmt: skip
            if last == end:
                to_at[end], to_more[end] = 0.0, 0.0
                last += 1
        _keep(down, top, to_at, to_more, end, last, window, high, low)
        end = down.last[top]
        for j in range(2, 2 * m):
            pair, parent, sibling = base[p] + j, base[p] + j // 2, base[p] + (j ^ 1)
            need = down.last[parent] - down.first[parent] + up.last[sibling] - up.first[sibling]
            if end + need + 64 > room_down:
                if end > most:
                    return money, size, False
                room_down = 2 * (end + need + 64)
                to_at, to_more = _longer(to_at, end, room_down), _longer(to_more, end, room_down)
            high = min(down.high[parent], up.high[sibling])
            low = max(down.low[parent], up.low[sibling])
            last = both(
                to_at, to_more, down.first[parent], down.last[parent], at, more,
                up.first[sibling], up.last[sibling], to_at, to_more, end,
            )  # fmt: skip
            _keep(down, pair, to_at, to_more, end, last, window, high, low)
            end = down.last[pair]
        mark[p] = end
        work += end - begin
        if work > WORK * most:
            return money, size, False
        for j in range(own):
            pair, i = base[p] + m + j, first_item + j
            x = gross = 0.0
            for q in range(items.first[i], items.first[i + 1]):
                x += items.x[q]
                gross += abs(items.x[q])
            if abs(x) <= DIGITS * gross:  # it trades with itself alone
                x = 0.0
            money[i], size[i] = area(
                to_at, to_more, down.first[pair], down.last[pair], down.high[pair],
                down.low[pair], x,
            )  # fmt: skip
    return money, size, True


@inline
def _keep(rows: _Rows, pair: int, at: Floats, more: Floats, first: int, last: int, window: float,
          high: float, low: float) -> None:  # fmt: skip
    """Note a row, cut to the window."""
    rows.first[pair], rows.last[pair], rows.high[pair], rows.low[pair] = cut(
        at, more, first, last, window, high, low
    )


@inline
def _drawn(items: Items, i: int, at: Floats, more: Floats, to: int) -> tuple[int, int]:
    """Write what the pieces of an item want from `to`; returns first and end of the row."""
    at[to], more[to] = 0.0, 0.0
    first, last = to, to + 1
    some = False
    for q in range(items.first[i], items.first[i + 1]):
        lo, hi, x = items.lo[q], items.hi[q], items.x[q]
        if not hi > lo:
            continue
        a, b, c0, c1, k = items.a[q], items.b[q], items.c0[q], items.c1[q], items.k[q]
        at[last], more[last] = marginal_at(a, b, c0, c1, k, lo), min(lo - x, 0.0)
        at[last + 1], more[last + 1] = marginal_at(a, b, c0, c1, k, hi), max(hi - x, 0.0)
        if some:
            end = both(at, more, first, last, at, more, last, last + 2, at, more, last + 2)
            first, last = last + 2, end
        else:
            first, last = last, last + 2
        some = True
    return first, last
