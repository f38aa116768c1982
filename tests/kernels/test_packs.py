"""Batteries in whole microjoules. Spec: docs/spec/run.md, R2 and R3."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isojoule.kernels.packs import idle_packs, move_packs


def test_converters_round_against_the_battery_and_walls_hold() -> None:
    rng = np.random.default_rng(5)
    n = 200
    capacity = rng.integers(10**6, 10**13, n)
    stored = (capacity * rng.uniform(0.3, 0.6, n)).astype(np.int64)
    received = (capacity * rng.uniform(-0.2, 0.2, n)).astype(np.int64)
    eta_c, eta_d = rng.uniform(0.7, 1.0, (2, n))
    after, bad = move_packs(stored, received, np.zeros(n, np.int64), eta_c, eta_d, capacity)
    assert bad == -1
    for i in range(n):
        q = int(received[i])
        gain, drain = math.floor(max(q, 0) * eta_c[i]), math.ceil(max(-q, 0) / eta_d[i])
        assert after[i] == stored[i] + gain - drain
    one = np.ones(3)
    full = np.array([9, 10, 10], np.int64)
    nothing = np.zeros(3, np.int64)
    after, bad = move_packs(full, np.array([1, 2, 3]), nothing, one, one, full)
    assert after.tolist() == [9, 10, 10]  # R3: past a wall by a microjoule or two it stands there
    assert bad == 2


@pytest.mark.parametrize(
    ("stored", "received", "used", "idle"),
    [
        (3_000_000, -500_000, 0, 900.0),  # half of what is free is given: (900 + 900) / 2
        (3_000_000, 700_000, 0, 1800.0),  # who takes has not given
        (3_000_000, 0, 250_000, 1350.0),  # what a machine draws is given
        (3_000_000, -5_000_000, 0, 0.0),
        (2_000_000, -500_000, 0, 1800.0),  # nothing is free
    ],
)
def test_the_idle_clock(stored: int, received: int, used: int, idle: float) -> None:
    """R2: idle becomes (idle + interval) * (1 - q/F)."""
    found = idle_packs(
        np.array([900.0]), np.array([stored]), np.array([received]), np.array([used]),
        np.array([2_000_000.0]), np.array([1.0]), 900.0,
    )  # fmt: skip
    assert found.tolist() == [idle]
