"""Losses in integers: the formula, its monotony, and that every amount can be received."""

from __future__ import annotations

import math
from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isojoule.kernels.commit import losses
from isojoule.kernels.links import loss_of, sent_for

CALM = settings(derandomize=True, deadline=None, max_examples=500)
PPB = st.one_of(st.integers(0, 999_999_999), st.sampled_from([0, 1, 20_000_000, 999_999_999]))


@numba.njit
def _received(sent: np.ndarray, ppb: int, r: float) -> np.ndarray:
    out = np.empty(sent.size, np.int64)
    for i in range(sent.size):
        out[i] = sent[i] - loss_of(sent[i], ppb, r)
    return out


@numba.njit
def _sent(received: int, ppb: int, r: float) -> int:
    return sent_for(received, ppb, r)


def received(sent: int, ppb: int, r: float) -> int:
    return int(_received(np.array([sent], np.int64), ppb, r)[0])


@CALM
@given(st.integers(0, 2**62), PPB)
def test_proportional_loss_is_the_exact_ceiling(sent: int, ppb: int) -> None:
    loss = losses(np.array([sent, -sent], np.int64), np.array([ppb, ppb]), np.zeros(2))
    exact = math.ceil(Fraction(sent * ppb, 10**9))
    assert loss.tolist() == [min(exact, sent)] * 2


@CALM
@given(st.integers(0, 10**14), PPB, st.floats(1e-12, 1e-2))
def test_loss_is_the_sum_of_both_ceilings(sent: int, ppb: int, r: float) -> None:
    f = sent * 1e-6
    exact = math.ceil(Fraction(sent * ppb, 10**9)) + math.ceil(r * f * f * 1e6)
    assert sent - received(sent, ppb, r) == min(exact, sent)


@CALM
@given(st.integers(0, 2**55), PPB)
@example(1, 999_999_999)
@example(999_999, 1)
def test_every_amount_arrives_over_a_proportional_loss(wanted: int, ppb: int) -> None:
    if wanted * 10**9 > (10**9 - ppb) * 2**61:
        return
    sent = _sent(wanted, ppb, 0.0)
    assert received(sent, ppb, 0.0) == wanted
    assert sent == 0 or received(sent - 1, ppb, 0.0) < wanted


@CALM
@given(
    st.floats(0.0, 1.0),
    st.sampled_from([0, 1, 1_000_000, 100_000_000, 900_000_000]),
    st.floats(-9, -1),
)
@example(1.0, 0, -6.0)
@example(1.0, 100_000_000, -4.0)
@example(0.999999, 0, -9.0)
def test_every_amount_arrives_over_a_quadratic_loss(share: float, ppb: int, power: float) -> None:
    """Up to the peak at f = g/(2r), where sending more brings no more."""
    r = 10.0**power
    gain = 1.0 - ppb * 1e-9
    most = received(int(gain / (2.0 * r) * 1e6), ppb, r)
    wanted = int(most * share)
    assert received(_sent(wanted, ppb, r), ppb, r) == wanted


@pytest.mark.parametrize("r", [0.0, 1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("ppb", [0, 1, 123_456_789, 999_999_999])
def test_received_never_jumps(r: float, ppb: int) -> None:
    for start in (0, 10**6, 10**9):
        step = np.diff(_received(np.arange(start, start + 4000), ppb, r))
        assert step.max() <= 1
        assert step.min() >= (0 if r == 0.0 or ppb == 0 else -1)
