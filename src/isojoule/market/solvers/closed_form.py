"""`closed-form`: where energy moves freely there is one price, the root of the summed demand."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.one_price import forest_flows, one_price
from isojoule.market.book import Book
from isojoule.market.optimum import Columns
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
        """See `isojoule.market.optimum.Solver`. The residual is inf where there is no root."""
        part = network.part
        parts = int(part.max(initial=-1)) + 1
        supply = np.bincount(part, inject, parts)
        at = part[node]
        order = np.argsort(at, kind="stable")
        ends = np.searchsorted(at[order], np.arange(parts + 1))
        ordered = Pieces(*(np.ascontiguousarray(c[order]) for c in pieces))
        x, price = np.zeros(node.size), np.zeros(parts)
        for i in range(parts):
            s = slice(ends[i], ends[i + 1])
            filled = np.zeros(ends[i + 1] - ends[i])
            own = Pieces(*(c[s] for c in ordered))
            price[i] = one_price(*own, float(supply[i]), filled)
            x[order[s]] = filled
        solved = not np.any(np.isnan(price)) and bool(np.all(np.isfinite(x)))
        over = inject - np.bincount(node, x, network.nodes)
        links = network.tail.size
        f = np.zeros(network.arc_link.size)
        f[:links] = forest_flows(
            network.tail, network.head, network.capacity_j > 0.0, network.start,
            network.incident, over,
        )  # fmt: skip
        side = np.where(x <= pieces.lo, -1, np.where(x >= pieces.hi, 1, 0)).astype(np.int8)
        shut = np.where(arc_hi > arc_lo, 0, -1).astype(np.int8)
        f = np.where(arc_hi > arc_lo, f, arc_lo)
        return Solution(x, f, price[part], side, shut, 1, 0.0 if solved else math.inf)
