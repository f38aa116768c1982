"""The optimum on trees, exactly: from the leaves to the roots, and back.

Leaf by leaf, what a part of the tree wants at each price is folded into what its link to the node
above makes of it (`isojoule.kernels.polyline`). At a root the price is where nothing more is
wanted. On the way back each node's price follows from the one above: it is that price less or plus
what the link takes, unless nothing is to be carried, or the link is full,

    price = median of what the link leaves, and where it is full or idle.

Then the energies: what pieces want between two prices a hair apart is a range; from the roots to
the leaves each takes its share of it. So ties are shared in proportion, and every node balances.

Nothing is iterated where curves are straight and losses proportional. Bent ones are followed by
chords, finer ones around the last answer, until a chord and its curve are one; from the second
round on only prices near the last ones are looked at.

The cost is O(n) times the points of a row, which full links keep few; it grows where large parts
are linked without limits, and ends at `most` points in all.

Source: nonserial dynamic programming (Bertele, Brioschi 1972, Nonserial Dynamic Programming).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
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
from isojoule.kernels.prices import PEAK, demand_at, marginal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HAIR = 4e-13
"""Prices nearer to each other than this, relative to their size, are one,"""
WIDE_HAIR = 1e-10
"""or than this, where chords were followed."""
ROUNDS = 60
"""Most times that chords are drawn anew."""
FINER = 0.0625
"""The first step of a ladder becomes so much shorter in each round. Its further ones reach wherever
the answer may still go."""
WINDOW = 0.02
"""Share of a price around which it is looked for after the first round; later less."""
CLOSE = 1e-6
"""What links with a quadratic loss carry stands still if it moves by no more than this share of the
largest flow: what is left is of the order of its square."""
NARROW = 1e-13
"""A distance in energy that counts as none, as a share of the piece."""


class Walk(NamedTuple):
    """A forest in depth-first order: each node stands before all that lies behind it.

    Attributes
    ----------
    order
        Node at each place, (nodes,).
    above
        Place of the node above, -1 at a root.
    link
        Link to it, -1 at a root.
    ahead
        Whether that link runs away from the root.
    """

    order: Ints
    above: Ints
    link: Ints
    ahead: Bools


class TreeProgram(NamedTuple):
    """Pieces by place in the walk, and links. J and money per J.

    Attributes
    ----------
    first
        Pieces of the place p: first[p] .. first[p + 1], (nodes + 1,).
    lo, hi, a, b, c0, c1, k
        Pieces in the order of places, all finite.
    inject
        Energy given at each place.
    capacity, gain, loss_per_j, price
        Per link; capacities are no more than a quadratic loss lets through.
    """

    first: Ints
    lo: Floats
    hi: Floats
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    inject: Floats
    capacity: Floats
    gain: Floats
    loss_per_j: Floats
    price: Floats


@kernel
def depth_first(order: Ints, up: Ints, link: Ints, tail: Ints) -> Walk:
    """The walk of a forest that is given breadth first (see `isojoule.kernels.incidence.walk`)."""
    nodes = order.size
    size = np.ones(nodes, np.int64)
    for p in range(nodes - 1, -1, -1):
        v = order[p]
        if up[v] >= 0:
            size[up[v]] += size[v]
    place = np.empty(nodes, np.int64)
    free = np.empty(nodes, np.int64)  # where the next node below goes
    roots = 0
    out = Walk(
        np.empty(nodes, np.int64), np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64),
        np.zeros(nodes, np.bool_),
    )  # fmt: skip
    for v in order:
        u = up[v]
        if u < 0:
            p = roots
            roots += size[v]
        else:
            p = free[u]
            free[u] += size[v]
            out.above[p] = place[u]
            out.link[p] = link[v]
            out.ahead[p] = tail[link[v]] == u
        place[v] = p
        free[v] = p + 1
        out.order[p] = v
    return out


@kernel
def solve_tree(walk: Walk, program: TreeProgram, tolerance: float,
               most: float) -> tuple[Floats, Floats, Floats, int, float]:  # fmt: skip
    """Energies, flows and prices of the optimum.

    Parameters
    ----------
    walk, program
        The forest and what stands on it. Where worths below 0 meet links that lose or cost, the
        program is not concave, and not for this kernel.
    tolerance
        Largest distance of a chord from its curve where the answer stands, money per J.
    most
        Most points of rows that are handled in one round.

    Returns
    -------
    x
        Per piece, J, in the order of the program.
    flow
        Per link, J at the sender, positive from tail to head.
    price
        Per place, money per J.
    rounds
        Rounds made: one, unless curves are bent.
    off
        What does not balance, at its prices, as a share of what moves; inf where a round had more
        than `most` points, chords did not settle, or a part has no balance.
    """
    pieces, nodes, links = program.lo.size, walk.order.size, program.gain.size
    x = np.zeros(pieces)
    flow = np.zeros(links)
    price = np.zeros(nodes)
    marks = np.empty((nodes, 4))
    drawn = np.zeros(nodes)
    near, wide = np.zeros(pieces), np.full(pieces, math.inf)
    level, around = np.zeros(nodes), np.full(nodes, math.inf)
    low, high = np.full(nodes, -math.inf), np.full(nodes, math.inf)
    bent = False
    for i in range(pieces):
        if program.hi[i] > program.lo[i] and _bent(program.b[i], program.c1[i], program.k[i]):
            bent = True
    for e in range(links):
        bent = bent or (program.loss_per_j[e] > 0.0 and program.capacity[e] > 0.0)
    done = 0
    window = WINDOW / FINER
    off = math.inf
    while done < ROUNDS:
        done += 1
        found = _up(walk, program, near, wide, level, around, low, high, marks, price, drawn, most)
        inside = found and _inside(low, high, price)
        if not inside:
            if not low[0] > -math.inf:
                break
            low[:], high[:] = -math.inf, math.inf  # look everywhere once more, then wider
            window /= FINER * FINER
            continue
        settled = True
        if bent:
            settled = _settle(program, tolerance, price, near, wide)
            settled = _settle_links(walk, program, drawn, level, around) and settled
            window = max(FINER * window, FINER * WINDOW)
            if window < 1.0:
                for p in range(nodes):
                    low[p] = price[p] - window * abs(price[p]) - tolerance
                    high[p] = price[p] + window * abs(price[p]) + tolerance
        if settled:
            off = _share(walk, program, WIDE_HAIR if bent else HAIR, marks, price, x, flow)
            break
    return x, flow, price, done, off


@inline
def _inside(low: Floats, high: Floats, price: Floats) -> bool:
    """Whether no price stands at an end of where it was looked for."""
    inside = True
    for p in range(price.size):
        inside = inside and low[p] < price[p] < high[p]
    return inside


@inline
def _settle_links(walk: Walk, program: TreeProgram, drawn: Floats, level: Floats,
                  around: Floats) -> bool:  # fmt: skip
    """Choose where links with a quadratic loss are followed closely. Whether they stand still."""
    link, gains, losses = walk.link, program.gain, program.loss_per_j
    most = largest = 0.0
    for p in range(link.size):
        e = link[p]
        if e < 0 or losses[e] == 0.0:
            continue
        gain, r, taken = gains[e], losses[e], drawn[p]
        behind = (gain - r * taken) * taken if taken > 0.0 else -sent_for(-taken, gain, r)
        largest = max(largest, abs(behind))
        most = max(most, abs(behind - level[p]) if around[p] < math.inf else math.inf)
        level[p] = behind
    for p in range(link.size):
        if around[p] < math.inf:
            around[p] = max(FINER * around[p], CLOSE * largest)
        else:
            around[p] = 0.25 * abs(level[p]) + 1e-2 * largest
    return most <= CLOSE * largest


@inline
def _bent(b: float, c1: float, k: float) -> bool:
    """Whether a piece is a curve and no straight line."""
    return b > 0.0 and c1 > 0.0 and k != 1.0


@inline
def _settle(program: TreeProgram, tolerance: float, price: Floats, near: Floats,
            wide: Floats) -> bool:  # fmt: skip
    """Draw the next chords around where curves stand at the prices. Whether the last ones fit."""
    at, want = np.empty(MOST_POINTS), np.empty(MOST_POINTS)
    settled = True
    first = program.first
    all_lo, all_hi, all_a, all_b = program.lo, program.hi, program.a, program.b
    all_c0, all_c1, all_k = program.c0, program.c1, program.k
    for p in range(first.size - 1):
        lam = price[p]
        for i in range(first[p], first[p + 1]):
            lo, hi, a, b = all_lo[i], all_hi[i], all_a[i], all_b[i]
            c0, c1, k = all_c0[i], all_c1[i], all_k[i]
            if not hi > lo or not _bent(b, c1, k):
                continue
            end = draw(lo, hi, a, b, c0, c1, k, near[i], wide[i], at, want, 0)
            j = 0
            while j < end and at[j] > lam:
                j += 1
            chord = between(at, want, 0, end, j, lam)
            curve = demand_at(lo, hi, a, b, c0, c1, k, lam, chord)
            miss = abs(chord - curve)
            # where a curve is steep, its price tells; where it is flat, its energy
            off = abs(marginal_at(a, b, c0, c1, k, chord) - lam) if lo < curve < hi else math.inf
            if not (miss <= NARROW * (hi - lo) or off <= tolerance):
                settled = False
            if wide[i] < math.inf:
                wide[i] = max(FINER * wide[i], NARROW * (hi - lo))
            else:
                wide[i] = (hi - lo) / 8.0
            near[i] = curve
    return settled


@inline
def _up(walk: Walk, program: TreeProgram, near: Floats, wide: Floats, level: Floats,
        around: Floats, low: Floats, high: Floats, marks: Floats, price: Floats, drawn: Floats,
        most: float) -> bool:  # fmt: skip
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


@inline
def _share(walk: Walk, program: TreeProgram, near: float, marks: Floats, price: Floats, x: Floats,
           flow: Floats) -> float:  # fmt: skip
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


@kernel
def by_place(walk: Walk, node: Ints) -> tuple[Ints, Ints]:
    """Pieces in the order of places: those of place p are order[first[p]:first[p + 1]]."""
    nodes = walk.order.size
    place = np.empty(nodes, np.int64)
    for p in range(nodes):
        place[walk.order[p]] = p
    first = np.zeros(nodes + 1, np.int64)
    for i in range(node.size):
        first[place[node[i]] + 1] += 1
    for p in range(nodes):
        first[p + 1] += first[p]
    free = first[:-1].copy()
    order = np.empty(node.size, np.int64)
    for i in range(node.size):
        p = place[node[i]]
        order[free[p]] = i
        free[p] += 1
    return first, order
