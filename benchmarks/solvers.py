"""Solvers side by side on random geometric graphs: `python -m benchmarks.solvers [--nodes N]`.

Nodes lie at random in a square, in the order of small cells; whoever is nearer than a radius (six
neighbours on the average) is linked. Every node has a battery (k = 1), filled at random; every link
has a capacity and loses 2 %.

Kernel: the solver alone, cold, to a gap of 1e-6 of the welfare (the interior point to a residual of
1e-8, which brings its gap near there; gaps are printed as `gap_of` counts them). Clearing: from the
book to integers, prices and certificate, each solver to its own end; the grid has been seen before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.clearing import DURATION_S
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.first_order import first_order
from isojoule.kernels.interior_point import maximise
from isojoule.kernels.primal_dual import gap_of, primal_dual, surplus
from isojoule.market import Book, Clearing
from isojoule.market.allocation import columns_of
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.optimum import join_smooth
from isojoule.market.solvers.first_order import back_arcs, main_pieces
from isojoule.market.solvers.primal_dual import cold
from isojoule.market.solvers.scaled import scaled
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

FULL_J = 1000.0
LOSS_PPB = 20_000_000
NEIGHBOURS = 6.0
GAP = 1e-6
RESIDUAL = 1e-8


def geometric(nodes: int, seed: int, capacity_j: float = 100.0) -> tuple[Book, Grid]:
    """A random geometric graph of batteries."""
    rng = np.random.default_rng(seed)
    at = rng.random((nodes, 2))
    cells = (at * 1024).astype(np.int64)
    code = np.zeros(nodes, np.int64)
    for bit in range(10):  # Morton order: neighbours in the plane lie near in memory
        for axis in range(2):
            code |= ((cells[:, axis] >> bit) & 1) << (2 * bit + axis)
    at = at[np.argsort(code, kind="stable")]
    pairs = cKDTree(at).query_pairs(np.sqrt(NEIGHBOURS / (np.pi * nodes)), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    grid = Grid(
        tuple(f"n{i}" for i in range(nodes)),
        tuple(f"l{i}" for i in range(len(pairs))),
        pairs[:, 0].astype(np.int32),
        pairs[:, 1].astype(np.int32),
        capacity_w=np.full(len(pairs), capacity_j / DURATION_S),
        loss_ppb=np.full(len(pairs), LOSS_PPB, np.int64),
    )
    stored = rng.uniform(0.0, FULL_J, nodes)
    names = tuple(f"p{i}" for i in range(nodes))
    zero, one = np.zeros(nodes), np.ones(nodes)
    every = np.arange(nodes, dtype=np.int32)
    book = Book(
        currency="EUR",
        interval=Interval(0, DURATION_S),
        network="transport",
        participants=names,
        offer_ids=names,
        offer_participant=every,
        offer_node=every,
        offer_kind=np.full(nodes, KINDS.index("steps"), np.uint8),
        piece_offer=every,
        pieces=Pieces(
            -stored, FULL_J - stored, 0.1 * one, one, 1.0 - stored / FULL_J, one / FULL_J, one
        ),
        on_curve=np.ones(nodes, bool),
        spill0=zero,
        spill1=zero,
        short0=zero,
        short1=zero,
    )
    return book, grid


def kernels(book: Book, grid: Grid, repeats: int) -> None:
    """Time the solvers alone."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    task = scaled(
        network, columns.node, columns.pieces, network.arc_lo, network.arc_hi,
        np.zeros(network.nodes),
    )  # fmt: skip
    p = task.program
    main = main_pieces(network.nodes, columns.node, columns.pieces)
    back = back_arcs(network)
    x, f, price = cold(task)
    free = np.inf

    def show(name: str, run: Callable[[], tuple[int, float]]) -> None:
        run()  # compiles
        spent = []
        for _ in range(repeats):
            start = time.perf_counter()
            steps, gap = run()
            spent.append(time.perf_counter() - start)
        print(f"  {name:15} {np.median(spent):8.3f} s  {steps:6} steps  gap {gap:.1e}")

    def share(welfare: float, gap: float, off: float) -> float:
        return (gap + off) / abs(welfare)

    def first() -> tuple[int, float]:
        found = first_order(p, main, back, task.reach, GAP, task.least, free, 100_000)
        return found.steps, share(found.welfare, found.gap, found.off)

    def second() -> tuple[int, float]:
        found = primal_dual(p, x, f, price, task.reach, GAP, task.least, free, 100_000)
        return found.steps, share(found.welfare, found.gap, found.off)

    def inner() -> tuple[int, float]:
        found = maximise(p, network.pattern, RESIDUAL)
        over = np.zeros(network.nodes)
        surplus(p, found.x, found.f, over)
        return found.steps, share(*gap_of(p, found.x, found.f, found.price, over, task.reach))

    show("first-order", first)
    show("primal-dual", second)
    show("interior-point", inner)


def clearings(book: Book, grid: Grid, repeats: int) -> None:
    """Time whole clearings."""
    for solver in ("first-order", "primal-dual", "interior-point"):
        spent = []
        for _ in range(repeats):
            start = time.perf_counter()
            found = Equilibrium().clear(book, grid, solver=solver)
            spent.append(time.perf_counter() - start)
        told = str(found)
        if isinstance(found, Clearing):
            told = f"gap {found.certificate.gap / found.welfare:.1e}"
        print(f"  {solver:15} {np.median(spent):8.3f} s  {told}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    start = time.perf_counter()
    book, grid = geometric(given.nodes, seed=given.nodes)
    network_of(grid, book.network, book.interval.duration_s)
    spent = time.perf_counter() - start
    print(f"{given.nodes:,} nodes, {grid.link_count:,} links; made and analysed in {spent:.1f} s")
    print("Kernel:")
    kernels(book, grid, given.repeats)
    print("Clearing:")
    clearings(book, grid, given.repeats)


if __name__ == "__main__":
    main()
