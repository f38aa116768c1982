"""Marginal worth, integral and inverse of a piece, against 60-digit decimals."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isojoule.kernels.prices import demand_at, integral_between, marginal_at
from isojoule.valuation.curve import Pieces, integral, inverse, marginal

CALM = settings(derandomize=True, deadline=None, max_examples=1000)
POWER = st.one_of(st.sampled_from([0.2, 0.5, 1.0, 2.0, 3.0, 8.0]), st.floats(0.05, 12.0))
SHARE = st.floats(0.0, 1.0)


def piece(a: float, b: float, k: float) -> Pieces:
    """The curve of a battery of 1 J that is empty at x = 0: t runs from 1 to 0."""
    columns = (0.0, 1.0, a, b, 1.0, 1.0, k)
    return Pieces(*(np.array([c]) for c in columns))


def exact_integral(a: float, b: float, k: float, x0: float, x1: float) -> Decimal:
    with localcontext() as digits:
        digits.prec = 60
        up = Decimal(k) + 1
        t0, t1 = 1 - Decimal(x0), 1 - Decimal(x1)
        worth = Decimal(a) * (Decimal(x1) - Decimal(x0))
        power = [t**up if t > 0 else Decimal(0) for t in (t0, t1)]
        return worth + Decimal(b) * (power[0] - power[1]) / up


@CALM
@given(st.floats(0.0, 2.0), st.floats(0.01, 3.0), POWER, SHARE)
@example(0.0, 1.0, 0.2, 1.0)
@example(0.0, 1.0, 8.0, 1.0 - 2**-53)
@example(0.0, 1.0, 1.0, 5e-324)
def test_integral_from_zero(a: float, b: float, k: float, x: float) -> None:
    found = float(integral(piece(a, b, k), np.array([x]))[0])
    assert found == pytest.approx(float(exact_integral(a, b, k, 0.0, x)), rel=4e-15 * (1 + k))


@CALM
@given(POWER, SHARE, st.floats(-12, 0))
def test_integral_of_a_short_step_keeps_its_digits(k: float, x0: float, power: float) -> None:
    x1 = min(x0 + 10.0**power, 1.0)
    found = integral_between(0.0, 1.0, 1.0, 1.0, k, x0, x1)
    # the ends themselves are rounded to 2**-53 when 1 - x is formed
    near = 1e-13 * (1 + k) + 3e-16 * (1 + k) / max(1.0 - x1, 1e-3)
    assert found == pytest.approx(float(exact_integral(0.0, 1.0, k, x0, x1)), rel=near, abs=1e-16)


@CALM
@given(st.floats(0.0, 2.0), st.floats(0.01, 3.0), POWER, SHARE)
def test_marginal(a: float, b: float, k: float, x: float) -> None:
    with localcontext() as digits:
        digits.prec = 60
        t = Decimal(1.0 - x)
        true = float(Decimal(a) + (Decimal(b) * t ** Decimal(k) if t else 0))
    assert float(marginal(piece(a, b, k), np.array([x]))[0]) == pytest.approx(true, rel=1e-14)
    assert marginal_at(a, b, 1.0, 1.0, k, x) == pytest.approx(true, rel=1e-14)


@CALM
@given(st.floats(0.0, 2.0), st.floats(0.01, 3.0), POWER, SHARE)
def test_inverse_finds_back_the_price(a: float, b: float, k: float, share: float) -> None:
    price = a + b * share
    p = piece(a, b, k)
    x = inverse(p, np.array([price]))
    assert 0.0 <= x[0] <= 1.0
    # a curve with k < 1 ends steeply: the last place of 1 - x is worth eps**k of its height
    steep = b * (4e-16) ** min(k, 1.0)
    assert float(marginal(p, x)[0]) == pytest.approx(price, rel=1e-13, abs=4 * steep * (1 + k))
    assert demand_at(0.0, 1.0, a, b, 1.0, 1.0, k, price, 0.0) == pytest.approx(x[0], abs=1e-15)


@CALM
@given(st.floats(0.0, 2.0), st.floats(0.0, 3.0), POWER, SHARE, SHARE)
def test_worth_falls_and_its_integral_is_concave(
    a: float, b: float, k: float, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    p = piece(a, b, k)
    m_low, m_high = (float(marginal(p, np.array([x]))[0]) for x in (low, high))
    assert m_high <= m_low
    step = integral_between(a, b, 1.0, 1.0, k, low, high)
    margin = 1e-14 * (abs(step) + 1e-3)
    assert m_high * (high - low) - margin <= step <= m_low * (high - low) + margin


def test_flat_pieces_choose_an_end_or_nothing() -> None:
    flat = Pieces(*(np.array([c] * 3) for c in (-2.0, 0.0, 5.0, 0.0, 1.0, 0.0, 1.0)))
    assert inverse(flat, np.array([4.0, 5.0, 6.0])).tolist() == [0.0, 0.0, -2.0]


def test_out_of_reach_prices_give_the_ends() -> None:
    p = piece(1.0, 1.0, 2.0)
    assert [float(inverse(p, np.array([q]))[0]) for q in (0.5, 1.0, 2.0, 9.0)] == [
        1.0,
        1.0,
        0.0,
        0.0,
    ]
