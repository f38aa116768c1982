"""Unequal batteries balance themselves.

Twenty-five homes on a square of thin cables begin with batteries of random size and random level.
Nobody steers. In every quarter of an hour each asks and bids by its own curve, and energy flows
from where a kWh is worth little to where it is worth much. In the end all are equally full and a
kWh is worth the same everywhere; not a microjoule is lost on these lossless cables.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import clear, grid_of, moved, square, store, worth

from isojoule.core.chance import uniform

SIDE = 5
STEPS = 12


def main(out: Path) -> str:
    """Let them trade for three hours; draw levels on the square, and all worths over time."""
    names, links = square(SIDE)
    grid = grid_of(names, links, capacity_kw=1.2)
    sizes = np.array([4 + 8 * uniform(b"balance", name, "size") for name in names])
    batteries = {
        name: store(size * uniform(b"balance", name, "level"), size)
        for name, size in zip(names, sizes, strict=True)
    }
    worths = np.zeros((STEPS + 1, len(names)))
    levels = np.zeros_like(worths)
    total_uj = sum(b.energy_uj for b in batteries.values())
    for step in range(STEPS + 1):
        worths[step] = [worth(b) for b in batteries.values()]
        levels[step] = [b.energy_uj / b.capacity_uj for b in batteries.values()]
        got = clear(batteries, grid, minutes=15).received_uj
        batteries = {n: moved(b, got[n]) for n, b in batteries.items()}

    spread = np.ptp(worths, axis=1)
    assert sum(b.energy_uj for b in batteries.values()) == total_uj  # to the microjoule
    assert np.all(np.diff(spread) < 1e-9)
    assert spread[-1] < 0.001 * spread[0]
    assert np.ptp(levels[-1]) < 0.001

    with picture(
        out,
        "self_balancing",
        "Unequal batteries balance themselves",
        2,
        size=(8.6, 4.2),
        widths=(1, 1.5),
    ) as (squares, lines):
        hours = np.arange(STEPS + 1) / 4
        lines.plot(hours, worths, color=SOFT, linewidth=0.6, alpha=0.6)
        lines.plot(hours, worths.max(axis=1), color=RED)
        lines.plot(hours, worths.min(axis=1), color=BLUE)
        label(lines, 1, worths[4].max(), "where it is dearest", RED, dy=10)
        label(lines, 1, worths[4].min(), "where it is cheapest", BLUE, dy=-12)
        axes(lines, "Hours", "Worth of a kWh in each of 25 homes, ct")
        across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
        for i, step in enumerate((0, 2, 4, STEPS)):
            x, y = 6.4 * (i % 2), -7 * (i // 2)
            squares.scatter(
                across + x, y - down, c=levels[step], s=14 * sizes, cmap="cividis",
                vmin=0, vmax=1, marker="s",
            )  # fmt: skip
            label(squares, x - 0.5, y + 1.1, f"after {step / 4:g} h", SOFT, dx=0)
        squares.set_title("Size and level: dark is empty, yellow full")
        squares.set_ylim(-12, 2.6)
        squares.set_aspect("equal")
        squares.axis("off")
    return (
        f"the spread of worths fell from {spread[0]:.2f} to {spread[-1]:.4f} ct/kWh in "
        f"{STEPS / 4:g} hours; all are {levels[-1].mean():.1%} full"
    )


if __name__ == "__main__":
    run(main)
