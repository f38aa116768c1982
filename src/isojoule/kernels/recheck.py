"""Bounds, limits, losses and balances of a clearing again, in integers alone, in one pass.

Every replica gets the same answer to the last bit, on any number of threads. Links and offers are
cut into as many runs as there are threads. Each run adds what it brings to the nodes to sums of its
own; sums of integers do not depend on their order, so neither do the sums of the runs.

No sum can wrap around: a number of 64 bits is added as its upper half and its lower 32 bits, each
to a sum of 64 bits. That holds for 2**31 terms. Totals over all nodes, which may pass 64 bits
(a million nodes with 10 kWh each are 3.6e19 microjoules), come out as whole numbers of Python.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.links import loss_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HALF = 32
MASK = (1 << HALF) - 1
MANY = 100_000
"""Links and offers from which on a second thread is worth its start."""


class Links(NamedTuple):
    """Ends, limits and losses of links, and what a clearing says of them; microjoules, (L,)."""

    tail: Ints
    head: Ints
    capacity_uj: Ints
    loss_ppb: Ints
    loss_per_j: Floats
    flow_uj: Ints
    loss_uj: Ints


class Offers(NamedTuple):
    """Node, least, most and received energy of offers; microjoules, (O,). Node -1: nowhere."""

    node: Ints
    least_uj: Ints
    most_uj: Ints
    energy_uj: Ints


class Recheck(NamedTuple):
    """What was found; positions are the first ones at fault, -1 where none is.

    Attributes
    ----------
    offer
        Receives more or less than its bounds.
    capacity, loss
        Link that carries more than its limit; whose loss is not that of its flow.
    node, off_uj
        Node that is off balance, and what is brought there beyond what is received.
    received_uj, delivered_uj, lost_uj
        Totals over all offers and links, whole numbers of any size.
    """

    offer: int
    capacity: int
    loss: int
    node: int
    off_uj: int
    received_uj: int
    delivered_uj: int
    lost_uj: int


def recheck(links: Links, offers: Offers, nodes: int, threads: int = 0) -> Recheck:
    """Check everything that is an integer.

    What is beyond its limit or bounds counts neither at the nodes nor in the totals.

    Parameters
    ----------
    links, offers
        What stands.
    nodes
        How many there are.
    threads
        How many share the work; 0: one, or two where there is much. The outcome is the same.
    """
    size = max(links.tail.size, offers.node.size)
    count = threads or (2 if size >= MANY else 1)
    cuts = [(links.tail.size * i // count, offers.node.size * i // count) for i in range(count + 1)]
    runs = [(*a, *b) for a, b in pairwise(cuts)]

    def one(run: tuple[int, int, int, int]) -> tuple[Ints, Ints, Ints, Ints]:
        upper, lower = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
        first, sums = np.full(3, -1, np.int64), np.zeros(6, np.int64)
        _links(run[0], run[2], *links, upper, lower, first, sums)
        _offers(run[1], run[3], *offers, upper, lower, first, sums)
        return upper, lower, first, sums

    if count == 1:
        found = [one(runs[0])]
    else:
        with ThreadPoolExecutor(count) as pool:
            found = list(pool.map(one, runs))
    upper, lower, first, sums = found[0]
    for more in found[1:]:
        upper += more[0]
        lower += more[1]
        sums += more[3]
        first = np.where(first >= 0, first, more[2])  # runs stand in order
    node = int(_first_off(upper, lower))
    off_uj = _whole(int(upper[node]), int(lower[node])) if node >= 0 else 0
    received, delivered, lost = (_whole(int(sums[2 * i]), int(sums[2 * i + 1])) for i in range(3))
    return Recheck(
        int(first[2]), int(first[0]), int(first[1]), node, off_uj, received, delivered, lost
    )


def _whole(upper: int, lower: int) -> int:
    return (upper << HALF) + lower


@inline
def _add(upper: Ints, lower: Ints, at: int, amount: int) -> None:
    upper[at] += amount >> HALF
    lower[at] += amount & MASK


@inline
def _total(sums: Ints, which: int, amount: int) -> None:
    sums[2 * which] += amount >> HALF
    sums[2 * which + 1] += amount & MASK


@kernel
def _links(begin: int, end: int, tail: Ints, head: Ints, capacity: Ints, ppb: Ints, r: Floats,
           flow: Ints, loss: Ints, upper: Ints, lower: Ints, first: Ints,
           sums: Ints) -> None:  # fmt: skip
    """The links of one run: first[0] over its limit, first[1] with another loss, sums of losses."""
    for e in range(begin, end):
        f = flow[e]
        if f > capacity[e] or f < -capacity[e]:
            if first[0] < 0:
                first[0] = e
            continue
        sent = abs(f)
        lost = loss_of(sent, ppb[e], r[e])
        if loss[e] != lost and first[1] < 0:
            first[1] = e
        near, far = (tail[e], head[e]) if f >= 0 else (head[e], tail[e])
        _add(upper, lower, near, -sent)
        _add(upper, lower, far, sent - lost)
        _total(sums, 2, lost)


@kernel
def _offers(begin: int, end: int, node: Ints, least: Ints, most: Ints, energy: Ints, upper: Ints,
            lower: Ints, first: Ints, sums: Ints) -> None:  # fmt: skip
    """The offers of one run: first[2] outside its bounds, sums of what is received, delivered."""
    for o in range(begin, end):
        e = energy[o]
        if e < least[o] or e > most[o]:
            if first[2] < 0:
                first[2] = o
            continue
        if node[o] >= 0:
            _add(upper, lower, node[o], -e)
        if e > 0:
            _total(sums, 0, e)
        else:
            _total(sums, 1, -e)


@kernel
def _first_off(upper: Ints, lower: Ints) -> int:
    """The first node whose sum is not 0, or -1."""
    for v in range(upper.size):
        if lower[v] & MASK != 0 or upper[v] + (lower[v] >> HALF) != 0:
            return v
    return -1
