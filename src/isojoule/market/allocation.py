"""The welfare optimum of a book, in exact integers, with its supporting prices.

What comes in: a book of divisible offers and a network. What goes out: what every offer
receives and every link carries, in microjoules that add up at every node; the least and the
greatest nodal prices that support it; and a bound on the welfare. How: a solver and then
integers (`isojoule.market.optimum`), then prices and gap, which use the integers alone
(`isojoule.kernels.proof`), so that an auditor repeats that last part without the first two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.proof import Proof, is_closed, proof
from isojoule.market.book import Book
from isojoule.market.columns import (
    STANDING_WORTH,
    Columns,
    bounds_uj,
    columns_of,
    lifted,
    reach_of,
    survey_of,
)
from isojoule.market.integer.units import NO_LEGS, Leaf, Legs
from isojoule.market.optimum import (
    ACCEPTED,
    LinkSolver,
    Optimum,
    Solver,
    in_integers,
    optimum,
)
from isojoule.valuation.curve import integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

__all__ = [
    "STANDING_WORTH", "Allocation", "NotSolved", "Support", "Worths", "allocate", "bounds_uj",
    "columns_of", "lifted", "price_between", "reach_of", "supporting_prices",
]  # fmt: skip

DISPOSED = 1e-6
"""What a node has too much beyond this share of what moves at one is no dust of the solver."""


@dataclass(frozen=True, eq=False, slots=True)
class Support:
    """Prices that support an allocation, and the bound that the duals prove.

    `closed` says whether the gap is no more than rounding (see `isojoule.market.dust`); `size` is
    the sum of all worths without sign, by which digits of the welfare are measured. `by_prices`
    says whether the prices themselves, as duals, would close the gap; None: not known.
    `largest_trade_per_j` is what one more Joule between neighbours would still gain at most (see
    `isojoule.kernels.pairwise`), money per J; nan where more than links decides what may flow.
    """

    lowest: Floats
    highest: Floats
    price: Floats
    welfare: float
    gap: float
    closed: bool
    size: float = 0.0
    by_prices: bool | None = None
    largest_trade_per_j: float = math.nan


class Worths(NamedTuple):
    """What an optimum is worth before rounding to microjoules, money.

    Attributes
    ----------
    offer_value
        Worth to each offer of what it gets.
    link_cost
        Price times flow of each link.
    slack_value
        What `Allocation.value` lacks: by how much the floats miss the balance of each node, at its
        price. The optimum is then known to the square of the solver's error.
    """

    offer_value: Floats
    link_cost: Floats
    slack_value: float


@dataclass(frozen=True, eq=False)
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
    unrounded
        Makes `worths`, which only payments by pivots and choices need.
    taken
        As in a clearing.
    leaves
        As in a certificate.
    bound
        No choice has more welfare, as the search for choices says, money; inf where only `support`
        bounds it.
    optimum
        The same in floats, where it was found on copperplate or transport.
    """

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints
    duals: Floats
    support: Support
    residual: float
    steps: int
    unrounded: Callable[[], Worths]
    taken: NDArray[np.bool_] | None = None
    side: dict[str, Floats] = field(default_factory=dict)
    leaves: tuple[Leaf, ...] = ()
    bound: float = math.inf
    optimum: Optimum | None = None

    @cached_property
    def worths(self) -> Worths:
        """What it is worth before rounding."""
        return self.unrounded()

    @property
    def offer_value(self) -> Floats:
        """See `Worths`."""
        return self.worths.offer_value

    @property
    def link_cost(self) -> Floats:
        """See `Worths`."""
        return self.worths.link_cost

    @property
    def slack_value(self) -> float:
        """See `Worths`."""
        return self.worths.slack_value

    @property
    def value(self) -> float:
        """Welfare before rounding, money, standing losses excluded."""
        return math.fsum(self.offer_value.tolist()) - math.fsum(self.link_cost.tolist())


class NotSolved(NamedTuple):
    """Why no optimum was found."""

    reason: str
    remedy: str


def allocate(
    book: Book,
    grid: Grid,
    legs: Legs = NO_LEGS,
    reach_j: float = 0.0,
    found: Optimum | None = None,
    solver: Solver | LinkSolver | None = None,
    columns: Columns | None = None,
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
    solver
        Finds it, if it is not; see `isojoule.market.optimum.optimum`.
    columns
        Of the book, if they are known.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    plain = columns = columns_of(book, network) if columns is None else columns
    count = columns.offer_node.size
    inject: Floats | None = None
    if legs.node.size:
        at = network.node_of[legs.node]
        columns = columns._replace(offer_node=np.concatenate([columns.offer_node, at]))
        inject = -np.bincount(at, legs.energy_uj / UJ_PER_J, network.nodes).astype(np.float64)
    known = survey_of(network, columns, inject)
    if found is None:
        found = optimum(network, columns, inject, solver, known)
        if not found.residual < ACCEPTED and np.any(columns.pieces.a < 0):
            found = optimum(network, lifted(columns), inject, solver)
    if not found.residual < ACCEPTED and known.endless >= 0:
        return _no_limit(book.offer_ids[int(columns.offer[known.endless])])
    if not found.residual < ACCEPTED:
        return NotSolved(
            f"the solver stopped at a residual of {found.residual:.1e}",
            "check for prices or sizes that are many powers of ten apart",
        )
    reach_j = reach_j or known.reach_j
    beyond = np.abs(found.offer_x) > reach_j
    if beyond.any():
        return _no_limit(book.offer_ids[int(beyond.argmax())])
    low, high = known.low_uj, known.high_uj
    if legs.node.size:
        low[count:] = high[count:] = legs.energy_uj
    every, flow, loss = in_integers(network, columns, found, low, high)
    energy = every[: book.offer_count]
    standing = np.zeros(grid.link_count, np.int64)
    standing[columns.standing_links] = every[book.offer_count : count]
    if flow.size < grid.link_count:
        flow, loss = np.zeros((2, grid.link_count), np.int64)
    flows = (energy, flow, loss, standing)
    del known, low, high  # of a large book, as large as the proof needs for itself
    candidates = [network.spread(p) for p in found.prices]
    duals, support = _best_proof(book, grid, flows, candidates, reach_j, plain)
    solved = found
    return Allocation(
        *flows, duals, support, found.residual, found.steps,
        lambda: _worths(book, grid, network, solved, legs), optimum=solved,
    )  # fmt: skip


def _worths(book: Book, grid: Grid, network: Network, found: Optimum, legs: Legs) -> Worths:
    """What it is worth before rounding, and what lacks at the nodes (see `Worths`)."""
    c, n, count = found.columns, network.nodes, found.offer_x.size
    worth = integral(c.pieces, found.x)
    offer_value = np.bincount(c.offer, worth, count)[: book.offer_count].astype(np.float64)
    link_cost = np.zeros(grid.link_count)
    link_cost[: found.sent.size] = network.price * np.abs(found.sent)
    f, link, back = found.flow, np.arange(found.flow.size), found.flow < 0
    if found.arcs.size:
        f, link, back = found.arcs, network.arc_link, network.arc_back
    sent = np.where(back & (found.arcs.size == 0), -f, f)
    near = np.where(back, network.head[link], network.tail[link])
    far = np.where(back, network.tail[link], network.head[link])
    arrives = (network.gain[link] - network.limits.loss_per_j[link] * sent) * sent
    over, through = np.zeros((2, n))  # of nothing, `bincount` makes integers
    over += np.bincount(far, arrives, n) - np.bincount(near, sent, n)
    over -= np.bincount(c.node, found.x, n)
    through += np.bincount(far, arrives, n) + np.bincount(near, sent, n)
    through += np.bincount(c.node, np.abs(found.x), n)
    if legs.node.size:
        at, drawn = network.node_of[legs.node], legs.energy_uj / UJ_PER_J
        over -= np.bincount(at, drawn, n)
        through += np.bincount(at, np.abs(drawn), n)
    over[np.abs(over) > DISPOSED * np.max(through, initial=0.0)] = (
        0.0  # given away for nothing, whatever the price
    )
    return Worths(offer_value, link_cost, math.fsum((found.price * over).tolist()))


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
    columns: Columns,
) -> tuple[Floats, Support]:
    """The duals that leave the least gap: one of the candidates, or the prices themselves."""
    best = candidates[0], supporting_prices(book, grid, *flows, candidates[0], reach_j, columns)
    for duals in (*candidates[1:], best[1].price):
        if best[1].closed:
            break
        known = np.nan_to_num(duals)
        found = supporting_prices(book, grid, *flows, known, reach_j, columns)
        if found.gap < best[1].gap:
            best = known, found
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
    columns: Columns | None = None,
) -> Support:
    """Prices that support the integers, and the gap that `duals` prove. Needs no solver.

    The price of a node is the midpoint of the least and the greatest; where one of them is
    infinite the other; nan where both are. `reach_j` as in `allocate`; `columns` are those of the
    book, if they are known.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    c = columns_of(book, network) if columns is None else columns
    links, forest = network.tail.size, network.forest
    found = Proof(
        *proof(
            c.node, c.offer, *c.pieces, c.counts, c.offer_node, energy_uj, standing_uj,
            c.standing_links, network.tail, network.head, network.capacity_j, network.gain,
            network.limits.loss_per_j, network.price, network.start, network.incident,
            *forest, flow_uj[:links], loss_uj[:links], network.gathered(duals), reach_j,
        )
    )  # fmt: skip
    return Support(
        network.spread(found.lowest), network.spread(found.highest), network.spread(found.price),
        found.welfare, found.gap, is_closed(found.welfare, found.gap, found.dust), found.size,
        is_closed(found.welfare, found.price_gap, found.price_dust), found.trade,
    )  # fmt: skip


def price_between(lowest: Floats, highest: Floats) -> Floats:
    """The price rule: the midpoint, or the finite end, or nan."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (lowest + highest)
    middle = np.where(np.isfinite(lowest), middle, highest)
    middle = np.where(np.isfinite(highest), middle, lowest)
    price: Floats = np.where(np.isfinite(middle), middle, np.nan)
    return price
