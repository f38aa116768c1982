"""What offers and links pay at nodal prices, in one walk over each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.money import payment_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Index = NDArray[np.int32]


@kernel
def offer_payments(price: Floats, node: Index, energy_uj: Ints) -> Ints:
    """Price at the node times energy, nano-units; at nan prices 0. Shape (offers,)."""
    paid = np.zeros(energy_uj.size, np.int64)
    for i in range(energy_uj.size):
        p = price[node[i]]
        if not math.isnan(p):
            paid[i] = payment_of(p, energy_uj[i])
    return paid


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
def link_payments(price: Floats, link_from: Index, link_to: Index, owned: NDArray[np.bool_],
                  flow_uj: Ints, loss_uj: Ints, standing_uj: Ints
                  ) -> tuple[Ints, int]:  # fmt: skip
    """What owners of links pay (negative: are paid), and what standing losses cost, nano-units.

    A link's owner buys what is sent at the near price and sells what is received at the far one.
    """
    paid = np.zeros(flow_uj.size, np.int64)
    iron = 0
    for e in range(flow_uj.size):
        if standing_uj[e] != 0 and not math.isnan(price[link_from[e]]):
            iron += payment_of(price[link_from[e]], standing_uj[e])
        if not owned[e]:
            continue
        near, far = price[link_from[e]], price[link_to[e]]
        if flow_uj[e] < 0:
            near, far = far, near
        sent = abs(flow_uj[e])
        if not math.isnan(near):
            paid[e] += payment_of(near, sent)
        if not math.isnan(far):
            paid[e] += payment_of(far, loss_uj[e] - sent)
    return paid, iron


@kernel
def rents(price: Floats, link_from: Index, link_to: Index, owned: NDArray[np.bool_],
          flow_uj: Ints, loss_uj: Ints, link_price: Floats, loss_per_j: Floats, most_uj: Ints,
          out: Floats) -> tuple[int, int]:  # fmt: skip
    """Rents of the operator's links that carry energy, in the order of the links, money.

    Parameters
    ----------
    link_price, loss_per_j
        Price per Joule sent, and loss that grows with the square, 1/J.
    most_uj
        What a link sends at most.
    out
        Filled, (3, links): congestion rents of the links at their most, from the front; and of
        all that carry, from the front, loss rents and carriage.

    Returns
    -------
    How many congestion rents, and how many of the others.
    """
    full, used = 0, 0
    for e in range(flow_uj.size):
        sent = abs(flow_uj[e])
        if owned[e] or sent == 0:
            continue
        near, far = price[link_from[e]], price[link_to[e]]
        if flow_uj[e] < 0:
            near, far = far, near
        f, lost = sent / 1e6, loss_uj[e] / 1e6
        carriage = link_price[e] * f
        loss_rent = far * (loss_per_j[e] * f * f)
        if sent >= most_uj[e]:
            out[0, full] = far * (f - lost) - near * f - carriage - loss_rent
            full += 1
        out[1, used], out[2, used] = loss_rent, carriage
        used += 1
    return full, used
