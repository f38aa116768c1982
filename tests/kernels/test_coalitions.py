"""Games of all coalitions: answers of the literature, and what must hold of any game."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.coalitions import (
    convex,
    core_answer,
    players_of,
    shapley,
    sums,
    superadditive,
)


def game(n: int, worth: Callable[[list[int]], float]) -> np.ndarray:
    """A game of a function of the coalition's members."""
    return np.array([float(worth([i for i in range(n) if s >> i & 1])) for s in range(1 << n)])


def gloves(left: int, right: int) -> np.ndarray:
    """A pair is worth 1; the first players hold left gloves, the others right ones."""
    return game(
        left + right,
        lambda s: min(sum(i < left for i in s), sum(i >= left for i in s)),
    )


def voting(quota: int, votes: list[int]) -> np.ndarray:
    return game(len(votes), lambda s: sum(votes[i] for i in s) >= quota)


def bankruptcy(estate: float, claims: list[float]) -> np.ndarray:
    """O'Neill 1982: what is left when the others have been paid in full."""
    n = len(claims)
    return game(n, lambda s: max(0.0, estate - sum(c for i, c in enumerate(claims) if i not in s)))


def airport(costs: list[float]) -> np.ndarray:
    """Costs of the longest runway needed, as (negative) worth."""
    return game(len(costs), lambda s: -max((costs[i] for i in s), default=0.0))


def values(n: int) -> st.SearchStrategy[np.ndarray]:
    worth = st.integers(-20, 20).map(float)
    return st.lists(worth, min_size=(1 << n) - 1, max_size=(1 << n) - 1).map(
        lambda v: np.array([0.0, *v])
    )


GAMES = st.integers(1, 5).flatmap(values)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 4).flatmap(values))
def test_shapley_is_the_mean_over_all_orders(value: np.ndarray) -> None:
    n = players_of(value)
    total = np.zeros(n)
    for order in permutations(range(n)):
        have = 0
        for i in order:
            total[i] += value[have | 1 << i] - value[have]
            have |= 1 << i
    np.testing.assert_allclose(shapley(value), total / factorial(n), atol=1e-12)
    assert shapley(value).sum() == pytest.approx(value[-1], abs=1e-12)


def test_gloves() -> None:
    np.testing.assert_allclose(shapley(gloves(2, 1)), [1 / 6, 1 / 6, 4 / 6])
    np.testing.assert_allclose(shapley(gloves(1, 1)), [0.5, 0.5])
    np.testing.assert_allclose(shapley(gloves(2, 3)).sum(), 2.0)
    # Shapley, Shubik 1969: in the core the side with too many gloves gets nothing
    assert core_answer(gloves(2, 1), np.array([0.0, 0.0, 1.0])).inside
    answer = core_answer(gloves(2, 1), shapley(gloves(2, 1)), 1e-12)
    assert not answer.inside
    assert answer.coalition == 0b101
    assert answer.excess == pytest.approx(1 / 6)


def test_security_council() -> None:
    """Shapley, Shubik 1954, https://doi.org/10.2307/1951053: 11 seats then, 15 since 1965."""
    old = shapley(voting(37, [7] * 5 + [1] * 6))
    np.testing.assert_allclose(old, [76 / 385] * 5 + [1 / 462] * 6, rtol=1e-12)
    new = shapley(voting(39, [7] * 5 + [1] * 10))
    np.testing.assert_allclose(new, [421 / 2145] * 5 + [4 / 2145] * 10, rtol=1e-12)


def test_small_votes() -> None:
    np.testing.assert_allclose(shapley(voting(3, [2, 1, 1])), [2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(shapley(voting(51, [50, 49, 1])), [2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(shapley(voting(4, [3, 1, 1, 1])), [3 / 4] + [1 / 12] * 3)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=8))
def test_airport(costs: list[float]) -> None:
    """Littlechild, Owen 1973, https://doi.org/10.1287/mnsc.20.3.370.

    Each stretch of runway is paid for equally by those who need it.
    """
    share = [0.0] * len(costs)
    before = 0.0
    for length in sorted(set(costs)):
        users = [i for i, c in enumerate(costs) if c >= length]
        for i in users:
            share[i] += (length - before) / len(users)
        before = length
    np.testing.assert_allclose(-shapley(airport(costs)), share, atol=1e-10)


def test_majority_of_three_has_no_core() -> None:
    value = voting(2, [1, 1, 1])
    for x in ([1 / 3] * 3, [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]):
        answer = core_answer(value, np.array(x), 1e-9)
        assert not answer.inside
        assert answer.excess >= 1 / 3 - 1e-12
    assert core_answer(value, np.array([0.5, 0.5, 0.0])).coalition == 0b101
    assert superadditive(value).gap <= 0.0
    assert convex(value).gap == 1.0


@settings(derandomize=True, deadline=None)
@given(GAMES, st.data())
def test_core_answer_looks_at_every_coalition(value: np.ndarray, data: st.DataObject) -> None:
    n = players_of(value)
    x = np.array(data.draw(st.lists(st.integers(-20, 20), min_size=n, max_size=n)), np.float64)
    excess = {
        s: value[s] - sum(x[i] for i in range(n) if s >> i & 1) for s in range(1, (1 << n) - 1)
    }
    answer = core_answer(value, x)
    assert answer.left_over == value[-1] - x.sum()
    assert answer.excess == max(excess.values(), default=-np.inf)
    if excess:
        assert excess[answer.coalition] == answer.excess
    assert answer.inside == (answer.left_over == 0 and answer.excess <= 0)


@settings(derandomize=True, deadline=None)
@given(GAMES)
def test_superadditive_and_convex_by_their_definitions(value: np.ndarray) -> None:
    n = value.size
    pairs = [(s, t) for s in range(1, n) for t in range(1, n)]
    apart = [value[s] + value[t] - value[s | t] for s, t in pairs if s & t == 0]
    found = superadditive(value)
    assert found.gap == max(apart, default=-np.inf)
    if apart:
        assert found.first & found.second == 0
        both = value[found.first | found.second]
        assert value[found.first] + value[found.second] - both == found.gap
    crossed = [value[s] + value[t] - value[s | t] - value[s & t] for s, t in pairs]
    steep = convex(value)
    assert (steep.gap <= 0) == (max(crossed) <= 0)
    if apart:
        s, t = steep.first, steep.second
        assert value[s] + value[t] - value[s | t] - value[s & t] == steep.gap


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 40).map(float), min_size=2, max_size=5), st.floats(0.05, 1.0))
def test_shapley_of_convex_games_is_in_the_core(claims: list[float], part: float) -> None:
    """Shapley 1971; bankruptcy games are convex (Curiel, Maschler, Tijs 1987)."""
    value = bankruptcy(part * sum(claims), claims)
    assert convex(value).gap <= 1e-9
    assert superadditive(value).gap <= 1e-9
    assert core_answer(value, shapley(value), 1e-9).inside


def test_sums() -> None:
    np.testing.assert_array_equal(sums(np.array([1.0, 2.0, 4.0])), np.arange(8.0))


@pytest.mark.parametrize("size", [0, 1, 3, 6])
def test_what_is_no_game(size: int) -> None:
    with pytest.raises(ValueError, match="2\\*\\*n"):
        shapley(np.zeros(size))
