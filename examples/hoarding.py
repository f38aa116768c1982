"""Hoarding: each Joule sold makes the next one dearer.

Somebody wants all that a battery holds, a quarter of a kWh at a time, and bids above `v_max`. The
first kWh are sold at ordinary prices, the last ones near `v_max`, and the reserve at no price.
With k above 1 the price stays low until the battery is nearly empty and then runs away; with k
below 1 it is dear early. What the whole costs is the area below the curve.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, GREEN, RED, SOFT, axes, label, picture, run
from _world import bids, clear, moved, path, store, uj

LOT_KWH, LOTS = 0.25, 44
CAPACITY, RESERVE = 11.0, 1.0


def main(out: Path) -> str:
    """Buy lot by lot from batteries of four shapes; draw the price of each lot and the bill."""
    grid = path(["battery", "hoarder"])
    sold = np.arange(LOTS + 1) * LOT_KWH
    prices, bills = {}, {}
    for k in (0.5, 1, 2, 4):
        battery = store(CAPACITY, CAPACITY, k=k, reserve_uj=uj(RESERVE))
        price, bill = [], [0.0]
        for _ in range(LOTS):
            got = clear({"battery": battery, "hoarder": bids(LOT_KWH, 31)}, grid, minutes=1)
            battery = moved(battery, got.received_uj["battery"])
            price.append(got.price["hoarder"] if got.received["hoarder"] > 0 else np.nan)
            bill.append(bill[-1] + got.paid["hoarder"])
        prices[k], bills[k] = np.array(price), np.array(bill)
        free = prices[k][:40]
        assert np.all(np.diff(free) > 0) and np.all(free[:39] < 30)
        assert np.all(np.isnan(prices[k][40:])) and battery.energy_uj == uj(RESERVE)
        more = clear({"battery": battery, "hoarder": bids(LOT_KWH, 1000)}, grid)
        assert more.received["hoarder"] == 0  # whatever it pays
        area = 10 * 10 + 20 * 10 / (k + 1)  # v_min * F + (v_max - v_min) * F / (k + 1)
        assert 0 < bill[-1] - area < LOT_KWH * 20  # a lot costs its last Joule's price
    for cheap, dear in ((4, 2), (2, 1), (1, 0.5)):
        assert np.all(prices[cheap][:39] < prices[dear][:39])

    with picture(
        out, "hoarding", "Hoarding: each Joule sold makes the next one dearer", 2, size=(9.4, 4.3)
    ) as (left, right):
        spots = {0.5: (3, 8), 1: (5.25, 8), 2: (6.6, 7), 4: (7.1, 6)}
        for k, colour in zip(prices, (AMBER, RED, GREEN, BLUE), strict=True):
            left.plot(sold[1:], prices[k], color=colour)
            right.plot(sold[:41], bills[k][:41], color=colour)
            x, dy = spots[k]
            label(
                left, x, prices[k][int(x / LOT_KWH)], f"k = {k:g}", colour, dx=-4, dy=dy, ha="right"
            )
            label(right, 10, bills[k][40], f"k = {k:g}", colour)
        left.axvspan(10, 11, color=SOFT, alpha=0.15, linewidth=0)
        label(left, 10.5, 20, "reserve: not for sale", SOFT, dx=0, ha="center")
        left.texts[-1].set_rotation(90)
        left.set_xlim(0, 11)
        axes(left, "Sold so far, kWh", "Price of the next lot, ct/kWh", low=9)
        axes(right, "Sold so far, kWh", "Bill so far, ct", low=0)
    return (
        "10 kWh cost "
        + ", ".join(f"{bills[k][-1]:.0f} ct at k = {k:g}" for k in bills)
        + "; the reserve stays"
    )


if __name__ == "__main__":
    run(main)
