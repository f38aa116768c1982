"""From an allocation and nodal prices to payments in exact nano-units."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.core.names import not_empty
from isojoule.core.units import NANO_PER_UNIT, NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.money import payments
from isojoule.market.book import Book

MOST_MONEY = 4e9
"""Payments of a clearing in all, units of money; nano-units of them fit into 64 bits."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Flows(Protocol):
    """The integers that money follows: an allocation or a clearing has them."""

    @property
    def energy_uj(self) -> Ints:
        """Received by each offer."""
        ...

    @property
    def flow_uj(self) -> Ints:
        """Sent over each link."""
        ...

    @property
    def loss_uj(self) -> Ints:
        """Lost on each link."""
        ...

    @property
    def standing_uj(self) -> Ints:
        """Drawn by each link, whatever flows."""
        ...


class Paid(NamedTuple):
    """Payments per offer and per link (its owner), and the operator's named lines, nano-units."""

    offers: Ints
    links: Ints
    operator: dict[str, int]


def nodal_payments(book: Book, grid: Grid, flows: Flows, price: Floats) -> Paid:
    """Everyone pays price times energy; owners of links are paid what their link earns.

    A link earns what is received at the far price less
    what is sent at the near price: its own price times flow, congestion rent and loss rent. For
    links without an owner these are lines of the operator, who also pays for standing losses.
    """
    energy = flows.energy_uj
    flow = flows.flow_uj
    loss = flows.loss_uj
    standing = flows.standing_uj
    offers = payments(price[book.offer_node], energy)
    links = np.zeros(grid.link_count, np.int64)
    forward = flow >= 0
    sender = np.where(forward, grid.link_from, grid.link_to)
    receiver = np.where(forward, grid.link_to, grid.link_from)
    sent = np.abs(flow)
    owned = not_empty(grid.owner)
    if owned.any():
        at = np.flatnonzero(owned)
        links[at] = payments(price[sender[at]], sent[at]) + payments(
            price[receiver[at]], -(sent - loss)[at]
        )
    surplus = int(offers.sum()) + int(links.sum())

    used = ~owned & (sent > 0)
    if book.network != "transport":
        used &= False
    near, far = price[sender[used]], price[receiver[used]]
    f = sent[used] / UJ_PER_J
    lost = loss[used] / UJ_PER_J
    network = network_of(grid, "transport", book.interval.duration_s)
    carriage = grid.price_per_j[used] * f
    quadratic = network.limits.loss_per_j[used] * f * f
    earned = far * (f - lost) - near * f
    loss_rent = far * quadratic
    full = sent[used] >= capacity_uj(network)[used]
    lines = {
        "congestion_rent": _nano(float(np.sum((earned - carriage - loss_rent)[full]))),
        "loss_rent": _nano(float(np.sum(loss_rent))),
        "carriage": _nano(float(np.sum(carriage))),
        "standing_loss": -int(payments(price[grid.link_from], standing).sum()),
    }
    lines["rounding"] = surplus - sum(lines.values())
    return Paid(offers, links, lines)


def too_much(book: Book, energy_uj: Ints, price: Floats) -> str:
    """Why these payments cannot be told in 64 bits, or ""."""
    size = np.abs(np.nan_to_num(price[book.offer_node]) * energy_uj) * 1e-6
    if float(size.sum()) < MOST_MONEY:
        return ""
    largest = book.offer_ids[int(np.argmax(size))]
    return f"the payments pass {MOST_MONEY:.0e} units of money, most of it by offer {largest!r}"


def capacity_uj(network: Network) -> Ints:
    """Most that links may send, microjoules: their limit, or where a quadratic loss peaks."""
    peak = np.floor(np.minimum(network.capacity_j * UJ_PER_J, float(NO_LIMIT_UJ)))
    return np.minimum(network.limits.capacity_uj, peak.astype(np.int64))


def _nano(money: float) -> int:
    return round(money * NANO_PER_UNIT)
