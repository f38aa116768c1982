"""Pivots where there are no rings: read off at each participant's node, for all at once.

What others lose by a participant's receiving x Joules at its node is the area below the prices at
which they would give them up. On a forest these prices are known at every node from one pass to
the roots and one back (`isojoule.kernels.reroot`). It takes books of divisible offers on
`copperplate` or `transport` whose curves are straight and whose losses are proportional, and
participants who have all at one node. All others are left to be solved without.

Spec: docs/spec/vcg.md, P11.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.reroot import Items, areas
from isojoule.market.allocation import Allocation, columns_of, reach_of
from isojoule.market.book import NETWORKS, Book
from isojoule.market.optimum import Optimum
from isojoule.market.pivots.parties import Parties
from isojoule.market.solvers.tree import below_zero
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_POINTS = 3e7
"""Of rows in one pass; half a gigabyte."""
WIDER = 16.0
"""A window is so many times the one before it."""
ROOM = 2.0
"""A window is so many times what its participants move: more moves where energy is lost."""
ENOUGH = 64.0
"""After a window that is so many times what anybody left moves, they are given up."""
DUST_J = 1e-9
FEW = 0.9
"""Share of the participants for whom the first window is meant."""


class Local(NamedTuple):
    """What is known of pivots, by the number of the party; money.

    Attributes
    ----------
    known
        Whose are.
    money, size
        What they are, and the size of what they are made of.
    unsure
        By how much they may be off, but for digits of the size.
    """

    known: Bools
    money: Floats
    size: Floats
    unsure: Floats


def rerooted(book: Book, grid: Grid, found: Allocation, parties: Parties, busy: Bools) -> Local:
    """The pivots of those who are busy, where they can be read off."""
    count = parties.count
    out = Local(np.zeros(count, bool), np.zeros(count), np.zeros(count), np.zeros(count))
    solved = found.optimum
    if solved is None or book.network not in NETWORKS or book.indivisible:
        return out
    network = network_of(grid, book.network, book.interval.duration_s)
    plain = columns_of(book, network).pieces
    if not fits(network, plain) or below_zero(network, plain) or was_lifted(solved, plain):
        return out
    owned = np.zeros(count, bool)
    owned[parties.link[parties.link >= 0]] = True
    items, party = _items(network, solved, parties, reach_of(plain, network.capacity_j))
    places = np.bincount(party[party >= 0], minlength=count)
    ask = busy & ~owned & (places == 1)
    moves = np.abs(np.add.reduceat(items.x, items.first[:-1])) if party.size else np.zeros(0)
    window = 0.0
    while ask.any():
        open_ = np.flatnonzero((party >= 0) & ask[party])
        widest = float(moves[open_].max())
        if window > ENOUGH * widest:  # more energy is lost on the way than windows are for
            break
        few = ROOM * max(float(np.quantile(moves[open_], FEW)), DUST_J)
        window = max(few, WIDER * window)
        money, size, done = areas(network.depth_first, items, window, MOST_POINTS)
        if not done:
            break
        told = open_[np.isfinite(money[open_])]
        out.known[party[told]] = True
        out.money[party[told]], out.size[party[told]] = money[told], size[told]
        ask[party[told]] = False
    return out


def was_lifted(solved: Optimum, pieces: Pieces) -> bool:
    """Whether worths below 0 were lifted for the solver, so that its prices are of others."""
    return bool(np.min(pieces.a, initial=0.0) < np.min(solved.columns.pieces.a, initial=0.0))


def fits(network: Network, pieces: Pieces) -> bool:
    """Whether it is a forest with straight curves and proportional losses."""
    if not (network.forest.whole or network.free):
        return False
    wide = pieces.hi > pieces.lo
    bent = wide & (pieces.b != 0) & (pieces.c1 != 0) & (pieces.k != 1.0)
    return not bent.any() and not np.any(network.limits.loss_per_j[network.capacity_j > 0] > 0)


def _items(
    network: Network, solved: Optimum, parties: Parties, reach_j: float
) -> tuple[Items, Ints]:
    """What stands on the forest, and the party of each item; -1: standing losses."""
    c, walk = solved.columns, network.depth_first
    place = np.empty(network.nodes, np.int64)
    place[walk.order] = np.arange(network.nodes)
    offers = parties.offer.size
    own = np.full(solved.offer_x.size, -1, np.int64)
    own[:offers] = parties.offer
    party, where = own[c.offer], place[c.node]
    order = np.lexsort((party, where))
    party, where = party[order], where[order]
    new = np.ones(order.size, bool)
    new[1:] = (party[1:] != party[:-1]) | (where[1:] != where[:-1])
    first = np.append(np.flatnonzero(new), order.size)
    at = np.zeros(network.nodes + 1, np.int64)
    np.cumsum(np.bincount(where[new], minlength=network.nodes), out=at[1:])
    p = c.pieces
    items = Items(
        at,
        first.astype(np.int64),
        np.maximum(p.lo, -reach_j)[order],
        np.minimum(p.hi, reach_j)[order],
        p.a[order],
        p.b[order],
        p.c0[order],
        p.c1[order],
        p.k[order],
        solved.x[order],
        np.minimum(network.capacity_j, 4.0 * reach_j),
        network.gain,
        network.price,
    )
    return items, party[new]
