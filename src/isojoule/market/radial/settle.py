"""Payments on a radial feeder: price times energy, and where the operator's money comes from.

What all offers pay less what they get is what the links and the limits earn:

- a full link, or one whose apparent power is at its limit: `congestion_rent.<link>`;
- a node whose voltage is at its limit: `voltage_rent.<node>`, the worth of the drop (or rise)
  between the root and the node;
- `loss_rent.<link>`, `carriage.<link>`, `standing_loss` and `rounding`, as on `transport`.

The owner of a link gets what it earns but for its share of voltage rents, which are the
operator's. Spec: docs/spec/grid.md, G22.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.names import not_empty
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.grid.radial import Feeder, NotRadial
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.radial.model import feeder_for, stand_in_integers
from isojoule.market.radial.prices import duals_of, offer_prices
from isojoule.market.settle import Flows, Paid, capacity_uj

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def feeder_payments(
    book: Book, grid: Grid, feeder: Feeder, flows: Flows, price: Floats, side: dict[str, Floats]
) -> Paid:
    """Everyone pays price times energy; owners of links and the operator get what is left."""
    offers = payments(offer_prices(book, price, side["reactive"]), flows.energy_uj)
    duals = duals_of(side)
    at = stand_in_integers(feeder, book, flows.energy_uj, flows.flow_uj)
    wedge, _ = feeder.wedges(*duals)
    down, reactive = at.down_j, at.reactive_j
    at_link = duals.active * down + duals.reactive * reactive
    by_voltage = (wedge - duals.active) * down  # part of what the link earns, but not its own

    sent = np.abs(flows.flow_uj)
    forward = flows.flow_uj >= 0
    near = price[np.where(forward, grid.link_from, grid.link_to)]
    far = price[np.where(forward, grid.link_to, grid.link_from)]
    used = sent > 0
    owned = not_empty(grid.owner)
    links = np.zeros(grid.link_count, np.int64)
    mine = np.flatnonzero(owned & used)
    beside = (duals.reactive * reactive - by_voltage)[mine]
    links[mine] = (
        payments(near[mine], sent[mine])
        + payments(far[mine], -(sent - flows.loss_uj)[mine])
        - _nano(beside)
    )
    surplus = int(offers.sum()) + int(links.sum())

    network = network_of(grid, book.network, book.interval.duration_s)
    f, lost = sent / UJ_PER_J, flows.loss_uj / UJ_PER_J
    carriage = np.where(used, grid.price_per_j * f, 0.0)
    loss_rent = np.where(used, far * network.limits.loss_per_j * f * f, 0.0)
    earned = np.where(used, far * (f - lost) - near * f, 0.0)
    full = used & (sent >= capacity_uj(network))
    at_capacity = np.where(full, earned - carriage - loss_rent - wedge * down, 0.0)
    rent = at_link + at_capacity
    voltage = np.where(duals.voltage != 0, duals.voltage * (feeder.root_square - at.square), 0.0)
    lines: dict[str, int] = {}
    for e in np.flatnonzero(~owned & (full | (at_link != 0))).tolist():
        lines[f"congestion_rent.{grid.link_ids[e]}"] = int(_nano(rent[e]))
    for v in np.flatnonzero(duals.voltage).tolist():
        lines[f"voltage_rent.{grid.node_ids[v]}"] = int(_nano(voltage[v]))
    for e in np.flatnonzero(~owned & used).tolist():
        lines[f"loss_rent.{grid.link_ids[e]}"] = int(_nano(loss_rent[e]))
        lines[f"carriage.{grid.link_ids[e]}"] = int(_nano(carriage[e]))
    drawn = payments(price[grid.link_from], flows.standing_uj)
    lines["standing_loss"] = -int(drawn.sum())
    lines["rounding"] = surplus - sum(lines.values())
    return Paid(offers, links, lines)


def payments_of(
    book: Book, grid: Grid, flows: Flows, price: Floats, side: dict[str, Floats]
) -> Paid:
    """`feeder_payments` of a book that was cleared on this grid."""
    feeder = feeder_for(book, grid)
    if isinstance(feeder, NotRadial):
        raise InvariantError(feeder.reason)
    return feeder_payments(book, grid, feeder, flows, price, side)


def _nano(money: Floats) -> Ints:
    return np.asarray(np.rint(np.nan_to_num(money) * NANO_PER_UNIT)).astype(np.int64)
