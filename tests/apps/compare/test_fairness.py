"""Measures of how gains are spread, against what can be worked out by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.apps.compare.fairness import fair_points, fairness, gini

GAINS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([1.0, 2.0, 3.0], 1 / 3),  # differences 1 + 1 + 2, over 2 * 6
        ([0.0, 0.0, 9.0], 1.0),  # one has all
        ([-2.0, 2.0], 1.0),  # one has what the other loses
        ([-1.0, 0.0, 3.0], 1.0),  # differences 1 + 3 + 4, over 2 * 4
        ([-1.0, -1.0, -1.0], 0.0),  # all lose alike
        ([0.0, 0.0], 0.0),
        ([5.0], 0.0),
    ],
)
def test_gini_by_hand(gains: list[float], expected: float) -> None:
    """Raffinetti, Siletti, Vernizzi 2015: all differences over 2 (n - 1) (T+ + T-)."""
    assert gini(gains) == pytest.approx(expected, abs=1e-15)


@given(GAINS)
def test_gini_is_the_sum_of_all_differences(gains: list[float]) -> None:
    size = sum(map(abs, gains))
    pairs = sum(abs(a - b) for a, b in itertools.combinations(gains, 2))
    expected = pairs / ((len(gains) - 1) * size) if size else 0.0
    assert gini(gains) == pytest.approx(expected, abs=1e-9)
    assert 0.0 <= gini(gains) <= 1.0
    assert gini(gains) == pytest.approx(gini([-g for g in reversed(gains)]), abs=1e-9)


def test_who_loses_and_the_worst_off() -> None:
    found = fairness([4.0, -0.004, 1.0, -2.0], even=0.005)
    assert (found.gainers, found.losers, found.people) == (2, 1, 4)
    assert (found.lowest, found.highest) == (-2.0, 4.0)
    assert (found.gained, found.lost) == (5.0, 2.0)
    assert found.min_max is None  # somebody loses
    assert fairness([1.0, 4.0], even=0.005).min_max == 0.25
    assert fairness([0.0, 0.0], even=0.005).min_max is None
    assert fairness([], even=0.005) == (None, 0.0, 0.0, 0, 0, 0, None, None, None)
    assert fair_points(fairness([], even=0.005)) is None


@pytest.mark.parametrize(
    "gains",
    [
        [0.0, 0.0],
        [8e-10, -9e-10, 3e-10],  # what rounding leaves
        [0.005, -0.005],  # half a cent is none
        [-7.0, -7.0, -7.0],  # all lose alike
    ],
)
def test_where_nobody_gains_there_is_nothing_to_be_fair_about(gains: list[float]) -> None:
    found = fairness(gains, even=0.005)
    assert fair_points(found) == 0.0
    assert (found.gini is None) == (found.losers == 0)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([2.0, 2.0, 2.0], 1.0),
        ([0.0, 0.0, 9.0], 0.0),
        ([1.0, 2.0, 3.0], 2 / 3),
        # Gini: 4 pairs 110 apart over 2 * 3 * 220 / 2; and 20 of 220 are gains
        ([10.0, 10.0, -100.0, -100.0], (1 - 440 / 660) * 20 / 220),
    ],
)
def test_points_for_fairness_by_hand(gains: list[float], expected: float) -> None:
    assert fair_points(fairness(gains, 0.005)) == pytest.approx(expected)


@given(GAINS)
def test_who_makes_all_lose_has_no_points_however_evenly(gains: list[float]) -> None:
    points = fair_points(fairness(gains, 0.005))
    assert points is not None and 0.0 <= points <= 1.0
    assert fair_points(fairness([-abs(g) for g in gains], 0.005)) == 0.0
