"""Polylines of net demand (docs/spec/solvers.md, E11), against what they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.kernels.polyline import MOST_POINTS, add, between, draw, refine, through, trim

Row = tuple[np.ndarray, np.ndarray]
PRICES = st.floats(0.0, 2.0).map(lambda v: round(v, 3))
WANTS = st.floats(-50.0, 50.0).map(lambda v: round(v, 2))


@st.composite
def rows(draw_: st.DrawFn) -> Row:
    """Falling prices, rising wants; jumps and flats are likely."""
    size = draw_(st.integers(1, 8))
    at = sorted(draw_(st.lists(PRICES, min_size=size, max_size=size)), reverse=True)
    want = sorted(draw_(st.lists(WANTS, min_size=size, max_size=size)))
    return np.array(at), np.array(want)


def value(row: Row, price: float) -> tuple[float, float]:
    """Least and most that is wanted at a price: both ends of a jump."""
    at, want = row
    if price > at[0]:
        return want[0], want[0]
    if price < at[-1]:
        return want[-1], want[-1]
    same = want[at == price]
    if same.size:
        low = want[0] if at[0] == price else same.min()
        high = want[-1] if at[-1] == price else same.max()
        return low, high
    i = int(np.flatnonzero(at < price)[0])
    share = (at[i - 1] - price) / (at[i - 1] - at[i])
    here = want[i - 1] + share * (want[i] - want[i - 1])
    return here, here


def near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one == pytest.approx(other, abs=1e-9)


@settings(deadline=None)
@given(rows(), rows(), PRICES)
def test_a_sum_is_the_sum_at_every_price(one: Row, other: Row, price: float) -> None:
    at, want = (np.concatenate(both) for both in zip(one, other, strict=True))
    out_at, out_want = np.zeros(at.size), np.zeros(at.size)
    end = add(at, want, 0, one[0].size, at.size, out_at, out_want, 0)
    total = out_at[:end], out_want[:end]
    assert np.all(np.diff(total[0]) <= 0) and np.all(np.diff(total[1]) >= -1e-9)
    a, b = value(one, price), value(other, price)
    assert near(value(total, price), (a[0] + b[0], a[1] + b[1]))


@settings(deadline=None)
@given(
    rows(),
    st.floats(0.5, 1.0),
    st.sampled_from([0.0, 1e-3, 4e-3]),
    st.sampled_from([0.0, 0.07]),
    st.sampled_from([3.0, 30.0, math.inf]),
    st.floats(0.01, 2.5),
)
def test_what_a_link_takes_pays_and_no_more_would(
    row: Row, gain: float, r: float, fee: float, capacity: float, here: float
) -> None:
    """At each point of the new row, the price and what is taken fit the row behind the link."""
    if r > 0.0:
        capacity = min(capacity, 0.9 * gain / (2.0 * r))
    out_at, out_want = np.zeros(row[0].size + 4), np.zeros(row[0].size + 4)
    marks = np.zeros((1, 4))
    end = through(*row, 0, row[0].size, capacity, gain, r, fee, marks, 0, out_at, out_want, 0)
    at, want = out_at[:end], out_want[:end]
    assert np.all(np.diff(at) <= 1e-12) and np.all(np.diff(want) >= -1e-9)
    assert list(marks[0]) == sorted(marks[0], reverse=True)
    for price, taken in zip(at.tolist(), want.tolist(), strict=True):
        assert taken <= capacity + 1e-9
        if taken > 0.0:
            arrives = (gain - r * taken) * taken
            there = (price + fee) / (gain - 2.0 * r * taken)
        elif taken < 0.0:
            sent = _sent(-taken, gain, r)
            assert sent <= capacity + 1e-9
            arrives, there = -sent, (gain - 2.0 * r * sent) * price - fee
        else:
            continue
        if taken == want[0] or taken == want[-1]:
            continue  # more may be wanted than it carries; and less
        low, high = value(row, round(there, 12))
        slack = 1e-6 + 1e-6 * abs(arrives)
        lower = value(row, there * (1 + 1e-9) + 1e-12)[0]
        higher = value(row, there * (1 - 1e-9) - 1e-12)[1]
        assert min(low, lower) - slack <= arrives <= max(high, higher) + slack


def _sent(arrives: float, gain: float, r: float) -> float:
    if r == 0.0:
        return arrives / gain
    return (gain - math.sqrt(gain * gain - 4.0 * r * arrives)) / (2.0 * r)


@settings(deadline=None)
@given(rows(), PRICES, PRICES, PRICES)
def test_a_trimmed_row_is_the_same_between_its_ends(
    row: Row, one: float, other: float, price: float
) -> None:
    low, high = min(one, other), max(one, other) + 0.01
    at, want = row[0].copy(), row[1].copy()
    first, last = trim(at, want, 0, at.size, low, high)
    assert last > first
    if low < price < high:
        assert near(value((at[first:last], want[first:last]), price), value(row, price))


@settings(deadline=None)
@given(rows(), WANTS, st.floats(1e-6, 10.0), PRICES)
def test_a_refined_row_is_the_same(row: Row, level: float, wide: float, price: float) -> None:
    room = row[0].size * (MOST_POINTS + 1)
    at, want = np.zeros(room), np.zeros(room)
    end = refine(*row, 0, row[0].size, level, wide, at, want, 0)
    low, high = value((at[:end], want[:end]), price)
    least, most = value(row, price)
    assert least - 1e-9 <= low and high <= most + 1e-9
    if row[1][0] < level < row[1][-1]:
        assert np.min(np.abs(want[:end] - level)) <= 2.0 * wide + 1e-9


@pytest.mark.parametrize("k", [0.2, 2.0, 8.0])
def test_chords_stand_on_the_curve_and_close_in(k: float) -> None:
    at, want = np.zeros(MOST_POINTS), np.zeros(MOST_POINTS)
    curve = (-400.0, 600.0, 0.1, 1.0, 0.6, 1e-3, k)
    for wide in (math.inf, 50.0, 1e-3):
        end = draw(*curve, 123.0, wide, at, want, 0)
        true = 0.1 + np.maximum(0.6 - 1e-3 * want[:end], 0.0) ** k
        assert at[:end] == pytest.approx(true, abs=1e-14)
        assert want[0] == -400.0 and want[end - 1] == 600.0 and np.all(np.diff(want[:end]) > 0)
    j = int(np.flatnonzero(at[:end] <= 0.1 + 0.477**k)[0])
    assert between(at, want, 0, end, j, 0.1 + 0.477**k) == pytest.approx(123.0, abs=1e-9)
