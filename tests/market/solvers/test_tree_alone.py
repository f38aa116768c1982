"""The tree by itself, without the interior point behind it: it balances, whatever is full."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book
from isojoule.market.allocation import allocate
from isojoule.market.columns import columns_of
from isojoule.market.optimum import ACCEPTED
from isojoule.market.solvers.tree import Tree
from isojoule.valuation import Load, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj


def feeder(seed: int) -> tuple[Book, Grid]:
    """A random tree of loads, sun and sloped steps; links that lose and may be too small."""
    rnd = Random(seed)
    nodes = rnd.randint(2, 14)
    links = []
    for v in range(1, nodes):
        link = {"ends": (rnd.randrange(v), v), "loss": rnd.choice((0.0, 0.02, 0.1))}
        if rnd.random() < 0.6:
            link["capacity_w"] = rnd.choice((0.3, 1.0, 2.5))
        if rnd.random() < 0.6:
            link.update(resistance_ohm=rnd.choice((0.01, 0.05)), voltage_v=1.0)
        links.append(link)
    offers = []
    if rnd.random() < 0.7:
        offers.append(offer("utility", 0, Utility(1.0, 0.3)))
    for v in range(nodes):
        kind = rnd.randrange(4)
        if kind == 0:
            offers.append(offer(f"load{v}", v, Load(uj(rnd.choice((0.5, 2.0))), 9.0)))
        if kind == 1:
            offers.append(offer(f"sun{v}", v, sell((rnd.choice((0.5, 3.0)), 0.1))))
        if kind == 2:
            offers.append(offer(f"bid{v}", v, buy((rnd.choice((0.7, 2.0)), 4.0))))
        if kind == 3:
            offers.append(offer(f"ask{v}", v, sell((1.0, rnd.choice((0.6, 2.0))))))
    return book_of(grid_of(nodes, links), offers), grid_of(nodes, links)


@pytest.mark.parametrize("seed", range(150))
def test_it_is_exact_where_links_are_full_and_loads_go_short(seed: int) -> None:
    book, grid = feeder(seed)
    network = network_of(grid, "transport", book.interval.duration_s)
    columns = columns_of(book, network)
    found = Tree().solve_links(
        network, columns.node, columns.pieces, network.capacity_j, np.zeros(network.nodes)
    )
    assert found.residual < ACCEPTED
    by_tree, by_arcs = allocate(book, grid, solver=Tree()), allocate(book, grid)
    assert by_tree.support.closed
    assert by_tree.support.welfare == pytest.approx(by_arcs.support.welfare, rel=1e-6, abs=1e-6)
