"""Stretches for tests: small ones by hand, and random ones that balance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from isojoule.core.pause import Pause
from isojoule.kernels.money import payments
from isojoule.settlement.rules import BASES, Fee, Imbalance, Rules
from isojoule.settlement.stretch import Stretch

KWH_UJ = 3_600_000_000_000


def stretch_of(**changes: Any) -> Stretch:
    """One interval: Ada sells 2 kWh, Bo buys 1 kWh, the rest goes out; the tariff is 0.30 and 0.08.

    Between neighbours a kWh costs 0.20 EUR. No losses. Meters read what was cleared.
    """
    cleared = np.array([[-2 * KWH_UJ, KWH_UJ]])
    given: dict[str, Any] = {
        "currency": "EUR",
        "interval_s": 900.0,
        "members": ("ada", "bo"),
        "time_s": np.array([1_000_000]),
        "group_s": np.array([1_000_000]),
        "cleared_uj": cleared,
        "payment_nano": np.array([[-280_000_000, 200_000_000]]),
        "earned_nano": np.zeros((1, 2), np.int64),
        "worked_nano": np.zeros((1, 2), np.int64),
        "metered_uj": cleared,
        "utility_uj": np.array([KWH_UJ]),
        "utility_nano": np.array([80_000_000]),
        "tie_uj": np.array([KWH_UJ]),
        "loss_uj": np.array([0]),
        "sells_at_per_j": np.array([0.30 / 3.6e6]),
        "buys_at_per_j": np.array([0.08 / 3.6e6]),
        "paused": np.array([False]),
    }
    return Stretch(**{**given, **changes})


def random_stretch(
    seed: int, intervals: int = 12, members: int = 5, *, errors: bool = True
) -> Stretch:
    """A market of random energies at random prices, with losses; with meters that differ."""
    rng = np.random.default_rng(seed)
    cleared = rng.integers(-3 * KWH_UJ, 3 * KWH_UJ, (intervals, members))
    cleared[rng.random(cleared.shape) < 0.2] = 0
    loss = rng.integers(0, KWH_UJ // 10, intervals)
    utility = -cleared.sum(1) - loss
    price = rng.uniform(-0.02, 0.3, intervals) / 3.6e6
    sells = rng.uniform(0.2, 0.4, intervals) / 3.6e6
    buys = sells * rng.uniform(0, 1, intervals)
    change = rng.integers(-KWH_UJ, KWH_UJ, cleared.shape) * (
        errors and rng.random(cleared.shape) < 0.7
    )
    metered = cleared + change
    tie = -metered.sum(1) - loss - (rng.integers(0, KWH_UJ // 50, intervals) if errors else 0)
    payment = payments(np.repeat(price, members), cleared.ravel()).reshape(cleared.shape)
    earned = -rng.integers(0, 10**8, cleared.shape)
    worked = rng.integers(-(10**7), 10**7, cleared.shape)
    worked[:, -1] -= worked.sum(1)
    at_tie = np.where(utility < 0, sells, buys)
    return Stretch(
        currency="EUR",
        interval_s=900.0,
        members=tuple(f"m{i}" for i in range(members)),
        time_s=1_600_000_000 + 900 * np.arange(intervals),
        group_s=1_600_000_000 + 3600 * (np.arange(intervals) // 4),
        cleared_uj=cleared,
        payment_nano=payment,
        earned_nano=earned,
        worked_nano=worked,
        metered_uj=metered,
        utility_uj=utility,
        utility_nano=payments(at_tie, utility),
        tie_uj=tie,
        loss_uj=loss,
        sells_at_per_j=sells,
        buys_at_per_j=buys,
        paused=rng.random(intervals) < 0.2,
    )


def some_rules(seed: int) -> Rules:
    """Rules of every kind, by chance."""
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.uniform(-0.1, 0.5, 2) / 3.6e6)
    prices = (
        Imbalance("tie"),
        Imbalance("dual", short_factor=1.0 + low * 1e6, long_factor=0.8),
        Imbalance("fixed", short_per_j=high, long_per_j=low),
    )
    payer = ("cause", "members")[int(rng.integers(2))]
    rates = {"days": 1e-6, "bill": 0.3}
    fees = tuple(
        Fee(f"fee {on}", on, float(rng.uniform(-1, 1)) * rates.get(on, 0.1 / 3.6e6), "somebody")
        for on in BASES
        if rng.random() < 0.6
    )
    start = 1_600_000_000 + 900 * int(rng.integers(12))
    return Rules(
        imbalance=replace(prices[int(rng.integers(3))], payer=payer),  # type: ignore[arg-type]
        loss_payer=("operator", "members")[int(rng.integers(2))],  # type: ignore[arg-type]
        fees=fees,
        pauses=(Pause(start, start + 1000),) if rng.random() < 0.5 else (),
    )
