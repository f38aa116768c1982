"""Generation: where the sun shines, energy gets cheaper, and around it.

Seven homes in a row, all with half-full batteries, and cables that lose 4 % a hop. Sun on the roof
in the middle fills that battery first; then it pays to carry energy to the neighbours, and each
hop makes it dearer by 1 / (1 - 4 %). The more sun, the further it is felt.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, GREEN, SOFT, axes, label, picture, run
from _world import clear, path, store, uj

LOSS = 0.04
HOMES = ["1", "2", "3", "4", "5", "6", "7"]


def main(out: Path) -> str:
    """Clear an hour with ever more sun; draw the price at each home."""
    grid = path(HOMES, loss=LOSS)
    prices = []
    for sun_kwh in (0, 2, 5, 10):
        homes = {name: store(5) for name in HOMES}
        homes["4"] = replace(homes["4"], inflow_uj=uj(sun_kwh))
        prices.append(np.array(list(clear(homes, grid).price.values())))
    night, _, _, noon = prices
    for less, more in pairwise(prices):
        assert np.all(more < less + 1e-6)
        fall = night - more
        assert fall[3] > 0 and np.all(np.diff(fall[:4]) > -1e-6)
        assert np.allclose(fall, fall[::-1], atol=1e-5)  # the same on both sides
    assert np.allclose(noon[4:] / noon[3:-1], 1 / (1 - LOSS))  # each hop takes its cut
    reached = [int(np.sum(p < night - 1e-6)) for p in prices]
    assert reached == sorted(reached) and reached[1] < reached[-1] == len(HOMES)

    with picture(out, "force_generation", "Generation: cheap at the sun, and around it") as (ax,):
        colours = (SOFT, AMBER, GREEN, BLUE)
        for sun_kwh, price, colour in zip((0, 2, 5, 10), prices, colours, strict=True):
            ax.plot(range(1, 8), price, color=colour, marker="o")
            text = f"{sun_kwh} kWh of sun" if sun_kwh else "night"
            label(ax, 7, price[-1], text, colour, dx=10, dy={0: 7, 2: -5}.get(sun_kwh, 0))
        axes(ax, "Home along the street; the sun shines at home 4", "Price at each home, ct/kWh")
    return (
        f"10 kWh of sun lower the price from {night[3]:.2f} to {noon[3]:.2f} ct/kWh at the sun, "
        f"to {noon[0]:.2f} three hops away"
    )


if __name__ == "__main__":
    run(main)
