"""Isojoule's solvers, as the benchmarks run them: alone, to a gap; and the whole way of a clearing.

A solver alone begins with the columns of the book and the network of the grid, and ends with
floats. A clearing begins with book and grid, and ends with whole microjoules, prices, payments
and the certificate. It has no tolerance to choose: its gap is what the check of every clearing
asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.program import GAP, Answer, Floats
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.climb import Goal, climb
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.interior_point import Solution, maximise
from isojoule.kernels.primal_dual import Reached, primal_dual
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.allocation import columns_of
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.optimum import Columns, LinkSolution, join_smooth
from isojoule.market.solvers import get
from isojoule.market.solvers.first_order import mesh_of, out_of
from isojoule.market.solvers.primal_dual import cold
from isojoule.market.solvers.relaxation import Relaxation
from isojoule.market.solvers.scaled import Scaled, Units, scaled
from isojoule.market.solvers.tree import Tree

RESIDUAL = 1e-8
"""Of the interior point; brings its gap near `GAP`."""
MOST_STEPS = 5_000
"""Then a solver that goes step by step is stopped, and its gap is shown."""


class Found(NamedTuple):
    """An answer, and the steps to it."""

    answer: Answer
    steps: int


Run = Callable[[], Found]


def solver(name: str, book: Book, grid: Grid) -> Run:
    """A function that solves this book to `GAP`, each time from a cold start."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    return partial(_SOLVERS[name], network, columns)


def again(book: Book, grid: Grid, previous: Answer) -> Run:
    """A function that solves this book to `GAP` by relaxation, from an earlier answer."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    return partial(_relaxation, network, columns, previous)


def fits(name: str, book: Book, grid: Grid) -> bool:
    """Whether the solver is made for this book."""
    network = network_of(grid, book.network, book.interval.duration_s)
    return not get(name).unfit(book, grid, network, columns_of(book, network))


def clearing(book: Book, grid: Grid, start: Floats | None = None) -> Clearing:
    """The whole clearing, from the flows of the interval before, J, if there are some.

    Raises
    ------
    RuntimeError
        The book is refused.
    """
    found, _ = Equilibrium().clear_from(book, grid, state=None, seed=b"", start=start)
    if isinstance(found, Refusal):
        raise RuntimeError(str(found))
    return found


def _tree(network: Network, columns: Columns) -> Found:
    none = np.zeros(network.nodes)
    return _of_links(
        Tree().solve_links(network, columns.node, columns.pieces, network.capacity_j, none)
    )


def _first_order(network: Network, columns: Columns) -> Found:
    mesh, units, x, goal = _mesh(network, columns)
    # a small mesh would be made calmer than the gap asks for: see `patience`
    reached = climb(mesh, np.zeros(mesh.tail.size), x, goal, np.inf, MOST_STEPS)
    return _of_links(out_of(network, units, reached))


def _relaxation(network: Network, columns: Columns, previous: Answer) -> Found:
    mesh, units, x, goal = _mesh(network, columns)
    reached = Relaxation(previous.flow).steps(network, mesh, units, x, goal)
    return _of_links(out_of(network, units, reached))


def _mesh(network: Network, columns: Columns) -> tuple[Mesh, Units, Floats, Goal]:
    none = np.zeros(network.nodes)
    mesh, units = mesh_of(network, columns.node, columns.pieces, network.capacity_j, none)
    x = np.clip(np.zeros(mesh.lo.size), mesh.lo, mesh.hi)
    return mesh, units, x, Goal(GAP, units.least)


def _of_links(found: LinkSolution) -> Found:
    return Found(Answer(found.x, found.flow, found.price), found.steps)


def _primal_dual(network: Network, columns: Columns) -> Found:
    task = _task(network, columns)
    start = cold(task)
    found = primal_dual(
        task.program, *start, task.reach, GAP, task.least, np.inf, MOST_STEPS
    )  # fmt: skip
    return _net(network, found, task.energy_j, task.price_per_j)


def _interior_point(network: Network, columns: Columns) -> Found:
    task = _task(network, columns)
    program = task.program._replace(arc_slot=network.pattern.edge_slot)
    found = maximise(program, network.pattern, RESIDUAL)
    return _net(network, found, task.energy_j, task.price_per_j)


def _task(network: Network, columns: Columns) -> Scaled:
    none = np.zeros(network.nodes)
    return scaled(network, columns.node, columns.pieces, network.arc_lo, network.arc_hi, none)


def _net(network: Network, found: Reached | Solution, energy_j: float, price_per_j: float) -> Found:
    """What both ways of each link carry together."""
    ahead = np.where(network.arc_back, -found.f, found.f)
    flow = np.bincount(network.arc_link, ahead, network.tail.size)
    answer = Answer(found.x * energy_j, flow * energy_j, found.price * price_per_j)
    return Found(answer, found.steps)


_SOLVERS: dict[str, Callable[[Network, Columns], Found]] = {
    "tree": _tree,
    "first-order": _first_order,
    "primal-dual": _primal_dual,
    "interior-point": _interior_point,
}
