"""The welfare optimum of a book, in exact integers, with its supporting prices.

What comes in: a book of divisible offers and a network. What goes out: what every offer
receives and every link carries, in microjoules that add up at every node; the least and the
greatest nodal prices that support it; and a bound on the welfare. How: interior point and then
integers (`isojoule.market.optimum`), then prices and gap, which use the integers alone
(`isojoule.kernels.prices`), so that an auditor repeats that last part without the first two.

The standing loss of a link is a must-serve load of the operator at its `from` node, worth
`STANDING_WORTH` times the dearest piece of the book.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.commit import losses
from isojoule.kernels.prices import fill, support, welfare_gap
from isojoule.market.book import Book
from isojoule.market.dust import proven, reach_of_prices, rounding_of
from isojoule.market.integer.units import NO_LEGS, Leaf, Legs
from isojoule.market.optimum import ACCEPTED, Columns, Optimum, in_integers, optimum
from isojoule.valuation.curve import Pieces, integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STANDING_WORTH = 10.0
LIFT = 1e-4
"""Worths below 0 are lifted to this share of the dearest, and up to twice it, where they must."""


@dataclass(frozen=True, eq=False, slots=True)
class Support:
    """Prices that support an allocation, and the bound that the duals prove.

    `closed` says whether the gap is no more than rounding (see `isojoule.market.dust`); `size` is
    the sum of all worths without sign, by which digits of the welfare are measured. `by_prices`
    says whether the prices themselves, as duals, would close the gap; None: not known.
    """

    lowest: Floats
    highest: Floats
    price: Floats
    welfare: float
    gap: float
    closed: bool
    size: float = 0.0
    by_prices: bool | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Allocation:
    """The optimum in integers. Offers (O,), links (L,), nodes of the grid (n,).

    Attributes
    ----------
    energy_uj, flow_uj, loss_uj, standing_uj
        As in a clearing.
    duals, support, side
        Prices that prove the bound, those that support the integers, and the duals of what else
        binds.
    residual, steps
        Of the solver.
    value
        Welfare before rounding to microjoules, money, standing losses excluded.
    offer_value
        Worth to each offer of what it gets, before rounding, money.
    link_cost
        Price times flow of each link, before rounding, money.
    bound
        No allocation has more welfare, as the solver says, money.
    taken
        As in a clearing.
    leaves
        As in a certificate.
    slack_value
        What `value` lacks, money: by how much the floats miss the balance of each node, at its
        price. The optimum is then known to the square of the solver's error.
    """

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints
    duals: Floats
    support: Support
    residual: float
    steps: int
    offer_value: Floats
    link_cost: Floats
    bound: float
    taken: NDArray[np.bool_] | None = None
    side: dict[str, Floats] = field(default_factory=dict)
    leaves: tuple[Leaf, ...] = ()
    slack_value: float = 0.0

    @property
    def value(self) -> float:
        """Welfare before rounding, money."""
        return math.fsum(self.offer_value.tolist()) - math.fsum(self.link_cost.tolist())


class NotSolved(NamedTuple):
    """Why no optimum was found."""

    reason: str
    remedy: str


def columns_of(book: Book, network: Network) -> Columns:
    """Pieces of the book with the standing losses behind them."""
    links = np.flatnonzero(network.standing_uj > 0)
    offer_node = network.node_of[book.offer_node]
    node = offer_node[book.piece_offer]
    offer = book.piece_offer.astype(np.int64)
    if not links.size:
        counts = np.ones(node.size, bool)
        return Columns(node, offer, book.pieces, counts, offer_node, links)
    p = book.pieces
    dearest = float(np.max(np.abs(p.a) + p.b * np.abs(p.c0) ** p.k, initial=0.0)) or 1.0
    zero, one = np.zeros(links.size), np.ones(links.size)
    extra = (
        zero,
        network.standing_uj[links] / UJ_PER_J,
        STANDING_WORTH * dearest * one,
        zero,
        one,
        zero,
        one,
    )
    at = network.tail[links]
    return Columns(
        np.concatenate([node, at]),
        np.concatenate([offer, book.offer_count + np.arange(links.size)]),
        Pieces(*(np.concatenate([c, e]) for c, e in zip(p, extra, strict=True))),
        np.arange(node.size + links.size) < node.size,
        np.concatenate([offer_node, at]),
        links,
    )


def allocate(
    book: Book,
    grid: Grid,
    legs: Legs = NO_LEGS,
    reach_j: float = 0.0,
    found: Optimum | None = None,
) -> Allocation | NotSolved:
    """The welfare optimum of a book of divisible offers on copperplate or transport.

    Parameters
    ----------
    book, grid
        What is offered, and where.
    legs, reach_j
        Energies that are given, whatever the prices, and what then bounds offers and links
        (see `reach_of`); for books with indivisible offers.
    found
        The optimum in floats, if it is known.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    count = columns.offer_node.size
    at = network.node_of[legs.node]
    columns = columns._replace(offer_node=np.concatenate([columns.offer_node, at]))
    if found is None:
        inject = -np.bincount(at, legs.energy_uj / UJ_PER_J, network.nodes).astype(np.float64)
        found = optimum(network, columns, inject)
        if not found.residual < ACCEPTED and np.any(columns.pieces.a < 0):
            found = optimum(network, lifted(columns), inject)
    endless = _endless(book, columns)
    if not found.residual < ACCEPTED and endless:
        return _no_limit(endless)
    if not found.residual < ACCEPTED:
        return NotSolved(
            f"the solver stopped at a residual of {found.residual:.1e}",
            "check for prices or sizes that are many powers of ten apart",
        )
    reach_j = reach_j or reach_of(columns.pieces, network.capacity_j)
    beyond = np.abs(found.offer_x) > reach_j
    if beyond.any():
        return _no_limit(book.offer_ids[int(np.flatnonzero(beyond)[0])])
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    low[count:] = high[count:] = legs.energy_uj
    energy, flow = in_integers(network, columns, found, low, high)
    loss = losses(flow, network.limits.loss_ppb, network.limits.loss_per_j)
    standing = np.zeros(grid.link_count, np.int64)
    standing[columns.standing_links] = energy[book.offer_count : count]
    all_flow = np.zeros(grid.link_count, np.int64)
    all_loss = np.zeros(grid.link_count, np.int64)
    all_flow[: flow.size] = flow
    all_loss[: loss.size] = loss
    energy = energy[: book.offer_count]
    flows = (energy, all_flow, all_loss, standing)
    candidates = [p[network.node_of] for p in found.prices]
    duals, support = _best_proof(book, grid, flows, candidates, reach_j)
    worth = integral(found.columns.pieces, found.solution.x)
    offer_value = np.bincount(found.columns.offer, worth, columns.offer_node.size)
    link_cost = np.zeros(grid.link_count)
    sent = np.bincount(network.arc_link, np.abs(found.solution.f), network.tail.size)
    link_cost[: flow.size] = network.price * sent
    offer_value = offer_value[: book.offer_count]
    value = float(offer_value.sum() - link_cost.sum())
    return Allocation(
        energy, all_flow, all_loss, standing, duals, support, found.residual, found.steps,
        offer_value.astype(np.float64), link_cost, max(value, support.welfare + support.gap),
        slack_value=_slack_value(network, found, at, legs),
    )  # fmt: skip


def _slack_value(network: Network, found: Optimum, leg_node: Ints, legs: Legs) -> float:
    """What lacks at the nodes, at their prices, money (see `Allocation.slack_value`)."""
    s, n = found.solution, network.nodes
    link = network.arc_link
    arrives = (network.gain[link] - network.limits.loss_per_j[link] * s.f) * s.f
    over = np.zeros(n)
    over += np.bincount(network.arc_head, arrives, n) - np.bincount(network.arc_tail, s.f, n)
    over -= np.bincount(found.columns.node, s.x, n)
    over -= np.bincount(leg_node, legs.energy_uj / UJ_PER_J, n)
    return math.fsum((s.price * over).tolist())


def lifted(columns: Columns) -> Columns:
    """The columns with all worths below 0 lifted a little above it, in their order.

    With losses the program is concave only where prices are 0 or more, so a solver may fail where
    they are not. Lifted, nobody gains by losing energy on the way: who trades with whom is the
    same, but for energy that would be sent around to get rid of it, which is not wanted (G4).
    Prices and proof are those of the true worths.
    """
    a = columns.pieces.a
    below = a < 0
    scale = float(np.max(np.abs(a) + columns.pieces.b))
    order = (a - float(a.min())) / -float(a.min())  # 0 to 1 below 0
    lifted = np.where(below, LIFT * scale * (1.0 + order), a)
    return columns._replace(pieces=columns.pieces._replace(a=lifted))


def _endless(book: Book, columns: Columns) -> str:
    """An unlimited offer to sell that is cheaper than an unlimited offer to buy, or ""."""
    p = columns.pieces
    sells, buys = np.isneginf(p.lo), np.isposinf(p.hi)
    if not sells.any() or not buys.any():
        return ""
    cheapest = int(np.flatnonzero(sells)[np.argmin(p.a[sells])])
    return book.offer_ids[int(columns.offer[cheapest])] if p.a[cheapest] < p.a[buys].max() else ""


def _no_limit(offer: str) -> NotSolved:
    return NotSolved(
        f"trade through offer {offer!r} has no limit: an unlimited offer to sell meets a dearer "
        "unlimited offer to buy",
        "limit the link between them, or correct the prices",
    )


def _best_proof(
    book: Book,
    grid: Grid,
    flows: tuple[Ints, Ints, Ints, Ints],
    candidates: list[Floats],
    reach_j: float,
) -> tuple[Floats, Support]:
    """The duals that leave the least gap: one of the candidates, or the prices themselves."""
    best = candidates[0], supporting_prices(book, grid, *flows, candidates[0], reach_j)
    for duals in (*candidates[1:], np.nan_to_num(best[1].price)):
        if best[1].closed:
            break
        found = supporting_prices(book, grid, *flows, duals, reach_j)
        if found.gap < best[1].gap:
            best = duals, found
    return best


def supporting_prices(
    book: Book,
    grid: Grid,
    energy_uj: Ints,
    flow_uj: Ints,
    loss_uj: Ints,
    standing_uj: Ints,
    duals: Floats,
    reach_j: float = 0.0,
) -> Support:
    """Prices that support the integers, and the gap that `duals` prove. Needs no solver.

    The price of a node is the midpoint of the least and the greatest; where one of them is
    infinite the other; nan where both are. `reach_j` as in `allocate`.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    p = columns.pieces
    links = network.tail.size
    energy_j = np.concatenate([energy_uj, standing_uj[columns.standing_links]]) / UJ_PER_J
    x = fill(columns.offer, p.lo, p.hi, energy_j)
    flow_j = flow_uj[:links] / UJ_PER_J
    received_j = (np.abs(flow_uj[:links]) - loss_uj[:links]) / UJ_PER_J
    finite = np.concatenate([-p.lo[np.isfinite(p.lo)], p.hi[np.isfinite(p.hi)]])
    largest = float(np.max(finite, initial=0.0))
    limit_j = reach_j or reach_of(p, network.capacity_j)

    def gap_at(price: Floats, low: Floats, high: Floats) -> tuple[float, float, bool]:
        welfare, gap, _ = welfare_gap(
            columns.node, np.maximum(p.lo, -limit_j), np.minimum(p.hi, limit_j), *p[2:], x,
            columns.counts, network.tail, network.head, flow_j, received_j,
            np.minimum(network.capacity_j, limit_j), network.gain, network.limits.loss_per_j,
            network.price, price,
        )  # fmt: skip
        dust = rounding_of(columns, network, price, reach_of_prices(low, high))
        return welfare, gap, proven(welfare, gap, dust)

    # what is nearer to a kink than the dust of the commit stands at the kink; how much dust
    # there is shows in whether the prices prove the optimum
    first: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))
    by_prices = True
    for widen in (1.0, 10.0, 100.0):
        slack = widen * (4e-6 + 1e-9 * largest)
        low, high = support(
            columns.node, *p, x, network.tail, network.head, flow_j, network.capacity_j,
            network.gain, network.limits.loss_per_j, network.price, network.start,
            network.incident, slack,
        )  # fmt: skip
        first = (low, high) if widen == 1.0 else first
        if gap_at(np.nan_to_num(price_between(low, high)), low, high)[2]:
            break
    else:
        low, high = first
        by_prices = False
    dual = np.zeros(network.nodes)
    dual[network.node_of] = duals
    welfare, gap, closed = gap_at(dual, low, high)
    lowest, highest = low[network.node_of], high[network.node_of]
    size = math.fsum(np.abs(integral(p, x)[columns.counts]))
    size += math.fsum(network.price * np.abs(flow_j))
    price = price_between(lowest, highest)
    return Support(lowest, highest, price, welfare, gap, closed, size, by_prices)


def price_between(lowest: Floats, highest: Floats) -> Floats:
    """The price rule: the midpoint, or the finite end, or nan."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (lowest + highest)
    middle = np.where(np.isfinite(lowest), middle, highest)
    middle = np.where(np.isfinite(highest), middle, lowest)
    price: Floats = np.where(np.isfinite(middle), middle, np.nan)
    return price


def reach_of(pieces: Pieces, capacity_j: Floats) -> float:
    """No allocation that pays moves more than this through one offer or link, J.

    All finite quantities together, times what may be lost on the way: a Joule that arrives
    cannot be worth sending more than the ratio of the dearest worth to the cheapest price of
    unlimited energy (ten, if there is none).
    """
    ends = np.concatenate([pieces.lo, pieces.hi])
    dearest = np.max(pieces.a + pieces.b * np.maximum(pieces.c0, 0.0) ** pieces.k, initial=0.0)
    cheapest = np.min(pieces.a[np.isneginf(pieces.lo)], initial=np.inf)
    ratio = float(dearest / cheapest) if cheapest > 0.0 else 0.0
    total = float(np.sum(np.abs(ends[np.isfinite(ends)])))
    if cheapest < np.max(pieces.a[np.isposinf(pieces.hi)], initial=-np.inf):
        # unlimited energy is sold and, dearer, bought: what links let through is traded, too
        total += float(np.sum(capacity_j[np.isfinite(capacity_j)]))
    return max(10.0, ratio) * total + 1.0


def bounds_uj(offer: Ints, pieces: Pieces, count: int) -> tuple[Ints, Ints]:
    """Least and greatest energy of each offer, microjoules, inside its bounds."""
    low = np.bincount(offer, pieces.lo, count) * UJ_PER_J
    high = np.bincount(offer, pieces.hi, count) * UJ_PER_J
    limit = float(NO_LIMIT_UJ)
    # a bound that is whole microjoules but for rounding stays whole
    low = np.ceil(np.clip(low, -limit, limit) - 1e-3)
    high = np.floor(np.clip(high, -limit, limit) + 1e-3)
    return low.astype(np.int64), high.astype(np.int64)
