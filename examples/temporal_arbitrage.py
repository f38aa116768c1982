"""A battery carries energy from noon to evening, and lives on the difference.

A home has sun at noon and lamps in the evening; the utility buys at 8 and sells at 30 ct/kWh. The
battery knows no clock. It buys where the price is below its curve and sells where it is above, and
that is enough: it buys at noon and sells in the evening. Each kWh lost on the way in and out opens
the gap between its bid and its ask, until at a poor efficiency it lets noon and evening pass.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, GREEN, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, Outcome, asks, bids, clear, grid_of, moved, store, uj

from isojoule.valuation import Utility
from isojoule.valuation.offer import Spec

HOURS = np.arange(24)
SUN_KWH = np.maximum(0, 2.6 * np.sin((HOURS - 6) * np.pi / 12)).round(3)
USE_KWH = 0.25 + 1.3 * np.exp(-(((HOURS - 19.5) / 2.5) ** 2)).round(3)
UTILITY = Utility(30 * CT_PER_KWH, 8 * CT_PER_KWH)


def day(round_trip: float) -> tuple[list[Outcome], float]:
    """The last of days that end as they begin: outcomes, and the utility's bill, ct."""
    grid = grid_of(["home"], [])
    one_way = float(np.sqrt(round_trip))
    battery = store(3, 8, ct=(9, 27), charge_efficiency=one_way, discharge_efficiency=one_way)
    for _ in range(40):
        before, outcomes = battery.energy_uj, []
        for sun, use in zip(SUN_KWH, USE_KWH, strict=True):
            offers: dict[str, Spec] = {
                "home/battery": battery,
                "home/sun": asks(sun, 0, spill=0),
                "home/lamps": bids(use, 100),
                "home/utility": UTILITY,
            }
            outcomes.append(clear(offers, grid))
            battery = moved(battery, outcomes[-1].received_uj["home/battery"])
        if abs(battery.energy_uj - before) < uj(1e-4):
            break
    assert abs(battery.energy_uj - before) < uj(1e-4)  # the day repeats itself
    return outcomes, sum(-o.paid["home/utility"] for o in outcomes)


def main(out: Path) -> str:
    """One day at 90 %, and the gain of the day against efficiency."""
    outcomes, bill = day(0.9)
    without = float(
        np.maximum(USE_KWH - SUN_KWH, 0).sum() * 30 - np.maximum(SUN_KWH - USE_KWH, 0).sum() * 8
    )
    gain = without - bill
    battery = np.array([o.received["home/battery"] for o in outcomes])
    price = np.array([o.price["home"] for o in outcomes])
    assert np.all(battery[9:13] > 0) and np.all(battery[17:22] < 0)
    bought, sold = battery.clip(0), (-battery).clip(0)
    assert bought @ price / bought.sum() < sold @ price / sold.sum()
    assert abs(sold.sum() - 0.9 * bought.sum()) < 1e-6
    efficiencies = np.linspace(0.2, 1, 41)
    gains = np.array([without - day(float(e))[1] for e in efficiencies])
    assert gains[-1] > gain > 0 and np.all(np.diff(gains) > -0.01)
    worthwhile = gains > 0.01
    assert np.array_equal(worthwhile, efficiencies > 8 / 30)  # else the evening is not dear enough

    with picture(
        out,
        "temporal_arbitrage",
        "From noon to evening: living on the difference",
        3,
        size=(10.5, 4),
    ) as (left, middle, right):
        left.step(HOURS, price, color=RED, where="mid")
        for level, text, dy in ((30, "the utility sells", 8), (8, "the utility buys", -9)):
            left.axhline(level, color=SOFT, linewidth=1, linestyle=":")
            label(left, 23, level, text, SOFT, dx=0, dy=dy, ha="right")
        axes(left, "Hour of the day", "Price at home, ct/kWh", low=0)
        middle.bar(HOURS[battery > 0], bought[battery > 0], color=GREEN, width=0.8)
        middle.bar(HOURS[battery < 0], battery[battery < 0], color=AMBER, width=0.8)
        middle.axhline(0, color=SOFT, linewidth=1)
        middle.margins(y=0.12)
        label(middle, 10, bought.max(), "buys", GREEN, dx=0, dy=8, ha="center")
        label(middle, 20, battery.min(), "sells", AMBER, dx=0, dy=-8, ha="center")
        axes(middle, "Hour of the day", "What the battery gets, kWh")
        right.plot(efficiencies * 100, gains, color=BLUE)
        right.axvline(800 / 30, color=SOFT, linewidth=1, linestyle=":")
        label(right, 800 / 30, gains[-1], "8 ct / 30 ct", SOFT)
        axes(right, "Energy that comes back, %", "What the home saves a day, ct", low=0)
    return (
        f"bought at {bought @ price / bought.sum():.1f}, sold at {sold @ price / sold.sum():.1f} "
        f"ct/kWh: {gain:.0f} ct a day at 90 %, nothing below 8/30"
    )


if __name__ == "__main__":
    run(main)
