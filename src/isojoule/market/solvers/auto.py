"""`auto`: the solver by the shape of the problem.

- Where energy moves freely, one price: `closed-form`.
- Without rings: `tree`.
- Large meshes with a falling curve at every node, not too bent: `first-order`, or `relaxation`
  where the flows of a moment ago are known.
- All else: `interior-point`; where a mesh is so large that factors would not fit, steps on flows
  whatever the curves, and `primal-dual`.

What the chosen one leaves open is solved by the interior point. Spec: docs/spec/solvers.md, E13.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of
from isojoule.market.book import Book
from isojoule.market.far_apart import prove
from isojoule.market.optimum import Columns, Floats, LinkSolver, Solver
from isojoule.market.solvers.closed_form import ClosedForm
from isojoule.market.solvers.first_order import FirstOrder, first_bare
from isojoule.market.solvers.primal_dual import PrimalDual
from isojoule.market.solvers.relaxation import Relaxation
from isojoule.market.solvers.tree import Tree, below_zero

LARGE = 3_000
"""Links of a mesh from which on steps on flows are faster than factors."""
FEW, MANY = 1_000, 20_000
"""Steps on flows that are tried where factors are an alternative, and where they are none."""
LEAST_K, MOST_K = 0.5, 3.0
"""Curves that are bent more are steep in one place and flat in another."""
TOO_LARGE = 400_000
"""Links of a mesh from which on factors take minutes and gigabytes."""


def allocate_auto(book: Book, grid: Grid, start_j: Floats | None = None) -> Allocation | NotSolved:
    """The welfare optimum of divisible offers, by the solver that fits.

    Parameters
    ----------
    book, grid
        What is offered on copperplate or transport.
    start_j
        Flows of a moment ago, per link, J, if they are known.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    for solver in fitting(network, columns, start_j):
        out = allocate(book, grid, solver=solver, columns=columns)
        if isinstance(out, Allocation) and out.support.closed:
            return out
    return prove(book, grid, allocate(book, grid))


def fitting(
    network: Network, columns: Columns, start_j: Floats | None = None
) -> Iterator[Solver | LinkSolver]:
    """The solvers to try before the interior point."""
    burns = below_zero(network, columns.pieces)
    if network.free:
        yield ClosedForm()
    elif network.forest.whole and not burns:
        yield Tree()
    elif network.tail.size >= LARGE:
        large = network.tail.size >= TOO_LARGE
        if (large or _even(columns)) and first_bare(network, columns.node, columns.pieces) < 0:
            known = start_j is not None and np.any(start_j)
            steps = MANY if large else FEW
            yield Relaxation(start_j, steps) if known else FirstOrder(steps)
        if large:
            yield PrimalDual().solve


def _even(columns: Columns) -> bool:
    """Whether curves fall about as fast wherever they stand: else steps on flows are many."""
    p = columns.pieces
    bent = (p.b > 0.0) & (p.c1 > 0.0) & (p.hi > p.lo)
    return not bool(np.any((p.k[bent] < LEAST_K) | (p.k[bent] > MOST_K)))
