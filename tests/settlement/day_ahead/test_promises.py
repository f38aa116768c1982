"""What can be committed, in columns, beside the rules of one holder. collateral.md, B17 to B20."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.settlement.collateral.nouns import Side
from isojoule.settlement.commitments import expected_shortfall_uj, largest_commitment_uj
from isojoule.settlement.day_ahead.promises import delivered_lots, largest_lots, shortfall_lots
from isojoule.settlement.day_ahead.rules import BASIS, LOT_UJ, MOST_LOTS, DayAhead

LEVELS = (0.0, 0.5, 0.75, 0.875, 0.9375)
"""Whole hundredths of a percent, and exact as floats."""


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=40),
    st.sampled_from(LEVELS),
    st.integers(0, BASIS - 1),
)
def test_it_is_the_most_whose_expected_shortfall_is_bearable(
    cases: list[int], level: float, share: int
) -> None:
    rules = DayAhead(0.0, level=level, bearable=share / BASIS)
    most = int(largest_lots(np.array(cases)[:, None], rules)[0])
    bearable = Fraction(share, BASIS)
    assert expected_shortfall_uj(cases, most, level) <= bearable * most
    if most < MOST_LOTS:
        assert expected_shortfall_uj(cases, most + 1, level) > bearable * (most + 1)
    if not share:
        assert most == largest_commitment_uj(cases, level, 0)


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=40),
    st.integers(0, 4000),
    st.sampled_from(LEVELS),
)
def test_shortfall_in_columns_is_that_of_one(cases: list[int], promised: int, level: float) -> None:
    columns = np.array([cases, cases[::-1]]).T
    found = shortfall_lots(columns, np.array([promised, 0]), level)
    assert found[0] == pytest.approx(float(expected_shortfall_uj(cases, promised, level)))
    assert found[1] == 0


def test_by_hand() -> None:
    """Of 10, 10, 10 and 2 the worst quarter is 2: of 2.5 a fifth is short, of 3 a third."""
    cases = np.array([[10], [10], [10], [2]]) * 100
    rules = DayAhead(0.0, level=0.75, bearable=0.2)
    assert largest_lots(cases, rules).tolist() == [250]
    assert largest_lots(cases, DayAhead(0.0, level=0.75, bearable=0.0)).tolist() == [200]
    # of all cases: 1000 + x are short by x, and 800 + x once: (4 x + 800) / 4 of 1000 + x
    assert largest_lots(cases, DayAhead(0.0, level=0.0, bearable=0.2)).tolist() == [1000]


def test_largest_numbers_fit() -> None:
    cases = np.full((366, 3), MOST_LOTS)
    rules = DayAhead(0.0, level=0.0001, bearable=0.9999)
    assert largest_lots(cases, rules).tolist() == [MOST_LOTS] * 3
    assert shortfall_lots(cases * 0, cases[0], 0.0).tolist() == [MOST_LOTS] * 3


def test_lots_are_rounded_down_and_capped() -> None:
    net = np.array([-LOT_UJ * 3 + 1, LOT_UJ * 2, -(2**62)])
    assert delivered_lots(net, Side.SELL).tolist() == [2, 0, MOST_LOTS]
    assert delivered_lots(net, Side.BUY).tolist() == [0, 2, 0]
