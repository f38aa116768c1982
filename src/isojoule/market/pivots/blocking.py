"""Which coalition blocks most: the separation problem of core-selecting payments.

Bidders would gain u. A coalition blocks if it could have more among itself and the auctioneer: if
w(C) > u(C) + what the auctioneer has. So every bidder takes part at the price of u, or not at all,
as if its curve were lowered by what it gains already (a "truncated" bid), and the book is cleared
anew:

    maximise   worth - sum of u_i z_i,   z_i in {0, 1}: whether i takes part.

Whoever has z = 0 makes room for the others: those are the members of the coalition whose gains are
too many (see `isojoule.market.pivots.core_point`). A mixed-integer program of steps, whole units
and links that lose a share (HiGHS); what it finds is then valued anew by the best allocation.

Sources: Day, Raghavan 2007 (Manage. Sci. 53:1389, https://doi.org/10.1287/mnsc.1060.0675); Day,
Milgrom 2008 (Int. J. Game Theory 36:393, https://doi.org/10.1007/s00182-007-0100-7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, vstack

from isojoule.core.errors import InvariantError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market.allocation import columns_of, reach_of
from isojoule.market.book import Book
from isojoule.market.integer.units import units_of
from isojoule.market.pivots.parties import Parties

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRECISE = 1e-6
"""Share of the largest worth within which the program knows its optimum."""


def takes(book: Book, grid: Grid) -> bool:
    """Whether the program can say it all: flat steps, and losses in proportion."""
    p = book.pieces
    wide = p.hi > p.lo
    flat = (p.b == 0) | (p.c1 == 0)
    network = network_of(grid, book.network, book.interval.duration_s)
    bent = network.limits.loss_per_j[network.capacity_j > 0] > 0
    return bool(flat[wide].all()) and not bool(bent.any())


@dataclass(frozen=True, eq=False)
class Truncated:
    """The program of one book; the gains of bidders come later.

    Columns: pieces, arcs of links there and back, units that are taken or not, bidders.

    Attributes
    ----------
    bidders
        Numbers of those who may stay away; all others take part.
    worth
        Per column but the bidders', scaled.
    money
        The unit of money.
    rows, low, high
        Constraints.
    lo, hi, whole
        Of all columns.
    """

    bidders: Ints
    worth: Floats
    money: float
    rows: coo_array
    low: Floats
    high: Floats
    lo: Floats
    hi: Floats
    whole: Bools

    @property
    def dust(self) -> float:
        """What it does not see, money."""
        return PRECISE * self.money

    def left_out(self, gains: Floats) -> Bools:
        """Who would be left out by the coalition that blocks most, per bidder."""
        cost = np.concatenate([-self.worth, gains / self.money])
        found = milp(
            cost,
            integrality=self.whole.astype(np.int64),
            bounds=Bounds(self.lo, self.hi),
            constraints=LinearConstraint(self.rows.tocsr(), self.low, self.high),
            options={"mip_rel_gap": 0.0},
        )
        if found.x is None:
            raise InvariantError(f"no coalition was found: {found.message}")
        out: Bools = found.x[found.x.size - self.bidders.size :] < 0.5
        return out


def truncated(book: Book, grid: Grid, parties: Parties, bidders: Ints) -> Truncated:
    """The program of a book that `takes` accepts."""
    network = network_of(grid, book.network, book.interval.duration_s)
    c, p = columns_of(book, network), book.pieces
    units = units_of(book, grid)
    reach = reach_of(p, network.capacity_j) + units.legs.total_j
    free = units.divisible
    lo = np.where(free, np.maximum(p.lo, -reach), 0.0)
    hi = np.where(free, np.minimum(p.hi, reach), 0.0)
    worth = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    pieces, links, count = p.lo.size, network.tail.size, units.count
    energy = max(float(np.max(hi - lo, initial=0.0)), float(np.max(np.abs(_legs(units)), initial=0.0)))
    energy = energy if energy > 0 else 1.0
    arc = np.concatenate([np.arange(links), np.arange(links)])
    near = np.concatenate([network.tail, network.head])
    far = np.concatenate([network.head, network.tail])
    capacity = np.minimum(network.capacity_j, reach)[arc] / energy
    lo, hi = lo / energy, hi / energy
    gain = np.concatenate([worth * energy, -network.price[arc] * energy, units.worth])
    widest = np.concatenate([np.abs(worth) * (hi - lo) * energy, np.abs(units.worth)])
    money = max(float(np.max(widest, initial=0.0)), 1e-12)
    first_arc, first_unit = pieces, pieces + arc.size
    first_who = first_unit + count
    columns = first_who + bidders.size
    place = np.full(parties.count, -1, np.int64)
    place[bidders] = first_who + np.arange(bidders.size)
    legs = _legs(units) / energy
    balance = coo_array(
        (
            np.concatenate([-np.ones(pieces), -np.ones(arc.size), network.gain[arc], -legs]),
            (
                np.concatenate([c.node[:pieces], near, far, network.node_of[units.legs.node]]),
                np.concatenate(
                    [
                        np.arange(pieces),
                        first_arc + np.arange(arc.size),
                        first_arc + np.arange(arc.size),
                        first_unit + units.leg_unit,
                    ]
                ),
            ),
        ),
        shape=(network.nodes, columns),
    )
    parts, low, high = [balance], [np.zeros(network.nodes)], [np.zeros(network.nodes)]

    def below(column: Ints, size: Floats, switch: Ints) -> None:
        """column <= size * switch."""
        some = switch >= 0
        column, size, switch = column[some], size[some], switch[some]
        rows = np.arange(column.size)
        parts.append(
            coo_array(
                (
                    np.concatenate([np.ones(column.size), -size]),
                    (np.concatenate([rows, rows]), np.concatenate([column, switch])),
                ),
                shape=(column.size, columns),
            )
        )
        low.append(np.full(column.size, -np.inf))
        high.append(np.zeros(column.size))

    def above(column: Ints, size: Floats, switch: Ints) -> None:
        """column >= size * switch."""
        below(column, size, switch)
        parts[-1] = -parts[-1]

    of_piece = place[parties.offer[book.piece_offer]]
    of_unit = units.unit_of[book.piece_offer]
    every = np.arange(pieces)
    for switch in (of_piece, np.where((of_unit >= 0) & free, first_unit + of_unit, -1)):
        below(every, hi, switch)
        above(every, lo, switch)
    owner = parties.link[:links][arc]
    below(first_arc + np.arange(arc.size), capacity, np.where(owner >= 0, place[owner], -1))
    of_unit_owner = place[parties.offer[units.offer]] if count else np.zeros(0, np.int64)
    below(first_unit + np.arange(count), np.ones(count), of_unit_owner)
    grouped = np.flatnonzero(units.group >= 0)
    parts.append(
        coo_array(
            (np.ones(grouped.size), (units.group[grouped], first_unit + grouped)),
            shape=(units.groups, columns),
        )
    )
    low.append(np.full(units.groups, -np.inf))
    high.append(np.ones(units.groups))
    return Truncated(
        bidders,
        gain / money,
        money,
        vstack(parts).tocoo(),
        np.concatenate(low),
        np.concatenate(high),
        np.concatenate([lo, np.zeros(columns - pieces)]),
        np.concatenate([hi, capacity, np.ones(columns - first_unit)]),
        np.arange(columns) >= first_unit,
    )


def _legs(units: object) -> Floats:
    legs = units.legs.energy_uj  # type: ignore[attr-defined]
    return np.asarray(legs / UJ_PER_J, np.float64)
