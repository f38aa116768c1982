"""The nucleolus and the least core: the Talmud, Kohlberg's criterion, and search by hand."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from isojoule.kernels.coalitions import core_answer, players_of, sums
from isojoule.kernels.nucleolus import _Span, least_core, nucleolus
from tests.kernels.test_coalitions import airport, bankruptcy, game, gloves, values, voting


@pytest.mark.parametrize(
    ("estate", "share"),
    [
        (100, [100 / 3, 100 / 3, 100 / 3]),
        (200, [50, 75, 75]),
        (300, [50, 100, 150]),
    ],
)
def test_the_talmud(estate: float, share: list[float]) -> None:
    """Aumann, Maschler 1985, https://doi.org/10.1016/0022-0531(85)90102-4: Kethubot 93a."""
    value = bankruptcy(estate, [100, 200, 300])
    np.testing.assert_allclose(nucleolus(value), share, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(1, 40))
def test_contested_garments(claims: list[int], fortieths: int) -> None:
    """Aumann, Maschler 1985: equal gains up to half of each claim, then equal losses."""
    total = sum(claims)
    estate = total * fortieths / 40
    half = [c / 2 for c in claims]

    def level(amount: float) -> list[float]:
        """Shares min(half claim, level) that sum to the amount."""
        low, high = 0.0, max(half)
        for _ in range(200):
            mid = (low + high) / 2
            low, high = (mid, high) if sum(min(h, mid) for h in half) < amount else (low, mid)
        return [min(h, high) for h in half]

    if estate <= total / 2:
        share = level(estate)
    else:
        share = [c - loss for c, loss in zip(claims, level(total - estate), strict=True)]
    found = nucleolus(bankruptcy(estate, [float(c) for c in claims]))
    np.testing.assert_allclose(found, share, atol=1e-7)


def test_gloves_and_votes() -> None:
    np.testing.assert_allclose(nucleolus(gloves(2, 1)), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(nucleolus(gloves(2, 2)), [0.5] * 4, atol=1e-12)
    np.testing.assert_allclose(nucleolus(gloves(5, 6)), [1.0] * 5 + [0.0] * 6, atol=1e-9)
    np.testing.assert_allclose(nucleolus(voting(2, [1, 1, 1])), [1 / 3] * 3, atol=1e-12)
    # Peleg 1968: in constant-sum weighted majority games it is a representation by weights
    np.testing.assert_allclose(nucleolus(voting(3, [2, 1, 1, 1])), [2 / 5] + [1 / 5] * 3)
    np.testing.assert_allclose(nucleolus(voting(5, [3, 2, 2, 1, 1])), np.array([3, 2, 2, 1, 1]) / 9)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=7))
def test_airport(costs: list[int]) -> None:
    """Littlechild 1974, https://doi.org/10.1007/BF01766389: a rule without programs.

    The n airlines come in order of their costs. Those not settled first pay the least, over k, of
    (cost of k less what is settled) / (players of k and below that are open, and 1); at the last
    one of the order it is shared by the open ones, without the 1.
    """
    ordered = sorted(float(c) for c in costs)
    n = len(ordered)
    share: list[float] = []
    while len(share) < n:
        open_ = len(share)
        paid = sum(share)
        options = [(ordered[k] - paid) / (k - open_ + 2) for k in range(open_, n - 1)]
        options.append((ordered[-1] - paid) / (n - open_))
        least = min(options)
        last = max(k for k, option in enumerate(options) if option <= least + 1e-12)
        share += [least] * (last + 1)
    found = -nucleolus(airport(ordered))
    np.testing.assert_allclose(found, share, atol=1e-8)


def balanced(rows: np.ndarray, bound: np.ndarray) -> bool:
    """Whether weights of 1 and more on rows, and of 0 and more on bound ones, give all the same."""
    n = rows.shape[1]
    left = np.vstack([rows, bound, -np.ones((1, n))]).T
    limits = [(1, None)] * len(rows) + [(0, None)] * len(bound) + [(None, None)]
    return bool(linprog(np.zeros(left.shape[1]), None, None, left, np.zeros(n), limits).status == 0)


def kohlberg(value: np.ndarray, x: np.ndarray, *, rational: bool) -> bool:
    """Kohlberg 1971, https://doi.org/10.1137/0120009: every level of excess is balanced."""
    n = players_of(value)
    rows = ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(float)
    excess = (value - sums(x))[1:-1]
    alone = np.array([value[1 << i] for i in range(n)])
    bound = np.eye(n)[np.abs(x - alone) < 1e-7] if rational else np.zeros((0, n))
    return all(
        balanced(rows[1:-1][excess >= level - 1e-7], bound) for level in np.unique(excess.round(6))
    )


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.integers(2, 4).flatmap(values))
def test_kohlbergs_criterion(value: np.ndarray) -> None:
    n = players_of(value)
    free = nucleolus(value, rational=False)
    assert free.sum() == pytest.approx(value[-1], abs=1e-9)
    assert kohlberg(value, free, rational=False)
    alone = np.array([value[1 << i] for i in range(n)])
    if alone.sum() > value[-1]:
        with pytest.raises(ValueError, match="more alone"):
            nucleolus(value)
        return
    x = nucleolus(value)
    assert (x >= alone - 1e-9).all()
    assert kohlberg(value, x, rational=True)


def test_kohlbergs_criterion_tells_others_apart() -> None:
    value = bankruptcy(200, [100, 200, 300])
    assert not kohlberg(value, np.array([60.0, 70.0, 70.0]), rational=True)


def sorted_excess(value: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Excesses, largest first."""
    return np.sort((value - sums(x))[1:-1])[::-1]


def no_worse(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the first is lexicographically no greater."""
    apart = np.flatnonzero(np.abs(one - other) > 1e-8)
    return apart.size == 0 or one[apart[0]] < other[apart[0]]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(3, 4).flatmap(values))
def test_nobody_finds_a_better_imputation(value: np.ndarray) -> None:
    """Schmeidler 1969: the definition, against all imputations of a grid and near by."""
    n = players_of(value)
    alone = np.array([value[1 << i] for i in range(n)])
    spare = value[-1] - alone.sum()
    if spare < 0:
        return
    x = nucleolus(value)
    best = sorted_excess(value, x)
    steps = 12
    grid = (p for p in product(range(steps + 1), repeat=n - 1) if sum(p) <= steps)
    others = [alone + spare * np.array([*p, steps - sum(p)]) / steps for p in grid]
    for size in (1e-4, 1e-2, 0.3):
        for i, j in permutations(range(n), 2):
            move = np.zeros(n)
            move[i], move[j] = size, -size
            others.append(x + move)
    for y in others:
        if (y >= alone - 1e-12).all():
            assert no_worse(best, sorted_excess(value, y))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(2, 5).flatmap(values), st.data())
def test_it_follows_changes_of_scale_zero_and_names(value: np.ndarray, data: st.DataObject) -> None:
    n = players_of(value)
    x = nucleolus(value, rational=False)
    gift = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n)), np.float64)
    moved = nucleolus(1e9 * value + sums(1e9 * gift), rational=False)
    np.testing.assert_allclose(moved, 1e9 * (x + gift), atol=10.0)
    order = data.draw(st.permutations(range(n)))
    renamed = np.array([value[sum(1 << order[i] for i in range(n) if s >> i & 1)] for s in
                        range(1 << n)])  # fmt: skip
    np.testing.assert_allclose(nucleolus(renamed, rational=False), x[order], atol=1e-8)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(2, 5).flatmap(values))
def test_least_core_and_core(value: np.ndarray) -> None:
    least = least_core(value)
    assert least.allocation.sum() == pytest.approx(value[-1], abs=1e-9)
    found = nucleolus(value, rational=False)
    assert core_answer(value, found).excess == pytest.approx(least.excess, abs=1e-7)
    # the core is empty just if a balanced collection objects (Bondareva 1963, Shapley 1967)
    n = players_of(value)
    rows = ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(float)[1:-1]
    most = linprog(-value[1:-1], None, None, rows.T, np.ones(n), (0, None))
    assert (least.excess > 1e-7) == (-most.fun > value[-1] + 1e-6)


def test_majority_of_three_forgoes_a_third() -> None:
    least = least_core(voting(2, [1, 1, 1]))
    assert least.excess == pytest.approx(1 / 3)
    np.testing.assert_allclose(least.allocation, [1 / 3] * 3, atol=1e-9)


def test_equal_players_get_the_same_and_idle_ones_nothing() -> None:
    value = game(12, lambda s: float(len([i for i in s if i < 11]) ** 2))
    np.testing.assert_allclose(nucleolus(value), [11.0] * 11 + [0.0], atol=1e-8)


def test_games_with_nothing_to_choose() -> None:
    np.testing.assert_array_equal(nucleolus(np.array([0.0, 7.0])), [7.0])
    assert least_core(np.array([0.0, 7.0])).excess == -np.inf
    np.testing.assert_allclose(nucleolus(sums(np.array([3.0, -1.0, 0.5]))), [3.0, -1.0, 0.5])
    np.testing.assert_allclose(nucleolus(np.zeros(8)), np.zeros(3))
    np.testing.assert_allclose(least_core(np.array([0, 1.0, 2.0, 5.0])).allocation, [2.0, 3.0])


def test_spans_are_those_of_exact_ranks() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(2, 8))
        rows = (rng.random((n, n)) < 0.5).astype(np.int64)
        span = _Span(n)
        for k, row in enumerate(rows):
            span.add(row)
            assert span.rank == np.linalg.matrix_rank(rows[: k + 1].astype(float))
        other = (rng.random((5, n)) < 0.5).astype(np.int64)
        expected = [
            np.linalg.matrix_rank(np.vstack([rows, o]).astype(float)) == span.rank for o in other
        ]
        assert span.holds(other).tolist() == expected
