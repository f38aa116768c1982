"""A program in units in which typical energies and prices are near 1, for first-order methods."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NANO_PER_UNIT
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Program, Solution
from isojoule.kernels.pieces import typical
from isojoule.market.allocation import reach_of
from isojoule.market.optimum import side_of
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARE = 1e-9
"""Gap and imbalance at which a method stops, as a share of the welfare,"""
MANY = 10_000
"""unless the program has more variables than this:"""
SHARE_OF_MANY = 2e-8
"""then this is enough, for the certificate asks for 1e-7."""
DUST_J = 2e-7
"""Energy per piece whose worth is no gap: a tenth of what whole microjoules cost in any case."""


class Units(NamedTuple):
    """The units of a program, and what is large and small in it.

    Attributes
    ----------
    energy_j, price_per_j
        The units.
    reach
        What no quantity that pays exceeds, scaled.
    least
        A gap that nobody can see, scaled money.
    """

    energy_j: float
    price_per_j: float
    reach: float
    least: float


class Scaled(NamedTuple):
    """A program in arcs with its units; every quantity that has no room stands at its bound."""

    program: Program
    units: Units

    @property
    def energy_j(self) -> float:
        """The unit of energy."""
        return self.units.energy_j

    @property
    def price_per_j(self) -> float:
        """The unit of prices."""
        return self.units.price_per_j

    @property
    def reach(self) -> float:
        """What no quantity that pays exceeds, scaled."""
        return self.units.reach

    @property
    def least(self) -> float:
        """A gap that nobody can see, scaled money."""
        return self.units.least


def units_of(network: Network, pieces: Pieces, inject: Floats) -> Units:
    """The units of a program: typical energies and prices."""
    energy = float(typical(pieces.lo, pieces.hi, 1e-6))
    worth = np.abs(pieces.a) + pieces.b
    money = float(typical(np.zeros(worth.size), np.where(pieces.hi > pieces.lo, worth, 0.0), 1e-15))
    reach = reach_of(pieces, network.capacity_j) + float(np.sum(np.abs(inject)))
    dust = DUST_J * float(np.sum(worth))
    least = max(1.0 / NANO_PER_UNIT, dust) / (energy * money)
    return Units(energy, money, reach / energy, least)


def scaled(
    network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, inject: Floats
) -> Scaled:
    """The program of a solver's arguments (see `isojoule.market.optimum.Solver`)."""
    units = units_of(network, pieces, inject)
    energy, money = units.energy_j, units.price_per_j
    link = network.arc_link
    program = Program(
        node,
        pieces.lo / energy,
        pieces.hi / energy,
        pieces.a / money,
        pieces.b / money,
        np.ascontiguousarray(pieces.c0),
        pieces.c1 * energy,
        np.ascontiguousarray(pieces.k),
        network.arc_tail,
        network.arc_head,
        np.zeros(link.size, np.int64),  # nothing is factored
        network.gain[link],
        network.limits.loss_per_j[link] * energy,
        np.zeros(link.size),
        network.price[link] / money,
        arc_lo / energy,
        arc_hi / energy,
        inject / energy,
    )
    return Scaled(program, units)


def link_task(pieces: Pieces, units: Units) -> Pieces:
    """Pieces in these units; unlimited ones end at the reach."""
    energy, money = units.energy_j, units.price_per_j
    return Pieces(
        np.maximum(pieces.lo / energy, -units.reach),
        np.minimum(pieces.hi / energy, units.reach),
        pieces.a / money,
        pieces.b / money,
        np.ascontiguousarray(pieces.c0),
        pieces.c1 * energy,
        np.ascontiguousarray(pieces.k),
    )


def solution(
    task: Scaled, x: Floats, f: Floats, price: Floats, steps: int, residual: float
) -> Solution:
    """The solution in J and money per J; what stands exactly at a bound is there."""
    p = task.program
    return Solution(
        x * task.energy_j,
        f * task.energy_j,
        price * task.price_per_j,
        side_of(x, p.lo, p.hi),
        side_of(f, p.arc_lo, p.arc_hi),
        steps,
        residual,
    )


def residual_of(units: Units, welfare: float, gap: float, off: float) -> float:
    """Gap and imbalance as a share of the welfare, or of what nobody can see if that is more."""
    return SHARE * (gap + off) / max(SHARE * abs(welfare), units.least)


def share_for(size: int) -> float:
    """The share of the welfare at which a program with so many variables is solved."""
    return SHARE if size <= MANY else SHARE_OF_MANY
