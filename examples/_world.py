"""A little world: stores, sun and homes in kWh and ct/kWh, cleared one interval after another.

Offers are named by their node, or `node/what` where a node has several. Inside, all is in whole
microjoules; what is added up here stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.valuation import Battery, Offer, Step, Steps
from isojoule.valuation.offer import Spec

KWH_UJ = 3_600_000_000_000
CT_PER_KWH = 0.01 / 3.6e6
"""One cent per kWh, in EUR per J."""


def uj(energy_kwh: float) -> int:
    """Whole microjoules nearest to so many kWh."""
    return round(energy_kwh * KWH_UJ)


def store(
    energy_kwh: float,
    capacity_kwh: float = 10,
    *,
    ct: tuple[float, float] = (10, 30),
    k: float = 1,
    **more: float,
) -> Battery:
    """A battery worth `ct` per kWh, full and empty; `more` as `Battery` calls it (SI)."""
    low, high = ct[0] * CT_PER_KWH, ct[1] * CT_PER_KWH
    return Battery(uj(energy_kwh), uj(capacity_kwh), low, high, k, **more)  # type: ignore[arg-type]


def asks(
    energy_kwh: float, ct: float, end: float | None = None, spill: float | None = None
) -> Steps:
    """Energy for sale from `ct` to `end` per kWh; with `spill` (ct/kWh) the unsold is lost."""
    step = Step(uj(energy_kwh), ct * CT_PER_KWH, (ct if end is None else end) * CT_PER_KWH)
    return Steps(sell=(step,), spill_value_per_j=None if spill is None else spill * CT_PER_KWH)


def bids(energy_kwh: float, ct: float, end: float | None = None) -> Steps:
    """Energy wanted, the first kWh at `ct`, the last at `end`."""
    return Steps(
        buy=(Step(uj(energy_kwh), ct * CT_PER_KWH, (ct if end is None else end) * CT_PER_KWH),)
    )


def grid_of(
    nodes: Sequence[str],
    links: Sequence[tuple[str, str]],
    *,
    capacity_kw: float | Sequence[float] = math.inf,
    loss: float | Sequence[float] = 0.0,
    ct: float = 0.0,
    owner: str = "",
) -> Grid:
    """Nodes and links; `ct` per kWh sent is the owner's price of each link (`owner-0`, ...)."""
    at = {name: i for i, name in enumerate(nodes)}
    many = len(links)
    return Grid(
        tuple(nodes),
        tuple(f"{a}-{b}" for a, b in links),
        np.array([at[a] for a, _ in links], np.int32),
        np.array([at[b] for _, b in links], np.int32),
        capacity_w=np.broadcast_to(np.array(capacity_kw) * 1000.0, many).copy(),
        loss_ppb=np.broadcast_to(np.rint(np.array(loss) * 1e9), many).astype(np.int64),
        price_per_j=np.full(many, ct * CT_PER_KWH),
        owner=tuple(f"{owner}-{i}" if owner else "" for i in range(many)),
    )


def square(side: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Names `rowcolumn` and links of a square, side at most 10."""
    names = [f"{row}{column}" for row in range(side) for column in range(side)]
    right = [(n, f"{n[0]}{int(n[1]) + 1}") for n in names if int(n[1]) < side - 1]
    below = [(n, f"{int(n[0]) + 1}{n[1]}") for n in names if int(n[0]) < side - 1]
    return names, right + below


def path(nodes: Sequence[str], **more: Any) -> Grid:
    """Nodes in a row."""
    return grid_of(nodes, list(pairwise(nodes)), **more)


@dataclass(frozen=True)
class Outcome:
    """A clearing in kWh and ct: received and paid by offer, sent by link, price by node."""

    received: dict[str, float]
    paid: dict[str, float]
    sent: dict[str, float]
    price: dict[str, float]
    received_uj: dict[str, int]
    spilled: float
    unserved: float
    clearing: Clearing


def clear(
    offers: Mapping[str, Spec],
    grid: Grid,
    *,
    minutes: float = 60,
    mechanism: str = "equilibrium",
    **parameters: Any,
) -> Outcome:
    """Clear one interval by a mechanism with these parameters."""
    rows = [Offer(name, name.split("/")[0], spec, id=name) for name, spec in offers.items()]
    book = Book.from_offers(rows, grid, interval=Interval(0, minutes * 60.0))
    c = get(mechanism, **parameters).clear(book, grid)
    assert not isinstance(c, Refusal), str(c)
    ids = book.offer_ids
    return Outcome(
        received={name: q / KWH_UJ for name, q in zip(ids, c.energy_uj.tolist(), strict=True)},
        paid={name: m * 1e-7 for name, m in zip(ids, c.payment_nano.tolist(), strict=True)},
        sent={name: f / KWH_UJ for name, f in zip(grid.link_ids, c.flow_uj.tolist(), strict=True)},
        price=dict(zip(grid.node_ids, (c.price_per_j / CT_PER_KWH).tolist(), strict=True)),
        received_uj=dict(zip(ids, c.energy_uj.tolist(), strict=True)),
        spilled=float(book.spilled_j(c.energy_uj).sum()) / 3.6e6,
        unserved=float(book.unserved_j(c.energy_uj).sum()) / 3.6e6,
        clearing=c,
    )


def moved(battery: Battery, received_uj: int, inflow_kwh: float = 0.0) -> Battery:
    """The battery at the next interval: what it received and its inflow are in it, or spilled."""
    rate = battery.charge_efficiency if received_uj > 0 else 1 / battery.discharge_efficiency
    energy = battery.energy_uj + battery.inflow_uj + round(received_uj * rate)
    energy = min(max(energy, 0), battery.capacity_uj)
    return replace(battery, energy_uj=energy, inflow_uj=uj(inflow_kwh))


def worth(battery: Battery, energy_kwh: float | None = None) -> float:
    """What a kWh in it is worth, ct: v(F), without reserve, at `energy_kwh` or as it stands."""
    energy = battery.energy_uj / KWH_UJ if energy_kwh is None else energy_kwh
    low, high = battery.v_min_per_j / CT_PER_KWH, battery.v_max_per_j / CT_PER_KWH
    reserve = battery.reserve_uj / KWH_UJ
    share = (energy - reserve) / (battery.capacity_uj / KWH_UJ - reserve)
    return float(low + (high - low) * (1 - share) ** battery.k) * battery.factor
