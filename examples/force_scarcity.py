"""Scarcity: as reserves deplete, prices rise to what the last Joule is worth.

A village lives from two batteries and a wind that dies down. By day it uses more than the wind
gives. At first the batteries sell along their curves, and the price climbs towards `v_max`. Then
they keep what is left for themselves: at night the wind goes into their reserves, which bid
`v_critical`; by day there is not enough for all, lamps go out, and a kWh costs the value of lost
load.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, asks, clear, grid_of, moved, store, uj

from isojoule.valuation import Load

HOURS = 72
V_MAX, V_CRITICAL, LOST_LOAD = 30.0, 60.0, 500.0


def main(out: Path) -> str:
    """Three days, hour by hour; draw price and stored energy."""
    grid = grid_of(["village", "east", "west"], [("village", "east"), ("village", "west")])
    new = store(9, v_critical_per_j=V_CRITICAL * CT_PER_KWH, reserve_uj=uj(2))
    stores = {"east": new, "west": replace(new, energy_uj=uj(7))}
    price, held, dark = [], [], []
    for hour in range(HOURS):
        wind = 0.8 * np.exp(-hour / 60)
        use = 1.2 if 7 <= hour % 24 < 22 else 0.2
        load = Load(uj(use), LOST_LOAD * CT_PER_KWH)
        own = {n: replace(b, inflow_uj=uj(-0.06)) for n, b in stores.items()}  # to watch themselves
        got = clear({**own, "village": load, "village/wind": asks(wind, 0, spill=0)}, grid)
        price.append(got.price["village"])
        dark.append(got.unserved)
        held.append(sum(b.energy_uj for b in stores.values()) / uj(1))
        stores = {n: moved(b, got.received_uj[n]) for n, b in own.items()}
    prices = np.array(price)

    first_dark = int(np.flatnonzero(np.array(dark) > 0)[0])
    assert np.all(prices[:first_dark] <= V_MAX + 1e-6)
    days = [prices[7 + 24 * d] for d in range(3)]
    assert days == sorted(days) and prices[7] < 20
    assert np.allclose(prices[np.array(dark) > 1e-6], LOST_LOAD)
    reserve = np.isclose(prices, V_CRITICAL)
    assert reserve.sum() >= 5 and np.flatnonzero(reserve)[0] > first_dark

    with picture(
        out,
        "force_scarcity",
        "Scarcity: the last Joules are dear",
        2,
        size=(9, 4.2),
        widths=(1.5, 1),
    ) as (left, right):
        left.step(range(HOURS), prices, color=RED, where="post")
        left.set_yscale("log")
        left.set_ylim(10, 800)
        left.set_yticks([10, 20, 50, 100, 200, 500], ["10", "20", "50", "100", "200", "500"])
        left.minorticks_off()
        names = {LOST_LOAD: "lost load", V_CRITICAL: "v_critical", V_MAX: "v_max"}
        for level, name in names.items():
            left.axhline(level, color=SOFT, linewidth=1, linestyle=":")
            label(left, 0, level, name, SOFT, dy=7)
        left.set_xticks(range(0, HOURS + 1, 12))
        axes(left, "Hours; the village is awake from 7 to 22", "Price in the village, ct/kWh")
        right.fill_between(range(HOURS), held, color=BLUE, alpha=0.25, linewidth=0)
        right.plot(range(HOURS), held, color=BLUE)
        right.axhline(4, color=SOFT, linewidth=1, linestyle=":")
        label(right, HOURS, 4, "their reserves", SOFT, dx=0, dy=8, ha="right")
        right.set_xticks(range(0, HOURS + 1, 24))
        axes(right, "Hours", "Held by both batteries, kWh", low=0)
    return (
        f"the price rose from {prices[7]:.1f} to {V_MAX:g}, then {V_CRITICAL:g} for reserves and "
        f"{LOST_LOAD:g} ct/kWh in {int(np.sum(np.array(dark) > 0))} dark hours"
    )


if __name__ == "__main__":
    run(main)
