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
    p, units = book.pieces, units_of(book, grid)
    node = columns_of(book, network).node
    legs_j = units.legs.energy_uj / UJ_PER_J
    reach = reach_of(p, network.capacity_j) + units.legs.total_j
    lo = np.where(units.divisible, np.maximum(p.lo, -reach), 0.0)
    hi = np.where(units.divisible, np.minimum(p.hi, reach), 0.0)
    energy = float(max(np.max(hi - lo, initial=0.0), np.max(np.abs(legs_j), initial=0.0))) or 1.0
    links, pieces, count = network.tail.size, p.lo.size, units.count
    link = np.concatenate([np.arange(links), np.arange(links)])
    capacity = np.minimum(network.capacity_j, reach)[link]
    worth = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    gains = np.concatenate([worth * energy, -network.price[link] * energy, units.worth])
    most = np.concatenate([np.abs(worth) * (hi - lo), np.abs(units.worth)])
    money = float(np.max(most, initial=0.0)) or 1.0
    piece = np.arange(pieces)
    arc = pieces + np.arange(link.size)
    unit = pieces + link.size + np.arange(count)
    columns = pieces + link.size + count + bidders.size
    place = np.full(parties.count + 1, -1, np.int64)  # of nobody, the last, as well
    place[bidders] = pieces + link.size + count + np.arange(bidders.size)

    rows = _Rows(columns)
    ends = np.concatenate([node[:pieces], network.tail, network.head, network.head, network.tail])
    rows.add(
        np.concatenate([ends, network.node_of[units.legs.node]]),
        np.concatenate([piece, arc, arc, unit[units.leg_unit]]),
        np.concatenate(
            [-np.ones(pieces), -np.ones(link.size), network.gain[link], -legs_j / energy]
        ),
        network.nodes,
        0.0,
    )
    of_unit = units.unit_of[book.piece_offer]
    unit_of = np.where(units.divisible & (of_unit >= 0), unit[0] + of_unit if count else -1, -1)
    for switch in (place[parties.offer[book.piece_offer]], unit_of):
        rows.switched(piece, hi / energy, switch, 1.0)
        rows.switched(piece, lo / energy, switch, -1.0)
    rows.switched(arc, capacity / energy, place[parties.link[link]], 1.0)
    rows.switched(unit, np.ones(count), place[parties.offer[units.offer]], 1.0)
    grouped = np.flatnonzero(units.group >= 0)
    rows.add(units.group[grouped], unit[grouped], np.ones(grouped.size), units.groups, 1.0, -np.inf)
    rest = np.zeros(columns - pieces)
    return Truncated(
        bidders,
        gains / money,
        money,
        vstack(rows.parts).tocoo(),
        np.concatenate(rows.low),
        np.concatenate(rows.high),
        np.concatenate([lo / energy, rest]),
        np.concatenate([hi / energy, capacity / energy, np.ones(count + bidders.size)]),
        np.arange(columns) >= pieces + link.size,
    )


class _Rows:
    """Constraints, as they come."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.parts: list[coo_array] = []
        self.low: list[Floats] = []
        self.high: list[Floats] = []

    def add(
        self, row: Ints, column: Ints, value: Floats, count: int, high: float,
        low: float | None = None,
    ) -> None:  # fmt: skip
        """So many rows below `high`, and at it if there is no `low`."""
        self.parts.append(coo_array((value, (row, column)), shape=(count, self.columns)))
        self.high.append(np.full(count, high))
        self.low.append(np.full(count, high if low is None else low))

    def switched(self, column: Ints, size: Floats, switch: Ints, sign: float) -> None:
        """Sign * column <= sign * size * switch, where there is one."""
        some = np.flatnonzero(switch >= 0)
        row = np.arange(some.size)
        self.add(
            np.concatenate([row, row]),
            np.concatenate([column[some], switch[some]]),
            sign * np.concatenate([np.ones(some.size), -size[some]]),
            some.size,
            0.0,
            -np.inf,
        )
