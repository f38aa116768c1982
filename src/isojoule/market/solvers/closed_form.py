"""`closed-form`: where energy moves freely there is one price, the root of the summed demand."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.one_price import forest_flows, prices_of_parts
from isojoule.market.book import Book
from isojoule.market.optimum import Columns, LinkSolution, as_arcs
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ClosedForm:
    """One price for each part without limits, losses and link prices; exact, O(n log n).

    Flows follow a spanning forest; in rings the least flows are taken as with every solver.
    """

    name = "closed-form"
    summary = "one price: copperplate, and links without limit, loss and price"
    measure = "it looks for one price"

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """The first link that energy does not pass freely."""
        limits, open_ = network.limits, network.capacity_j > 0.0
        for bound, what in (
            ((limits.loss_ppb > 0) | (limits.loss_per_j > 0), "a loss"),
            (np.isfinite(network.capacity_j), "a limit"),
            (network.price > 0, "a price"),
        ):
            found = np.flatnonzero(bound & open_)
            if found.size:
                return f"link {grid.link_ids[found[0]]!r} has {what}, so there is not one price"
        return ""

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        found = self.solve_links(network, node, pieces, arc_hi[: network.tail.size], inject)
        return as_arcs(network, pieces, arc_lo, arc_hi, found)

    def solve_links(
        self, network: Network, node: Ints, pieces: Pieces, capacity_j: Floats, inject: Floats
    ) -> LinkSolution:
        """See `isojoule.market.optimum.LinkSolver`. The residual is inf where there is no root."""
        x = np.zeros(node.size)
        price, solved = prices_of_parts(network.part, network.parts, node, *pieces, inject, x)
        over = inject - np.bincount(node, x, network.nodes)
        forest = network.forest
        flow = forest_flows(network.tail, forest.order, forest.up, forest.link, over)
        flow = np.where(capacity_j > 0.0, flow, 0.0)
        return LinkSolution(x, flow, price[network.part], 1, 0.0 if solved else math.inf)
