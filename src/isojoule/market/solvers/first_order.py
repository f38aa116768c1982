"""`first-order`: accelerated steps on flows, for large meshes of batteries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.first_order import first_order
from isojoule.kernels.interior_point import Solution
from isojoule.market.book import Book
from isojoule.market.optimum import ACCEPTED, Columns
from isojoule.market.solvers.primal_dual import climb, cold, limits
from isojoule.market.solvers.scaled import SHARE, residual_of, scaled, solution
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


MOST_STEPS = 200_000
NEAR = 1.0
"""Residual below which what it reached is a better start than none."""


class FirstOrder:
    """Accelerated first-order steps with restart, where every node has a falling curve.

    Where a curve ends at a wall, its outcome is only a start, and primal-dual steps go on from it.
    """

    name = "first-order"
    summary = "accelerated steps on flows: large meshes with a falling curve at every node"
    measure = "the residual is gap and imbalance, as a share of the welfare"

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """The first node, where links lead, that has no falling curve."""
        main = main_pieces(network.nodes, columns.node, columns.pieces)
        linked = np.zeros(network.nodes, bool)
        linked[network.tail] = linked[network.head] = True
        linked[columns.node] = True
        bare = np.flatnonzero((main < 0) & linked)
        if not bare.size:
            return ""
        at = int(np.flatnonzero(network.node_of == bare[0])[0])
        return (
            f"node {grid.node_ids[at]!r} has no offer whose worth falls in the energy, "
            "so that its price does not follow from the flows"
        )

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        task = scaled(network, node, pieces, arc_lo, arc_hi, inject)
        main = main_pieces(network.nodes, node, pieces)
        calm, most = limits(task)
        most = min(most, MOST_STEPS)
        found = first_order(
            task.program, main, back_arcs(network), task.reach, SHARE, task.least, calm, most
        )
        residual = residual_of(task, found.welfare, found.gap, found.off)
        if not residual < ACCEPTED:
            if residual < NEAR:
                return climb(task, found.x, found.f, found.price, found.steps)
            return climb(task, *cold(task), found.steps)
        return solution(task, found.x, found.f, found.price, found.steps, residual)


def back_arcs(network: Network) -> Ints:
    """The arc the other way for each link, or -1 where one arc carries both ways."""
    links = network.tail.size
    back = np.full(links, -1, np.int64)
    back[network.arc_link[links:]] = np.arange(links, network.arc_link.size)
    return back


def main_pieces(nodes: int, node: Ints, pieces: Pieces) -> Ints:
    """The piece of each node that takes what is left over: its widest falling one, or -1."""
    falls = (pieces.b > 0) & (pieces.c1 > 0) & (pieces.hi > pieces.lo)
    some = np.flatnonzero(falls & np.isfinite(pieces.hi - pieces.lo))
    order = some[np.argsort((pieces.hi - pieces.lo)[some], kind="stable")]
    main = np.full(nodes, -1, np.int64)
    main[node[order]] = order  # the last, widest one stays
    return main
