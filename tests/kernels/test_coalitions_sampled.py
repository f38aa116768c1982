"""Orders from seeds, and the Shapley value that they estimate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.coalitions import players_of, shapley
from isojoule.kernels.permutations import numbers, order_of, sampled_shapley
from tests.kernels.test_coalitions import GAMES


def seeds(first: int, count: int) -> np.ndarray:
    return numbers(np.uint64(first), count)


def test_the_numbers_of_splitmix64() -> None:
    """As its authors' C program prints them for the seed 1234567."""
    assert numbers(np.uint64(1234567), 5).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 200))
def test_an_order_is_a_permutation_and_follows_from_its_seed(seed: int, n: int) -> None:
    order = order_of(np.uint64(seed), n)
    assert sorted(order.tolist()) == list(range(n))
    assert order.tolist() == order_of(np.uint64(seed), n).tolist()


def test_orders_are_equally_likely() -> None:
    count = 24_000
    found: dict[tuple[int, ...], int] = {}
    for seed in seeds(5, count):
        order = tuple(order_of(seed, 4).tolist())
        found[order] = found.get(order, 0) + 1
    assert len(found) == 24
    chi = sum((c - count / 24) ** 2 / (count / 24) for c in found.values())
    assert chi < 49.7  # 23 degrees of freedom: 0.1 %


def marginals(value: np.ndarray, order: np.ndarray) -> np.ndarray:
    out = np.zeros(players_of(value))
    have = 0
    for i in order.tolist():
        out[i] = value[have | 1 << i] - value[have]
        have |= 1 << i
    return out


@settings(derandomize=True, deadline=None, max_examples=30)
@given(GAMES)
def test_it_is_near_the_exact_one_and_sums_exactly(value: np.ndarray) -> None:
    n = players_of(value)
    found = sampled_shapley(seeds(11, 200), n, lambda order: marginals(value, order))
    assert found.value.sum() == pytest.approx(value[-1], abs=1e-9)
    assert (np.abs(found.value - shapley(value)) <= 5 * found.error + 1e-9).all()


def test_a_large_airport() -> None:
    """Littlechild, Owen 1973: 60 airlines, against their formula; errors are as large as said."""
    costs = np.sort(1.0 + (np.arange(60) * 37 % 60) ** 1.5)
    steps = np.diff(costs, prepend=0.0)
    exact = np.cumsum(steps / (60 - np.arange(60)))

    def adds(order: np.ndarray) -> np.ndarray:
        highest = np.concatenate([[0.0], np.maximum.accumulate(costs[order])])
        out = np.empty(60)
        out[order] = [b - a for a, b in pairwise(highest)]
        return out

    found = sampled_shapley(seeds(2, 2000), 60, adds)
    off = (found.value - exact) / found.error
    assert np.abs(off).max() < 4.5
    assert 0.6 < np.sqrt((off**2).mean()) < 1.6
    rougher = sampled_shapley(seeds(3, 500), 60, adds)
    assert 1.6 < np.median(rougher.error / found.error) < 2.4


def test_reversed_orders_help() -> None:
    """With 200 pairs the error is less than that of 400 orders drawn one by one."""
    rng = np.random.default_rng(4)
    e = rng.normal(size=12)

    def adds(order: np.ndarray) -> np.ndarray:
        before = np.concatenate([[0.0], np.cumsum(e[order])])
        out = np.empty(12)
        out[order] = np.diff(np.abs(before))
        return out

    pairs = sampled_shapley(seeds(7, 200), 12, adds)
    single = np.array([adds(order_of(seed, 12)) for seed in seeds(8, 400)])
    assert (pairs.error < single.std(axis=0, ddof=1) / 20).mean() > 0.9


def test_one_pair_has_no_error() -> None:
    with pytest.raises(ValueError, match="2 pairs"):
        sampled_shapley(seeds(1, 1), 3, lambda order: np.zeros(3))
