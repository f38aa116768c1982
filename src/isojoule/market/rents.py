"""Nodal payments with the rents of each link named, on every network.

The payments are those of `nodal_payments` (and of `feeder_payments` and `row_payments` where the
network has more limits); only the operator's lines are finer: `congestion_rent.<link>`,
`loss_rent.<link>` and `carriage.<link>`, `standing_loss` and `rounding`. Lines of 0 are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market.book import Book
from isojoule.market.meshed.settle import row_payments
from isojoule.market.radial.settle import payments_of
from isojoule.market.settle import Flows, Paid, capacity_uj, nodal_payments

Floats = NDArray[np.float64]


def named_payments(
    book: Book, grid: Grid, flows: Flows, price: Floats, side: dict[str, Floats]
) -> Paid:
    """Everyone pays price times energy; the rents of the operator's links, one by one.

    Parameters
    ----------
    price
        Per node, money per J.
    side
        Of the certificate: duals of what else binds; empty on copperplate and transport.
    """
    if book.network == "dc":
        paid = row_payments(book, grid, flows, price, side)
    elif book.network == "lindistflow":
        paid = payments_of(book, grid, flows, price, side)
    else:
        paid = nodal_payments(book, grid, flows, price)
        if book.network == "transport":
            paid = paid._replace(operator=_by_link(book, grid, flows, price, paid))
    return paid._replace(operator={name: nano for name, nano in paid.operator.items() if nano})


def _by_link(book: Book, grid: Grid, flows: Flows, price: Floats, paid: Paid) -> dict[str, int]:
    """The operator's lines, link by link, as `nodal_payments` has them in sum."""
    network = network_of(grid, book.network, book.interval.duration_s)
    sent, lines = np.abs(flows.flow_uj), dict[str, int]()
    full = sent >= capacity_uj(network)
    for e in np.flatnonzero(sent > 0).tolist():
        if grid.owner[e]:
            continue
        ends = (int(grid.link_from[e]), int(grid.link_to[e]))
        near, far = ends if flows.flow_uj[e] > 0 else ends[::-1]
        f, lost = int(sent[e]) / UJ_PER_J, int(flows.loss_uj[e]) / UJ_PER_J
        carriage = float(grid.price_per_j[e]) * f
        loss_rent = float(price[far] * network.limits.loss_per_j[e]) * f * f
        earned = float(price[far]) * (f - lost) - float(price[near]) * f
        name = grid.link_ids[e]
        if full[e]:
            lines[f"congestion_rent.{name}"] = _nano(earned - carriage - loss_rent)
        lines[f"loss_rent.{name}"] = _nano(loss_rent)
        lines[f"carriage.{name}"] = _nano(carriage)
    lines["standing_loss"] = paid.operator["standing_loss"]
    surplus = int(paid.offers.sum()) + int(paid.links.sum())
    lines["rounding"] = surplus - sum(lines.values())
    return lines


def _nano(money: float) -> int:
    return round(money * NANO_PER_UNIT)
