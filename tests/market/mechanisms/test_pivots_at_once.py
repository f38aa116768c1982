"""Pivots of all participants at once, from one optimum. docs/spec/vcg.md, P20."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.limits import feeder, meshed
from isojoule.grid import Grid
from isojoule.kernels.weigh import weigh
from isojoule.market import Book
from isojoule.market.pivots import pivots, ranging, warm_rows
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.ranging import NOBODY
from isojoule.market.pivots.warm_choices import WarmChoices
from isojoule.market.pivots.warm_rows import WarmRows
from isojoule.valuation import Load, Utility
from tests.market.books import book_of, buy, grid_of, offer, sell, uj
from tests.market.mechanisms.limited import astray, seen_twice, tied_choices, warm
from tests.market.meshes import meshed as ring
from tests.market.whole import every_choice, random_whole

CALM = settings(derandomize=True, deadline=None, max_examples=15)
SEEDS = st.integers(0, 10**6)
Make = Callable[[int, int], tuple[Book, Grid]]
WIDE = [{"ends": (0, 1)}, {"ends": (1, 2)}, {"ends": (0, 2)}]


def told(book: Book, grid: Grid) -> tuple[WarmRows, dict[str, float]]:
    """The program of a book, and what others lose without each who is told at once, by name."""
    started = warm(book, grid)
    assert started is not None
    _, parties, one, _ = started
    assert isinstance(one, WarmRows)
    return one, {parties.name(i): change.money for i, change in one.known.items()}


def at_a_price(price: float) -> list[object]:
    """Offers that a utility stands behind: s, t, a and b trade, x and y do not."""
    return [
        offer("utility", 0, Utility(price, price / 4)),
        offer("s", 1, sell((1, 1.0))),
        offer("t", 2, sell((2, 1.5))),
        offer("x", 2, sell((5, price + 1.0))),
        offer("a", 1, Load(uj(7), 9.0)),
        offer("b", 2, buy((4, price + 0.5))),
        offer("y", 0, buy((4, price - 0.5))),
    ]


def test_where_a_utility_is_marginal_all_but_it_pay_the_price() -> None:
    """P20, by hand: no price moves, so what one receives costs the others 3 per J.

    s sells 1 J at 1, t 2 J at 1.5; a takes 7 J, worth 9 each, b 4 J at 3.5; the utility sells 8 J
    at 3: in all 49. Without it a gets these 3 J, and 4 J of x, at 4: 63 - 4 - 16.
    """
    book, grid = book_of(ring(3, WIDE), at_a_price(3.0), network="dc"), ring(3, WIDE)
    _, lost = told(book, grid)
    worth = {"s": -1.0, "t": -3.0, "a": 63.0, "b": 14.0}
    energy = {"s": -1.0, "t": -2.0, "a": 7.0, "b": 4.0}
    assert lost.keys() == {*worth, "utility"}
    for who, x in energy.items():
        assert lost[who] + worth[who] == pytest.approx(3.0 * x, abs=1e-12)
    assert lost["utility"] == pytest.approx(43.0 - 49.0, abs=1e-12)


@pytest.mark.parametrize("hair_uj", [-1, 0, 1])
def test_a_step_that_ends_by_a_hair(hair_uj: int) -> None:
    """P20, by hand: p delivers 2 J and a hair. The marginal step, at 1, has 2 J left.

    What goes beyond its end is bought at 3.
    """
    x = 2.0 + hair_uj * 1e-6
    offers = [
        offer("p", 0, sell((x, 0.5))),
        offer("s", 1, sell((10.0 - x + 2.0, 1.0))),  # sells 10 - x
        offer("t", 2, sell((9, 3.0))),
        offer("load", 1, Load(uj(10), 9.0)),
    ]
    grid = ring(3, WIDE)
    _, lost = told(book_of(grid, offers, network="dc"), grid)
    cost = min(x, 2.0) + 3.0 * max(x - 2.0, 0.0)
    assert lost["p"] == pytest.approx(0.5 * x - cost, abs=1e-12)


@pytest.mark.parametrize("room", [5.0, 4.0 + 1e-6, 4.0, 4.0 - 1e-6, 2.5])
def test_a_limit_that_is_no_row_is_noticed(room: float) -> None:
    """P20, by hand: b takes 4 J, 2 of p beside it, at 0.5, and 2 of s, at 1, over a line with room.

    Without p all 4 J come over the line, or what it carries. To b a Joule is worth 5.
    """
    links = [{"ends": (0, 1), "capacity_w": room}]
    grid = ring(2, links)
    offers = [
        offer("p", 1, sell((2, 0.5))),
        offer("s", 0, sell((9, 1.0))),
        offer("b", 1, Load(uj(4), 5.0)),
    ]
    one, lost = told(book_of(grid, offers, network="dc"), grid)
    comes = min(room, 4.0)
    assert lost["p"] == pytest.approx((5.0 - 1.0) * comes - (20.0 - 1.0 - 2.0), abs=1e-12)
    assert bool(one.names) == (room < 4.0)


def test_without_a_look_at_the_limits_it_would_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """P20: the test above sees it."""
    monkeypatch.setattr(
        "isojoule.market.pivots.warm_limits.Lines.keeps", lambda _, x, f: np.ones(len(x), bool)
    )
    with pytest.raises(AssertionError):
        test_a_limit_that_is_no_row_is_noticed(2.5)


@pytest.mark.parametrize(("make", "size"), [(meshed, 40), (feeder, 40)])
def test_as_each_by_a_program_of_its_own(make: Make, size: int) -> None:
    """P20: nearly all are told at once, and to 1e-12 of worths the same."""
    book, grid = make(size, 6)
    started = warm(book, grid)
    assert started is not None
    _, _, one, busy = started
    known = dict(one.known)
    assert len(known) > 0.9 * busy.size
    one.known.clear()
    for i, change in known.items():
        alone = one.change(i)
        assert alone is not None
        assert abs(change.money - alone.money) <= 1e-12 * alone.size


@CALM
@given(SEEDS)
def test_prices_bound_whatever_the_point(seed: int) -> None:
    """Weak duality: no point, and no prices, prove less than there is without a participant."""
    book, grid = meshed(12, seed % 7, 20)
    started = warm(book, grid)
    assert started is not None
    _, _, one, busy = started
    assert one.whole is not None
    rng = np.random.default_rng(seed)
    lo, hi = one._bounds(np.zeros(one.pieces, bool))
    program, reach = one._program(lo, hi), one.reach_j / one.energy
    who = np.append(NOBODY, busy[:3])
    u = rng.uniform(np.maximum(lo, -reach), np.minimum(hi, reach), (who.size, lo.size)) / one.energy
    u[:, : one.pieces][one.owner == who[:, None]] = 0.0
    node = one.whole.point.node * rng.uniform(0.5, 1.5, (who.size, 1))
    row = one._started(one.whole.point).row * rng.uniform(0.5, 1.5, (who.size, one.row_lo.size))
    w = weigh(program, one.owner, who, reach, u, node, row)
    most = (w.worth + w.lacking + w.gap) * one.energy * one.price
    assert most[0] >= one.whole.value - 1e-9 * one.size
    for i, bound in zip(who[1:].tolist(), most[1:].tolist(), strict=True):
        change = one.change(i)
        assert change is not None
        assert bound >= one.whole.value + change.money - 1e-9 * one.size


def test_few_or_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """P20: one or two have programs of their own; many are taken in parts."""
    book, grid = meshed(30, 4)
    _, whole = told(book, grid)
    monkeypatch.setattr(ranging, "MOST_NUMBERS", 1000)
    _, parts = told(book, grid)
    assert whole.keys() <= parts.keys()
    assert all(parts[who] == pytest.approx(money, abs=1e-12) for who, money in whole.items())
    monkeypatch.setattr(warm_rows, "MANY", 10**6)
    assert told(book, grid)[1] == {}


@pytest.mark.parametrize("seed", range(8))
def test_choices_told_at_once(seed: int) -> None:
    """P20: as by every choice that balances."""
    book, grid = tied_choices(seed)
    started = warm(book, grid)
    assert started is not None
    _, parties, one, _ = started
    assert isinstance(one, WarmChoices)
    for i, change in one.known.items():
        best = max(every_choice(*without(book, grid, parties.name(i))).values())
        assert change.money + one.whole == pytest.approx(best, abs=1e-9)


def test_many_choices_are_told_at_once() -> None:
    """P20: of fixed seeds at least a third; each as solved anew."""
    known = asked = 0
    for seed in range(12):
        case = random_whole(seed)
        for book, grid in (tied_choices(seed), (case.book, case.grid)):
            started = warm(book, grid)
            if started is not None:
                known += len(started[2].known)
                asked += started[3].size
    assert asked > 60
    assert known > asked / 3


def test_a_share_is_no_choice() -> None:
    """P20: without p, of two blocks of 2 J one and a half would fit; one is taken.

    s sells 3 J at 1; a and b buy 2 J each, at 4 and at 3 per J, whole. With p, who sells 1 J, both
    are: 8 + 6 - 4. Without: a alone, or shares of b that nobody may have.
    """
    grid = grid_of(3, WIDE)
    offers = [
        offer("s", 0, sell((3, 1.0))),
        offer("p", 1, sell((1, 1.0))),
        offer("a", 1, buy((2, 4.0)), all_or_nothing=True),
        offer("b", 2, buy((2, 3.0)), all_or_nothing=True),
    ]
    book = book_of(grid, offers)
    started = warm(book, grid)
    assert started is not None
    _, parties, one, _ = started
    names = {parties.name(i) for i in one.known}
    assert "p" not in names
    assert {"a", "b"} <= names
    rows = seen_twice(book, grid)
    assert rows is not None
    assert astray(rows) == []
    lost = {parties.name(i): change.money for i, change, _, _ in rows if change is not None}
    assert lost["p"] == pytest.approx(8.0 - 2.0 - 10.0, abs=1e-9)


def test_no_program_is_solved_for_those_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """P20: all payments of a mesh, with one program: that of all."""
    book, grid = meshed(30, 5)
    started = warm(book, grid)
    assert started is not None
    found, parties, one, busy = started
    if len(one.known) < busy.size:
        pytest.skip("not all are told")
    calls = []
    solve = WarmRows._solve
    monkeypatch.setattr(WarmRows, "_solve", lambda *a: (calls.append(1), solve(*a))[1])
    pivots.pivots_of(book, grid, found, parties, np.arange(parties.count))
    assert len(calls) == 1
