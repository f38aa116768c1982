"""Solvers for large graphs (docs/spec/solvers.md, E7, E11 to E14): threads, starts, proofs."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.climb import Goal, climb, look_at
from isojoule.kernels.common_price import common_prices, moving
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.mesh import PARTS
from isojoule.market import Book
from isojoule.market.columns import Columns, columns_of, join_smooth
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.optimum import LinkSolution
from isojoule.market.solvers.auto import LARGE, allocate_auto, fitting
from isojoule.market.solvers.first_order import FirstOrder, mesh_of
from isojoule.market.solvers.interior_point import InteriorPoint
from isojoule.market.solvers.relaxation import Relaxation
from isojoule.market.solvers.scaled import Units
from isojoule.market.solvers.tree import Tree
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery
from tests.market.books import book_of, grid_of, offer, uj


def square(
    side: int, seed: int, *, k: float = 1.0, r: float = 0.0, stored: list[float] | None = None
) -> tuple[Book, Grid, list[float]]:
    """Batteries on a grid of squares, links of 100 J that lose 2 %."""
    rnd = Random(seed)
    energies = stored or [rnd.uniform(0, 1000) for _ in range(side * side)]
    links = []
    for v in range(side * side):
        if v % side < side - 1:
            links.append({"ends": (v, v + 1), "loss": 0.02, "capacity_w": 100.0, "r": r})
        if v + side < side * side:
            links.append({"ends": (v, v + side), "loss": 0.02, "capacity_w": 100.0, "r": r})
    grid = grid_of(side * side, links)
    offers = [
        offer(f"b{v}", v, Battery(uj(e), uj(1000.0), 0.1, 1.1, k)) for v, e in enumerate(energies)
    ]
    return book_of(grid, offers), grid, energies


def mesh_and_units(book: Book, grid: Grid) -> tuple[Network, Columns, tuple[Mesh, Units]]:
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    none = np.zeros(network.nodes)
    return (
        network,
        columns,
        mesh_of(network, columns.node, columns.pieces, network.capacity_j, none),
    )


@pytest.mark.parametrize("k", [1.0, 2.0])
@pytest.mark.parametrize("r", [0.0, 1e-4])
def test_one_thread_and_two_give_the_same_bits(k: float, r: float) -> None:
    """E7."""
    book, grid, _ = square(14, 3, k=k, r=r)
    _, _, (mesh, units) = mesh_and_units(book, grid)
    start = np.zeros(grid.link_count)
    x = np.zeros(mesh.lo.size)
    goal = Goal(1e-8, units.least)
    one, two, four = (climb(mesh, start, x, goal, np.inf, 5000, threads=t) for t in (1, 2, 4))
    assert one.gap <= goal.of(one.welfare) and one.steps > 20
    for other in (two, four):
        assert one.steps == other.steps
        assert np.array_equal(one.flow, other.flow) and np.array_equal(one.price, other.price)


@pytest.mark.parametrize("k", [0.5, 1.0, 3.0])
def test_prices_that_fit_prove_more_and_never_too_much(k: float) -> None:
    """E14: on the way to the optimum they bound it, nearer than the nodes' own prices."""
    book, grid, _ = square(12, 5, k=k)
    _, _, (mesh, units) = mesh_and_units(book, grid)
    start, x = np.zeros(grid.link_count), np.zeros(mesh.lo.size)
    never = Goal(0.0, 0.0)
    best = climb(mesh, start, x, Goal(1e-11, units.least), np.inf, 20_000)
    nearer = []
    for steps in (40, 80, 120, 160, 200):
        found = climb(mesh, start, x, never, np.inf, steps, threads=1)
        look = look_at(mesh, found.flow, x, never)
        assert look.welfare + look.gap >= best.welfare * (1 - 1e-12)
        fitting = np.zeros(mesh.main.size)
        own = np.array([_own_price(mesh, v, look.x) for v in range(mesh.main.size)])
        way = np.zeros(found.flow.size, np.uint8)
        for part in range(PARTS + 1):
            moving(mesh, found.flow, own, part, way)
        common_prices(mesh, found.flow, look.x, own, way, fitting)
        nearer.append(
            (_gap(mesh, found.flow, look.x, own), _gap(mesh, found.flow, look.x, fitting))
        )
        assert min(nearer[-1]) == pytest.approx(look.gap, rel=1e-9, abs=1e-12)
    assert nearer[-1][1] < 0.1 * nearer[-1][0]


def _own_price(mesh: Mesh, v: int, x: np.ndarray) -> float:
    m = mesh.main[v]
    return mesh.a[m] + mesh.b[m] * max(mesh.c0[m] - mesh.c1[m] * x[m], 0.0) ** mesh.k[m]


def _gap(mesh: Mesh, flow: np.ndarray, x: np.ndarray, price: np.ndarray) -> float:
    """The gap by definition (C5): what each piece and link would still gain, by fine search."""
    total = 0.0
    for v, m in enumerate(mesh.main.tolist()):
        a, b, c0, c1, k = (c[m] for c in (mesh.a, mesh.b, mesh.c0, mesh.c1, mesh.k))
        t = min(max((price[v] - a) / b, 0.0), c0 - c1 * mesh.lo[m]) ** (1.0 / k)
        want = min(max((c0 - t) / c1, mesh.lo[m]), mesh.hi[m])
        worth = [
            a * q - b / (c1 * (k + 1)) * max(c0 - c1 * q, 0.0) ** (k + 1) for q in (x[m], want)
        ]
        total += max(worth[1] - worth[0] - price[v] * (want - x[m]), 0.0)
    for e in range(flow.size):
        here, there = price[mesh.tail[e]], price[mesh.head[e]]
        out, back = mesh.gain[e] * there - here, mesh.gain[e] * here - there
        most = max(out, back, 0.0) * mesh.capacity[e]
        total += most - (out * flow[e] if flow[e] >= 0 else -back * flow[e])
    return total


def test_the_next_interval_takes_few_sweeps() -> None:
    """E12: from the flows of a moment ago, to the same goal, in far fewer sweeps than from none."""
    book, grid, energies = square(60, 7)
    rnd = Random(8)
    later, _, _ = square(60, 7, stored=[min(max(e + rnd.gauss(0, 1), 0), 1000) for e in energies])
    network, columns, _ = mesh_and_units(book, grid)
    none = np.zeros(network.nodes)
    before = FirstOrder().solve_links(
        network, columns.node, columns.pieces, network.capacity_j, none
    )
    columns = join_smooth(columns_of(later, network))

    def found(solver: FirstOrder) -> LinkSolution:
        return solver.solve_links(network, columns.node, columns.pieces, network.capacity_j, none)

    warm, cold = found(Relaxation(before.flow)), found(FirstOrder())
    assert warm.residual < 1e-6 and cold.residual < 1e-6
    assert warm.steps * 4 < cold.steps
    assert warm.price == pytest.approx(cold.price, rel=1e-3)


def test_equilibrium_follows_the_interval_before() -> None:
    """A start is a hint: the clearing has its own proof, and is as good as one from nothing."""
    book, grid, energies = square(60, 9)
    assert grid.link_count >= LARGE
    clearing, start = Equilibrium().clear_from(book, grid, state=None, seed=b"", start=None)
    assert start is not None and np.array_equal(np.rint(start * 1e6), clearing.flow_uj)
    rnd = Random(1)
    later, _, _ = square(60, 9, stored=[min(max(e + rnd.gauss(0, 5), 0), 1000) for e in energies])
    after, _ = Equilibrium().clear_from(later, grid, state=None, seed=b"", start=start)
    check_clearing(later, grid, after)
    again = Equilibrium().clear(later, grid)
    one, other = after.certificate.gap, again.certificate.gap
    assert abs(after.welfare - again.welfare) <= one + other


@pytest.mark.parametrize(
    ("side", "solver"), [(60, FirstOrder), (30, None)], ids=["large mesh", "small mesh"]
)
def test_the_shape_chooses(side: int, solver: type | None) -> None:
    """E13."""
    book, grid, _ = square(side, 2)
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    chosen = [type(s) for s in fitting(network, columns)]
    assert chosen == ([solver] if solver else [])
    if solver:
        start = np.ones(grid.link_count)
        assert [type(s) for s in fitting(network, columns, start)] == [Relaxation]


@pytest.mark.parametrize("seed", range(6))
def test_trees_with_every_kind_of_loss_as_the_interior_point_has_them(seed: int) -> None:
    """E11: energies off walls agree to what rounding leaves; the tree's gap is no larger."""
    rnd = Random(seed)
    nodes = 40
    links = [
        {
            "ends": (rnd.randrange(max(0, v - 6), v), v),
            "loss": rnd.choice((0.0, 0.02, 0.1)),
            "capacity_w": rnd.choice((30.0, 150.0, 1e5)),
            "r": rnd.choice((0.0, 1e-5, 1e-3)),
            "price": rnd.choice((0.0, 0.01)),
        }
        for v in range(1, nodes)
    ]
    grid = grid_of(nodes, links)
    offers = [
        offer(
            f"b{v}",
            v,
            Battery(uj(rnd.uniform(0, 1000)), uj(1000.0), 0.1, 1.1, rnd.choice((0.2, 1, 2, 8))),
        )
        for v in range(nodes)
    ]
    book = book_of(grid, offers)
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    none = np.zeros(nodes)
    tree = Tree().solve_links(network, columns.node, columns.pieces, network.capacity_j, none)
    inner = InteriorPoint().solve(
        network, columns.node, columns.pieces, network.arc_lo, network.arc_hi, none
    )
    assert tree.residual < 1e-7
    assert tree.x == pytest.approx(inner.x, abs=2e-4)
    found = allocate_auto(book, grid)
    assert found.support.closed and found.steps == tree.steps
