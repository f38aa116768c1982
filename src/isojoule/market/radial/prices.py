"""Which nodal prices support an allocation on a feeder, and the bound that all duals prove.

With the duals of the limits given, a limit is a toll: a Joule that runs down a link costs its
*wedge*, a var second its reactive wedge, and one that runs up earns them. What is left is a
market on a tree without limits of voltage, whose supporting prices have a least and a greatest
vector. The price of a node is the midpoint. An offer with a power factor pays for its reactive
energy, too: the sum of the reactive wedges above its node. Spec: docs/spec/grid.md, G21.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.grid.radial import Feeder
from isojoule.kernels.prices import fill, welfare_gap
from isojoule.kernels.radial import link_gap, offer_bounds, support_on_tree
from isojoule.market.allocation import Support, columns_of, price_between, reach_of
from isojoule.market.book import Book
from isojoule.market.dust import DUST_J, dearest, proven, rounding_of
from isojoule.market.radial.model import Duals, side_gap, stand_in_integers
from isojoule.valuation.curve import integral, marginal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = np.zeros(0)
NOBODY = np.zeros(0, np.int64)

MOST_TIMES = 10.0
"""Duals count as no dearer than so many times the dearest worth where dust is measured."""
SIDE = ("voltage", "capacity", "capacity_reactive", "reactive")
"""Names in a certificate's `side`: per node, link, link and node."""


def side_of(feeder: Feeder, duals: Duals) -> dict[str, Floats]:
    """The duals of limits, and the price of reactive energy per node, as a certificate has them."""
    _, reactive = feeder.wedges(*duals)
    return dict(zip(SIDE, (*duals, feeder.reactive_price(reactive)), strict=True))


def duals_of(side: dict[str, Floats]) -> Duals:
    """The duals of a certificate's `side`."""
    return Duals(*(side[name] for name in SIDE[:3]))


def offer_prices(book: Book, price: Floats, reactive_price: Floats) -> Floats:
    """What each offer pays per Joule: its node's price, and the reactive price by its share."""
    share = book.reactive_share
    reactive = np.where(share != 0, share * reactive_price[book.offer_node], 0.0)
    return price[book.offer_node] + reactive


def supporting_prices(
    book: Book,
    grid: Grid,
    feeder: Feeder,
    flows: tuple[Ints, Ints, Ints, Ints],
    prices: Floats,
    duals: Duals,
) -> Support:
    """Prices that support the integers at these duals of limits, and the gap that all prove.

    Parameters
    ----------
    flows
        Energies of offers, flows and losses of links, standing losses, microjoules.
    prices
        A price per node that, with `duals`, proves the bound.
    """
    energy_uj, flow_uj, loss_uj, standing_uj = flows
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    p = columns.pieces
    x = fill(
        columns.offer, p.lo, p.hi,
        np.concatenate([energy_uj, standing_uj[columns.standing_links]]) / UJ_PER_J,
    )  # fmt: skip
    at = stand_in_integers(feeder, book, energy_uj, flow_uj)
    wedge, reactive_wedge = feeder.wedges(*duals)
    share = np.append(book.reactive_share, np.zeros(columns.standing_links.size))
    toll = share[columns.offer] * feeder.reactive_price(reactive_wedge)[columns.node]
    net = p._replace(a=p.a - toll)  # worth less what the reactive energy costs
    received_j = (np.abs(flow_uj) - loss_uj) / UJ_PER_J
    limit_j = reach_of(p, network.capacity_j)
    tree = (feeder.order, feeder.up, feeder.link)
    links = (network.gain, network.limits.loss_per_j, network.price, wedge)
    sent = np.abs(flow_uj) / UJ_PER_J
    welfare = math.fsum(integral(p, x)[columns.counts]) - math.fsum(network.price * sent)
    beside = side_gap(feeder, at, duals)
    most = MOST_TIMES * dearest(p)  # duals may come from outside

    def gap_at(dual: Floats) -> tuple[float, bool]:
        _, gap, _ = welfare_gap(
            columns.node, np.maximum(p.lo, -limit_j), np.minimum(p.hi, limit_j), *net[2:], x,
            columns.counts, NOBODY, NOBODY, NONE, NONE, NONE, NONE, NONE, NONE, dual,
        )  # fmt: skip
        room = np.minimum(network.capacity_j, limit_j)
        gap += link_gap(*tree, at.down_j, received_j, room, *links, dual)
        gap = max(gap + beside, 0.0) if math.isfinite(beside) else math.inf
        dust = rounding_of(columns, network, dual, most)
        dust += 2.0 * DUST_J * float(np.minimum(np.abs(wedge), 2.0 * most).sum())
        return gap, proven(welfare, gap, dust)

    finite = np.concatenate([-p.lo[np.isfinite(p.lo)], p.hi[np.isfinite(p.hi)]])
    largest = float(np.max(finite, initial=0.0))
    worth = marginal(net, x)
    first: tuple[Floats, Floats] = (NONE, NONE)
    # as in isojoule.market.allocation: how much dust there is shows in whether the prices prove
    for widen in (1.0, 10.0, 100.0):
        slack = widen * (4e-6 + 1e-9 * largest)
        own = offer_bounds(columns.node, p.lo, p.hi, worth, x, network.nodes, slack)
        low, high = support_on_tree(
            *tree, *own, at.down_j, network.capacity_j, *links, slack
        )  # fmt: skip
        first = (low, high) if widen == 1.0 else first
        if gap_at(np.nan_to_num(price_between(low, high)))[1]:
            break
    else:
        low, high = first
    gap, closed = gap_at(prices)
    size = math.fsum(np.abs(integral(p, x)[columns.counts])) + math.fsum(network.price * sent)
    return Support(low, high, price_between(low, high), welfare, gap, closed, size)
