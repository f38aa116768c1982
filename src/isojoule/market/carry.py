"""What wires make of energies that were fixed without asking them.

A market on `copperplate` says who receives what, as if all stood at one place. In truth it goes
through wires: they lose energy, and some cannot carry what was sold. The utility makes up for the
difference at its node. Limits hold as they do without a market (`utility-only`): what cannot be
carried is curtailed, deliveries first, lost load last.

Spec: docs/spec/run.md, R21.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.commit import losses
from isojoule.kernels.prices import fill
from isojoule.market.allocation import NotSolved, allocate
from isojoule.market.book import Book
from isojoule.market.columns import bounds_uj, columns_of
from isojoule.market.contract import Refusal
from isojoule.market.mechanisms.utility_only import FAR, Tariff, send, tariff_of, without_prices

Ints = NDArray[np.int64]
WIRES = "transport"
"""The formulation in which wires lose energy and have limits."""


class Carried(NamedTuple):
    """What came through the wires, microjoules.

    Attributes
    ----------
    energy_uj
        Received by each offer, (offers,); the utility's with all losses.
    flow_uj, loss_uj, standing_uj
        Per link, (links,).
    """

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints


def carry(book: Book, grid: Grid, energy_uj: Ints) -> Carried | Refusal:
    """Send energies through the wires.

    Parameters
    ----------
    book
        Divisible offers, with one utility that both sells and buys.
    energy_uj
        What each offer was to receive, within its bounds, (offers,).
    """
    wired = replace(book, network=WIRES)
    tariff = tariff_of(book)
    if isinstance(tariff, str):
        reason = "without one utility that sells and buys, nobody makes up for what wires lose"
        return Refusal("wires", reason, "give the book one")
    network = network_of(grid, WIRES, book.interval.duration_s)
    columns = columns_of(wired, network)
    count = columns.offer_node.size
    standing = bounds_uj(columns.offer, columns.pieces, count)[1][book.offer_count :]
    sent = send(wired, network, columns, np.concatenate([energy_uj, standing]), tariff)
    if sent is None:
        found = allocate(at_most(wired, energy_uj, tariff), without_prices(grid))
        if isinstance(found, NotSolved):
            return Refusal("wires", found.reason, found.remedy)
        return Carried(found.energy_uj, found.flow_uj, found.loss_uj, found.standing_uj)
    energy, flow, drawn = sent
    loss = np.zeros(grid.link_count, np.int64)
    links = network.tail.size
    loss[:links] = losses(flow[:links], network.limits.loss_ppb, network.limits.loss_per_j)
    return Carried(energy, flow, loss, drawn)


def at_most(book: Book, energy_uj: Ints, tariff: Tariff) -> Book:
    """The book in which each offer may only do less than it was to do; the utility takes the rest.

    Worths are such that only a limit curtails, not a loss on the way: what is delivered is worth a
    hundredth of itself where it is, what is received a hundred times itself. So among deliveries
    the one that is worth most where it is goes first, among those who receive the one to whom it is
    worth least.
    """
    p, offer = book.pieces, book.piece_offer.astype(np.int64)
    to_be = fill(offer, p.lo, p.hi, energy_uj / UJ_PER_J)
    nothing = fill(offer, p.lo, p.hi, np.zeros(book.offer_count))
    mine = (np.arange(book.offer_count) == tariff.offer)[offer]
    lo = np.where(mine, p.lo, np.minimum(to_be, nothing))
    hi = np.where(mine, p.hi, np.maximum(to_be, nothing))
    worth = tariff.sells_at if tariff.sells_at > 0 else 1.0
    receives = hi > np.maximum(nothing, lo)
    a = np.where(mine, worth, np.where(receives, p.a + FAR * worth, (p.a + worth) / FAR))
    b = np.where(mine | receives, p.b, p.b / FAR)
    return replace(book, pieces=p._replace(lo=lo, hi=hi, a=a, b=b))
