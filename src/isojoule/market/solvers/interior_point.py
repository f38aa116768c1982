"""`interior-point`: Newton steps on the node matrix, factored anew in each of them."""

from __future__ import annotations

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.market.book import Book
from isojoule.market.optimum import Columns, Floats, Ints, maximise_flow
from isojoule.valuation.curve import Pieces


class InteriorPoint:
    """Primal-dual interior point (`isojoule.kernels.interior_point`), what `auto` uses."""

    name = "interior-point"
    summary = "interior point with sparse factorisation: every book"
    measure = "the residual is scaled: imbalance, mismatch of prices, complementarity"

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """It takes every book of divisible offers."""
        return ""

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        return maximise_flow(network, node, pieces, arc_lo, arc_hi, inject)
