"""Solvers that work on links: the same outcome as on arcs, and no arc is ever made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.market import Book, Clearing
from isojoule.market.allocation import Allocation, allocate
from isojoule.market.columns import columns_of
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.market.optimum import LinkSolution, optimum
from isojoule.valuation import Load, Utility
from isojoule.valuation.curve import Pieces
from tests.market.books import (
    REAL,
    SMALL,
    Case,
    Sizes,
    book_of,
    buy,
    grid_of,
    offer,
    random_case,
    sell,
    uj,
)

CALM = settings(derandomize=True, deadline=None, max_examples=60)
ARCS = ("arc_link", "arc_back", "arc_tail", "arc_head", "arc_lo", "arc_hi", "pattern", "ring")


def copy_of(grid: Grid) -> Grid:
    """The same grid, with nothing kept yet."""
    return replace(grid)


class OnLinks:
    """The interior point, told link by link; it works on another copy of the network."""

    def __init__(self, book: Book, grid: Grid) -> None:
        self.other = network_of(copy_of(grid), book.network, book.interval.duration_s)
        self.columns = columns_of(book, self.other)
        self.calls: list[np.ndarray] = []

    def solve_links(
        self, network: Network, node: np.ndarray, pieces: Pieces, capacity_j: np.ndarray,
        inject: np.ndarray,
    ) -> LinkSolution:  # fmt: skip
        self.calls.append(capacity_j)
        columns = self.columns._replace(
            node=node, pieces=pieces, offer=np.arange(node.size), counts=np.ones(node.size, bool),
            offer_node=node,
        )  # fmt: skip
        found = optimum(self.other, columns, inject)
        return LinkSolution(found.x, found.flow, found.prices[1], found.steps, found.residual)


def both(case: Case) -> tuple[Allocation, Allocation, Network]:
    """By arcs and by links."""
    grid = copy_of(case.grid)
    by_arcs = allocate(case.book, case.grid)
    by_links = allocate(case.book, grid, solver=OnLinks(case.book, case.grid))
    assert isinstance(by_arcs, Allocation)
    assert isinstance(by_links, Allocation)
    return by_arcs, by_links, network_of(grid, case.network, 1.0)


@CALM
@given(st.integers(0, 10**6), st.sampled_from((SMALL, REAL)))
def test_the_same_allocation_by_links_as_by_arcs(seed: int, sizes: Sizes) -> None:
    one, other, network = both(random_case(seed, sizes))
    assert other.support.closed == one.support.closed
    assert other.support.welfare == pytest.approx(
        one.support.welfare, rel=2e-7, abs=1e-9 * one.support.size
    )
    assert other.value + other.slack_value == pytest.approx(
        one.value + one.slack_value, rel=1e-6, abs=1e-6 * one.support.size + 1e-9 * sizes.price
    )
    made = [name for name in ARCS if name in network.__dict__]
    # arcs are made where flow may run round a ring for nothing, and where energy has no worth
    if not network.rings and np.all(np.nan_to_num(other.support.price) > 1e-6 * sizes.price):
        assert made == []


def line(price: float = 3.0, **more: float) -> tuple[Book, Grid]:
    """Two nodes and a third apart, where nobody buys."""
    grid = grid_of(3, [{"ends": (0, 1), "loss": 0.1, **more}])
    offers = [
        offer("sun", 0, sell((5, 1.0))),
        offer("load", 1, buy((2, price))),
        offer("alone", 2, sell((4, 2.0))),
    ]
    return book_of(grid, offers), grid


def test_a_part_without_a_market_is_left_out() -> None:
    book, grid = line()
    network = network_of(grid, "transport", 1.0)
    seen: list[Pieces] = []

    class Watched(OnLinks):
        def solve_links(self, network, node, pieces, capacity_j, inject):  # type: ignore[no-untyped-def]
            seen.append(pieces)
            return super().solve_links(network, node, pieces, capacity_j, inject)

    found = allocate(book, grid, solver=Watched(book, grid))
    assert isinstance(found, Allocation)
    assert seen[0].lo.tolist() == [0.0, 0.0, -5.0]
    assert found.energy_uj[0] == 0
    assert network.part.tolist() == [0, 0, 1]
    assert found.support.price[2] == 2.0  # the cheapest unsold ask


def test_links_of_a_part_without_a_market_are_shut() -> None:
    grid = grid_of(4, [{"ends": (0, 1)}, {"ends": (2, 3), "loss": 0.1, "capacity_w": 7.0}])
    offers = [
        offer("a", 0, sell((5, 1.0))),
        offer("b", 1, buy((2, 3.0))),
        offer("c", 2, sell((4, 2.0))),
    ]
    book = book_of(grid, offers)
    solver = OnLinks(book, grid)
    found = allocate(book, grid, solver=solver)
    assert isinstance(found, Allocation)
    assert solver.calls[0].tolist() == [np.inf, 0.0]
    assert found.flow_uj.tolist() == [2_000_000, 0]


def test_energy_that_would_be_burned_in_a_circle_is_solved_on_arcs() -> None:
    """A made-up solution in a lossy triangle at prices below 0: it is not taken."""
    ends = [(0, 1), (1, 2), (2, 0)]
    grid = grid_of(3, [{"ends": e, "loss": 0.5, "capacity_w": 8.0} for e in ends])
    book = book_of(grid, [offer("waste", 0, sell((4, -1.0))), offer("load", 1, Load(uj(1.0), 5.0))])

    class Burning:
        def solve_links(self, network, node, pieces, capacity_j, inject):  # type: ignore[no-untyped-def]
            x = np.array([1.0, -4.0])  # the load, and all of the waste
            price = np.array([-0.5, -1.0, -2.0])
            return LinkSolution(x, np.array([4.0, 2.0, 1.0]), price, 1, 0.0)

    found = optimum(
        network_of(grid, "transport", 1.0),
        columns_of(book, network_of(grid, "transport", 1.0)),
        solver=Burning(),
    )
    assert found.arcs.size == 6
    known = allocate(book, grid)
    again = allocate(book, grid, solver=Burning())
    assert isinstance(known, Allocation)
    assert isinstance(again, Allocation)
    assert again.energy_uj.tolist() == known.energy_uj.tolist()


def test_round_a_ring_without_losses_the_least_flows_are_taken() -> None:
    grid = grid_of(3, [{"ends": e} for e in ((0, 1), (1, 2), (0, 2))])
    book = book_of(grid, [offer("a", 0, sell((3, 1.0))), offer("b", 2, buy((3, 2.0)))])

    class Round:
        def solve_links(self, network, node, pieces, capacity_j, inject):  # type: ignore[no-untyped-def]
            x = np.where(pieces.lo < 0, -3.0, 3.0)
            return LinkSolution(x, np.array([3.0, 3.0, 0.0]), np.full(3, 1.5), 1, 0.0)

    found = allocate(book, grid, solver=Round())
    assert isinstance(found, Allocation)
    assert found.flow_uj.tolist() == [1_000_000, 1_000_000, 2_000_000]


def test_a_solver_that_fails_is_asked_again_with_disposal() -> None:
    book, grid = line()
    sizes: list[int] = []

    class Fails:
        def solve_links(self, network, node, pieces, capacity_j, inject):  # type: ignore[no-untyped-def]
            sizes.append(node.size)
            zero = np.zeros(node.size)
            return LinkSolution(zero, np.zeros(1), np.zeros(network.nodes), 7, np.inf)

    found = allocate(book, grid, solver=Fails())
    assert not isinstance(found, Allocation)
    assert "residual" in found.reason
    assert sizes == [3, 6]


def test_trade_without_limit_is_named_by_its_offer() -> None:
    grid = grid_of(2, [{"ends": (0, 1)}])
    offers = [offer("cheap", 0, Utility(1.0, None)), offer("dear", 1, Utility(None, 2.0))]
    book = book_of(grid, offers)

    class Far:
        def solve_links(self, network, node, pieces, capacity_j, inject):  # type: ignore[no-untyped-def]
            x = np.where(pieces.lo < 0, -1e12, 1e12)
            return LinkSolution(x, np.array([1e12]), np.full(2, 1.5), 1, 0.0)

    found = allocate(book, grid, solver=Far())
    assert not isinstance(found, Allocation)
    assert "'cheap'" in found.reason


@pytest.mark.parametrize("solver", ["auto", "tree"])
def test_a_tree_is_cleared_without_arcs(solver: str) -> None:
    book, grid = line(capacity_w=1.0)
    network = network_of(grid, "transport", 1.0)
    found = Equilibrium().clear(book, grid, solver=solver)
    assert isinstance(found, Clearing)
    assert found.flow_uj.tolist() == [1_000_000]
    assert found.certificate.by_prices
    assert [name for name in ARCS if name in network.__dict__] == []
    assert network.arcs == network.arc_link.size == 2
