"""Where sizes are many powers of ten apart: solve in the size of what moves, or say no.

A solver works to digits of the largest quantity that it sees. An offer that is a billion times
larger than the rest, and stands aside, leaves no digits for those that trade. So where an outcome
does not prove itself, the program is solved again with all quantities cut: first to what all
sellers, or all buyers, could move together, then to smaller and smaller sizes. Integers, prices and
proof are always those of the true bounds, so a cut that bites shows in the gap and counts for
nothing. Where no cut proves its outcome, there is none: no clearing leaves here that the check
would refuse.

Spec: docs/spec/solvers.md, E10.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.interior_point import Solution
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of, lifted
from isojoule.market.book import NETWORKS, Book
from isojoule.market.optimum import ACCEPTED, Columns, LinkSolver, Solver, optimum
from isojoule.market.solvers.primal_dual import PrimalDual
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROOM = 10.0
"""So many times what one side of the book can move in all, the first cut leaves to each offer."""
FINER = 1e-2
"""Each later cut is this share of the one before,"""
LEAST = 1e-10
"""down to this share of the largest quantity."""
FEW = 1_000
"""Pieces and arcs of a program up to which steps that take long are tried, too."""
MOST_STEPS = 400_000
"""Steps that these take at most, over all tries with ways shut and worths lifted."""
REMEDY = "check for prices or sizes that are many powers of ten apart"


def prove(
    book: Book, grid: Grid, found: Allocation | NotSolved, solver: Solver | LinkSolver | None = None
) -> Allocation | NotSolved:
    """The outcome if it proves itself, else one that does, else why there is none.

    Parameters
    ----------
    book, grid
        Divisible offers, and where.
    found
        What was found for them.
    solver
        Solves again; without one, the interior point, and at last, where the program is small,
        `primal-dual`. Books on `dc` and `lindistflow` are not solved again.
    """
    if isinstance(found, Allocation) and proved(book, grid, found):
        return found
    best = found
    for other in _again(book, grid, solver) if book.network in NETWORKS else ():
        if isinstance(other, NotSolved):
            continue
        if proved(book, grid, other):
            return other
        if isinstance(best, NotSolved) or other.support.gap < best.support.gap:
            best = other
    if isinstance(found, NotSolved):
        return found
    assert isinstance(best, Allocation)
    return NotSolved(f"the best outcome {unproved(book, best)}", REMEDY)


def proved(book: Book, grid: Grid, found: Allocation) -> bool:
    """Whether the check accepts the gap: it is closed, or C6 lets it stay open."""
    s = found.support
    if s.closed:
        return True
    from isojoule.market.verify import may_burn  # which knows all mechanisms

    known = np.concatenate([found.duals, s.lowest, s.highest])
    scale = float(np.max(np.abs(known[np.isfinite(known)]), initial=0.0))
    return may_burn(book, grid, s.price, scale)


def unproved(book: Book, found: Allocation) -> str:
    """How far from proved an outcome is, in words."""
    s = found.support
    words = (
        f"is only proved to lie within {s.gap:.1e} {book.currency} of the optimum, at a welfare "
        f"of {s.welfare:.6g}"
    )
    if math.isnan(s.largest_trade_per_j):
        return words
    return (
        f"{words}, and a Joule more between neighbours gains up to "
        f"{price_text(s.largest_trade_per_j, book.currency)}"
    )


def _again(
    book: Book, grid: Grid, solver: Solver | LinkSolver | None
) -> Iterator[Allocation | NotSolved]:
    """Outcomes with all quantities cut to smaller and smaller sizes."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    tries = [(size_j, solver) for size_j in _sizes(columns.pieces)]
    if solver is None and columns.node.size + network.arcs <= FEW:
        tries.append((np.inf, _no_longer(PrimalDual().solve, MOST_STEPS)))
    for size_j, way in tries:
        narrow, cut = _cut(network, columns, size_j)
        optimal = optimum(narrow, cut, None, way)
        if not optimal.residual < ACCEPTED and np.any(cut.pieces.a < 0):
            optimal = optimum(narrow, lifted(cut), None, way)
        yield allocate(book, grid, found=optimal)


def _no_longer(solver: Solver, most: int) -> Solver:
    """The solver, which gives up at once when it has made so many steps, over all its calls."""
    spent = 0

    def solve(
        network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        nonlocal spent
        if spent < most:
            found = solver(network, node, pieces, arc_lo, arc_hi, inject)
            spent += found.steps
            return found
        x, f = np.zeros(node.size), np.clip(0.0, arc_lo, arc_hi)
        sides = np.zeros(x.size, np.int8), np.zeros(f.size, np.int8)
        return Solution(x, f, np.zeros(network.nodes), *sides, 0, np.inf)

    return solve


def _sizes(pieces: Pieces) -> Iterator[float]:
    """The sizes to cut to, J, falling."""
    down, up = -pieces.lo[np.isfinite(pieces.lo)], pieces.hi[np.isfinite(pieces.hi)]
    largest = float(max(np.max(down, initial=0.0), np.max(up, initial=0.0)))
    sides = [s for s, finite in ((down, np.isneginf(pieces.lo)), (up, np.isposinf(pieces.hi)))
             if not finite.any()]  # fmt: skip
    together = min((ROOM * float(s.sum()) for s in sides), default=np.inf)
    if 0.0 < together < largest:
        yield together
    size = FINER * largest
    while size > LEAST * largest:
        if size < together:
            yield size
        size *= FINER


def _cut(network: Network, columns: Columns, size_j: float) -> tuple[Network, Columns]:
    """The program with no piece larger than this, and no finite limit of a link than all."""
    p = columns.pieces
    cut = p._replace(lo=np.maximum(p.lo, -size_j), hi=np.minimum(p.hi, size_j))
    all_j = ROOM * size_j * max(p.lo.size, 1)
    capacity_j = network.capacity_j
    finite = np.isfinite(capacity_j)
    narrow = replace(network, capacity_j=np.where(finite, np.minimum(capacity_j, all_j), np.inf))
    return narrow, columns._replace(pieces=cut)
