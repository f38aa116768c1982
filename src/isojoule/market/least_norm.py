"""Which flows to report where many are optimal.

Around a ring of links without loss and price energy may circulate for nothing: the energies and
the prices of the optimum are one, its flows are not. Of all optimal flows on such links, those
with the least sum of squares are taken. Links that are full stay as they are: their price
difference says that they must be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Program, Solution, maximise

Floats = NDArray[np.float64]
TOLERANCE = 1e-13
ACCEPTED = 1e-9


def least_norm(network: Network, solution: Solution) -> Floats:
    """Flows per arc, J: those of the solution, with the least flows on free lossless links.

    A second concave program on the same pattern: minimise half the sum of squares of the free
    flows, with what they bring to every node unchanged.
    """
    free = network.ring & (solution.f_side == 0)
    if not free.any():
        return solution.f
    f = np.where(free, solution.f, 0.0)
    unit = float(np.max(np.abs(f))) or 1.0
    brings = np.bincount(network.arc_head, f, network.nodes) - np.bincount(
        network.arc_tail, f, network.nodes
    )
    none, arcs = np.zeros(0), f.size
    program = Program(
        np.zeros(0, np.int64), none, none, none, none, none, none, none,
        network.arc_tail, network.arc_head, network.pattern.edge_slot,
        np.ones(arcs), np.zeros(arcs), np.ones(arcs), np.zeros(arcs),
        np.where(free, network.arc_lo / unit, 0.0),
        np.where(free, network.arc_hi / unit, 0.0),
        -brings / unit,
    )  # fmt: skip
    found = maximise(program, network.pattern, TOLERANCE)
    if not found.residual < ACCEPTED:
        return solution.f  # optimal all the same
    least: Floats = np.where(free, found.f * unit, solution.f)
    return least
