"""Least and greatest supporting prices agree with a linear program over the same conditions."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from scipy.optimize import linprog

from isojoule.grid.formulation import network_of
from isojoule.kernels.prices import fill, marginal_at
from isojoule.kernels.support import own_bounds, support
from isojoule.market.allocation import columns_of
from tests.market.books import (
    SMALL,
    Case,
    book_of,
    buy,
    clear,
    grid_of,
    offer,
    random_case,
    sell,
)

SLACK = 4e-6 + 1e-7


def both(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(lowest, highest) by relaxation and by linear programs."""
    c = clear(case.book, case.grid)
    net = network_of(case.grid, case.book.network, 1.0)
    cols = columns_of(case.book, net)
    p = cols.pieces
    x = fill(cols.offer, p.lo, p.hi, c.energy_uj * 1e-6)
    flow = c.flow_uj[: net.tail.size] * 1e-6
    low, high = support(
        *own_bounds(cols.node, *p, x, net.nodes, SLACK), net.tail, net.head, flow,
        net.capacity_j, net.gain,
        net.limits.loss_per_j, net.price, net.start, net.incident, *net.forest, SLACK,
    )  # fmt: skip
    rows, right = [], []

    def at_most(coefficients: dict[int, float], bound: float) -> None:
        row = np.zeros(net.nodes)
        for v, a in coefficients.items():
            row[v] += a
        rows.append(row)
        right.append(bound)

    for i in range(x.size):
        v = int(cols.node[i])
        m = marginal_at(p.a[i], p.b[i], p.c0[i], p.c1[i], p.k[i], x[i])
        if x[i] < p.hi[i] - SLACK:
            at_most({v: -1.0}, -m)
        if x[i] > p.lo[i] + SLACK:
            at_most({v: 1.0}, m)
    for e in range(flow.size):
        for sign, near, far in ((1, net.tail[e], net.head[e]), (-1, net.head[e], net.tail[e])):
            f = sign * flow[e]
            out = max(f, 0.0)
            g = net.gain[e] - 2.0 * net.limits.loss_per_j[e] * out
            if out < net.capacity_j[e] - SLACK and f >= -SLACK:  # sending more does not pay
                at_most({int(far): g, int(near): -1.0}, net.price[e])
            if out > SLACK:  # sending less does not pay
                at_most({int(far): -g, int(near): 1.0}, -net.price[e])
    # rounding makes equalities around cycles contradict each other in the last digits
    ub = np.array(right) + 1e-6 if right else np.zeros(0)
    ends = []
    for sense in (1.0, -1.0):
        end = np.empty(net.nodes)
        for v in range(net.nodes):
            cost = np.zeros(net.nodes)
            cost[v] = sense
            found = linprog(
                cost, np.array(rows) if rows else None, ub if rows else None, bounds=(None, None)
            )
            end[v] = sense * found.fun if found.status == 0 else -sense * np.inf
            assert found.status in (0, 3), found.message
        ends.append(end)
    return low, high, ends[0], ends[1]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether both agree where an offer bounds the price.

    A price far below 0 beside an idle lossy link would let the link profit from burning energy
    in a circle. The programs count that as a bound, the market does not: nothing runs in circles.
    """
    b = np.where(np.isneginf(a) & (b <= 0.0), -np.inf, b)
    finite = np.isfinite(a)
    near = np.allclose(a[finite], b[finite], rtol=1e-4, atol=1e-4)
    return bool(np.array_equal(a[~finite], b[~finite]) and near)


def simple_case(seed: int) -> Case:
    """Steps with round prices on a small grid without quadratic losses: many ties and walls."""
    rnd = Random(seed)
    n = rnd.randint(1, 5)
    links = [
        {
            "ends": (rnd.randrange(i), i),
            "loss": rnd.choice((0.0, 0.1, 0.5)),
            "capacity_w": rnd.choice((0.0, 2.0, 5.0, 1e3)),
            "price": rnd.choice((0.0, 0.0, 0.5)),
        }
        for i in range(1, n)
    ]
    if n > 2:
        links.append({"ends": (0, n - 1), "loss": rnd.choice((0.0, 0.1))})
    offers = []
    for v in range(n):
        for side in rnd.choice((("sell",), ("buy",), ("sell", "buy"), ())):
            steps = (rnd.choice((1.0, 2.0, 5.0)), float(rnd.randint(1, 4)))
            offers.append(offer(f"{side}{v}", v, sell(steps) if side == "sell" else buy(steps)))
    return Case(grid_of(n, links), offers, "transport", SMALL)


@pytest.mark.parametrize("seed", range(60))
def test_steps(seed: int) -> None:
    low, high, least, greatest = both(simple_case(seed))
    assert same(low, least), (low, least)
    assert same(high, greatest), (high, greatest)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15])
def test_all_kinds_of_offers(seed: int) -> None:
    low, high, least, greatest = both(random_case(seed, SMALL, "tree"))
    assert same(low, least), (low, least)
    assert same(high, greatest), (high, greatest)


def price(*offers, nodes: int = 1) -> float:
    grid = grid_of(nodes)
    return float(clear(book_of(grid, list(offers)), grid).price_per_j[0])


def test_only_buyers_the_price_is_the_dearest_unserved_bid() -> None:
    assert price(offer("a", 0, buy((1, 2.0))), offer("b", 0, buy((1, 3.0)))) == 3.0


def test_only_sellers_the_price_is_the_cheapest_unsold_ask() -> None:
    assert price(offer("a", 0, sell((1, 2.0))), offer("b", 0, sell((1, 3.0)))) == 2.0


def test_nobody_there_no_price() -> None:
    grid = grid_of(2)
    found = clear(book_of(grid, [offer("a", 0, buy((1, 2.0)))]), grid)
    assert found.price_per_j[0] == 2.0
    assert np.isnan(found.price_per_j[1])


def test_an_interval_gives_its_midpoint() -> None:
    assert price(offer("a", 0, sell((1, 2.0))), offer("b", 0, buy((1, 3.0)))) == 2.5
    spare = offer("c", 0, sell((1, 2.6)))
    assert price(offer("a", 0, sell((1, 2.0))), offer("b", 0, buy((1, 3.0))), spare) == 2.3
