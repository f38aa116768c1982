"""The best allocation by a named solver, or why that solver has none.

Spec: docs/spec/solvers.md, E1 to E5.
"""

from __future__ import annotations

import numpy as np

from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of, lifted
from isojoule.market.book import NETWORKS, Book
from isojoule.market.far_apart import FEW, prove, proved, unproved
from isojoule.market.optimum import ACCEPTED, LinkSolver, Solver, optimum, works_on_links
from isojoule.market.solvers import get, names


def allocate_by(book: Book, grid: Grid, solver: str) -> Allocation | NotSolved:
    """The welfare optimum, found by the solver of this name.

    Integers, prices and gap are made as for every other solver. An allocation whose gap is not
    closed is none, unless energy has no worth somewhere (G4).

    Raises
    ------
    InputError
        Unknown name.
    """
    method = get(solver)
    other = f"use another solver: {', '.join(['auto', *(n for n in names() if n != solver)])}"
    if book.network not in NETWORKS or book.indivisible:
        return NotSolved(
            f"solver {solver!r} is for divisible offers on {' or '.join(NETWORKS)}",
            "leave the solver out",
        )
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    why = method.unfit(book, grid, network, columns)
    if why:
        return NotSolved(f"solver {solver!r} does not fit: {why}", other)
    on_arcs: Solver = method.solve
    way: Solver | LinkSolver = method if works_on_links(method) else on_arcs
    found = optimum(network, columns, None, way)
    if not found.residual < ACCEPTED and way is not on_arcs:
        way = on_arcs  # where it may go on in another way (E7)
        found = optimum(network, columns, None, way)
    if not found.residual < ACCEPTED and np.any(columns.pieces.a < 0):
        found = optimum(network, lifted(columns), None, way)
    out = allocate(book, grid, found=found, columns=columns)
    if columns.node.size + network.arcs <= FEW:
        proven = prove(book, grid, out, way)
        if isinstance(proven, Allocation):
            return proven
    steps = f"{found.steps} steps" if found.steps != 1 else "one step"
    if isinstance(out, NotSolved):
        if found.residual < ACCEPTED:
            return out
        told = f"solver {solver!r}, after {steps}: {out.reason} ({method.measure})"
        return NotSolved(told, f"{out.remedy}, or {other}")
    if proved(book, grid, out):
        return out
    told = f"solver {solver!r}, after {steps}: its outcome {unproved(book, out)}"
    return NotSolved(told, other)
