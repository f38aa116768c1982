"""The welfare optimum of a book on a radial feeder, in exact integers.

First as on `transport`, which is right wherever no limit of voltage or apparent power is passed.
Where one is, its row joins the program, and it is solved again, until none is passed: there are
finitely many rows, and none is dropped.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.grid.radial import Feeder, NotRadial
from isojoule.kernels.interior_point import Solution
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of, lifted
from isojoule.market.book import Book
from isojoule.market.optimum import ACCEPTED, Columns, Optimum, join_smooth, optimum
from isojoule.market.radial.model import (
    Duals,
    Row,
    Stand,
    broken_rows,
    feeder_for,
    kept,
    no_duals,
    on_arcs,
    on_nodes,
    stand,
    stand_in_integers,
)
from isojoule.market.radial.prices import side_of, supporting_prices
from isojoule.market.radial.solve import maximise_with_rows
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PASSED = 1e-10
"""A limit is passed by more than this: of the square of a voltage per unit, of a capacity."""
BOTH_WAYS = 1e-4
"""A link runs both ways if the smaller way carries more than this share of the largest flow."""


def allocate_radial(book: Book, grid: Grid) -> Allocation | NotSolved:
    """The welfare optimum of a book of divisible offers on `lindistflow`."""
    feeder = feeder_for(book, grid)
    if isinstance(feeder, NotRadial):
        return NotSolved(*feeder)
    if book.indivisible:
        return NotSolved(
            f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle, which "
            "lindistflow does not clear",
            "make it divisible, or use network transport",
        )
    from isojoule.market.solvers.auto import allocate_auto  # which knows all solvers

    found = allocate_auto(book, grid)  # what `transport` does, where no limit binds
    if isinstance(found, NotSolved):
        return found
    duals = no_duals(feeder)
    at = stand_in_integers(feeder, book, found.energy_uj, found.flow_uj)
    if broken_rows(feeder, at, PASSED):
        solved = _with_limits(book, grid, feeder, at)
        if isinstance(solved, NotSolved):
            return solved
        optimal, duals = solved
        limited = allocate(book, grid, found=optimal)
        if isinstance(limited, NotSolved):
            return limited
        found = limited
        at = stand_in_integers(feeder, book, found.energy_uj, found.flow_uj)
        name = kept(feeder, grid, at)
        if name:
            return NotSolved(
                f"no allocation was found that keeps the limit of {name}",
                "check the limits of voltage, and the voltage that the root holds",
            )
        candidates = list(optimal.prices[::-1])
    else:
        candidates = [found.duals]
    return _proven(book, grid, feeder, found, candidates, duals)


def _proven(
    book: Book,
    grid: Grid,
    feeder: Feeder,
    found: Allocation,
    candidates: list[Floats],
    duals: Duals,
) -> Allocation:
    """The allocation with prices and proof that know of the limits."""
    flows = (found.energy_uj, found.flow_uj, found.loss_uj, found.standing_uj)
    best = supporting_prices(book, grid, feeder, flows, candidates[0], duals)
    proof = candidates[0]
    for prices in (*candidates[1:], np.nan_to_num(best.price)):
        if best.closed:
            break
        other = supporting_prices(book, grid, feeder, flows, prices, duals)
        if other.gap < best.gap:
            best, proof = other, prices
    return replace(
        found,
        duals=proof,
        support=best,
        side=side_of(feeder, duals),
    )


def _with_limits(
    book: Book, grid: Grid, feeder: Feeder, at: Stand
) -> tuple[Optimum, Duals] | NotSolved:
    """The optimum in floats within all limits, and their duals. `at` breaks some of them."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    share = np.append(book.reactive_share, np.zeros(columns.standing_links.size))[columns.offer]
    rows: dict[tuple[str, int, int], Row] = {}
    new = broken_rows(feeder, at, PASSED)
    while new:
        rows.update((row.name, row) for row in new)
        solver = _Limited(feeder, network, list(rows.values()), share)
        found = _solve(network, columns, solver)
        if not found.residual < ACCEPTED:
            return NotSolved(
                f"the solver stopped at a residual of {found.residual:.1e} within the limits of "
                "voltage and apparent power",
                "check whether the voltage that the root holds is within the limits of each node",
            )
        at = stand(feeder, book, found.offer_x[: book.offer_count], found.flow)
        new = [row for row in broken_rows(feeder, at, PASSED) if row.name not in rows]
    duals = no_duals(feeder)
    for row, multiplier in zip(rows.values(), solver.multipliers, strict=True):
        for total, part in zip(duals, row.duals, strict=True):
            total += multiplier * part
    return found, duals


def _solve(network: Network, columns: Columns, solver: _Limited) -> Optimum:
    """The optimum on the network and some rows, with one way shut of links that run both ways."""
    while True:
        found = optimum(network, columns, solver=solver)
        if not found.residual < ACCEPTED and np.any(columns.pieces.a < 0):
            found = optimum(network, lifted(columns), solver=solver)
        shut = _one_way(network, found) if found.residual < ACCEPTED else None
        if shut is None:
            return found
        network = shut


def _one_way(network: Network, found: Optimum) -> Network | None:
    """The network with the smaller way shut of each link that runs both ways; None if none does.

    Where a limit makes a price fall below 0, energy would be sent there to be burned on the way
    back, which changes voltages and is not wanted (docs/spec/grid.md, G4).
    """
    first, second = np.full((2, network.tail.size), -1)
    first[network.arc_link[~network.arc_back]] = np.flatnonzero(~network.arc_back)
    second[network.arc_link[network.arc_back]] = np.flatnonzero(network.arc_back)
    two = np.flatnonzero(second >= 0)
    one, other = first[two], second[two]
    least = np.minimum(found.arcs[one], found.arcs[other])
    most = float(np.max(np.abs(found.arcs), initial=0.0))
    ends = found.price[np.stack([network.tail[two], network.head[two]])]
    both = (least > BOTH_WAYS * most) & (ends.min(axis=0) < 0)
    if not both.any():
        return None
    arc_hi = network.arc_hi.copy()
    arc_hi[np.where(found.arcs[one] < found.arcs[other], one, other)[both]] = 0.0
    return replace(network, shut_hi=arc_hi)


class _Limited:
    """A solver on the network and some rows; keeps the multipliers of its last solution."""

    def __init__(self, feeder: Feeder, network: Network, rows: list[Row], share: Floats) -> None:
        self.arcs = np.array([on_arcs(feeder, network, row) for row in rows])
        self.nodes = np.array([on_nodes(feeder, row) for row in rows])
        self.limit = np.array([row.limit for row in rows])
        self.share = share
        self.multipliers = np.zeros(len(rows))

    def __call__(
        self,
        network: Network,
        node: Ints,
        pieces: Pieces,
        arc_lo: Floats,
        arc_hi: Floats,
        inject: Floats,
    ) -> Solution:
        share = np.append(self.share, np.zeros(node.size - self.share.size))
        on_pieces = self.nodes[:, node] * share
        solution, self.multipliers = maximise_with_rows(
            network, node, pieces, arc_lo, arc_hi, inject, on_pieces, self.arcs, self.limit
        )
        return solution
