"""Pivots of blocks, bundles and groups go on from the best choice. docs/spec/vcg.md, P18."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.limits import bundles
from isojoule.market.integer import branch
from isojoule.market.integer.allocate import Search
from isojoule.market.integer.less import less
from isojoule.market.integer.settled import settled
from isojoule.market.integer.units import crowded
from isojoule.market.pivots import pivots
from isojoule.market.pivots.absent import without
from isojoule.market.verify import check_clearing
from tests.market.books import REAL, SMALL, clear
from tests.market.mechanisms.limited import astray, seen_twice, tied_choices, warm
from tests.market.whole import every_choice, random_whole

CALM = settings(derandomize=True, deadline=None, max_examples=15)
SEEDS = st.integers(0, 10**6)


@CALM
@given(SEEDS, st.sampled_from((SMALL, REAL)))
def test_choices_as_solved_anew(seed: int, sizes: object) -> None:
    case = random_whole(seed, sizes)
    assert astray(seen_twice(case.book, case.grid) or []) == []


@CALM
@given(SEEDS)
def test_ties(seed: int) -> None:
    assert astray(seen_twice(*tied_choices(seed)) or []) == []


@pytest.mark.parametrize("seed", range(6))
def test_as_by_every_choice(seed: int) -> None:
    """P18: without each participant, the greatest welfare of all choices that balance."""
    book, grid = tied_choices(seed)
    started = warm(book, grid)
    assert started is not None
    _, parties, one, busy = started
    for i in busy.tolist():
        changed = one.change(i)
        assert changed is not None
        known = every_choice(*without(book, grid, parties.name(i)))
        assert changed.money + one.whole == pytest.approx(max(known.values()), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_settled_rules_out_nothing_better(seed: int) -> None:
    """P18: every choice that has more than what is reached agrees with what is settled."""
    case = random_whole(seed, SMALL)
    search = Search(case.book, case.grid, b"")
    r, known = search.relaxation, every_choice(case.book, case.grid)
    reached = float(np.median(list(known.values())))
    open_ = np.full(search.units.count, -1, np.int8)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        gains = r.gains(rng.uniform(0.0, 1.0, case.grid.node_count))
        fixed = settled(r, gains, open_, reached)
        near = 1e-9 * (abs(reached) + 1.0)
        for bits, value in known.items():
            if value > reached + near:
                agrees = (fixed < 0) | (fixed == np.array(bits))
                assert agrees.all()


def test_a_search_with_something_closed_leaves_the_first_alone() -> None:
    """P18: what is closed is closed in the copy; tangents are shared, exclusions are not."""
    book, grid = bundles(12, 1)
    search = Search(book, grid, b"")
    low, high = search.master.low.copy(), search.master.high.copy()
    own = search.relaxation.columns.offer == search.relaxation.columns.offer[0]
    links = np.zeros(grid.link_count, bool)
    other = less(search, *without(book, grid, "p0"), own, links)
    other.master.exclude(np.zeros(search.units.count, bool))
    assert search.master.excluded.count == 0
    assert other.master.rows is search.master.rows
    assert np.array_equal(search.master.low, low)
    assert np.array_equal(search.master.high, high)
    assert np.all(other.relaxation.columns.pieces.hi[own] == 0.0)


def test_a_larger_book_takes_no_other_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    """P18: sixteen participants at ten nodes; some of them solved anew."""
    book, grid = bundles(16, 3)
    started = warm(book, grid)
    assert started is not None
    found, parties, one, busy = started
    whole = pivots.optimal(book, grid, found)
    rows = []
    for i in busy[::4].tolist():
        rest = pivots.worth_of(*without(book, grid, parties.name(i)), b"")
        own = sum(whole.terms(parties.offer == i, parties.link == i))
        rows.append((i, one.change(i), rest.total - whole.total, rest.total - whole.total + own))
    assert len(rows) >= 2
    assert astray(rows) == []
    monkeypatch.setattr(pivots, "worth_of", lambda *_: pytest.fail("a whole book was solved"))
    pays = pivots.pivots_of(book, grid, found, parties, np.arange(parties.count))
    gains = np.bincount(parties.offer, found.offer_value, parties.count) - pays.money
    assert np.all(gains >= -1e-9)  # P6


def test_too_many_branches_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """P18: then the whole is solved, and payments are the same."""
    book, grid = bundles(12, 5)
    started = warm(book, grid)
    assert started is not None
    found, parties, one, busy = started
    every = np.arange(parties.count)
    told = pivots.pivots_of(book, grid, found, parties, every)
    monkeypatch.setattr(branch, "MOST", 0)
    assert any(one.change(i) is None for i in busy.tolist())
    solved = pivots.pivots_of(book, grid, found, parties, every)
    assert np.all(np.abs(told.nano - solved.nano) <= 1)


def test_payments_pass_the_check() -> None:
    """P9: found again from the book; at most one of a group is paid for."""
    book, grid = bundles(12, 5)
    c = clear(book, grid, "vcg-exchange")
    check_clearing(book, grid, c)
    units = Search(book, grid, b"").units
    assert crowded(units, c.taken[units.offer]) < 0
