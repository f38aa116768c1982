"""Who was in which circle: set-offs taken apart into circles, for people.

A set-off is a sum of circles in many ways; this is one of them, which follows from the set-offs
alone. It explains, and proves nothing. Spec: docs/spec/obligations.md, O13.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isojoule.kernels.obligations_parts import rows_of
from isojoule.kernels.obligations_rings import rings as take_apart
from isojoule.settlement.obligations import Netted, Obligations


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
    """The largest circles, and how many there are in all."""

    largest: tuple[Ring, ...]
    many: int


def rings(obligations: Obligations, netted: Netted, most: int) -> Rings:
    """The `most` circles that set off most; ties go to the amount, then to the names.

    Each walk goes along the largest set-off of a party first, so that circles are large.
    """
    o, n = obligations, netted
    source = len(o.parties)
    key = o.debtor.astype(np.int64) * (source + 1) + o.creditor
    keys, pair = np.unique(key, return_inverse=True)
    sums = np.zeros(keys.size, np.int64)
    np.add.at(sums, pair, n.set_off_nano)
    spends, takes = np.flatnonzero(n.spent_nano), np.flatnonzero(n.received_nano)
    tail = np.concatenate([keys // (source + 1), np.full(spends.size, source), takes])
    head = np.concatenate([keys % (source + 1), spends, np.full(takes.size, source)])
    flow = np.concatenate([sums, n.spent_nano[spends], n.received_nano[takes]])
    order = np.lexsort((head, -flow, tail))
    tail, head, flow = (part[order] for part in (tail, head, flow))
    start, arcs = rows_of(source + 1, tail.astype(np.int32))
    amounts, begins, found = take_apart(start, arcs, head.astype(np.int32), flow.copy())
    size = np.diff(begins)
    by_cash = np.zeros(size.size, np.int64)
    np.add.at(by_cash, np.repeat(np.arange(size.size), size), (tail[found] == source))
    worth = amounts.astype(np.float64) * (size - 2 * by_cash)
    first = np.lexsort((-amounts, -worth))[: 4 * most]  # more than asked for: names break ties
    made = [
        _ring(o, source, tail[found[begins[at] : begins[at + 1]]].tolist(), int(amounts[at]))
        for at in first.tolist()
    ]
    made.sort(key=lambda ring: (-ring.cleared_nano, -ring.amount_nano, ring.parties))
    return Rings(tuple(made[:most]), int(amounts.size))


def _ring(o: Obligations, source: int, nodes: list[int], amount: int) -> Ring:
    paid = source in nodes
    if paid:
        at = nodes.index(source)
        names = [o.parties[p] for p in nodes[at + 1 :] + nodes[:at]]
    else:
        names = [o.parties[p] for p in nodes]
        low = names.index(min(names))
        names = names[low:] + names[:low]
    return Ring(tuple(names), amount, paid)
