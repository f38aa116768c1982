"""Pivots on meshes, settled again from the optimum without each participant (P16)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book
from isojoule.market.allocation import allocate, columns_of, reach_of
from isojoule.market.pivots.absent import people, without
from isojoule.market.pivots.nearby import Settled, is_mesh
from isojoule.market.pivots.parties import Parties, parties_of
from isojoule.market.pivots.pivots import Pivots, exactly, optimal, pivots
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from tests.market.books import SMALL, Case, buy, clear, grid_of, sell
from tests.market.mechanisms.pivot_books import exact_sum, left_out

ROWS = 40


def mesh(seed: int, loss: float = 0.1, rows: int = ROWS) -> Case:
    """A square of homes: batteries, buyers and sellers; links lose, and some are narrow."""
    rnd = Random(seed)
    links = []
    for i in range(rows * rows):
        for j in (i + 1 if (i + 1) % rows else -1, i + rows):
            if 0 <= j < rows * rows:
                wide = rnd.choice((np.inf, 3.0, 1.0))
                links.append({"ends": (i, j), "loss": loss, "capacity_w": wide})
    offers = []
    for i in range(rows * rows):
        low, high = sorted((rnd.uniform(0.1, 1.0), rnd.uniform(0.1, 1.0)))
        spec = rnd.choice(
            (
                sell((rnd.randint(1, 5), low, high)),
                buy((rnd.randint(1, 5), high, low)),
                Battery(rnd.randint(1, 5) * 10**6, 6 * 10**6, v_min_per_j=low, v_max_per_j=high),
            )
        )
        offers.append(Offer(f"p{i}", f"n{i}", spec, id=f"o{i}"))
    grid = grid_of(rows * rows, links)
    owner = tuple("zoe" if e == 7 else "" for e in range(grid.link_count))
    return Case(replace(grid, owner=owner), offers, "transport", SMALL)


LOSSES = {
    "lossless": (0.0,),
    "nearly lossless": (0.0005,),
    "lossy": (0.05,),
    "mixed": (0.0, 0.01, 0.1),
    "square": (0.0,),
    "priced": (0.0, 0.01),
}
"""Share that links lose, by kind."""


def town(seed: int, kind: str, nodes: int = 40) -> Case:
    """Rings with offers of every kind, several nodes and links to a participant."""
    rnd = Random(seed)
    ends = [(rnd.randrange(max(0, v - 6), v), v) for v in range(1, nodes)]
    ends += [(v, min(nodes - 1, v + rnd.randint(2, 8))) for v in range(0, nodes - 2, 2)]
    links = [
        {
            "ends": e,
            "capacity_w": rnd.choice((np.inf, 4.0, 1.5)),
            "loss": rnd.choice(LOSSES[kind]),
            "r": rnd.choice((0.0, 0.01, 0.05)) if kind == "square" else 0.0,
            "price": rnd.choice((0.0, 0.02, 0.05)) if kind == "priced" else 0.0,
            "owner": rnd.choice(("", "", "", "", "zoe", "p3", "p8")),
        }
        for e in dict.fromkeys(ends)
    ]
    offers = [Offer("utility", "n0", Utility(0.9, 0.2), id="utility")] if seed % 2 else []
    for v in range(nodes):
        low, high = sorted((rnd.uniform(0.1, 1.0), rnd.uniform(0.1, 1.0)))
        k, size = rnd.choice((0.5, 1.0, 2.0)), rnd.randint(1, 5)
        spec = rnd.choice(
            (
                sell((size, low, high)),
                sell((size, low), (size, high)),
                buy((size, high, low)),
                buy((size, high)),
                Load(size * 500_000, 5.0),
                Battery(size * 10**6, 6 * 10**6, v_min_per_j=low, v_max_per_j=high, k=k),
            )
        )
        offers.append(Offer(f"p{rnd.choice((v, v, v // 2))}", f"n{v}", spec, id=f"o{v}"))
    return Case(grid_of(nodes, links), offers, "transport", SMALL)


def settled(book: Book, grid: Grid, parties: Parties) -> Settled:
    """The optimum, settled to the last digits."""
    network = network_of(grid, book.network, book.interval.duration_s)
    found = allocate(book, grid).optimum
    reach_j = reach_of(columns_of(book, network).pieces, network.capacity_j)
    return Settled(network, found, parties, reach_j)


def gained(book: Book, grid: Grid, name: str) -> float:
    """Welfare without a participant less that with it, by the interior point alone."""
    whole = optimal(book, grid, allocate(book, grid))
    rest = exactly(*without(book, grid, name), b"")
    return exact_sum([*rest.terms(), rest.slack, *(-v for v in whole.terms()), -whole.slack])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("seed", [1, 2])
def test_all_are_told_as_by_solving_without(kind: str, seed: int) -> None:
    """P16: to 1e-9, and within what both leave open, whatever the curves, links and owners."""
    case = town(seed, kind)
    parties = parties_of(case.book, case.grid)
    assert is_mesh(case.book, case.grid)
    every = np.arange(parties.count)
    money, size, unsure, _ = settled(case.book, case.grid, parties).without(every)
    told = np.isfinite(money)
    assert np.count_nonzero(told) >= 0.9 * parties.count
    for i in np.flatnonzero(told).tolist():
        by_hand = gained(case.book, case.grid, parties.name(i))
        assert money[i] == pytest.approx(by_hand, abs=1e-9), parties.name(i)
        assert unsure[i] <= 1e-9
        assert size[i] >= abs(money[i])


def test_rows_left_out_give_the_same() -> None:
    """P1, P16: a book without the offers at all, which shares nothing with the way taken."""
    case = town(5, "mixed")
    parties = parties_of(case.book, case.grid)
    welfare = optimal(case.book, case.grid, allocate(case.book, case.grid)).total
    number = np.arange(0, parties.count, 4)
    money = settled(case.book, case.grid, parties).without(number)[0]
    for i, more in zip(number.tolist(), money.tolist(), strict=True):
        rest = left_out(case, parties.name(i))
        left = optimal(*rest, allocate(*rest)).total
        assert more == pytest.approx(left - welfare, abs=1e-9)


@pytest.mark.parametrize("loss", [0.02, 0.0])
def test_five_thousand_nodes(loss: float) -> None:
    """P16: where losses stop prices few nodes are touched; to 1e-9 of two whole solutions."""
    case = mesh(1, loss, 71)
    parties = parties_of(case.book, case.grid)
    local = settled(case.book, case.grid, parties)
    assert local.loose <= 1e-12
    number = np.array([843, 2103, 3783])
    money, _, _, nodes = local.without(number)
    assert np.all(nodes < (1_000 if loss else 5_041))
    name = parties.name(int(number[0]))
    rest = without(case.book, case.grid, name)
    # the interior point leaves 1e-9 of gap at this size: both are settled first
    other = settled(*rest, parties_of(*rest))
    assert money[0] == pytest.approx(welfare_of(other) - welfare_of(local), abs=1e-9)
    assert np.all(np.isfinite(money))


def welfare_of(local: Settled) -> float:
    """Worth of all pieces less prices of links, corrected by what nodes lack at their prices."""
    m, s = local.mesh, local.base
    x0, x1 = np.zeros(s.x.size), s.x
    top = np.maximum(m.c0 - m.c1 * x0, 0.0)
    end = np.maximum(m.c0 - m.c1 * x1, 0.0)
    assert np.all(m.k[m.b > 0.0] == 1.0)  # so that the mean of a piece is that of its ends
    worth = m.a * x1 + m.b * x1 * 0.5 * (top + end)
    return exact_sum([*worth, *(-m.fee * np.abs(s.flow)), *(s.price * s.lack)])


def test_nothing_is_left_behind() -> None:
    """P16: what is told does not depend on who was taken out before."""
    case = town(3, "nearly lossless")
    local = settled(case.book, case.grid, parties_of(case.book, case.grid))
    every = np.arange(local.count)
    once = local.without(every)[0]
    for i in (0, 7, 19):
        assert local.without(every[i : i + 1])[0] == once[i : i + 1]
    assert np.array_equal(local.without(every[::-1])[0][::-1], once, equal_nan=True)


def test_what_is_not_told_is_solved_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """P9, P16: payments are the same without what is told."""
    case = town(4, "lossy")
    found = allocate(case.book, case.grid)
    names = people(case.book, case.grid)
    fast = pivots(case.book, case.grid, found, names)
    monkeypatch.setattr(f"{pivots.__module__}.nearby", lambda *_: None)
    slow = pivots(case.book, case.grid, found, names)
    assert isinstance(fast, Pivots)
    assert isinstance(slow, Pivots)
    assert np.abs(fast.nano - slow.nano).max() <= 1
    assert fast.money == pytest.approx(slow.money, abs=1e-9)
    assert np.count_nonzero(fast.unsure < slow.unsure) > fast.unsure.size / 2


def test_payments_pass_the_check() -> None:
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
