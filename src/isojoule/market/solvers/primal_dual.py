"""`primal-dual`: quantities climb and prices follow, step by step; nothing is factored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.primal_dual import Reached, primal_dual
from isojoule.market.book import Book
from isojoule.market.optimum import Columns
from isojoule.market.solvers.scaled import MANY, Scaled, residual_of, scaled, share_for, solution
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CALM = 1e-10
"""One more step changes no quantity and no price by more than this, scaled; in large programs the
gap alone counts."""
MOST_STEPS = 200_000
MOST_WORK = 20_000_000_000
"""Most steps times variables."""


class PrimalDual:
    """Restarted primal-dual steps (Halpern's iteration), for every book of divisible offers.

    Walls, kinks, flat steps and nodes without storage are nothing special to it. It is slow where
    energy crosses many hops.
    """

    name = "primal-dual"
    summary = "restarted primal-dual steps: walls, kinks, flat steps, nodes without storage"
    measure = "the residual is gap and imbalance, as a share of the welfare"

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """It takes every book of divisible offers."""
        return ""

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        task = scaled(network, node, pieces, arc_lo, arc_hi, inject)
        return climb(task, *cold(task), 0)


def cold(task: Scaled) -> tuple[Floats, Floats, Floats]:
    """A start that knows nothing: no trade, and typical prices."""
    p = task.program
    x = np.clip(np.zeros(p.lo.size), p.lo, p.hi)
    f = np.clip(np.zeros(p.arc_lo.size), p.arc_lo, p.arc_hi)
    return x, f, np.ones(p.inject.size)


def limits_of(size: int) -> tuple[float, int]:
    """How little may still change in a step, and how many steps are made at most.

    `size` is the number of pieces and arcs; where it is large, the gap alone counts.
    """
    calm = CALM if size <= MANY else np.inf
    return calm, min(MOST_STEPS, max(1_000, MOST_WORK // max(size, 1)))


def climb(task: Scaled, x: Floats, f: Floats, price: Floats, steps: int) -> Solution:
    """The solution from a start (scaled), after `steps` of something else."""
    size = task.program.lo.size + task.program.arc_lo.size
    calm, most = limits_of(size)
    share = share_for(size)
    found: Reached = primal_dual(
        task.program, x, f, price, task.reach, share, task.least, calm, most
    )
    residual = residual_of(task.units, found.welfare, found.gap, found.off)
    return solution(task, found.x, found.f, found.price, steps + found.steps, residual)
