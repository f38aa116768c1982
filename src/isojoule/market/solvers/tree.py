"""`tree`: leaf by leaf into the root, and back; exact, for grids without rings."""

from __future__ import annotations

import numpy as np

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.tree import solve_tree
from isojoule.kernels.tree_walk import TreeProgram, by_place
from isojoule.market.allocation import reach_of
from isojoule.market.book import Book
from isojoule.market.optimum import (
    ACCEPTED,
    Columns,
    Floats,
    Ints,
    LinkSolution,
    as_arcs,
    maximise_flow,
)
from isojoule.valuation.curve import Pieces

CHORD = 1e-13
"""Distance of a chord from its curve where the answer stands, as a share of the dearest worth."""
STRICT = 1e3
"""It is exact, or something is wrong: what does not balance counts so many times."""
MOST_POINTS = 3e9
"""Most points of rows in one round; some ten seconds of work."""


class Tree:
    """Dynamic programming on the tree (`isojoule.kernels.tree`).

    One pass to the root and one back where curves are straight, a few where they are bent.
    """

    name = "tree"
    summary = "exact, leaf by leaf: grids without rings"
    measure = "a part has no balance, or too many offers are linked without limits"

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """The first link in a ring, or where energy may be burned."""
        return unfit(grid, network, columns.pieces)

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`; the interior point where the tree gives up."""
        capacity_j = arc_hi[: network.tail.size]
        found = self.solve_links(network, node, pieces, capacity_j, inject)
        if not found.residual < ACCEPTED:
            return maximise_flow(network, node, pieces, arc_lo, arc_hi, inject)
        return as_arcs(network, pieces, arc_lo, arc_hi, found)

    def solve_links(
        self, network: Network, node: Ints, pieces: Pieces, capacity_j: Floats, inject: Floats
    ) -> LinkSolution:
        """See `isojoule.market.optimum.LinkSolver`."""
        walk = network.depth_first
        reach = reach_of(pieces, capacity_j) + float(np.sum(np.abs(inject)))
        first, order = by_place(walk, node)
        program = TreeProgram(
            first,
            np.maximum(pieces.lo, -reach)[order],
            np.minimum(pieces.hi, reach)[order],
            pieces.a[order],
            pieces.b[order],
            pieces.c0[order],
            pieces.c1[order],
            pieces.k[order],
            inject[walk.order],
            capacity_j,
            network.gain,
            network.limits.loss_per_j,
            network.price,
        )
        dearest = float(np.max(np.abs(pieces.a) + pieces.b, initial=0.0))
        x, flow, price, rounds, off = solve_tree(walk, program, CHORD * dearest, MOST_POINTS)
        out, prices = np.empty_like(x), np.empty_like(price)
        out[order] = x
        prices[walk.order] = price
        return LinkSolution(out, flow, prices, rounds, STRICT * off)


def unfit(grid: Grid, network: Network, pieces: Pieces) -> str:
    """Why a book is not for trees, or ""."""
    open_ = network.capacity_j > 0.0
    if not network.forest.whole:
        inside = np.zeros(network.tail.size, bool)
        inside[network.forest.link[network.forest.link >= 0]] = True
        at = int(np.flatnonzero(open_ & ~inside)[0])
        return f"link {grid.link_ids[at]!r} closes a ring"
    if below_zero(network, pieces):
        dear = np.flatnonzero(~network.plain & open_)
        return (
            f"a worth is below 0, and link {grid.link_ids[dear[0]]!r} loses or costs: energy "
            "would be sent around to be lost"
        )
    return ""


def below_zero(network: Network, pieces: Pieces) -> bool:
    """Whether a worth is below 0 where links lose or cost, so that the program is not concave."""
    below = pieces.a < 0.0
    return bool(below.any() and np.any(pieces.hi[below] > pieces.lo[below]) and network.lossy)
