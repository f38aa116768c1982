"""Trade between neighbours alone tends to the equilibrium, where nothing stands in its way.

`diffusion` knows no centre: sweep by sweep, each pair of neighbours trades until both value the
next Joule alike. On a path, a tree and a mesh of batteries the welfare comes as close to that of
the equilibrium as one likes; each sweep takes away a share of what is missing. But a full battery,
a bus that stores nothing, or a battery that loses energy on the way in and out can stand between
two who would gain: nobody passes energy on that it cannot keep. There trade stays stuck.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, GREEN, PURPLE, RED, SOFT, axes, label, picture, run
from _world import clear, grid_of, path, square, store

from isojoule.core.chance import uniform
from isojoule.grid import Grid
from isojoule.valuation import Battery

SWEEPS = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512]
World = tuple[dict[str, Battery], Grid]


def free_worlds() -> dict[str, World]:
    """Batteries between a fifth and four fifths, on cables without limit and loss."""
    names, links = square(4)
    stores = {n: store(2 + 6 * uniform(b"diffusion", n)) for n in names}
    up = [(names[(i - 1) // 2], names[i]) for i in range(1, 16)]
    return {
        "path": (stores, path(names)),
        "tree": (stores, grid_of(names, up)),
        "mesh": (stores, grid_of(names, links)),
    }


def blocked_worlds() -> dict[str, World]:
    """A dear and a cheap battery with something between them, and a fourth behind the dear one."""
    cheap, dear, next_door = store(9), store(2), store(4)
    row = path(["cheap", "between", "dear", "next"])
    ends = {"cheap": cheap, "dear": dear, "next": next_door}
    full = store(10, ct=(40, 60))
    lossy = replace(store(5), charge_efficiency=0.7, discharge_efficiency=0.7)
    return {
        "a full battery": ({**ends, "between": full}, row),
        "a bus without storage": ({**ends, "next": store(6)}, row),
        "a lossy battery": ({**ends, "between": lossy}, row),
    }


def missing(world: World) -> np.ndarray:
    """Share of the equilibrium's welfare that is missing after so many sweeps."""
    offers, grid = world
    best = clear(offers, grid).clearing.welfare
    share = []
    for sweeps in SWEEPS:
        c = clear(offers, grid, mechanism="diffusion", sweeps=sweeps).clearing
        share.append(1 - c.welfare / best)
        assert abs(c.notes["distance"]["share"] - share[-1]) < 1e-9  # it says so itself
    return np.array(share)


def main(out: Path) -> str:
    """Draw what is missing after each number of sweeps."""
    free = {name: missing(world) for name, world in free_worlds().items()}
    blocked = {name: missing(world) for name, world in blocked_worlds().items()}
    for told in free.values():
        assert told[0] > 0.001 and np.all(np.diff(told) < 1e-12)
        assert abs(told[-1]) < 1e-9  # to the rounding
    why = {
        "a full battery": "full",
        "a bus without storage": "no storage",
        "a lossy battery": "kink",
    }
    for name, (offers, grid) in blocked_worlds().items():
        assert 0.1 < blocked[name][-1] < 1 and np.ptp(blocked[name][-4:]) < 1e-9  # stuck, for good
        notes = clear(offers, grid, mechanism="diffusion", sweeps=SWEEPS[-1]).clearing.notes
        assert [(row["node"], row["why"]) for row in notes["stuck"]] == [("between", why[name])]
    k12 = {
        "a": store(9, ct=(5, 30)),
        "b": store(10, ct=(50, 110)),
        "c": store(3, ct=(5, 45)),
    }
    known = clear(k12, path(list(k12)))
    assert abs(known.received["a"] + 3.923077) < 1e-5  # K12, in kWh: 9 becomes 5.076923
    assert abs(known.price["a"] - 17.3077) < 1e-3
    stuck = clear(k12, path(list(k12)), mechanism="diffusion", sweeps=100)
    assert set(stuck.received.values()) == {0.0}

    with picture(
        out,
        "diffusion",
        "From neighbour to neighbour: to the equilibrium, or stuck",
        2,
        size=(9.6, 4.2),
        widths=(1.2, 1),
    ) as (left, right):
        for (name, told), colour in zip(free.items(), (BLUE, GREEN, RED), strict=True):
            above = np.maximum(told, 1e-13)  # below is the rounding of floats
            left.plot(SWEEPS, above, color=colour, marker="o", markersize=4)
            at = int(np.argmax(above < 1e-5))
            label(left, SWEEPS[at], above[at], name, colour)
        left.set_yscale("log")
        axes(left, "Sweeps", "Missing of the equilibrium's welfare, share")
        for (name, told), colour in zip(blocked.items(), (PURPLE, SOFT, AMBER), strict=True):
            right.plot(SWEEPS, told * 100, color=colour, marker="o", markersize=4)
            label(right, 512, told[-1] * 100, name, colour, dx=0, dy=-10, ha="right")
        right.set_ylim(0, 100)
        axes(right, "Sweeps; in between stands ...", "Missing of the equilibrium's welfare, %")
        ticks = [2**i for i in range(10)]
        for ax in (left, right):
            ax.set_xscale("log", base=2)
            ax.set_xticks(ticks, [str(t) for t in ticks])
    sweeps = {name: SWEEPS[int(np.argmax(told < 1e-6))] for name, told in free.items()}
    near = ", ".join(f"{name} {n}" for name, n in sweeps.items())
    far = ", ".join(f"{name} {told[-1]:.0%}" for name, told in blocked.items())
    return f"sweeps until a millionth is missing: {near}; missing for good: {far}"


if __name__ == "__main__":
    run(main)
