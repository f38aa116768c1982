"""Energy flows from the cheap corner to the dear corner, as far as its losses pay.

Forty-nine homes on a square. In one corner the sun overflows a full battery, in the other
the batteries are empty. Energy moves over many hops from where it is cheap to where it is dear,
and each hop takes its cut: a price is at most 1 / (1 - loss) times the one before. So no trade
reaches further than ln(v_max / v_min) / ln(1 / (1 - loss)) hops.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import BLUE, GREEN, INK, RED, axes, label, picture, run
from _world import Outcome, clear, grid_of, path, square, store, uj

SIDE, LOSS = 7, 0.03
HOPS = range(1, 26)


def corners() -> tuple[list[str], list[tuple[str, str]], Outcome]:
    """Clear an hour on the square: names `rowcolumn`, links, and the outcome."""
    names, links = square(SIDE)
    far = {name: int(name[0]) + int(name[1]) for name in names}
    homes = {name: store(10 * (1 - far[name] / (2 * SIDE - 2))) for name in names}
    homes["00"] = replace(homes["00"], inflow_uj=uj(6))
    grid = grid_of(names, links, capacity_kw=4, loss=LOSS)
    return names, links, clear(homes, grid)


def delivered(hops: int, loss: float) -> float:
    """Energy that an empty battery gets from a full one over so many lossy hops, kWh."""
    nodes = ["full", *(f"bus-{i}" for i in range(1, hops)), "empty"]
    return clear({"full": store(10), "empty": store(0)}, path(nodes, loss=loss)).received["empty"]


def main(out: Path) -> str:
    """Draw the square with its flows, and how far trade reaches."""
    names, links, got = corners()
    for a, b in links:
        sent = got.sent[f"{a}-{b}"]
        assert sent > -1e-9  # from the cheap corner outwards, never back
        if 1e-6 < sent < 4 - 1e-6:
            assert abs(got.price[b] * (1 - LOSS) - got.price[a]) < 1e-4
    price = np.array([got.price[n] for n in names]).reshape(SIDE, SIDE)
    assert price[0, 0] == price.min() and price[-1, -1] == price.max()

    reach = {}
    for loss in (0.05, 0.1, 0.2):
        reach[loss] = [delivered(hops, loss) for hops in HOPS]
        bound = math.log(30 / 10) / math.log(1 / (1 - loss))
        assert all((kwh > 1e-6) == (h < bound) for h, kwh in zip(HOPS, reach[loss], strict=True))

    with picture(
        out,
        "geographic_arbitrage",
        "From the cheap corner to the dear one, hop by hop",
        2,
        size=(9.4, 4.6),
        widths=(1, 1.25),
    ) as (left, right):
        for a, b in links:
            width = 1.6 * got.sent[f"{a}-{b}"]
            if width > 0.02:
                arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": width, "shrinkA": 7}
                end, begin = ((int(n[1]), -int(n[0])) for n in (b, a))
                left.annotate("", end, xytext=begin, arrowprops={**arrow, "shrinkB": 8})
        across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
        left.scatter(across, -down, c=price, cmap="cividis_r", s=190, zorder=3)
        label(left, 0, 0, f"sun\n{price[0, 0]:.0f} ct", dx=-10, dy=4, ha="right")
        label(left, SIDE - 1, 1 - SIDE, f"{price[-1, -1]:.0f} ct\nempty", dx=11, dy=-4)
        left.set_title("Price: yellow is cheap, dark is dear; arrows: energy")
        left.set_aspect("equal")
        left.margins(0.08)
        left.axis("off")
        for loss, colour in zip(reach, (BLUE, GREEN, RED), strict=True):
            bound = math.log(30 / 10) / math.log(1 / (1 - loss))
            right.plot(HOPS, reach[loss], color=colour, marker="o", markersize=4)
            right.axvline(bound, color=colour, linewidth=1, linestyle=":")
            label(right, bound, 4.5, f"{loss:.0%} a hop:\n{bound:.1f} hops", colour, dx=4)
        right.set_xlim(0, 26)
        axes(right, "Hops between a full and an empty battery", "Energy that arrives, kWh", low=0)
    return (
        f"{price.min():.1f} ct/kWh in the cheap corner, {price.max():.1f} in the dear one; at "
        "5, 10 and 20 % a hop trade ends before 21.4, 10.4 and 4.9 hops"
    )


if __name__ == "__main__":
    run(main)
