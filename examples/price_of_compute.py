"""The price of compute at 90 % and at 15 % of the battery.

A machine asks for an operation the Joules that it takes, times what a Joule is worth in its
battery. So the same job is cheap in the sun and dear in the dark, and each step makes the next one
dearer at once. Below half the machine takes fewer jobs of others, below a fifth only critical
ones, below a twentieth it sleeps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, store, uj

from isojoule.machine import Accepted, Host, Machine, Order, Refused, Stage, accept, quote

CAPACITY_KWH, K = 2.0, 2.0
MACHINE = Machine("attic", operations_per_s=1e12, energy_per_operation_j=2e-10)
JOB = Order("fold", "bo", "street", at_s=0, deadline_s=7200, operations=10**14, value=1.0)
URGENT = Order("alarm", "bo", "street", 0, 7200, 10**14, value=1.0, critical=True)
PETA = 1e15


def host(level: float) -> Host:
    """The machine for a quarter of an hour, its battery filled to `level`."""
    battery = store(level * CAPACITY_KWH, CAPACITY_KWH, k=K)
    return Host.begin(MACHINE, "ada", battery, Stage.NORMAL, start_s=0, interval_s=900)


def price_ct(level: float) -> float:
    """Price of 10^15 operations, ct, by the machine."""
    return host(level).price_per_operation * PETA * 100


def main(out: Path) -> str:
    """Draw the price of compute, and how much of the machine others may have, by level."""
    for level in (0.9, 0.15):
        worth = (10 + 20 * (1 - level) ** K) * CT_PER_KWH
        assert abs(price_ct(level) / (2e-10 * worth * PETA * 100) - 1) < 1e-12
    sunny, dark = host(0.9), host(0.15)
    assert sunny.stage is Stage.NORMAL and dark.stage is Stage.CRITICAL
    assert isinstance(quote(dark, JOB), Refused)  # critical Orders only
    taken = accept(sunny, JOB)
    urgent = accept(dark, URGENT)
    assert isinstance(taken, Accepted) and isinstance(urgent, Accepted)
    for before, after in ((sunny, taken), (dark, urgent)):
        first = before.price_per_operation * JOB.operations * 1e9
        last = after.host.price_per_operation * JOB.operations * 1e9
        assert first < after.quote.price_nano < last  # each Joule dearer than the one before
        held = after.host.battery.committed_uj - before.battery.committed_uj
        assert held == after.quote.energy_uj == uj(2e4 / 3.6e6)
    ratio = price_ct(0.15) / price_ct(0.9)
    assert 2.3 < ratio < 2.5

    levels = np.linspace(0.002, 1, 500)
    price = [price_ct(level) for level in levels]
    open_share = [host(level).others_room / (1e12 * 900) for level in levels]
    assert np.all(np.diff(price) < 0) and np.all(np.diff(open_share) >= 0)
    with picture(
        out, "price_of_compute", "Compute costs its Joules times their worth", 2, size=(9.4, 4.2)
    ) as (left, right):
        left.plot(levels * 100, price, color=BLUE)
        for level, colour, side in ((0.9, BLUE, "center"), (0.15, RED, "left")):
            left.plot([level * 100], [price_ct(level)], "o", color=colour, markersize=8)
            text = f"{level:.0%} full: {price_ct(level):.2f} ct"
            label(left, level * 100, price_ct(level), text, colour, dx=0, dy=16, ha=side)
        axes(left, "Battery, %", "10^15 operations of 0.2 nJ cost, ct", low=0)
        right.plot(levels * 100, np.array(open_share) * 100, color=BLUE)
        for middle, text in ((2.5, "asleep"), (12.5, "critical Orders only"), (27, "fewer jobs")):
            label(right, middle, 60, text, SOFT, dx=0, ha="center")
            right.texts[-1].set_rotation(90)
        label(right, 75, 100, "all jobs", SOFT, dx=0, dy=-10, ha="center")
        for edge in (5, 20, 50):
            right.axvline(edge, color=SOFT, linewidth=1, linestyle=":")
        axes(right, "Battery, %", "Open to others, % of its operations", low=0)
    return (
        f"10^15 operations cost {price_ct(0.9):.2f} ct at 90 %, {price_ct(0.15):.2f} ct at 15 %: "
        f"{ratio:.2f} times as much, and for critical Orders only"
    )


if __name__ == "__main__":
    run(main)
