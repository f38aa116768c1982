"""Prices of a stretch: of the market, of what is missing, and what they cannot exceed.

Spec: docs/spec/collateral.md, B21, B22, B24 and B28.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.settlement.rules import Imbalance
from isojoule.settlement.settle import tie_price
from isojoule.settlement.stretch import Stretch

Floats = NDArray[np.float64]
NANO_PER_UJ = 1000.0
LEAST_UJ = 1_000_000_000
"""Of less energy, a kilojoule, a mean price is mostly rounding."""


def reference_price(s: Stretch) -> Floats:
    """What members paid and got for a Joule, in the mean, by energy, money/J, (T,); nan: no trade.

    Where the market paused it is the middle between the utility's two prices.
    """
    energy = np.abs(s.cleared_uj).sum(1)
    money = (s.payment_nano * np.sign(s.cleared_uj)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        price = money / (energy * NANO_PER_UJ)
    return np.where(s.paused, middle_price(s), np.where(energy >= LEAST_UJ, price, np.nan))


def middle_price(s: Stretch) -> Floats:
    """The middle between the utility's two prices, money/J, (T,); nan off the grid."""
    return (s.sells_at_per_j + s.buys_at_per_j) / 2.0


def short_price(s: Stretch, rule: Imbalance) -> Floats:
    """What a Joule costs that was promised and is missing, money/J, (T,)."""
    sells = np.nan_to_num(s.sells_at_per_j)
    price = {
        "tie": tie_price(s),
        "dual": sells * rule.short_factor,
        "fixed": np.full(s.time_s.size, rule.short_per_j),
    }[rule.price]
    return np.where(s.paused, sells, price)


def highest_price(s: Stretch, rule: Imbalance) -> float:
    """What `short_price` cannot exceed, by the utility's tariff, money/J."""
    if rule.price == "fixed":
        return max(rule.short_per_j, float(np.nan_to_num(s.sells_at_per_j).max(initial=0.0)))
    tariff = np.nan_to_num(np.maximum(s.sells_at_per_j, s.buys_at_per_j))
    factor = max(1.0, rule.short_factor) if rule.price == "dual" else 1.0
    return float(tariff.max(initial=0.0)) * factor


def lowest_price(s: Stretch, rule: Imbalance) -> float:
    """What a Joule too many earns at least, by the utility's tariff, money/J."""
    if rule.price == "fixed":
        return rule.long_per_j
    tariff = np.nan_to_num(np.minimum(s.sells_at_per_j, s.buys_at_per_j))
    factor = rule.long_factor if rule.price == "dual" else 1.0
    return float(tariff.min(initial=np.inf)) * factor if tariff.size else 0.0
