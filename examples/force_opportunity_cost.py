"""Opportunity cost: nobody sells below what the next kWh is worth to itself.

A buyer offers a price for as much as there is. The battery sells until its own next kWh is worth
that price, and stops. When it has promised 3 kWh to a job of its own, the same energy is dearer
from the first kWh on: selling now means lacking later.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import BLUE, PURPLE, axes, label, picture, run
from _world import bids, clear, path, store, uj

OFFERED_CT = np.linspace(5, 35, 61)


def main(out: Path) -> str:
    """Raise the buyer's price; draw what the battery sells, with and without a job of its own."""
    grid = path(["battery", "buyer"])
    plain = store(8)
    busy = replace(plain, committed_uj=uj(3))
    sold: dict[str, list[float]] = {"free": [], "busy": []}
    for name, battery, free_kwh in (("free", plain, 8), ("busy", busy, 5)):
        for offered in OFFERED_CT:
            got = clear({"battery": battery, "buyer": bids(20, offered)}, grid)
            q = -got.received["battery"]
            kept_for = 10 + 20 * (1 - free_kwh / 10)  # worth of its next kWh before, v(F)
            # Its own use of these q kWh would be worth the area below its curve: less than it gets.
            assert -got.paid["battery"] >= q * kept_for + q**2 - 1e-6
            stops_at = np.clip(
                (offered - kept_for) / 2, 0, free_kwh
            )  # where both are worth the same
            assert abs(q - stops_at) < 1e-4
            sold[name].append(q)
    assert all(a >= b for a, b in zip(sold["free"], sold["busy"], strict=True))
    assert max(sold["busy"]) <= 5  # what is promised is not for sale at any price

    with picture(
        out, "force_opportunity_cost", "Opportunity cost: no sale below one's own next use"
    ) as (ax,):
        ax.plot(OFFERED_CT, sold["free"], color=BLUE)
        ax.plot(OFFERED_CT, sold["busy"], color=PURPLE)
        label(ax, 35, sold["free"][-1], "nothing promised", BLUE, dx=0, dy=10, ha="right")
        text = "3 of 8 kWh promised"
        label(ax, 35, sold["busy"][-1], text, PURPLE, dx=0, dy=10, ha="right")
        for x, colour in ((14, BLUE), (20, PURPLE)):
            ax.plot([x], [0], "o", color=colour, clip_on=False, zorder=3)
        label(ax, 14, 0, "worth 14 ct to itself", BLUE, dx=-8, dy=10, ha="right")
        label(ax, 20, 0, "worth 20 ct to itself", PURPLE, dx=20, dy=10)
        axes(ax, "What a buyer offers, ct/kWh", "What the battery sells, of 8 kWh", low=0)
    return "8 kWh: asks 14 ct with nothing promised, 20 ct with 3 kWh promised; sells 5 of 8 then"


if __name__ == "__main__":
    run(main)
