"""How long large books take: alone to a gap of 1e-6, and the whole way to a proven clearing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from benchmarks import books, graphs, ours
from benchmarks.clock import once, timed
from benchmarks.graphs import Shape
from benchmarks.program import gap_of, program_of
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, seconds, table, tiny

TITLE = "Large books"
RUNS = 5
BUDGET_S = 20.0
"""Time after which a row is not run again."""
SEED = 1


class Case(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    what
        In words.
    solver
        The one that the shape asks for.
    shape
        Makes the graph of so many nodes.
    nodes, small
        How many; how many if it must be quick.
    reach_s, aim_s
        What we want to reach at least, and what then.
    """

    what: str
    solver: str
    shape: Callable[[int], Shape]
    nodes: int
    small: int
    reach_s: float
    aim_s: float


def geometric(nodes: int) -> Shape:
    return graphs.geometric(nodes, SEED)


def square(nodes: int) -> Shape:
    side = round(nodes**0.5)
    return graphs.grid(side, side)


def feeder(nodes: int) -> Shape:
    return graphs.tree(nodes, SEED)


CASES = (
    Case("random geometric graph", "first-order", geometric, 100_000, 1_000, 1.0, 0.5),
    Case("radial tree", "tree", feeder, 1_000_000, 1_000, 4.0, 2.0),
    Case("square grid", "first-order", square, 1_000_000, 900, 8.0, 4.0),
    Case("random geometric graph", "first-order", geometric, 1_000_000, 2_000, 25.0, 12.0),
)
NEXT = 0
"""The case whose next interval is measured, too."""
NEXT_REACH_S, NEXT_AIM_S = 0.060, 0.030


def measure(quick: bool, say: Say) -> Data:
    """Each case from cold, and the next interval of one."""
    rows = []
    for at, case in enumerate(CASES):
        shape = case.shape(case.small if quick else case.nodes)
        say(f"{case.what}, {shape.nodes:,} nodes")
        book, grid = books.batteries(shape, SEED)
        rows.append(_row(case, shape, book, grid, 1 if quick else RUNS))
    return {"rows": rows}


def _row(case: Case, shape: Shape, book, grid, runs: int) -> Data:  # noqa: ANN001
    small = books.batteries(case.shape(100), SEED)
    ours.solver(case.solver, *small)()  # compiles
    ours.clearing(*small, case.solver)
    program = program_of(book, grid)
    new_s, _ = once(lambda: ours.clearing(book, grid, case.solver))
    run = ours.solver(case.solver, book, grid)
    alone, found = timed(run, runs, BUDGET_S)
    whole, cleared = timed(lambda: ours.clearing(book, grid, case.solver), runs, BUDGET_S)
    return {
        "what": case.what,
        "solver": case.solver,
        "nodes": shape.nodes,
        "links": shape.links,
        "reach_s": case.reach_s,
        "aim_s": case.aim_s,
        "solver_s": alone.median_s,
        "gap": gap_of(program, found.answer),
        "steps": found.steps,
        "new_grid_s": new_s,
        "clearing_s": whole.median_s,
        "runs": [alone.runs, whole.runs],
    }
