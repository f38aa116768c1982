"""Payments are ceil(price * energy) to the nano-unit, against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isojoule.kernels.money import LARGEST, payments

PRICES = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.floats(-1e-6, 1e-6, allow_nan=False),
    st.sampled_from([0.5, 0.25, 2.0**-30, 3.0 * 2.0**-40, 2.0**40, 5e-324, 1e-300, -5e-324]),
)
ENERGIES = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-(10**13), 10**13), st.integers(-9, 9)
)


def paid(price: float, energy_uj: int) -> int:
    return int(payments(np.array([price]), np.array([energy_uj], np.int64))[0])


def exact(price: float, energy_uj: int) -> int:
    nano = math.ceil(Fraction(price) * energy_uj * 1000)  # 1e9 nano over 1e6 microjoules
    return max(-LARGEST, min(LARGEST, nano))


@settings(derandomize=True, deadline=None, max_examples=2000)
@given(PRICES, ENERGIES)
@example(0.30 / 3.6e6, 9_007_199_254_740)  # 2.5 kWh: nano-joules no longer fit a double
@example(0.30 / 3.6e6, 9_007_199_254_741)
@example(0.30 / 3.6e6, 3_600_000_000_000_000)  # a megawatt-hour
@example(1e-9, 1)
@example(123456789.123, 10**6)
def test_payment_is_the_ceiling_of_the_exact_product(price: float, energy_uj: int) -> None:
    assert paid(price, energy_uj) == exact(price, energy_uj)


def test_many_at_random_sizes() -> None:
    rng = np.random.default_rng(7)
    price = rng.choice([-1.0, 1.0], 20_000) * 10.0 ** rng.uniform(-25, 9, 20_000)
    energy = (rng.choice([-1, 1], 20_000) * 10.0 ** rng.uniform(0, 18.9, 20_000)).astype(np.int64)
    found = payments(price, energy)
    assert [int(p) for p in found] == [
        exact(float(p), int(e)) for p, e in zip(price, energy, strict=True)
    ]


def test_payer_and_receiver_of_one_amount_leave_at_most_a_nano_unit() -> None:
    rng = np.random.default_rng(8)
    price = rng.uniform(0, 1e-6, 1000)
    energy = rng.integers(1, 10**14, 1000)
    rest = payments(price, energy) + payments(price, -energy)
    assert set(rest.tolist()) <= {0, 1}


def test_no_price_no_payment() -> None:
    assert paid(math.nan, 5) == 0
    assert paid(0.0, 5) == 0
