"""A bound on the welfare of a book with indivisible offers, from nodal prices alone.

Weak duality: give every node a price, and let every divisible offer, every link and every unit
(`isojoule.market.integer.units`) take what gains it most at these prices, without regard to
balance. The sum of the gains is no less than the welfare of any allocation that balances,
whatever the prices are. Where some units are fixed, it bounds all choices that agree with that.

This is arithmetic: an auditor runs it. Sources: Geoffrion 1974, Lagrangean relaxation for integer
programming, Math. Program. Study 2:82, https://doi.org/10.1007/BFb0120690.
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
from isojoule.market.allocation import columns_of, reach_of
from isojoule.market.book import Book
from isojoule.market.integer.units import Units
from isojoule.market.optimum import Columns
from isojoule.valuation.curve import Pieces, integral, inverse

Floats = NDArray[np.float64]
Fixed = NDArray[np.int8]
"""Per unit: 1 taken, 0 not taken, -1 open."""


class Gains(NamedTuple):
    """What all gain at given prices, money: offers and links in sum, and each unit."""

    others: float
    unit: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Lagrangian:
    """The relaxation of one book.

    Attributes
    ----------
    network, units
        Of the book.
    columns
        Divisible pieces (standing losses behind), bounds finite.
    piece_unit
        The unit of each piece, -1 if it has none.
    capacity_j
        Of links, finite.
    reach_j
        No allocation that pays moves more than this through one offer or link.
    """

    network: Network
    units: Units
    columns: Columns
    piece_unit: NDArray[np.int64]
    capacity_j: Floats
    reach_j: float

    def gains(self, duals: Floats) -> Gains:
        """What all gain at these prices of the grid's nodes, money per J."""
        units, network = self.units, self.network
        price = np.zeros(network.nodes)
        price[network.node_of] = duals
        p = self.columns.pieces
        at = price[self.columns.node]
        want = inverse(p, at)
        gain = np.maximum(integral(p, want) - at * want, 0.0)
        free = self.piece_unit < 0
        unit = units.worth.copy()
        np.add.at(unit, self.piece_unit[~free], gain[~free])
        legs = units.legs
        cost = duals[legs.node] * (legs.energy_uj / UJ_PER_J)
        np.subtract.at(unit, units.leg_unit, cost)
        tail, head = price[network.tail], price[network.head]
        links = np.maximum(self._carry(tail, head), self._carry(head, tail))
        return Gains(math.fsum([*gain[free].tolist(), *links.tolist()]), unit)

    def _carry(self, here: Floats, there: Floats) -> Floats:
        """Greatest of there*(g f - r f^2) - (here + price)*f over 0 <= f <= capacity, per link."""
        network = self.network
        slope = network.gain * there - here - network.price
        bend = network.limits.loss_per_j * there
        with np.errstate(divide="ignore", invalid="ignore"):
            peak = np.where(bend > 0, slope / (2.0 * bend), np.inf)
        f = np.where((slope <= 0) & (bend >= 0), 0.0, np.minimum(self.capacity_j, peak))
        return np.maximum((slope - bend * f) * f, 0.0)

    def bound(self, gains: Gains, fixed: Fixed) -> float:
        """No choice that agrees with `fixed` has more welfare, standing losses included, money.

        -inf where two of a group are fixed as taken: there is no such choice.
        """
        group = self.units.group
        total = [gains.others]
        alone = group < 0
        unit = gains.unit
        total += unit[alone & (fixed == 1)].tolist()
        total += np.maximum(unit[alone & (fixed < 0)], 0.0).tolist()
        for number in range(self.units.groups):
            mine = group == number
            taken = unit[mine & (fixed == 1)]
            if taken.size > 1:
                return -math.inf
            best = np.max(unit[mine & (fixed < 0)], initial=0.0)
            total.append(float(taken[0] if taken.size else best))
        return math.fsum(total)


def lagrangian_of(book: Book, grid: Grid, units: Units) -> Lagrangian:
    """The relaxation of a book on copperplate or transport."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    reach = reach_with(book, network, units)
    p = columns.pieces
    counts = columns.counts
    open_ = np.ones(counts.size, bool)
    open_[counts] = units.divisible
    pieces = p._replace(
        lo=np.where(open_, np.maximum(p.lo, -reach), 0.0),
        hi=np.where(open_, np.minimum(p.hi, reach), 0.0),
    )
    unit_of = np.append(units.unit_of, np.full(columns.standing_links.size, -1))
    piece_unit = unit_of[columns.offer]
    piece_unit[~open_] = -1
    return Lagrangian(
        network,
        units,
        columns._replace(pieces=pieces),
        piece_unit,
        np.minimum(network.capacity_j, reach),
        reach,
    )


def reach_with(book: Book, network: Network, units: Units) -> float:
    """As `reach_of`, with each leg of a unit as if it were a step worth the whole of it, J."""
    legs = units.legs
    size = legs.energy_uj / UJ_PER_J
    some = size != 0
    size, unit = size[some], units.leg_unit[some]
    zero, one = np.zeros(size.size), np.ones(size.size)
    worth = np.maximum(units.worth[unit], 0.0) / np.abs(size)
    more = (np.minimum(size, 0), np.maximum(size, 0), worth, zero, one, zero, one)
    columns = columns_of(book, network)
    pieces = (np.concatenate([c, e]) for c, e in zip(columns.pieces, more, strict=True))
    return reach_of(Pieces(*pieces), network.capacity_j)
