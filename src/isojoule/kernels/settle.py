"""What offers and links pay at nodal prices, in one walk over each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.money import payment_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Index = NDArray[np.int32]


@inline
def _pay(price: float, energy_uj: int) -> int:
    return 0 if math.isnan(price) else payment_of(price, energy_uj)


@kernel
def money_moved(price: Floats, node: Index, energy_uj: Ints) -> tuple[float, int]:
    """Sum of all payments without sign, money, and the offer with the largest."""
    total, most, at = 0.0, -1.0, 0
    for i in range(energy_uj.size):
        size = abs(price[node[i]] * energy_uj[i]) * 1e-6
        if math.isnan(size):
            continue
        total += size
        if size > most:
            most, at = size, i
    return total, at


@kernel
def nodal(price: Floats, node: Index, energy_uj: Ints, link_from: Index, link_to: Index,
          owned: NDArray[np.bool_], flow_uj: Ints, loss_uj: Ints, standing_uj: Ints,
          link_price: Floats, loss_per_j: Floats, most_uj: Ints, rents: Floats
          ) -> tuple[Ints, Ints, int, int, int, int]:  # fmt: skip
    """What offers and owners of links pay at nodal prices, and what the operator's links earn.

    An offer pays the price at its node times its energy. A link's owner buys what is sent at the
    near price and sells what is received at the far one. At a nan price nothing is paid.

    Parameters
    ----------
    node, energy_uj
        Of the offers.
    owned
        Which links have an owner.
    link_price, loss_per_j
        Price per Joule sent, and loss that grows with the square, 1/J.
    most_uj
        What a link sends at most.
    rents
        Filled, money, (3, links), in the order of the links: congestion rents of the operator's
        links at their most, from the front; and of all of them where there are any, from the
        front, loss rents and carriage. (3, 0): they are not wanted.

    Returns
    -------
    offers, links : nano-units each
    surplus : their sum, nano-units
    iron : what standing losses cost, nano-units
    full, used : how many congestion rents, and how many of the others
    """
    offers = np.zeros(energy_uj.size, np.int64)
    links = np.zeros(flow_uj.size, np.int64)
    surplus, iron, full, used = 0, 0, 0, 0
    for i in range(energy_uj.size):
        offers[i] = _pay(price[node[i]], energy_uj[i])
        surplus += offers[i]
    for e in range(flow_uj.size):
        near, far = price[link_from[e]], price[link_to[e]]
        iron += _pay(near, standing_uj[e])
        if flow_uj[e] < 0:
            near, far = far, near
        sent = abs(flow_uj[e])
        if owned[e]:
            links[e] = _pay(near, sent) + _pay(far, loss_uj[e] - sent)
            surplus += links[e]
        elif sent > 0 and rents.shape[1] > 0:
            f, lost = sent / 1e6, loss_uj[e] / 1e6
            carriage = link_price[e] * f
            loss_rent = far * (loss_per_j[e] * f * f)
            if sent >= most_uj[e]:
                rents[0, full] = far * (f - lost) - near * f - carriage - loss_rent
                full += 1
            if loss_rent != 0.0 or carriage != 0.0:  # memory never written to is none
                rents[1, used], rents[2, used] = loss_rent, carriage
                used += 1
    return offers, links, surplus, iron, full, used
