"""Perishability: a store that idles gets cheaper.

Berries, ice or a forgotten battery: with `tau` set, the whole curve of a store falls towards its
`floor` while nobody buys. The ask of the idle store sinks, and a sale freshens it in proportion:
after q out of F, the clock of its idling stands at t * (1 - q/F). Without `tau`, the default, the
same store keeps its price until it sells.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from _picture import BLUE, RED, SOFT, axes, label, picture, run
from _world import KWH_UJ, bids, clear, moved, path, store, worth

TAU_H, FLOOR = 12.0, 0.4
VISITS = {20: 2.0, 30: 0.5, 40: 3.0}
"""Hour of a customer's visit, and the kWh that are wanted, whatever they cost."""


def main(out: Path) -> str:
    """Two days of one store and three customers; draw what the next kWh is asked for."""
    grid = path(["store", "customer"])
    perishable = replace(store(9), tau_s=TAU_H * 3600, floor=FLOOR)
    lasting = store(9)
    asked, lasting_asked = [], []
    for hour in range(49):
        asked.append(worth(perishable))
        lasting_asked.append(worth(lasting))
        wanted = bids(VISITS.get(hour, 0.0), 100)
        free = perishable.energy_uj
        sold_uj = -clear({"store": perishable, "customer": wanted}, grid).received_uj["store"]
        assert sold_uj == round(VISITS.get(hour, 0.0) * KWH_UJ)
        idle_s = (perishable.idle_s + 3600) * (1 - sold_uj / free)
        perishable = replace(moved(perishable, -sold_uj), idle_s=idle_s)
        lasting = moved(lasting, -sold_uj)

    fresh, floor = lasting_asked[0], FLOOR * lasting_asked[0]
    idle = asked[: min(VISITS) + 1]
    assert idle == sorted(idle, reverse=True) and floor < idle[-1] < 0.55 * fresh
    decay = [a / b for a, b in zip(asked, lasting_asked, strict=True)]
    rise = {kwh: decay[hour + 1] - decay[hour] for hour, kwh in VISITS.items()}
    assert 0 < rise[0.5] < rise[2.0] < rise[3.0]  # the larger the sale, the fresher
    assert all(a < b for a, b in zip(asked[1:], lasting_asked[1:], strict=True))
    forgotten = replace(store(9), tau_s=TAU_H * 3600, floor=FLOOR, idle_s=1e9)
    cheapest = clear({"store": forgotten, "customer": bids(0.001, 100)}, grid).price["store"]
    assert abs(cheapest / floor - 1) < 0.001

    with picture(out, "force_perishability", "Perishability: what idles gets cheaper") as (ax,):
        ax.axhline(floor, color=SOFT, linewidth=1, linestyle=":")
        label(ax, 0, floor, f"floor: {FLOOR:.0%} of its worth, however long it idles", SOFT, dy=-9)
        ax.step(range(49), lasting_asked, color=BLUE, where="post")
        ax.step(range(49), asked, color=RED, where="post")
        label(ax, 48, lasting_asked[-1], "keeps", BLUE)
        label(ax, 48, asked[-1], "perishes", RED)
        for hour, wanted_kwh in VISITS.items():
            text = f"sells {wanted_kwh:g} kWh"
            label(ax, hour + 1, lasting_asked[hour + 1], text, dx=0, dy=9, ha="right")
        axes(ax, "Hours", "What the store asks for its next kWh, ct", low=0)
    return (
        f"20 idle hours took the ask from {fresh:.2f} to {asked[20]:.2f} ct/kWh; floor {floor:.2f}"
    )


if __name__ == "__main__":
    run(main)
