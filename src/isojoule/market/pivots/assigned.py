"""Pivots where everyone wants one thing at most: the least prices that support the assignment.

Who bids for one lot of many places (an exclusive group of whole units, or a single one) takes part
in an assignment. Without links each place is by itself: what its divisible offers leave for one
more lot costs more and more, so a place is a row of lots, each with its cost. An assignment has
whole numbers by itself (Shapley, Shubik 1971), and what a bidder pays is the least price that
supports it (Leonard 1983; Demange 1982): what the others would make of the lot that it leaves. That
lot goes to whom it serves best, whose lot goes on, until one is left over. So all prices follow
from one assignment, relaxed to a fixed point. Whoever has divisible offers changes the costs, and
is told by one more assignment.

Sources: Shapley, Shubik 1971 (Int. J. Game Theory 1:111, https://doi.org/10.1007/BF01753437);
Demange 1982 (Ecole Polytechnique, Laboratoire d'Econometrie, A 226); Leonard 1983 (J. Polit. Econ.
91:461, https://doi.org/10.1086/261158). Spec: docs/spec/vcg.md, P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.market.allocation import Allocation
from isojoule.market.book import NETWORKS, Book
from isojoule.market.integer.units import Units, choice_from, units_of
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.rerooted import Local

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAME = 1e-9
"""The optimum that is paid for has no less than the assignment, but for this share of worths."""
LONGER = 4
"""An unlimited piece counts as so many times all that is limited."""


class Lots(NamedTuple):
    """What lots cost the divisible offers, place by place.

    Attributes
    ----------
    node
        Place of each lot, ascending, cheapest first within a place.
    cost
        What it takes from those who have divisible offers, money.
    rest
        What these have in all without lots, money.
    size
        Of the worths that costs are made of, money.
    """

    node: Ints
    cost: Floats
    rest: float
    size: float


@dataclass(frozen=True, eq=False, slots=True)
class Demand:
    """Bidders who want one lot at most.

    Attributes
    ----------
    party
        Number of each bidder, ascending.
    worth
        Of a lot at each node to each bidder, money, shape (bidders, nodes); -inf: not wanted.
    lot_j
        What a lot takes at each node, J; 0: nobody wants one.
    at
        The node where each has a lot in the choice that is paid for; -1: none.
    """

    party: Ints
    worth: Floats
    lot_j: Floats
    at: Ints


def assigned(
    book: Book, grid: Grid, found: Allocation, parties: Parties, busy: Bools, value: float,
    local: Local,
) -> Local:  # fmt: skip
    """The pivots of those who are busy, where the book is an assignment.

    Parameters
    ----------
    book, grid, found, parties, busy
        The book, the optimum that is paid for, and whose pivots are wanted.
    value
        Its welfare, money.
    local
        What is known already; it is added to.
    """
    if not book.indivisible or book.network not in NETWORKS or found.taken is None:
        return local
    network = network_of(grid, book.network, book.interval.duration_s)
    if network.tail.size and np.any(network.capacity_j > 0.0):
        return local
    units = units_of(book, grid)
    demand = demand_of(book, network, units, parties, found)
    if demand is None or not _flat(book, units):
        return local
    places = Places(book, network, units, demand)
    lots = places.lots()
    if lots is None:
        return local
    profit = _profit(demand, lots)
    mine = _matched(demand, lots)
    if mine is None:
        return local
    held = mine >= 0
    total = math.fsum([lots.rest, *profit[held, mine[held]].tolist()])
    prices, rounds = freed(profit, mine)
    wide = float(np.max(np.abs(profit[np.isfinite(profit)]), initial=0.0)) + lots.size
    if rounds < 0 or not abs(total - value) <= SAME * (wide + abs(value)):
        return local
    for b in np.flatnonzero(busy[demand.party] & held).tolist():
        i = demand.party[b]
        local.known[i], local.money[i] = True, lots.cost[mine[b]] + prices[mine[b]]
        local.size[i] = (2 + rounds) * wide
    told = np.zeros(parties.count, bool)
    told[demand.party] = True
    for i in np.flatnonzero(busy & ~told & ~local.known).tolist():
        own = parties.offer == i
        fewer = places.lots(own)
        if fewer is None or np.any(parties.link == i):
            continue
        rest = fewer.rest + _most(_profit(demand, fewer))
        local.known[i] = True
        local.money[i] = math.fsum([rest, -total, *found.offer_value[own].tolist()])
        local.size[i] = 2 * (wide + abs(total) + fewer.size)
    return local


def demand_of(
    book: Book, network: Network, units: Units, parties: Parties, found: Allocation
) -> Demand | None:
    """Who wants one lot at most; None if somebody wants more, or lots of a place differ."""
    size = units.legs.energy_uj
    if not units.count or not units.whole.all() or size.size != units.count or not size.all():
        return None
    party = parties.offer[units.offer]
    # of one party all units are of one group, or it has one unit
    who, first, count = np.unique(party, return_index=True, return_counts=True)
    row = np.searchsorted(who, party)
    same = units.group == units.group[first][row]
    if np.any(~same) or np.any((count > 1) & (units.group[first] < 0)):
        return None
    mixed = np.ones(book.offer_count, bool)
    mixed[units.offer] = False
    if np.any(np.isin(parties.offer[mixed], who)):
        return None
    place = np.empty(units.count, np.int64)
    place[units.leg_unit] = network.node_of[units.legs.node]
    lot_j = np.zeros(network.nodes)
    lot_j[place[units.leg_unit]] = size / UJ_PER_J
    if np.any(lot_j[place[units.leg_unit]] != size / UJ_PER_J):
        return None
    worth = np.full((who.size, network.nodes), -np.inf)
    np.maximum.at(worth, (row, place), units.worth)
    assert found.taken is not None
    choice = choice_from(units, found.energy_uj, found.taken)
    at = np.full(who.size, -1, np.int64)
    at[row[choice]] = place[choice]
    return Demand(who, worth, lot_j, at)


def _flat(book: Book, units: Units) -> bool:
    """Whether all that is divisible has steps alone."""
    p = book.pieces
    wide = (p.hi > p.lo) & units.divisible
    return not np.any(wide & (p.b != 0.0) & (p.c1 != 0.0))


class Places:
    """What the divisible offers have at every place, for no lot, one, two and so on.

    One place is worked out anew if some of its offers are gone, all others stay as they are.
    """

    def __init__(self, book: Book, network: Network, units: Units, demand: Demand) -> None:
        p = book.pieces
        node = network.node_of[book.offer_node[book.piece_offer]]
        some = np.flatnonzero(units.divisible)
        order = some[np.argsort(node[some], kind="stable")]
        self.pieces = np.split(order, np.searchsorted(node[order], np.arange(1, network.nodes)))
        self.wanted = np.count_nonzero(np.isfinite(demand.worth), axis=0)
        self.lot_j = demand.lot_j
        most = float(self.wanted.max(initial=0)) * float(np.abs(demand.lot_j).max(initial=0.0))
        limited = [np.where(np.isfinite(q), np.abs(q), 0.0)[some].sum() for q in (p.lo, p.hi)]
        reach = LONGER * (most + float(sum(limited)) + 1.0)
        self.lo, self.hi = np.maximum(p.lo, -reach), np.minimum(p.hi, reach)
        self.level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
        self.whose = book.piece_offer
        self.node = node
        self.worths = [self._at(v, at) for v, at in enumerate(self.pieces)]
        ends = np.where(self.lo < 0, self.lo, self.hi)
        self.size = float(np.abs(self.level * ends)[some].sum())

    def _at(self, v: int, at: Ints) -> Floats:
        lots = np.arange(int(self.wanted[v]) + 1)
        return _welfare(self.lo[at], self.hi[at], self.level[at], self.lot_j[v] * lots)

    def lots(self, gone: Bools | None = None) -> Lots | None:
        """The lots, also without some offers; None if a place cannot balance."""
        worths = self.worths
        if gone is not None:
            worths = worths.copy()
            for v in np.unique(self.node[gone[self.whose]]).tolist():
                at = self.pieces[v]
                worths[v] = self._at(v, at[~gone[self.whose[at]]])
        if not all(np.isfinite(w[0]) for w in worths):
            return None
        can = [w[np.isfinite(w)] for w in worths]  # the first so many: what cannot be comes last
        node = np.repeat(np.arange(len(can)), [w.size - 1 for w in can])
        cost = np.concatenate([-np.diff(w) for w in can])
        return Lots(node, cost, math.fsum(float(w[0]) for w in can), self.size)


def _welfare(lo: Floats, hi: Floats, level: Floats, given_j: Floats) -> Floats:
    """The greatest worth of steps at one place that give away so much in all; -inf: cannot."""
    order = np.argsort(-level, kind="stable")
    lo, hi, level = lo[order], hi[order], level[order]
    wide = hi - lo
    energy = np.concatenate([[0.0], np.cumsum(wide)]) + float(lo.sum())
    worth = np.concatenate([[0.0], np.cumsum(level * wide)]) + float((level * lo).sum())
    slack = 1e-12 * max(float(np.abs(energy).max()), 1e-300)
    ok = (-given_j >= energy[0] - slack) & (-given_j <= energy[-1] + slack)
    return np.where(ok, np.interp(-given_j, energy, worth), -np.inf)


def _profit(demand: Demand, lots: Lots) -> Floats:
    """What a lot brings in the hands of a bidder, money; shape (bidders, lots)."""
    out: Floats = demand.worth[:, lots.node] - lots.cost
    return out


def _matched(demand: Demand, lots: Lots) -> Ints | None:
    """The lot of each bidder, -1 for none; None if a place has too few."""
    first = np.searchsorted(lots.node, np.arange(demand.lot_j.size + 1))
    taken = np.zeros(demand.lot_j.size, np.int64)
    out = np.full(demand.party.size, -1, np.int64)
    for b in np.flatnonzero(demand.at >= 0).tolist():
        v = int(demand.at[b])
        out[b] = first[v] + taken[v]
        taken[v] += 1
        if out[b] >= first[v + 1]:
            return None
    return out


def freed(profit: Floats, mine: Ints) -> tuple[Floats, int]:
    """What the others make of each lot if it is freed, of a best assignment.

    Parameters
    ----------
    profit
        Money, shape (bidders, lots); -inf where a bidder does not want a lot.
    mine
        The lot of each bidder, -1 for none.

    Returns
    -------
    Money per lot, and the rounds that it took; -1: no fixed point, so the assignment is not a best.

    Examples
    --------
    Three houses of Shapley and Shubik; the third bidder has the first, and so on.

    >>> profit = np.array([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0]])
    >>> freed(profit, np.array([1, 2, 0]))[0].tolist()
    [1.0, 3.0, 0.0]
    """
    held = mine >= 0
    now = np.zeros(mine.size)
    now[held] = profit[held, mine[held]]
    gain = profit - now[:, None]  # by moving there from where it is
    gain[held, mine[held]] = -np.inf
    out = np.maximum(np.max(gain[~held], axis=0, initial=-np.inf), 0.0)
    moves = gain[held]
    for rounds in range(profit.shape[1] + 2):
        more = np.max(moves + out[mine[held]][:, None], axis=0, initial=-np.inf)
        better = np.maximum(out, more)
        if np.array_equal(better, out):
            return out, rounds
        out = better
    return out, -1


def _most(profit: Floats) -> float:
    """The most that an assignment brings, money; nobody has to take part."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    worth = np.maximum(profit, 0.0)
    row, column = linear_sum_assignment(worth, maximize=True)
    return math.fsum(worth[row, column].tolist())
