"""The offers of devices, against the curves of `isojoule.valuation`, to the last bit.

Spec: docs/spec/valuation.md, V5 to V9, and docs/spec/run.md, R2.
"""

from __future__ import annotations

import numpy as np

from isojoule.kernels.home_offers import fill_homes, fill_packs, fill_utility
from isojoule.valuation.battery import PIECES, BatteryRows, battery_curves


def test_batteries_have_the_pieces_of_their_curve() -> None:
    rng = np.random.default_rng(3)
    n = 400
    capacity = rng.uniform(1e6, 5e7, n)
    reserve = capacity * rng.choice([0.0, 0.1, 0.5, 1.0], n)
    stored = np.rint(capacity * rng.choice([0.0, 0.05, 0.4, 1.0], n) * 1e6).astype(np.int64)
    committed = (stored * rng.choice([0.0, 0.3, 1.0], n)).astype(np.int64)
    fresh = rng.choice([1.0, 0.7], n)
    most_in, most_out = rng.uniform(0, 1e7, (2, n))
    most_in[::7] = most_out[::11] = 0.0
    eta_c, eta_d = rng.uniform(0.5, 1.0, (2, n))
    v_min = rng.uniform(-1e-8, 3e-8, n)
    v_max, v_critical = v_min + 5e-8, v_min + 9e-8
    k = rng.choice([0.2, 1.0, 2.0, 8.0], n)
    packs = np.stack(
        [capacity, reserve, most_in, most_out, eta_c, eta_d, v_min, v_max, v_critical, k], axis=1
    )
    pieces = np.full((7, PIECES * n), np.nan)
    fill_packs(stored, committed, fresh, packs, np.arange(0, PIECES * n, PIECES), pieces)
    zero = np.zeros(n)
    wanted = battery_curves(
        BatteryRows(
            stored / 1e6, capacity, reserve, committed / 1e6, zero, most_in, most_out, eta_c, eta_d,
            v_min, v_max, v_critical, v_critical, zero, k, fresh,
        )
    )  # fmt: skip
    for column, filled in zip(wanted.pieces, pieces, strict=True):
        assert np.array_equal(column.ravel(), filled)


def test_loads_take_and_sun_is_given_or_spilled() -> None:
    wanted = np.array([2_000_000, -3_000_000, 0], np.int64)
    pieces, rest = np.zeros((7, 3)), np.zeros((4, 3))
    fill_homes(
        wanted, np.arange(3), np.array([5.0, 0.0, 4.0]), np.array([0.0, 0.1, 0.2]), np.arange(3),
        pieces, rest,
    )  # fmt: skip
    assert pieces[:3].tolist() == [[0.0, -3.0, 0.0], [2.0, 0.0, 0.0], [5.0, 0.1, 0.2]]
    # spilled = spill0 + spill1 q, unserved = short0 - short1 q
    assert rest.tolist() == [[0, 3, 0], [0, 1, 1], [2, 0, 0], [1, 0, 0]]


def test_a_utility_sells_and_buys_without_a_limit() -> None:
    pieces = np.full((7, 3), np.nan)
    fill_utility(1, 0.3, 0.1, pieces)
    inf = np.inf
    assert pieces[:, 1].tolist() == [-inf, 0, 0.3, 0, 1, 0, 1]
    assert pieces[:, 2].tolist() == [0, inf, 0.1, 0, 1, 0, 1]
    assert np.isnan(pieces[:, 0]).all()
