"""What a day-ahead market sees, for tests: two members by hand, and neighbourhoods by chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from isojoule.settlement.day_ahead.blocks import Seen

KWH = 3.6e6
KWH_UJ = 3_600_000_000_000
HOUR_S, DAY_S = 3600, 86_400
HALF_S = DAY_S // 2


def two_halves(**changes: Any) -> Seen:
    """Ada and Bo over two days of two halves each; prices per kWh.

    In the first half of the first day Ada gives 10 kWh and Bo takes 8, at 0.20. In that of the
    second she gives 6, at 0.30, where a missing kWh costs 0.50.
    """
    net = np.array([[-10, 8], [0, 4], [-6, 8], [0, 4]]) * KWH_UJ
    time_s = HALF_S * np.arange(4)
    given: dict[str, Any] = {
        "members": ("member/ada", "member/bo"),
        "interval_s": HALF_S,
        "time_s": time_s,
        "day_s": time_s // DAY_S * DAY_S,
        "agreed_s": time_s // DAY_S * DAY_S - HALF_S,
        "net_uj": net,
        "curtailed_uj": np.zeros_like(net),
        "reference_per_j": np.array([0.20, 0.25, 0.30, 0.25]) / KWH,
        "imbalance_per_j": np.full(4, 0.50) / KWH,
        "middle_per_j": np.full(4, 0.22) / KWH,
    }
    return Seen(**{**given, **changes})


def by_chance(seed: int, days: int = 6, members: int = 5, gap: bool = False) -> Seen:
    """Hours of a neighbourhood: sun at noon, loads that differ, prices that move."""
    rng = np.random.default_rng(seed)
    hours = 24 * days
    time_s = HOUR_S * np.arange(hours, dtype=np.int64)
    if gap:  # the second half is another season
        time_s[hours // 2 :] += 90 * DAY_S
    sun = np.maximum(0, np.sin((np.arange(hours) % 24 - 6) / 12 * np.pi))
    size = rng.uniform(0, 6, members) * (rng.random(members) < 0.6)
    sunny = rng.uniform(0.3, 1, (hours, 1))
    load = rng.uniform(0.2, 2, members) * rng.uniform(0.7, 1.3, (hours, members))
    net = np.rint((load - sun[:, None] * sunny * size) * KWH_UJ).astype(np.int64)
    price = rng.uniform(0.05, 0.35, hours) / KWH
    price[rng.random(hours) < 0.05] = np.nan
    curtailed = (rng.random(net.shape) < 0.1) * rng.integers(0, KWH_UJ, net.shape)
    day_s = time_s // DAY_S * DAY_S
    return Seen(
        members=tuple(f"member/m{at}" for at in range(members)),
        interval_s=HOUR_S,
        time_s=time_s,
        day_s=day_s,
        agreed_s=day_s - HALF_S,
        net_uj=net,
        curtailed_uj=curtailed,
        reference_per_j=price,
        imbalance_per_j=np.nan_to_num(price) * 1.5,
        middle_per_j=np.full(hours, 0.2) / KWH,
    )
