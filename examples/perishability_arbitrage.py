"""What perishability lets traders earn, and why it is off unless you ask for it.

Three traders own three hops between a store whose worth decays while it idles and a store that
keeps. Once the first is stale enough, energy moves through all three, and the one with the
thinnest cable earns most. That is honest work: energy goes where it keeps.

But decay can also be pumped. Whoever buys from the stale store freshens it by this very purchase,
and sells the same energy back to the same store at its fresher price. At the end of each day both
stores hold what they held, and money has gone from the owner of the perishable one to the trader
for nothing. A store that does not perish gives nothing away.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import BLUE, GREEN, RED, SOFT, axes, label, picture, run
from _world import asks, bids, clear, moved, path, store, uj

from isojoule.valuation import Battery

TAU_S, FLOOR = 12 * 3600.0, 0.4
LOT_KWH, LOTS, DAYS = 0.5, 12, 5
IDLE_H = np.arange(0, 49)


def three_hops(idle_h: float) -> list[float]:
    """What the owners of three hops earn in an hour, ct, after so much idling."""
    grid = path(["stale", "first", "second", "keeps"], capacity_kw=(3, 1, 3), ct=1, owner="trader")
    stale = replace(store(8), tau_s=TAU_S, floor=FLOOR, idle_s=idle_h * 3600)
    c = clear({"stale": stale, "keeps": store(8)}, grid).clearing
    return [-nano * 1e-7 for nano in c.link_payment_nano.tolist()]


def pump(battery: Battery) -> tuple[list[float], list[float]]:
    """Days of buying when stale and selling when fresh: the trader's money, the store's energy."""
    grid = path(["store", "trader"])
    money, held = [0.0], [8.0]
    for _ in range(DAYS):
        if np.isfinite(battery.tau_s):
            battery = replace(battery, idle_s=24 * 3600.0)
        for offer in [bids(LOT_KWH, 100)] * LOTS + [asks(LOT_KWH, 0)] * LOTS:
            got = clear({"store": battery, "trader": offer}, grid, minutes=0.01)
            money.append(money[-1] - got.paid["trader"])
            battery = after(battery, got.received_uj["store"])
            held.append(battery.energy_uj / uj(1))
        assert battery.energy_uj == uj(8)  # to the microjoule
    return money, held


def after(battery: Battery, received_uj: int) -> Battery:
    """The battery after a trade: a sale of q out of F sets its idling back to t * (1 - q/F)."""
    sold = max(-received_uj, 0) / battery.energy_uj
    return replace(moved(battery, received_uj), idle_s=battery.idle_s * (1 - sold))


def main(out: Path) -> str:
    """Draw the earnings of three hops against idling, and the pump's money day by day."""
    earned = np.array([three_hops(float(h)) for h in IDLE_H])
    assert np.all(earned[0] == 0) and np.all(np.diff(earned.sum(axis=1)) > -1e-6)
    assert np.all(earned[-1] > 0) and earned[-1, 1] > 2 * earned[-1, 0]
    pumped, held = pump(replace(store(8), tau_s=TAU_S, floor=FLOOR))
    honest, _ = pump(store(8))
    profit = np.diff(pumped[:: 2 * LOTS])
    assert np.all(profit > 10) and np.ptp(profit) < 1e-4  # every day, from nothing
    assert honest[-1] <= 0 < pumped[-1]
    assert held[0] == held[-1] == 8

    with picture(
        out,
        "perishability_arbitrage",
        "What decays is bought cheaply, and can be pumped",
        3,
        size=(10.5, 4),
    ) as (left, middle, right):
        for i, colour in enumerate((BLUE, RED, GREEN)):
            left.plot(IDLE_H, earned[:, i], color=colour)
        for i, name, colour in ((0, "first and third", GREEN), (1, "thin cable", RED)):
            label(left, 48, earned[-1, i], name, colour, dx=0, dy=9, ha="right")
        axes(left, "Hours that the store has idled", "Three hops: each trader earns, ct")
        times = np.array([d * 24 + i / 24 * 6 for d in range(DAYS) for i in range(2 * LOTS)])
        middle.step(np.append(0, times + 24), held, color=BLUE, where="post")
        middle.set_xticks(range(0, 24 * DAYS + 25, 24), [str(d) for d in range(DAYS + 2)])
        axes(middle, "Days", "The pump: energy in the store, kWh", low=0)
        for money, colour in ((pumped, RED), (honest, SOFT)):
            right.plot(range(DAYS + 1), money[:: 2 * LOTS], color=colour, marker="o")
        label(
            right, 3, pumped[6 * LOTS], "from a store\nthat perishes", RED, dx=-8, dy=12, ha="right"
        )
        label(right, 5, honest[-1], "from one that keeps", SOFT, dx=0, dy=-13, ha="right")
        right.set_ylim(-60, 95)
        axes(right, "Days", "The pump: the trader's money, ct")
    return (
        f"three hops earn {', '.join(f'{e:.1f}' for e in earned[-1])} ct after two days; the pump "
        f"takes {profit[0]:.1f} ct a day from a store that ends each day as it began"
    )


if __name__ == "__main__":
    run(main)
