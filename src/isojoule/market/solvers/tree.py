"""`tree`: leaf by leaf into the root, and back; exact, for grids without rings."""

from __future__ import annotations

import numpy as np

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.tree import solve_forest
from isojoule.kernels.tree_walk import by_place
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
        p, walk = pieces, network.depth_first
        first, order = _by_place(network, node)
        x, flow, price, rounds, off = solve_forest(
            walk.order, walk.above, walk.link, walk.ahead, first, order, p.lo, p.hi, p.a, p.b,
            p.c0, p.c1, p.k, inject, capacity_j, network.gain, network.limits.loss_per_j,
            network.price, CHORD, MOST_POINTS,
        )  # fmt: skip
        return LinkSolution(x, flow, price, rounds, STRICT * off)


def _by_place(network: Network, node: Ints) -> tuple[Ints, Ints]:
    """Pieces in the order of the walk, kept with the network for the next book of this layout."""
    kept: tuple[Ints, Ints, Ints] | None = network.__dict__.get("_by_place")
    if kept is None or kept[0] is not node:
        kept = (node, *by_place(network.depth_first, node))
        network.__dict__["_by_place"] = kept
    return kept[1], kept[2]


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
