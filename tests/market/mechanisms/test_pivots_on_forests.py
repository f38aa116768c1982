"""All pivots of a forest at once, beside books without each participant. docs/spec/vcg.md, P11."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.grid.formulation import network_of
from isojoule.kernels.reroot import areas
from isojoule.market.best import best
from isojoule.market.pivots import rerooted
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import DIGITS, optimal
from isojoule.market.verify import check_clearing
from isojoule.valuation import Battery, Load, Offer, Utility
from isojoule.valuation.offer import Spec
from tests.market.books import SMALL, Case, book_of, buy, clear, grid_of, offer, sell
from tests.market.mechanisms.pivot_books import exact_sum, paid

CALM = settings(derandomize=True, deadline=None, max_examples=60)
SEEDS = st.integers(0, 10**6)
DEAR = 5.0


def any_spec(rnd: Random, low: float, high: float) -> Spec:
    """An offer whose curve is straight, between two prices."""
    kind = rnd.randrange(6)
    size, more = rnd.randint(1, 5), rnd.randint(1, 3)
    if kind < 2:
        rows = ((size, low), (more, high))
        return sell(*rows) if kind else buy((size, high), (more, low))
    if kind < 4:
        return sell((size, low, high)) if kind == 2 else buy((size, high, low))
    if kind == 4:
        return Load(more * 10**6, DEAR)
    return Battery(
        size * 10**6,
        6 * 10**6,
        v_min_per_j=low,
        v_max_per_j=high,
        discharge_efficiency=rnd.choice((1.0, 0.9)),
    )


def forest(seed: int, *, loss: bool = True) -> Case:
    """Steps, slopes, loads, batteries and a utility on a forest of narrow and wide links."""
    rnd = Random(seed)
    count = rnd.randint(1, 14)
    rows = []
    for i in range(1, count):
        if rnd.random() < 0.1:
            continue  # another tree begins
        one = {"ends": (rnd.randint(max(0, i - 4), i - 1), i)[:: rnd.choice((1, -1))]}
        one["capacity"] = rnd.choice((np.inf, np.inf, 1.0, 4.0, 9.0))
        one["loss"] = rnd.choice((0.0, 0.02, 0.1)) if loss else 0.0
        one["price"] = rnd.choice((0.0, 0.0, 0.05)) if loss else 0.0
        rows.append(one)
    grid = grid_of(count, rows)
    offers = []
    for i in range(rnd.randint(2, 16)):
        node = f"n{rnd.randrange(count)}"
        low, high = sorted((rnd.uniform(0.05, 0.6), rnd.uniform(0.05, 0.6)))
        spec = any_spec(rnd, low, high)
        offers.append(Offer(f"p{i}", node, spec, id=f"o{i}"))
        if rnd.random() < 0.2:  # a participant with a second offer at its node
            offers.append(Offer(f"p{i}", node, sell((1, high)), id=f"x{i}"))
    if rnd.random() < 0.6:
        offers.append(Offer("utility", "n0", Utility(0.5, 0.08), id="utility"))
    return Case(grid, offers, "transport", SMALL)


def brute(case: Case, who: str) -> float:
    """What a participant pays, by solving without it."""
    found, rest = best(case.book, case.grid), best(*without(case.book, case.grid, who))
    whole = optimal(case.book, case.grid, found)
    parties = parties_of(case.book, case.grid)
    mine = parties.offer == parties.numbers([who])[0]
    return exact_sum(
        [
            *optimal(case.book, case.grid, rest).terms(), rest.slack_value,
            *(-v for v in whole.terms()), -found.slack_value, *whole.offers[mine],
        ]
    )  # fmt: skip


def local(case: Case, found: object = None) -> tuple[rerooted.Local, np.ndarray]:
    """What is read off, and who trades."""
    found = found or best(case.book, case.grid)
    parties = parties_of(case.book, case.grid)
    busy = ~parties.silent(case.book, found, None)
    return rerooted.rerooted(case.book, case.grid, found, parties, busy), busy


@CALM
@given(SEEDS, st.booleans())
def test_what_is_read_off_is_what_solving_without_gives(seed: int, loss: bool) -> None:
    """P11: to 1e-9, or a nano-unit; and everybody who trades is told."""
    case = forest(seed, loss=loss)
    got, busy = local(case)
    assert np.array_equal(got.known, busy)
    for i in np.flatnonzero(busy).tolist():
        want = brute(case, case.book.participants[i])
        assert got.money[i] == pytest.approx(want, rel=1e-9, abs=1e-9), case.book.participants[i]
        assert abs(got.money[i]) <= got.size[i] * (1 + DIGITS)


@CALM
@given(SEEDS)
def test_a_window_tells_the_truth_or_nothing(seed: int) -> None:
    """P11: whatever the window, an area that is told is right; a wide enough one tells all."""
    case = forest(seed)
    found = best(case.book, case.grid)
    network = network_of(case.grid, "transport", case.book.interval.duration_s)
    parties = parties_of(case.book, case.grid)
    items, _ = rerooted._items(network, found.optimum, parties, 1e4)
    wide, _, done = areas(network.depth_first, items, 1e4, 1e7)
    assert done and np.isfinite(wide).all()
    told = 0
    for window in (0.1, 0.5, 1.0, 2.5, 6.0, 20.0):
        some, _, _ = areas(network.depth_first, items, window, 1e7)
        known = np.isfinite(some)
        assert some[known] == pytest.approx(wide[known], rel=1e-9, abs=1e-9)
        told = max(told, int(known.sum()))
    assert told == known.sum()  # a wider window tells no less
    assert not areas(network.depth_first, items, 1e4, 1.0)[2]


def test_who_is_left_to_be_solved_without() -> None:
    """P11: owners of links, who is at two nodes, and bent curves; rings as a whole."""
    rows = [
        offer("s", 0, sell((5, 0.1))),
        offer("a", 1, buy((2, 0.5))),
        offer("b", 2, buy((2, 0.4))),
    ]
    ends = [{"ends": (0, 1), "price": 0.05}, {"ends": (1, 2)}]
    grid = grid_of(3, ends)
    case = Case(grid, rows, "transport", SMALL)
    assert local(case)[0].known.all()
    owned = replace(grid, owner=("a", ""))
    got, _ = local(Case(owned, rows, "transport", SMALL))
    assert got.known.tolist() == [False, True, True]
    two = [*rows, Offer("b", "n1", buy((1, 0.3)), id="b-2")]
    got, _ = local(Case(grid, two, "transport", SMALL))
    assert got.known.tolist() == [True, False, True]
    bent = Battery(3 * 10**6, 6 * 10**6, v_min_per_j=0.1, v_max_per_j=0.6, k=2.0)
    got, _ = local(Case(grid, [*rows, Offer("c", "n2", bent, id="c")], "transport", SMALL))
    assert not got.known.any()
    ring = grid_of(3, [*ends, {"ends": (0, 2)}])
    ring = replace(ring, capacity_w=np.full(3, 1.0))
    got, _ = local(Case(ring, rows, "transport", SMALL))
    assert not got.known.any()


def test_a_long_feeder_with_losses_is_told_to_its_end() -> None:
    """P11: half of the energy is lost on the way; windows widen until all are told."""
    count = 40
    grid = grid_of(count, [{"ends": (i, i + 1), "loss": 0.02} for i in range(count - 1)])
    rows = [offer("far", 0, sell((50, 0.1)))]
    rows += [offer(f"b{i}", i, buy((1, 0.9 - 0.01 * i))) for i in range(1, count)]
    rows += [offer("near", count - 1, sell((3, 0.35)))]
    case = Case(grid, rows, "transport", SMALL)
    got, busy = local(case)
    assert np.array_equal(got.known, busy)
    for who in ("far", "near", "b1", "b20", "b39"):
        i = case.book.participants.index(who)
        assert got.money[i] == pytest.approx(brute(case, who), rel=1e-9, abs=1e-9)


def test_many_participants_are_checked_without_solving_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P9: clearing and check of 200 participants solve twice each, not 200 times."""
    solved = []

    def counted(*given: object, **more: object) -> object:
        solved.append(given)
        return best(*given, **more)  # type: ignore[arg-type]

    for module in ("pivots", "clearing"):
        monkeypatch.setattr(f"isojoule.market.pivots.{module}.best", counted)
    rnd = Random(1)
    grid = grid_of(50, [{"ends": (rnd.randrange(i), i), "loss": 0.01} for i in range(1, 50)])
    rows = [
        offer(f"p{i}", i % 50, (sell, buy)[i % 2]((rnd.randint(1, 9), rnd.uniform(0.1, 0.5))))
        for i in range(200)
    ]
    book = book_of(grid, rows)
    c = clear(book, grid, "vcg-exchange")
    check_clearing(book, grid, c)
    assert len(solved) == 2
    assert paid(book, grid, c, "p0") != 0 or paid(book, grid, c, "p1") != 0
