"""A full battery: what overflows must be sold or spilled.

The sun keeps shining on a full battery. A neighbour takes energy, the first kWh at 9 ct, the
last only for being paid 8 ct: it would run its heaters with the windows open. The more
overflows, the lower the price, down to what a spilled kWh is worth: 0, or below 0 where switching
the panels off costs something. There flow goes one way: no cable runs in circles and no battery
charges while it discharges, though losses would "earn" money.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, bids, clear, path, store, uj

LOSS = 0.02
OVERFLOW_KWH = np.linspace(0.5, 12, 116)


def main(out: Path) -> str:
    """Clear an hour with ever more overflow, for two worths of what is spilled."""
    grid = path(["corner", "sun", "home"], loss=LOSS)
    prices = {}
    for spill_ct in (0, -4):
        full = store(10, spill_value_per_j=spill_ct * CT_PER_KWH)
        full_too = store(10, charge_efficiency=0.9, discharge_efficiency=0.9)  # could burn energy
        row = []
        for overflow in OVERFLOW_KWH:
            sunny = replace(full, inflow_uj=uj(overflow))
            got = clear({"sun": sunny, "home": bids(10, 9, -8), "corner": full_too}, grid)
            row.append(got.price["sun"])
            sold = -got.received["sun"]
            assert abs(sold + got.spilled - overflow) < 1e-6  # sold or spilled, nothing else
            assert (got.spilled < 1e-6) == (row[-1] > spill_ct + 1e-6)
            lost = sold - got.received["home"]
            assert abs(lost - LOSS * sold) < 1e-9
            assert got.sent["corner-sun"] == got.received["corner"] == 0
        prices[spill_ct] = np.array(row)
        assert np.all(np.diff(row) < 1e-6)
        assert np.isclose(row[-1], spill_ct, atol=1e-6)
    assert np.allclose(prices[0], np.maximum(prices[-4], 0), atol=1e-5)

    with picture(out, "force_full_battery", "A full battery: sold at any price, or spilled") as (
        ax,
    ):
        ax.axhline(0, color=SOFT, linewidth=1)
        ax.plot(OVERFLOW_KWH, prices[-4], color=RED)
        ax.plot(OVERFLOW_KWH, prices[0], color=BLUE)
        label(ax, 12, 0, "spilling is free", BLUE, dx=-2, dy=10, ha="right")
        label(ax, 12, -4, "spilling costs 4 ct/kWh", RED, dx=-2, dy=10, ha="right")
        axes(ax, "Overflow of the full battery in the hour, kWh", "Price at the battery, ct/kWh")
    return (
        f"from {prices[0][0]:.1f} ct/kWh the price falls to {prices[0][-1]:.2f} where spilling is "
        f"free, to {prices[-4][-1]:.2f} where it costs 4"
    )


if __name__ == "__main__":
    run(main)
