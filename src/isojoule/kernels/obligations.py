"""Multilateral clearing of debts: the largest flow in circles through a graph of obligations.

Clearing is a flow in circles: what a party is let off equals what it lets others off. At first all
of every obligation is set off. Then who is owed more than it owes has too much set off on its side,
an *excess*, and who owes more has a deficit. A unit of excess moves from a creditor to its debtor
by leaving a unit of that obligation open, which costs `OPEN`, or over the source of liquidity,
which costs `CASH` in and `CASH` out. The cheapest way to move all of it leaves the least open.

Costs are small whole numbers, so no scaling of costs is needed: each node has a label, a lower
bound of what it costs to move a unit from it to a deficit, and then of the number of arcs on that
way. Excess is pushed along arcs on which labels fall just so; a node that finds none raises its
label. From time to time all labels are computed exactly. Labels only rise, and at the end their
costs are potentials that prove the optimum.

Arcs are tails and heads, (A,), nodes 0 .. n - 1. A residual graph has two entries for each arc, one
at either end; the entries of node v are `start[v]` to `start[v + 1]`.

References
----------
Fleischman, Dini, Littera 2020, Liquidity-Saving through Obligation-Clearing and Mutual Credit,
Journal of Risk and Financial Management 13(12):295, https://doi.org/10.3390/jrfm13120295.
Goldberg, Tarjan 1988, A new approach to the maximum-flow problem, Journal of the ACM 35:921-940,
https://doi.org/10.1145/48014.61051; global relabelling: Cherkassky, Goldberg 1997, Algorithmica
19:390-410, https://doi.org/10.1007/PL00009180. Buckets: Dial 1969, Communications of the ACM
12:632-633, https://doi.org/10.1145/363269.363610.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
OPEN = 3
"""Cost of a unit of an obligation that stays open."""
CASH = 1
"""Cost of a unit of cash on its way in, and on its way out. Two of them are less than `OPEN`, so
most is cleared first, and then with the least cash: a circle passes the source once at most."""
_RELABELLING = 2
"""Labels are computed exactly once so many entries were looked at for each entry that there is."""


class Residual(NamedTuple):
    """A residual graph.

    Attributes
    ----------
    start
        First entry of each node, (n + 1,).
    to
        Where the entry leads, (2A,).
    left
        How much more can be moved along it, (2A,).
    back
        The entry of the same arc at its other end, (2A,).
    cost
        Of a unit, (2A,); the opposite at the other end.
    place
        The entry at the tail of each arc, (A,).
    """

    start: Ints
    to: Places
    left: Ints
    back: Places
    cost: NDArray[np.int8]
    place: Places


def residual(nodes: int, tail: Places, head: Places, capacity: Ints, cost: Ints) -> Residual:
    """The residual graph of arcs on which nothing moves yet.

    Parameters
    ----------
    nodes
        How many there are.
    tail, head
        (A,).
    capacity
        At least 0, (A,).
    cost
        From 0 to 127, (A,).
    """
    return Residual(*_residual(nodes, tail, head, capacity, cost.astype(np.int8)))


@kernel
def _residual(
    nodes: int, tail: Places, head: Places, capacity: Ints, cost: NDArray[np.int8]
) -> tuple[Ints, Places, Ints, Places, NDArray[np.int8], Places]:
    arcs = tail.size
    start = np.zeros(nodes + 1, np.int64)
    for a in range(arcs):
        start[tail[a] + 1] += 1
        start[head[a] + 1] += 1
    for v in range(nodes):
        start[v + 1] += start[v]
    free = start[:-1].copy()
    to = np.empty(2 * arcs, np.int32)
    left = np.zeros(2 * arcs, np.int64)
    back = np.empty(2 * arcs, np.int32)
    costs = np.empty(2 * arcs, np.int8)
    place = np.empty(arcs, np.int32)
    for a in range(arcs):
        i = free[tail[a]]
        free[tail[a]] += 1
        j = free[head[a]]
        free[head[a]] += 1
        to[i] = head[a]
        to[j] = tail[a]
        left[i] = capacity[a]
        back[i] = j
        back[j] = i
        costs[i] = cost[a]
        costs[j] = -cost[a]
        place[a] = i
    return start, to, left, back, costs, place


def move_all(graph: Residual, excess: Ints) -> Ints:
    """Move all excess to deficits at least cost.

    Parameters
    ----------
    graph
        `left` is changed in place.
    excess
        Of each node, below 0 for a deficit, (n,). Sums to 0 in each part of the graph, from whose
        nodes all its deficits can be reached. 0 everywhere afterwards.

    Returns
    -------
    A label for each node, (n,): along every entry on which something is left, the label falls by
    no more than its cost.
    """
    return _move_all(graph.start, graph.to, graph.left, graph.back, graph.cost, excess)


@kernel
def _move_all(
    start: Ints, to: Places, left: Ints, back: Places, cost: NDArray[np.int8], excess: Ints
) -> Ints:
    n = start.size - 1
    far = n + 1  # a label is cost * far + arcs; that many arcs stand for no way at all
    label = np.full(n, far - 1, np.int64)
    order = np.empty(n, np.int32)
    work = np.empty((3, n), np.int64)
    first_in = np.full(OPEN * (n + 3), -1, np.int64)
    current = start[:-1].copy()
    ring = np.empty(n + 1, np.int32)  # nodes with excess, first in, first out
    inside = np.zeros(n, np.bool_)
    limit = _RELABELLING * to.size + n
    while True:
        reached = _exact(start, to, left, back, cost, excess, label, far, order, work, first_in)
        first, waiting = 0, 0
        for i in range(reached - 1, -1, -1):  # the farthest first
            v = order[i]
            if excess[v] > 0:
                ring[waiting] = v
                waiting += 1
                inside[v] = True
        if waiting == 0:
            return label // far
        current[:] = start[:-1]
        looked = 0
        while waiting > 0 and looked < limit:
            u = ring[first]
            first = first + 1 if first < n else 0
            waiting -= 1
            inside[u] = False
            has = excess[u]
            stop = start[u + 1]
            while has > 0:
                k = current[u]
                below = label[u] - 1
                while k < stop:
                    v = to[k]
                    if left[k] > 0 and below == label[v] + cost[k] * far:
                        amount = min(has, left[k])
                        left[k] -= amount
                        left[back[k]] += amount
                        has -= amount
                        excess[v] += amount
                        if excess[v] > 0 and not inside[v]:
                            inside[v] = True
                            at = first + waiting
                            ring[at if at <= n else at - n - 1] = v
                            waiting += 1
                        if has == 0:
                            break
                    k += 1
                current[u] = k
                if k < stop:
                    break
                best = np.int64(1) << 62
                for k in range(start[u], stop):
                    if left[k] > 0:
                        best = min(best, label[to[k]] + cost[k] * far)
                looked += stop - start[u]
                current[u] = start[u]
                label[u] = best + 1
                if best % far >= far - 2:  # no way along arcs whose cost is spent already
                    label[u] = (best // far) * far + far - 1
                    break
            excess[u] = has
        inside[:] = False


@kernel
def _exact(
    start: Ints, to: Places, left: Ints, back: Places, cost: NDArray[np.int8], excess: Ints,
    label: Ints, far: int, order: Places, work: Ints, first_in: Ints,
) -> int:  # fmt: skip
    """Exact labels of the nodes that have a way to a deficit; their number, nearest first."""
    n = start.size - 1
    price, near, links = work[0], work[1], work[2]
    following = np.empty(n, np.int64)
    most = first_in.size
    sources = 0
    for v in range(n):
        price[v] = label[v] // far
        near[v] = most
        if excess[v] > 0:
            sources += 1
        if excess[v] < 0:
            near[v] = 0
            _into(v, 0, first_in, links, following)
    if sources == 0:
        return 0
    d = top = last = 0
    while sources > 0 and d <= top:
        while first_in[d] >= 0:
            u = first_in[d]
            _out_of(u, d, first_in, links, following)
            if excess[u] > 0:
                sources -= 1
                last = d
            base = d + price[u]
            for k in range(start[u], start[u + 1]):  # the entry at the other end leads here
                v = to[k]
                here = base - cost[k] - price[v]
                if here < near[v] and left[back[k]] > 0:
                    if near[v] < most:
                        _out_of(v, near[v], first_in, links, following)
                    near[v] = here
                    top = max(top, here)
                    _into(v, here, first_in, links, following)
        d += 1
    for b in range(d, top + 1):
        first_in[b] = -1
    reached = 0
    for v in range(n):
        price[v] += min(near[v], last)
        label[v] = price[v] * far + far - 1
        if excess[v] < 0:
            label[v] = price[v] * far
            order[reached] = v
            reached += 1
    i = 0
    while i < reached:
        u = order[i]
        i += 1
        for k in range(start[u], start[u + 1]):
            v = to[k]
            new = price[v] == price[u] - cost[k] and label[v] == price[v] * far + far - 1
            if new and left[back[k]] > 0:
                label[v] = label[u] - cost[k] * far + 1
                order[reached] = v
                reached += 1
    return reached


@kernel
def _into(v: int, b: int, first_in: Ints, before: Ints, following: Ints) -> None:
    """Put a node into a bucket."""
    old = first_in[b]
    following[v] = old
    before[v] = -1
    if old >= 0:
        before[old] = v
    first_in[b] = v


@kernel
def _out_of(v: int, b: int, first_in: Ints, before: Ints, following: Ints) -> None:
    """Take a node out of its bucket."""
    if before[v] >= 0:
        following[before[v]] = following[v]
    else:
        first_in[b] = following[v]
    if following[v] >= 0:
        before[following[v]] = before[v]
