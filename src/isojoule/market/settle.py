"""From an allocation and nodal prices to payments in exact nano-units."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.core.names import not_empty
from isojoule.core.units import NANO_PER_UNIT, NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.settle import money_moved, nodal
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
    network = network_of(grid, "transport", book.interval.duration_s)
    rents = np.zeros((3, grid.link_count if book.network == "transport" else 0))
    offers, links, surplus, iron, full, used = nodal(
        price, book.offer_node, flows.energy_uj, grid.link_from, grid.link_to, owned_links(grid),
        flows.flow_uj, flows.loss_uj, flows.standing_uj, grid.price_per_j,
        network.limits.loss_per_j, capacity_uj(network), rents,
    )  # fmt: skip
    lines = {
        "congestion_rent": _nano(float(np.add.reduce(rents[0, :full]))) if full else 0,
        "loss_rent": _nano(float(np.add.reduce(rents[1, :used]))) if used else 0,
        "carriage": _nano(float(np.add.reduce(rents[2, :used]))) if used else 0,
        "standing_loss": -iron,
    }
    lines["rounding"] = surplus - sum(lines.values())
    return Paid(offers, links, lines)


def owned_links(grid: Grid) -> NDArray[np.bool_]:
    """Which links somebody owns, kept with the grid once made."""
    kept: NDArray[np.bool_] | None = grid.__dict__.get("_owned_links")
    if kept is None:
        kept = not_empty(grid.owner)
        grid.__dict__["_owned_links"] = kept
    return kept


def too_much(book: Book, energy_uj: Ints, price: Floats) -> str:
    """Why these payments cannot be told in 64 bits, or ""."""
    moved, largest = money_moved(price, book.offer_node, energy_uj)
    if moved < MOST_MONEY:
        return ""
    most = book.offer_ids[largest]
    return f"the payments pass {MOST_MONEY:.0e} units of money, most of it by offer {most!r}"


def capacity_uj(network: Network) -> Ints:
    """Most that links may send, microjoules: their limit, or where a quadratic loss peaks.

    Kept with the network once made.
    """
    kept: Ints | None = network.__dict__.get("_capacity_uj")
    if kept is None:
        peak = np.floor(np.minimum(network.capacity_j * UJ_PER_J, float(NO_LIMIT_UJ)))
        kept = np.minimum(network.limits.capacity_uj, peak.astype(np.int64))
        network.__dict__["_capacity_uj"] = kept
    return kept


def _nano(money: float) -> int:
    return round(money * NANO_PER_UNIT)
