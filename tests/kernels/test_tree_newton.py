"""Newton's method on forests, from the optimum of another book, beside the exact way."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.compile import kernel
from isojoule.kernels.tree import solve_tree
from isojoule.kernels.tree_newton import Newton, newton
from isojoule.kernels.tree_walk import TreeProgram, Walk

CALM = settings(derandomize=True, deadline=None, max_examples=60)


@kernel
def step(now):  # type: ignore[no-untyped-def]
    return newton(now)


def forest(seed: int):  # type: ignore[no-untyped-def]
    """A random tree: sloped and bent curves everywhere, flat ones here and there, lossy links."""
    rnd = Random(seed)
    places = rnd.randint(2, 25)
    above = np.array([-1, *(n - 1 if rnd.random() < 0.7 else 0 for n in range(1, places))])
    rows, first = [], [0]
    for _ in range(places):
        for _ in range(rnd.randint(1, 3)):
            sells = rnd.random() < 0.5
            size, low = rnd.uniform(0.5, 5.0), rnd.uniform(0.1, 0.5)
            lo, hi = (-size, 0.0) if sells else (0.0, size)
            c0 = 1.0 if not sells else 0.5
            k = rnd.choice((0.5, 1.0, 2.0))
            rows.append((lo, hi, low, 0.6, c0, 0.5 / size, k))
        first.append(len(rows))
    links = np.zeros((4, places))
    for n in range(1, places):
        gain, r = rnd.choice((1.0, 0.97)), rnd.choice((1e-3, 1e-2))
        links[:, n] = rnd.choice((0.5 * gain / r, 2.0)), gain, r, rnd.choice((0.0, 0.02))
    links[1, 0] = 1.0
    return above, np.array(first), np.array(rows).T.copy(), links


def exact(above, first, pieces, links, fixed):  # type: ignore[no-untyped-def]
    order = np.arange(above.size)
    walk = Walk(order, above, np.where(above < 0, -1, order), np.ones(above.size, bool))
    return solve_tree(walk, TreeProgram(first, *pieces, -fixed, *links), 1e-13, 1e9)


@CALM
@given(st.integers(0, 10**6))
def test_it_ends_where_the_exact_way_does(seed: int) -> None:
    """From the optimum to that of a book in which somebody wants a little more, if it ends."""
    above, first, pieces, links = forest(seed)
    fixed = np.zeros(above.size)
    x, flow, price, _, off = exact(above, first, pieces, links, fixed)
    assert off < 1e-9
    fixed[seed % above.size] = 0.05
    want = exact(above, first, pieces, links, fixed)
    now = Newton(above, first, fixed, pieces, links, x.copy(), flow.copy(), price.copy())
    if want[4] < 1e-9 and step(now):  # of prices there may be more than one
        assert now.x == pytest.approx(want[0], rel=1e-5, abs=1e-6)
        assert now.flow == pytest.approx(want[1], rel=1e-5, abs=1e-6)


def test_it_mostly_ends() -> None:
    """Small changes take few steps; without that the caller would solve from nothing."""
    ended = 0
    for seed in range(60):
        above, first, pieces, links = forest(seed)
        fixed = np.zeros(above.size)
        x, flow, price, _, _ = exact(above, first, pieces, links, fixed)
        fixed[-1] = 0.05
        ended += step(Newton(above, first, fixed, pieces, links, x, flow, price))
    assert ended >= 50


def test_where_nothing_can_give_it_says_so() -> None:
    """A place at which all is fixed and off balance has no price."""
    none = np.zeros(0)
    links = np.array([[0.0], [1.0], [0.0], [0.0]])
    now = Newton(np.array([-1]), np.array([0, 0]), np.ones(1), np.zeros((7, 0)), links, none,
                 np.zeros(1), np.zeros(1))  # fmt: skip
    assert not step(now)
