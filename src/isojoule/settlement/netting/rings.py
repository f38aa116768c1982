"""Who was in which circle: set-offs taken apart into circles, for people.

A set-off is a sum of circles in many ways; this is one of them, which follows from the set-offs
alone. It explains, and proves nothing. Spec: docs/spec/obligations.md, O13.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isojoule.kernels.obligations_parts import rows_of, strong_parts
from isojoule.kernels.obligations_rings import shortest_way
from isojoule.settlement.obligations import Ints, Netted, Obligations

_FIRST = 64
"""So many of the largest arcs are looked at first."""


class Ring(NamedTuple):
    """A circle in which everybody is let off the same amount.

    Attributes
    ----------
    parties
        In the order of owing: each owes the next one, and the last the first, unless it is paid.
    amount_nano
        What each obligation in it is reduced by.
    paid
        The first spends the amount in cash and the last receives it; nothing goes back from the
        last to the first.
    """

    parties: tuple[str, ...]
    amount_nano: int
    paid: bool

    @property
    def cleared_nano(self) -> int:
        """What it sets off in all."""
        return self.amount_nano * (len(self.parties) - self.paid)


class Rings(NamedTuple):
    """The largest circles, and what all others clear together."""

    largest: tuple[Ring, ...]
    rest_nano: int


def rings(obligations: Obligations, netted: Netted, most: int) -> Rings:
    """Up to `most` circles, each the one of the largest amount after those before it are taken off.

    Set-offs are added one by one, the largest first, until one of them closes a circle: none has a
    larger amount. Among the circles that it closes the shortest is taken. O(A log A) each.
    """
    o, n = obligations, netted
    source = len(o.parties)
    by_name = np.array(sorted(range(source), key=o.parties.__getitem__), np.int64).reshape(source)
    place = np.empty(source, np.int64)
    place[by_name] = np.arange(source)
    key = place[o.debtor] * (source + 1) + place[o.creditor]
    keys, pair = np.unique(key, return_inverse=True)
    sums = np.zeros(keys.size, np.int64)
    np.add.at(sums, pair, n.set_off_nano)
    spends, takes = np.flatnonzero(n.spent_nano), np.flatnonzero(n.received_nano)
    tail = np.concatenate([keys // (source + 1), np.full(spends.size, source), place[takes]])
    head = np.concatenate([keys % (source + 1), place[spends], np.full(takes.size, source)])
    flow = np.concatenate([sums, n.spent_nano[spends], n.received_nano[takes]])
    made: list[Ring] = []
    among = _FIRST
    while len(made) < most:
        order = np.lexsort((head, tail, -flow))
        order = order[: int(np.count_nonzero(flow))]
        if not order.size:
            break
        among = _first_circle(tail, head, order, among)
        ring = _through_last(tail, head, order[:among])
        amount = int(flow[ring].min())
        flow[ring] -= amount
        made.append(_ring(o, by_name, source, tail[ring].tolist(), amount))
    rest = n.cleared_nano - sum(ring.cleared_nano for ring in made)
    return Rings(tuple(made), rest)


def _first_circle(tail: Ints, head: Ints, order: Ints, guess: int) -> int:
    """How many arcs there are, in this order, when the first circle closes."""
    high = min(guess, order.size)
    while not _has_circle(tail[order[:high]], head[order[:high]]):
        high = min(2 * high, order.size)
    low = 0  # so many close none
    while high - low > 1:
        middle = (low + high) // 2
        if _has_circle(tail[order[:middle]], head[order[:middle]]):
            high = middle
        else:
            low = middle
    return high


def _has_circle(tail: Ints, head: Ints) -> bool:
    """Whether there is a circle; no arc leads from a node to itself."""
    nodes, ends = np.unique(np.concatenate([tail, head]), return_inverse=True)
    tails, heads = ends[: tail.size].astype(np.int32), ends[tail.size :].astype(np.int32)
    start, arcs = rows_of(nodes.size, tails)
    return int(strong_parts(start, arcs, heads).max()) + 1 < nodes.size


def _through_last(tail: Ints, head: Ints, some: Ints) -> Ints:
    """The arcs of the shortest circle through the last of these."""
    nodes, ends = np.unique(np.concatenate([tail[some], head[some]]), return_inverse=True)
    tails, heads = ends[: some.size].astype(np.int32), ends[some.size :].astype(np.int32)
    start, arcs = rows_of(nodes.size, tails)
    way = shortest_way(start, arcs, tails, heads, int(heads[-1]), int(tails[-1]))
    return np.concatenate([some[-1:], some[way]])


def _ring(o: Obligations, by_name: Ints, source: int, nodes: list[int], amount: int) -> Ring:
    """A circle as names: from its first name, or from who spends."""
    paid = source in nodes
    at = nodes.index(source if paid else min(nodes))
    turned = nodes[at + paid :] + nodes[:at]
    return Ring(tuple(o.parties[by_name[p]] for p in turned), amount, paid)
