"""Pivots where everyone wants one lot at most: the least supporting prices. docs/spec/vcg.md, P21.

The referees: the linear program of the least prices that support the assignment, solved by HiGHS,
and books solved anew without each participant.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog

from isojoule.market import Book
from isojoule.market.allocation import Allocation
from isojoule.market.best import best
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.assigned import assigned, freed
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import optimal, pivots_of, worth_of
from isojoule.market.pivots.rerooted import Local
from isojoule.valuation import Bundle, Leg, Offer
from tests.market.books import SMALL, Case, buy, clear, grid_of, sell
from tests.market.mechanisms.pivot_books import exact_sum

CALM = settings(derandomize=True, deadline=None, max_examples=25)


def lots(
    worth: np.ndarray,
    asks: list[list[tuple[float, float]]],
    offers: list[Offer] = [],  # noqa: B006
) -> Case:
    """Bidders who want 1 J at one of the places, and sellers there: (energy, price) each."""
    bids = [
        Offer(f"b{b}", "", Bundle((Leg(f"n{v}", 10**6),), float(w)), id=f"b{b}-{v}", group=f"g{b}")
        for b, row in enumerate(worth)
        for v, w in enumerate(row)
        if np.isfinite(w)
    ]
    sells = [
        Offer(f"s{v}-{i}", f"n{v}", sell((energy, price, price)), id=f"s{v}-{i}")
        for v, steps in enumerate(asks)
        for i, (energy, price) in enumerate(steps)
    ]
    return Case(grid_of(len(asks), []), [*bids, *sells, *offers], "transport", SMALL)


def told(case: Case) -> tuple[Book, Allocation, Local]:
    """What is read off the assignment."""
    book, grid = case.book, case.grid
    found, parties = best(book, grid), parties_of(book, grid)
    assert isinstance(found, Allocation)
    count = parties.count
    none = Local(np.zeros(count, bool), *(np.zeros(count) for _ in range(3)))
    busy = ~parties.silent(book, found, found.taken)
    value = optimal(book, grid, found).total
    return book, found, assigned(book, grid, found, parties, busy, value, none)


def test_three_houses() -> None:
    """Shapley, Shubik 1971, https://doi.org/10.1007/BF01753437: gains 16, by hand 1, 3 and 0."""
    worth = np.array([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0]])
    case = lots(worth, [[(1, 0.0)]] * 3)
    c = clear(case.book, case.grid, "vcg-exchange")
    assert c.welfare == pytest.approx(16.0)
    paid = {o: n for o, n in zip(case.book.offer_ids, c.payment_nano.tolist(), strict=True) if n}
    assert {o: n for o, n in paid.items() if o[0] == "b"} == {"b0-1": 3 * 10**9, "b2-0": 10**9}


def random_lots(seed: int, *, ties: bool) -> Case:
    """Up to 7 bidders and 5 places with 0 to 3 sellers each."""
    rnd = Random(seed)
    many, places = rnd.randint(1, 7), rnd.randint(1, 5)

    def draw(most: int) -> float:
        return float(rnd.randint(0, 4 if ties else most))

    worth = np.array([[draw(100) for _ in range(places)] for _ in range(many)])
    worth[np.array([[rnd.random() < 0.2 for _ in range(places)] for _ in range(many)])] = -np.inf
    asks = [
        [(rnd.choice((1, 0.5, 2, 1.5)), draw(60)) for _ in range(rnd.randint(0, 3))]
        for _ in range(places)
    ]
    buyers = [
        Offer(f"d{v}", f"n{v}", buy((1, price, price)), id=f"d{v}")
        for v, price in enumerate(draw(40) for _ in range(places))
        if rnd.random() < 0.2
    ]
    return lots(worth, asks, offers=buyers)


@CALM
@given(st.integers(0, 10**6), st.booleans())
def test_as_without_each(seed: int, ties: bool) -> None:
    """P21: bidders and sellers, as the book solved anew without each."""
    case = random_lots(seed, ties=ties)
    if not case.book.indivisible:
        return
    book, found, local = told(case)
    parties, whole = parties_of(book, case.grid), optimal(book, case.grid, found)
    busy = np.flatnonzero(~parties.silent(book, found, found.taken))
    assert local.known[busy].all()
    for i in busy.tolist():
        rest = worth_of(*without(book, case.grid, parties.name(i)), b"")
        mine = whole.terms(parties.offer == i, parties.link == i)
        want = exact_sum([rest.total, -whole.total, *mine])
        assert local.money[i] == pytest.approx(want, abs=1e-9), parties.name(i)


@pytest.mark.parametrize("seed", range(4))
def test_payments_are_the_least_supporting_prices(seed: int) -> None:
    """Leonard 1983: of all prices with which everyone is content, bidders pay the least."""
    rng = np.random.default_rng(seed)
    worth = rng.integers(1, 100, (12, 9)).astype(float)
    case = lots(worth, [[(1, 0.0)]] * 9)
    _, _, local = told(case)
    number = parties_of(case.book, case.grid).numbers([f"b{b}" for b in range(12)])
    row, column = linear_sum_assignment(worth, maximize=True)
    # least sum of prices p >= 0, with gains u >= 0: u_b + p_l >= worth, all of it in sum the best
    bidders, places = worth.shape
    rows = np.zeros((bidders * places, bidders + places))
    rows[np.arange(rows.shape[0]), np.repeat(np.arange(bidders), places)] = -1.0
    rows[np.arange(rows.shape[0]), bidders + np.tile(np.arange(places), bidders)] = -1.0
    least = linprog(
        np.concatenate([np.zeros(bidders), np.ones(places)]),
        rows, -worth.ravel(), np.ones((1, bidders + places)), [worth[row, column].sum()],
    )  # fmt: skip
    assert local.money[number].sum() == pytest.approx(least.x[bidders:].sum(), abs=1e-7)


def test_an_assignment_that_is_no_best_has_no_fixed_point() -> None:
    profit = np.array([[5.0, 8.0], [7.0, 2.0]])
    assert freed(profit, np.array([0, 1]))[1] == -1
    assert freed(profit, np.array([1, 0]))[1] >= 0


@pytest.mark.parametrize(
    "offers",
    [
        [Offer("b0", "n0", buy((1, 5.0, 5.0)), id="more")],  # wants more than one
        [Offer("x", "", Bundle((Leg("n0", 2 * 10**6),), 9.0), id="x")],  # a larger lot
        [Offer("x", "", Bundle((Leg("n0", 10**6), Leg("n1", 10**6)), 9.0), id="x")],  # two places
        [Offer("x", "n0", sell((1, 1.0, 2.0)), id="x")],  # costs that rise within a step
        [Offer("b0", "", Bundle((Leg("n1", 10**6),), 9.0), id="y", group="other")],
    ],
)
def test_what_is_no_assignment_is_left_to_others(offers: list[Offer]) -> None:
    worth = np.array([[5.0, 8.0], [7.0, 9.0]])
    case = lots(worth, [[(1, 0.0)]] * 2, offers=offers)
    book, found, local = told(case)
    assert not local.known.any()
    parties = parties_of(book, case.grid)
    pays = pivots_of(book, case.grid, found, parties, np.arange(parties.count))
    assert np.isfinite(pays.money).all()
