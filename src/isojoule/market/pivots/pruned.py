"""Pivots on forests whatever the curves and losses: of the tree only what moves is solved again.

`isojoule.market.pivots.rerooted` reads pivots off for all at once, where curves are straight and
losses proportional, of those who have all at one node. Here are the others: bent curves, quadratic
losses, participants at several nodes, owners of links. Each is taken out of the optimum. What does
not move while prices change by some share of themselves is folded into constants, and the rest is
solved without it, all in compiled code (`isojoule.kernels.left_out`). Where prices change by more,
a larger share is tried, and at last nothing is folded.

Each pivot comes with a bound on what it may be off by; whose bound is too wide is left to be solved
as a whole.

Spec: docs/spec/vcg.md, P19.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.incidence import grouped
from isojoule.kernels.left_out import SPAN, Asked, left_out
from isojoule.kernels.tree_walk import Walk
from isojoule.kernels.unmoved import Settled, moving, unmoved
from isojoule.market.allocation import Allocation, columns_of, reach_of
from isojoule.market.book import NETWORKS, Book
from isojoule.market.optimum import Optimum
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.rerooted import Local, was_lifted
from isojoule.market.solvers.tree import CHORD, MOST_POINTS, below_zero
from isojoule.valuation.curve import Pieces, integral

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARES = (0.003, 0.1, math.inf)
"""By how much of themselves prices are first taken to change, then, and at last."""
CLOSED = 1e-10
"""What a pivot may be off by, as a share of itself,"""
DUST = 1e-10
"""or in money: a tenth of a nano-unit."""


def pruned(
    book: Book, grid: Grid, found: Allocation, parties: Parties, busy: Bools, local: Local
) -> Local:
    """What `local` says, and the pivots of those who are busy and whom it leaves open."""
    solved = found.optimum
    ask = busy & ~local.known
    if solved is None or not ask.any() or book.network not in NETWORKS or book.indivisible:
        return local
    network = network_of(grid, book.network, book.interval.duration_s)
    plain = columns_of(book, network).pieces
    if not fits(network, plain, solved):
        return local
    owner = parties.link[: network.tail.size]
    if network.forest.whole:
        walk, place = network.depth_first, np.empty(network.nodes, np.int64)
        place[walk.order] = np.arange(network.nodes)
    else:  # energy moves freely: each part is one place
        walk, place = _places(network.parts), network.part
        ask[owner[owner >= 0]] = False
    s = _settled(network, walk, place, solved, parties, reach_of(plain, network.capacity_j))
    known = unmoved(walk, s, SPAN * float(np.abs(s.x).sum()))
    beyond = worth_of_stored(found, parties) - _worth_of_solved(network, solved, parties)
    chord = CHORD * float(np.max(np.abs(s.a) + s.b, initial=0.0))
    out = Local(local.known.copy(), local.money.copy(), local.size.copy(), local.unsure.copy())
    for share in SHARES:
        asked = _asked(walk, s, ask)
        if not asked.number.size:
            break
        may = moving(walk, s, known, share)
        more, size, unsure = left_out(walk, s, known, may, asked, CLOSED, DUST, chord, MOST_POINTS)
        told = np.isfinite(more)
        number = asked.number[told]
        out.known[number] = True
        out.money[number] = more[told] + beyond[number]
        out.size[number], out.unsure[number] = size[told], unsure[told]
        ask[number] = False
    return out


def fits(network: Network, pieces: Pieces, solved: Optimum) -> bool:
    """Whether it is a forest, and its optimum that of one concave program."""
    if not (network.forest.whole or network.free):
        return False
    if below_zero(network, pieces) or was_lifted(solved, pieces):
        return False
    return bool(np.array_equal(np.abs(solved.sent), np.abs(solved.flow)))


def _places(count: int) -> Walk:
    """So many places without links."""
    none = np.full(count, -1, np.int64)
    return Walk(np.arange(count), none, none, np.zeros(count, bool))


def _settled(
    network: Network, walk: Walk, place: Ints, solved: Optimum, parties: Parties, reach_j: float
) -> Settled:
    """The optimum by places."""
    c, places = solved.columns, walk.order.size
    first, order = grouped(place[c.node], places)
    party = np.full(solved.offer_x.size, -1, np.int64)
    party[: parties.offer.size] = parties.offer
    p, links = c.pieces, network.tail.size
    sent = np.zeros(places)
    below = walk.link >= 0
    flow = solved.flow[walk.link[below]]
    sent[below] = np.where(walk.ahead[below], flow, -flow)
    price = np.zeros(places)
    price[place] = solved.prices[1]
    return Settled(
        first,
        party[c.offer][order],
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
        network.limits.loss_per_j,
        network.price,
        parties.link[:links].copy(),
        sent,
        price,
    )


def _asked(walk: Walk, s: Settled, ask: Bools) -> Asked:
    """Who goes, and where it is."""
    places = walk.order.size
    where = np.repeat(np.arange(places), np.diff(s.first))
    here = (s.party >= 0) & (s.hi > s.lo)
    below = np.flatnonzero(walk.link >= 0)
    owner = s.owner[walk.link[below]]
    party = np.concatenate([s.party[here], owner[owner >= 0]])
    at = np.concatenate([where[here], below[owner >= 0]])
    mine = ask[party]
    keys = np.unique(party[mine] * places + at[mine])
    number, first = np.unique(keys // max(places, 1), return_index=True)
    return Asked(number, np.append(first, keys.size), keys % max(places, 1))


def worth_of_stored(found: Allocation, parties: Parties) -> Floats:
    """What its offers are worth to each party, less what its links cost it, money."""
    return _of_parties(found.offer_value, found.link_cost, parties)


def _worth_of_solved(network: Network, solved: Optimum, parties: Parties) -> Floats:
    """The same of the optimum in floats, in the same order: the stored one is it, or another."""
    c, offers = solved.columns, parties.offer.size
    worth = np.zeros(solved.offer_x.size)
    worth += np.bincount(c.offer, integral(c.pieces, solved.x), worth.size)
    cost = np.zeros(parties.link.size)
    cost[: solved.sent.size] = network.price * np.abs(solved.sent)
    return _of_parties(worth[:offers], cost, parties)


def _of_parties(worth: Floats, cost: Floats, parties: Parties) -> Floats:
    out = np.zeros(parties.count)
    owned = parties.link >= 0
    out += np.bincount(parties.offer, worth, parties.count)
    out -= np.bincount(parties.link[owned], cost[owned], parties.count)
    return out
