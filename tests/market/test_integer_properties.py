"""Random books with indivisible offers against the enumeration of all choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.market.verify import check_physics, check_prices
from tests.market.books import KINDS, REAL, SMALL, Sizes
from tests.market.test_properties import permuted
from tests.market.whole import clearing_of, every_choice, random_whole, solve

CALM = settings(derandomize=True, deadline=None, max_examples=25)
SEEDS = st.integers(0, 10**6)
SIZES = st.sampled_from((SMALL, REAL))


def agree(seed: int, sizes: Sizes, kind: str | None = None) -> None:
    """The best of all choices is found, and the bound is above all of them."""
    case = random_whole(seed, sizes, kind)
    found = solve(case.book, case.grid)
    check_physics(case.book, case.grid, clearing_of(case.book, case.grid, found))
    check_prices(case.book, case.grid, clearing_of(case.book, case.grid, found))
    known = every_choice(case.book, case.grid)
    greatest = max(known.values())
    near = 1e-6 * (abs(greatest) + sizes.energy_j * sizes.price)
    # what is found is feasible, which is checked above; where the interior point has no room, the
    # enumeration misses choices
    assert found.value >= greatest - near
    assert found.bound >= greatest - near
    assert found.support.welfare + found.support.gap >= greatest - near
    assert found.support.welfare == pytest.approx(found.value, abs=1e2 * near)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_choice_of_every_kind_of_grid(kind: str, seed: int) -> None:
    agree(500 + seed, SMALL, kind)


@CALM
@given(SEEDS, SIZES)
def test_the_best_of_all_choices(seed: int, sizes: Sizes) -> None:
    agree(seed, sizes)


@CALM
@given(SEEDS)
def test_the_order_of_the_input_does_not_matter(seed: int) -> None:
    case = random_whole(seed)
    other, _, _ = permuted(case, seed)
    one, two = solve(case.book, case.grid), solve(other.book, other.grid)
    assert one.value == pytest.approx(two.value, rel=1e-6, abs=1e-4)
    assert one.taken is not None
    assert np.array_equal(one.taken, two.taken)


def test_the_same_book_twice_is_the_same_to_the_last_bit() -> None:
    for seed in range(10):
        one = random_whole(seed)
        two = random_whole(seed)
        first, again = solve(one.book, one.grid), solve(two.book, two.grid)
        assert np.array_equal(first.energy_uj, again.energy_uj)
        assert first.support.gap == again.support.gap
        assert len(first.leaves) == len(again.leaves)
