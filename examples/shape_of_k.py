"""The shape of k: what it says about its owner, and who gains and who loses by choosing it.

k bends the curve v(F) = v_min + (v_max - v_min) * (1 - F/F_max)^k. With k above 1 energy is cheap
until the battery is nearly empty, with k below 1 it is dear early. Neighbours feel it: a battery
with a large k sells to them in ordinary hours and is empty when energy is scarce.
The page docs/shape-of-k.md tells this in words; all its numbers are made here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _picture import AMBER, BLUE, GREEN, RED, SOFT, axes, label, picture, run
from _world import CT_PER_KWH, KWH_UJ, asks, clear, grid_of, moved, path, store, uj, worth

from isojoule.valuation import Load
from isojoule.valuation.offer import Spec

SHAPES = (0.5, 1.0, 2.0, 4.0)
COLOURS = dict(zip(SHAPES, (AMBER, RED, GREEN, BLUE), strict=True))
CHOICES = [float(k) for k in np.geomspace(0.25, 4, 33)]
CAPACITY, STORM = 10.0, 42


def value(energy_kwh: float, k: float) -> float:
    """What the first kWh in a battery are worth together, ct: the integral of v from 0."""
    rest = (1 - energy_kwh / CAPACITY) ** (k + 1)
    return float(10 * energy_kwh + 20 * CAPACITY / (k + 1) * (1 - rest))


def street(k: float, mine_kwh: float) -> list[float]:
    """One hour between a battery of shape k and two neighbours with k = 1.

    Returns its energy after (kWh), the price (ct/kWh), and gains in ct: of its owner if the curve
    k is what energy is worth to it; of its owner if k = 1 were; of both neighbours.
    """
    before = {"mine": mine_kwh, "ada": 6.0, "bo": 2.0}
    stores = {n: store(e, CAPACITY, k=k if n == "mine" else 1) for n, e in before.items()}
    got = clear(stores, grid_of(list(before), [("mine", "ada"), ("mine", "bo")]))

    def gain(name: str, shape: float) -> float:
        end = before[name] + got.received[name]
        return value(end, shape) - value(before[name], shape) - got.paid[name]

    others = gain("ada", 1) + gain("bo", 1)
    end = mine_kwh + got.received["mine"]
    return [end, got.price["mine"], gain("mine", k), gain("mine", 1), others]


def two_days(k: float) -> tuple[list[float], list[float]]:
    """A sunny and a dark day, then a storm that cuts the lines at 18:00: one battery among three.

    Returns its level hour by hour (kWh), and: sold in ordinary hours (kWh), earned by then (ct),
    held when the storm comes (kWh), hours of the storm without light.
    """
    names = ["street", "mine", "ada", "bo"]
    links = [("street", name) for name in names[1:]]
    whole, cut = grid_of(names, links), grid_of(names, links, capacity_kw=0)
    stores = {name: store(5, CAPACITY, k=k if name == "mine" else 1) for name in names[1:]}
    level, sold, earned, dark = [5.0], 0.0, 0.0, 0.0
    for hour in range(48):
        sun = 5 * max(0.0, float(np.sin((hour - 6) * np.pi / 12))) if hour < 24 else 0.0
        calm = hour < STORM
        lamps = {"street": 0.5 + 0.9 * (17 <= hour % 24 < 23)} if calm else {"mine/lamps": 0.6}
        loads = {name: Load(uj(use), 100 * CT_PER_KWH) for name, use in lamps.items()}
        offers: dict[str, Spec] = {**stores, **loads, "street/sun": asks(sun, 0, spill=0)}
        got = clear(offers, whole if calm else cut)
        stores = {name: moved(b, got.received_uj[name]) for name, b in stores.items()}
        level.append(stores["mine"].energy_uj / KWH_UJ)
        if calm:
            sold += max(-got.received["mine"], 0)
            earned -= got.paid["mine"]
        dark += got.unserved / 0.6
    return level, [sold, earned, level[STORM], dark]


def tables() -> list[list[str]]:
    """The tables of the page, as rows of Markdown."""

    def table(head: str, rows: list[list[float]], digits: int) -> list[str]:
        line = ["|".join(["", *("---" for _ in rows[0]), ""])]
        return [head, *line] + [
            f"| {row[0]:g} | " + " | ".join(f"{x:.{digits}f}" for x in row[1:]) + " |"
            for row in rows
        ]

    first = "| k | Energy after, kWh | Price, ct/kWh | Gain by k | Gain by k = 1 | Neighbours |"
    second = "| k | Sold, kWh | Earned, ct | Left at 18:00, kWh | Dark hours |"
    choices = (0.5, 0.75, 1, 1.2, 1.5, 2, 4)
    return [
        table(first, [[k, *street(k, 8)] for k in choices], 2),
        table(first, [[k, *street(k, 2)] for k in choices], 2),
        table(second, [[k, *two_days(k)[1]] for k in SHAPES], 1),
    ]


def check() -> None:
    """The claims of the page."""
    known = {"one": store(5, ct=(10, 110), k=1), "two": store(5, ct=(10, 110), k=2)}
    got = clear(known, path(["one", "two"]))
    assert abs(got.received["one"] - 1.180339887) < 1e-6  # the known answer K7, in kWh and ct
    assert abs(got.received["two"] + 1.180339887) < 1e-6
    assert abs(got.price["one"] - 48.196601) < 1e-4
    seller = {k: street(k, 8) for k in CHOICES}
    buyer = {k: street(k, 2) for k in CHOICES}
    for told in (seller, buyer):
        end, price, own, _, _ = np.array(list(told.values())).T
        assert np.all(np.diff(end) < 0) and np.all(np.diff(price) < 0)
        assert np.all(own > -1e-6)  # by the curve that it told nobody loses
    assert np.all(np.diff([row[4] for k, row in seller.items() if k >= 0.5]) > 0)
    best_seller = max(CHOICES, key=lambda k: seller[k][3])
    best_buyer = max(CHOICES, key=lambda k: buyer[k][3])
    assert 0.5 < best_seller < 1 < best_buyer < 1.5  # a little bending pays, at others' cost
    assert seller[best_seller][4] < street(1, 8)[4] and buyer[best_buyer][4] < street(1, 2)[4]
    for told in (seller, buyer):  # the truth is best for all together
        assert abs(max(CHOICES, key=lambda k: told[k][3] + told[k][4]) - 1) < 1e-9
    assert seller[4][3] < 0 and buyer[4][3] < 0 and buyer[0.25][3] < 0  # much bending does not
    days = np.array([two_days(k)[1] for k in SHAPES])
    sold, _, left, dark = days.T
    assert np.all(np.diff(sold) > 0) and np.all(np.diff(left) < 0)
    assert np.all(dark[:2] == 0) and 0 < dark[2] < dark[3]


def main(out: Path) -> str:
    """Check the claims; draw curves, gains, and two days."""
    check()
    with picture(
        out, "shape_of_k", "The shape of k: who gains and who loses", 3, size=(12, 4.2)
    ) as (curves, gains, days):
        filling = np.linspace(0, CAPACITY, 101)
        for k, colour in COLOURS.items():
            curves.plot(filling, [worth(store(5, CAPACITY, k=k), f) for f in filling], color=colour)
            at = 5.5 if k < 4 else 3.2
            height = worth(store(5, CAPACITY, k=k), at)
            label(curves, at, height, f"k = {k:g}", colour, dx=4, dy=7 if k < 4 else 5)
        axes(curves, "Free energy in the battery, kWh", "Worth of the next kWh, ct", low=9)
        told = np.array([street(k, 8) for k in CHOICES])
        gains.plot(CHOICES, told[:, 4], color=BLUE)
        gains.plot(CHOICES, told[:, 2], color=RED, linestyle="--", linewidth=1.4)
        gains.plot(CHOICES, told[:, 3], color=RED)
        gains.axhline(0, color=SOFT, linewidth=1)
        gains.set_xscale("log")
        gains.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
        gains.minorticks_off()
        label(gains, 4, told[-1, 4], "both\nneighbours", BLUE, dy=-9)
        label(gains, 4, told[-1, 2], "seller, if k\nis true", RED, dy=9)
        label(gains, 4, told[-1, 3], "seller, if\n1 is true", RED)
        axes(gains, "k that the seller tells", "Gains from trade in an hour, ct")
        days.axvspan(STORM, 48, color=SOFT, alpha=0.15, linewidth=0)
        for k, colour in COLOURS.items():
            level, _ = two_days(k)
            days.plot(range(49), level, color=colour)
            label(days, 28, level[28], f"k = {k:g}", colour, dx=0, dy=7)
        label(days, 45, 9, "storm:\nlines cut", SOFT, dx=0, ha="center")
        days.set_xticks(range(0, 49, 12))
        axes(days, "Hours", "A battery through two days, kWh", low=0)
    sold = {k: two_days(k)[1] for k in SHAPES}
    return (
        f"k = 4 sells {sold[4][0]:.1f} kWh in ordinary hours, k = 1 {sold[1][0]:.1f}; in the storm "
        f"it is dark for {sold[4][3]:.1f} hours, with k = 1 for {sold[1][3]:g}"
    )


if __name__ == "__main__":
    run(main)
