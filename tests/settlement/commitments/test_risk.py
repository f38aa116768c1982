"""Expected shortfall, two ways to it. docs/spec/collateral.md, B17 and B18."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.core.errors import InputError
from isojoule.settlement.commitments.risk import (
    cases_of,
    expected_shortfall_uj,
    largest_commitment_uj,
)

histories = st.lists(st.integers(0, 1000), min_size=1, max_size=20)
levels = st.sampled_from((0.0, 0.25, 0.5, 0.75, 0.875, 0.95, 0.99))
promises = st.integers(0, 1500)


def test_the_worst_of_four_days_by_hand() -> None:
    """At 0.5 the two worst of four: 8 and 3 short are 5.5; at 0.625 one and a half: 9.5 / 1.5."""
    assert expected_shortfall_uj([10, 7, 2, 9], 10, 0.5) == Fraction(11, 2)
    assert expected_shortfall_uj([10, 7, 2, 9], 10, 0.625) == Fraction(19, 3)


@given(histories, promises, levels)
def test_it_is_the_least_of_rockafellar_and_uryasev(
    cases: list[int], promised: int, level: float
) -> None:
    """The least over t of t + mean(max(0, loss - t)) / (1 - level); it is piecewise linear in t."""
    losses = [max(0, promised - case) for case in cases]
    tail = 1 - Fraction(level)
    least = min(
        t + Fraction(sum(max(0, loss - t) for loss in losses), len(losses)) / tail for t in losses
    )
    assert expected_shortfall_uj(cases, promised, level) == least


@given(histories, promises, promises, levels)
def test_it_rises_and_is_convex(cases: list[int], one: int, other: int, level: float) -> None:
    """In what is promised; between the mean and the worst case."""
    low, high = sorted((one, other))
    at = [expected_shortfall_uj(cases, q, level) for q in (low, high)]
    assert at[0] <= at[1] <= at[0] + (high - low)
    middle = expected_shortfall_uj([2 * case for case in cases], low + high, level)
    assert middle <= at[0] + at[1]
    mean = expected_shortfall_uj(cases, low, 0.0)
    assert mean <= at[0] <= max(0, low - min(cases))


@given(histories, levels, st.integers(0, 500))
def test_the_largest_commitment_is_the_largest(
    cases: list[int], level: float, bearable: int
) -> None:
    most = largest_commitment_uj(cases, level, bearable)
    assert expected_shortfall_uj(cases, most, level) <= bearable
    assert expected_shortfall_uj(cases, most + 1, level) > bearable


def test_the_cases_of_an_interval() -> None:
    assert cases_of(list(range(10)), 2, 4) == [2, 6]


def test_refusals() -> None:
    for cases, level in (([], 0.5), ([1], 1.0), ([1], -0.1)):
        with pytest.raises(InputError):
            expected_shortfall_uj(cases, 1, level)
    with pytest.raises(InputError):
        largest_commitment_uj([1], 0.5, -1)
    with pytest.raises(InputError):
        largest_commitment_uj([], 0.5, 0)
