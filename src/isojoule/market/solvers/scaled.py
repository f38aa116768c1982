"""A program in units in which typical energies and prices are near 1, for first-order methods."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NANO_PER_UNIT
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Program, Solution
from isojoule.market.allocation import reach_of
from isojoule.market.optimum import side_of
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARE = 1e-9
"""Gap and imbalance at which a method stops, as a share of the welfare."""
DUST_J = 2e-7
"""Energy per piece whose worth is no gap: a tenth of what whole microjoules cost in any case."""


class Scaled(NamedTuple):
    """A program with its units.

    Attributes
    ----------
    program
        In the units below; every quantity that has no room stands at its bound.
    energy_j, price_per_j
        The units.
    reach
        What no quantity that pays exceeds, scaled.
    least
        A gap that nobody can see, scaled money.
    """

    program: Program
    energy_j: float
    price_per_j: float
    reach: float
    least: float


def scaled(
    network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, inject: Floats
) -> Scaled:
    """The program of a solver's arguments (see `isojoule.market.optimum.Solver`)."""
    energy = _typical(pieces.hi - pieces.lo, 1e-6)
    worth = np.abs(pieces.a) + pieces.b
    money = _typical(np.where(pieces.hi > pieces.lo, worth, 0.0), 1e-15)
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
        network.pattern.edge_slot,
        network.gain[link],
        network.limits.loss_per_j[link] * energy,
        np.zeros(link.size),
        network.price[link] / money,
        arc_lo / energy,
        arc_hi / energy,
        inject / energy,
    )
    reach = reach_of(pieces, network.capacity_j) + float(np.sum(np.abs(inject)))
    dust = DUST_J * float(np.sum(worth))
    least = max(1.0 / NANO_PER_UNIT, dust) / (energy * money)
    return Scaled(program, energy, money, reach / energy, least)


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


def residual_of(task: Scaled, welfare: float, gap: float, off: float) -> float:
    """Gap and imbalance as a share of the welfare, or of what nobody can see if that is more."""
    return SHARE * (gap + off) / max(SHARE * abs(welfare), task.least)


def _typical(values: Floats, dust: float) -> float:
    """Geometric mean of what is finite and more than the share `dust` of the largest, or 1."""
    finite = values[np.isfinite(values)]
    some = finite[finite > dust * np.max(finite, initial=0.0)]
    return float(np.exp(np.mean(np.log(some)))) if some.size else 1.0
