"""Pivots of meshes, from what lies around each participant. docs/spec/vcg.md, P16."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from isojoule.market.allocation import allocate
from isojoule.market.pivots.absent import people, without
from isojoule.market.pivots.nearby import is_mesh
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import exactly, optimal, pivots
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Offer
from tests.market.books import SMALL, Case, buy, clear, grid_of, sell
from tests.market.mechanisms.pivot_books import exact_sum

ROWS = 40


def mesh(seed: int, loss: float = 0.1) -> Case:
    """A square of homes: batteries, buyers and sellers; links lose, and some are narrow."""
    rnd = Random(seed)
    links = []
    for i in range(ROWS * ROWS):
        for j in (i + 1 if (i + 1) % ROWS else -1, i + ROWS):
            if 0 <= j < ROWS * ROWS:
                wide = rnd.choice((np.inf, 3.0, 1.0))
                links.append({"ends": (i, j), "loss": loss, "capacity": wide})
    offers = []
    for i in range(ROWS * ROWS):
        low, high = sorted((rnd.uniform(0.1, 1.0), rnd.uniform(0.1, 1.0)))
        spec = rnd.choice(
            (
                sell((rnd.randint(1, 5), low, high)),
                buy((rnd.randint(1, 5), high, low)),
                Battery(rnd.randint(1, 5) * 10**6, 6 * 10**6, v_min_per_j=low, v_max_per_j=high),
            )
        )
        offers.append(Offer(f"p{i}", f"n{i}", spec, id=f"o{i}"))
    grid = grid_of(ROWS * ROWS, links)
    owner = tuple("zoe" if e == 7 else "" for e in range(grid.link_count))
    return Case(replace(grid, owner=owner), offers, "transport", SMALL)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_near_tells_the_pivot(seed: int) -> None:
    """P16: as solving all without a participant, but for what both leave open; owners, too."""
    case = mesh(seed)
    book, grid = case.book, case.grid
    found, parties = allocate(book, grid), parties_of(book, grid)
    whole = optimal(book, grid, found)
    local = mesh_of(book, grid, found, parties)
    told = 0
    for number in (*range(3, parties.count, 160), parties.count - 1):
        near = local.pivot(number)
        if near is None:
            continue
        told += 1
        rest = exactly(*without(book, grid, parties.name(number)), b"")
        own = whole.terms(parties.offer == number, parties.link == number)
        terms = [*rest.terms(), rest.slack, *(-v for v in whole.terms()), -whole.slack, *own]
        assert near.unsure <= 1e-9
        # both whole optima are known to what the interior point leaves of their worths
        assert near.money == pytest.approx(exact_sum(terms), abs=1e-10 * found.value), number
    assert told >= 5


def test_far_reaching_ones_are_solved_as_a_whole() -> None:
    """P16: without losses and narrow links everybody feels everybody, and no ball is enough."""
    case = mesh(3, loss=0.0)
    grid = replace(
        case.grid,
        capacity_w=np.full(case.grid.link_count, 1e3),
        owner=("",) * case.grid.link_count,
    )
    parties = parties_of(case.book, grid)
    found = allocate(case.book, grid)
    local = mesh_of(case.book, grid, found, parties)
    assert is_mesh(case.book, grid)
    assert [local.pivot(n) for n in (0, 50, 111)] == [None] * 3


def test_payments_are_those_of_balls_and_pass_the_check() -> None:
    """P9, P16: nobody gains less than nothing; the check finds the same."""
    case = mesh(4)
    few = case.offers[: ROWS * 3]
    grid = case.grid
    case = Case(grid, few, "transport", SMALL)
    c = clear(case.book, grid, "vcg-exchange")
    check_clearing(case.book, grid, c)
    found = allocate(case.book, grid)
    pays = pivots(case.book, grid, found, people(case.book, grid))
    parties = pays.parties
    worth = np.bincount(parties.offer, found.offer_value, parties.count)
    worth -= np.bincount(
        np.maximum(parties.link, 0),
        np.where(parties.link >= 0, found.link_cost, 0.0),
        parties.count,
    )
    assert np.all(worth[pays.number] - pays.money >= -1e-6)
