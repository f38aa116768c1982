"""Meshed grids and offers on them, and the optimum by another solver."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np

from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.verify import check_clearing
from isojoule.valuation import Load, Offer, Steps, Utility
from tests.market.books import book_of, buy, clear, grid_of, offer, sell, uj

INF = np.inf


def meshed(nodes: int, links: list[dict[str, Any]]) -> Grid:
    """As `grid_of`, with reactances `x` (1 ohm)."""
    x = np.array([float(link.get("x", 1.0)) for link in links])
    return replace(grid_of(nodes, links), reactance_ohm=x)


def cleared(grid: Grid, offers: list[Offer]) -> Clearing:
    """Clear with `lmp` on dc, and check."""
    book = book_of(grid, offers, network="dc")
    c = clear(book, grid, "lmp")
    check_clearing(book, grid, c)
    return c


def random_case(seed: int) -> tuple[Grid, list[Offer]]:
    """A random meshed grid, perhaps in parts, with steps, slopes, loads and a utility."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    ends = [(int(rng.integers(v)), v) for v in range(1, n) if rng.random() < 0.95]
    more = int(rng.integers(1, n + 2))
    ends += [tuple(rng.choice(n, 2, replace=False).tolist()) for _ in range(more)]
    links = [
        {
            "ends": e,
            "x": float(rng.uniform(0.2, 3)),
            "capacity_w": float(
                rng.choice([INF, 0.0, 2.0, 5.0, 20.0], p=[0.4, 0.1, 0.2, 0.2, 0.1])
            ),
        }
        for e in ends
    ]
    offers: list[Offer] = []
    for v in range(n):
        for _ in range(int(rng.integers(1, 3))):
            size, low = float(rng.uniform(1, 20)), float(rng.uniform(1, 9))
            slope = float(rng.choice([0.0, rng.uniform(0.1, 3)]))
            form = int(rng.integers(3))
            spec = (
                sell((size, low, low + slope)),
                buy((size, low + slope + 2, low + 2)),
                Load(uj(size), 30.0),
            )[form]
            offers.append(offer(f"p{len(offers)}", v, spec))
    if rng.random() < 0.3:
        offers.append(offer("utility", int(rng.integers(n)), Utility(9.0, 2.0)))
    return meshed(n, links), offers


def referee(book: Book, grid: Grid) -> float:
    """The greatest welfare, from the formulas, by Clarabel."""
    x = cp.Variable(book.offer_count)
    worth, limits = [], []
    for i, o in enumerate(book.offers):
        if isinstance(o.spec, Load):
            size = o.spec.energy_uj / 1e6
            worth.append(o.spec.lost_load_per_j * x[i])
            limits += [x[i] >= 0, x[i] <= size]
        elif isinstance(o.spec, Utility):
            worth.append(
                -cp.maximum(-9.0 * x[i], -2.0 * x[i])
                if False
                else cp.minimum(9.0 * x[i], 2.0 * x[i])
            )
        else:
            assert isinstance(o.spec, Steps)
            sells = bool(o.spec.sell)
            (step,) = o.spec.sell or o.spec.buy
            size, first, last = step.energy_uj / 1e6, step.price_per_j, step.end_price_per_j
            q = -x[i] if sells else x[i]
            limits += [q >= 0, q <= size]
            value = first * q + (last - first) / (2 * size) * cp.square(q)
            worth.append(-value if sells else value)
    angle, f = cp.Variable(grid.node_count), cp.Variable(grid.link_count)
    incidence = np.zeros((grid.node_count, grid.link_count))
    at = np.arange(grid.link_count)
    incidence[grid.link_from, at] += 1.0
    incidence[grid.link_to, at] -= 1.0
    place = np.zeros((grid.node_count, book.offer_count))
    place[book.offer_node, np.arange(book.offer_count)] = 1.0
    limits.append(place @ x + incidence @ f == 0)
    for e in range(grid.link_count):
        tail, head = int(grid.link_from[e]), int(grid.link_to[e])
        if grid.capacity_w[e] > 0:
            limits.append(grid.reactance_ohm[e] * f[e] == angle[tail] - angle[head])
        if np.isfinite(grid.capacity_w[e]):
            limits += [f[e] <= grid.capacity_w[e], f[e] >= -grid.capacity_w[e]]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.hstack(worth))), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(problem.solve(solver=cp.CLARABEL))


def ring_clearing() -> tuple[Book, Grid, Clearing]:
    grid = meshed(3, [{"ends": (0, 1), "capacity_w": 5.0}, {"ends": (1, 2)}, {"ends": (0, 2)}])
    offers = [offer("s", 0, sell((20, 1.0, 1.5))), offer("t", 2, sell((20, 2.0, 3.0)))]
    offers.append(offer("b", 1, Load(uj(12), 30.0)))
    book = book_of(grid, offers, network="dc")
    return book, grid, clear(book, grid, "lmp")
