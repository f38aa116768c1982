"""How long large books take: alone to a gap of 1e-6, and the whole way to a proven clearing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

from benchmarks import books, graphs, ours
from benchmarks.clock import Timed, once, timed
from benchmarks.graphs import Shape
from benchmarks.ours import Found
from benchmarks.program import gap_of, program_of
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, goal, seconds, table, tiny
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market import Book

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
        say(f"{case.what}, {shape.nodes:,} nodes, {shape.links:,} links")
        _compile(case)
        book, grid = books.batteries(shape, SEED)
        runs = 1 if quick else RUNS
        row, found = _cold(case, book, grid, runs)
        rows.append(row)
        say(f"  alone {seconds(row['solver_s'])}, whole {seconds(row['clearing_s'])}")
        if at == NEXT:
            rows.append(_next(case, book, grid, found, runs))
    return {"rows": rows}


def _compile(case: Case) -> None:
    """Compile what is used, on a book just large enough for `auto` to choose as it will later."""
    book, grid = books.batteries(case.shape(2_500), SEED)
    found = ours.solver(case.solver, book, grid)()
    ours.again(book, grid, found.answer)()
    ours.clearing(book, grid)


def _cold(case: Case, book: Book, grid: Grid, runs: int) -> tuple[Data, Found]:
    new_s, _ = once(lambda: ours.clearing(book, grid))
    whole, _ = timed(lambda: ours.clearing(book, grid), runs, BUDGET_S)
    alone, found = timed(ours.solver(case.solver, book, grid), runs, BUDGET_S)
    row = _row(case, book, grid, found, alone)
    return row | {"new_grid_s": new_s, "clearing_s": whole.median_s}, found


def _next(case: Case, book: Book, grid: Grid, found: Found, runs: int) -> Data:
    """Intervals that follow each other, each from the answer of the one before."""
    spent, whole = [], []
    flow_j = ours.clearing(book, grid).flow_uj / UJ_PER_J
    for seed in range(runs):
        book = books.later(book, seed)
        taken, found = once(ours.again(book, grid, found.answer))
        spent.append(taken)
        taken, cleared = once(partial(ours.clearing, book, grid, flow_j))
        flow_j = cleared.flow_uj / UJ_PER_J
        whole.append(taken)
    case = case._replace(
        what=f"{case.what}, next interval",
        solver="relaxation",
        reach_s=NEXT_REACH_S,
        aim_s=NEXT_AIM_S,
    )
    row = _row(case, book, grid, found, Timed(median(spent), min(spent), runs))
    return row | {"new_grid_s": None, "clearing_s": median(whole)}


def _row(case: Case, book: Book, grid: Grid, found: Found, alone: Timed) -> Data:
    return {
        "what": case.what,
        "solver": case.solver,
        "nodes": grid.node_count,
        "links": grid.link_count,
        "reach_s": case.reach_s,
        "aim_s": case.aim_s,
        "solver_s": alone.median_s,
        "best_s": alone.best_s,
        "runs": alone.runs,
        "gap": gap_of(program_of(book, grid), found.answer),
        "steps": found.steps,
    }


def page(data: Data) -> str:
    """The table, and what bounds its figures."""
    rows = [
        [
            f"{r['what']}, {count(r['nodes'])} nodes",
            seconds(r["solver_s"]),
            goal(r["reach_s"]),
            goal(r["aim_s"]),
            tiny(r["gap"]),
            seconds(r["clearing_s"]),
            seconds(r["new_grid_s"]),
        ]
        for r in data["rows"]
    ]
    heads = ["book", "solver", "reach", "aim", "gap", "whole clearing", "on a new grid"]
    bounds = [
        [
            f"{r['what']}, {count(r['nodes'])} nodes",
            r["solver"],
            count(r["links"]),
            count(r["steps"]),
            digits(1e9 * r["solver_s"] / r["steps"] / r["links"]),
        ]
        for r in data["rows"]
    ]
    return f"""\
Every node has a battery, filled at random; every link lets a tenth of a battery through and loses
2 %. *Solver*: from columns to an answer in floats, whose gap to the optimum is certified to be
1e-6 of the welfare or less. *Whole clearing*: from the book to whole microjoules, prices,
payments and certificate, by `auto` and to the narrower gap of every clearing; *on a new grid*
with what is kept of a grid once it has been seen. In the next interval the energy stored at every
node is another, by 0.1 % of a battery, and the solver begins with the answer before. *Reach* and
*aim* are our goals for the solver.

{table(heads, rows)}

What the time goes into: links, times steps over all of them, times the time for one link in one
step.

{table(["book", "by", "links", "steps", "a link and step, ns"], bounds)}
"""
