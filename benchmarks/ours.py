"""Isojoule's solvers, as the benchmarks run them: alone, to a gap; and the whole way of a clearing.

A solver alone begins with the columns of the book and the network of the grid, and ends with floats.
A clearing begins with book and grid, and ends with whole microjoules, prices, payments and the
certificate. It has no tolerance to choose: its gap is what the check of every clearing asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.program import GAP, Answer
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.first_order import first_order
from isojoule.kernels.interior_point import maximise
from isojoule.kernels.primal_dual import Reached, primal_dual
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.allocation import columns_of
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.optimum import Columns, join_smooth
from isojoule.market.solvers import AUTO, get
from isojoule.market.solvers.first_order import back_arcs, main_pieces
from isojoule.market.solvers.primal_dual import cold
from isojoule.market.solvers.scaled import scaled

RESIDUAL = 1e-8
"""Of the interior point; brings its gap near `GAP`."""
MOST_STEPS = 100_000

Run = Callable[[], Answer]


def solver(name: str, book: Book, grid: Grid) -> Run:
    """A function that solves this book to `GAP`, each time from a cold start."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    if name in ("tree", "closed-form"):
        method = get(name)
        return partial(_exact, method, network, columns)
    return partial(_stepwise, name, network, columns)


def clearing(book: Book, grid: Grid, name: str = AUTO) -> Clearing:
    """The whole clearing.

    Raises
    ------
    RuntimeError
        The book is refused.
    """
    found = Equilibrium().clear(book, grid, solver=name)
    if isinstance(found, Refusal):
        raise RuntimeError(str(found))
    return found


def fits(name: str, book: Book, grid: Grid) -> bool:
    """Whether the solver is made for this book."""
    network = network_of(grid, book.network, book.interval.duration_s)
    return not get(name).unfit(book, grid, network, columns_of(book, network))


def _exact(method, network: Network, columns: Columns) -> Answer:  # noqa: ANN001
    found = method.solve_links(
        network, columns.node, columns.pieces, network.capacity_j, np.zeros(network.nodes)
    )
    return Answer(found.x, found.flow, found.price)


def _stepwise(name: str, network: Network, columns: Columns) -> Answer:
    pieces, node = columns.pieces, columns.node
    task = scaled(network, node, pieces, network.arc_lo, network.arc_hi, np.zeros(network.nodes))
    p = task.program
    if name == "interior-point":
        found = maximise(p, network.pattern, RESIDUAL)
    elif name == "primal-dual":
        found = primal_dual(p, *cold(task), task.reach, GAP, task.least, np.inf, MOST_STEPS)
    else:
        main = main_pieces(network.nodes, node, pieces)
        found = first_order(
            p, main, back_arcs(network), task.reach, GAP, task.least, np.inf, MOST_STEPS
        )
    return _net(network, found, task.energy_j, task.price_per_j)


def _net(network: Network, found: Reached, energy_j: float, price_per_j: float) -> Answer:
    ahead = np.where(network.arc_back, -found.f, found.f)
    flow = np.bincount(network.arc_link, ahead, network.tail.size)
    return Answer(found.x * energy_j, flow * energy_j, found.price * price_per_j)
