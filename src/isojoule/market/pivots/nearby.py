"""Pivots on meshes, one by one, from the optimum: only what lies around a participant is solved.

Without a participant little changes far from it. So only a ball around it is solved without it,
twice. Once the flows across its border are kept as they are: the others then have at least so much.
Once they are free, at the prices beyond the border: those prices, with the new ones inside, are
duals of the whole program, and the others have at most so much (weak duality). The ball grows until
both are one, or until a good share of all is inside; then the whole is solved.

The optimum itself has to be known to the last digits, and is found by the interior point.

Spec: docs/spec/vcg.md, P16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.grid.network import LinkLimits
from isojoule.kernels.ball import ball
from isojoule.kernels.incidence import grouped
from isojoule.market.allocation import Allocation, columns_of, reach_of
from isojoule.market.arcs import ACCEPTED
from isojoule.market.book import Book
from isojoule.market.optimum import Columns, Optimum, optimum
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.rerooted import was_lifted
from isojoule.market.solvers.auto import TOO_LARGE
from isojoule.market.solvers.tree import below_zero
from isojoule.valuation.curve import Pieces, integral

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST = 48
"""Nodes in the first ball."""
WIDER = 4
"""A ball has so many times the nodes of the one before it."""
SHARE = 0.12
"""A ball with more than this share of the nodes is not worth it."""
CLOSED = 1e-10
"""What the two bounds may differ by, as a share of the pivot,"""
DIGITS = 1e-12
"""or of the worths in the ball."""


class Near(NamedTuple):
    """What others lose by a participant's being there, money.

    Attributes
    ----------
    money
        As the duals say.
    size
        Of the worths that it is made of.
    unsure
        By how much it may be off: what the duals leave open.
    """

    money: float
    size: float
    unsure: float


def is_mesh(book: Book, grid: Grid) -> bool:
    """Whether it is a book of divisible offers on rings that the interior point solves exactly."""
    if book.network != "transport" or book.indivisible:
        return False
    network = network_of(grid, book.network, book.interval.duration_s)
    if network.forest.whole or network.free:
        return False
    pieces = columns_of(book, network).pieces
    return network.tail.size < TOO_LARGE and not below_zero(network, pieces)


def mesh_of(book: Book, grid: Grid, found: Allocation, parties: Parties) -> Mesh | None:
    """The mesh at this optimum, if it was solved in floats."""
    network = network_of(grid, book.network, book.interval.duration_s)
    pieces = columns_of(book, network).pieces
    if found.optimum is None or was_lifted(found.optimum, pieces):
        return None
    reach_j = reach_of(pieces, network.capacity_j)
    return Mesh(network, found.optimum, parties, reach_j)


class Mesh:
    """A network at its optimum, from which participants are taken out one by one."""

    def __init__(self, network: Network, solved: Optimum, parties: Parties, reach_j: float) -> None:
        self.network, self.solved, self.parties = network, solved, parties
        self.first, self.order = grouped(solved.columns.node, network.nodes)
        owner = np.full(solved.offer_x.size, -1, np.int64)
        owner[: parties.offer.size] = parties.offer
        self.owner = owner[solved.columns.offer]
        self.reach_j = reach_j
        self.first_of, self.mine = grouped(self.owner + 1, parties.count + 1)

    def pivot(self, number: int) -> Near | None:
        """The pivot of a party, or None if the whole must be solved."""
        n, c = self.network, self.solved.columns
        own = self.mine[self.first_of[number + 1] : self.first_of[number + 2]]
        links = np.flatnonzero(self.parties.link[: n.tail.size] == number)
        seeds = np.concatenate([c.node[own], n.tail[links], n.head[links]])
        most = FIRST
        while most <= SHARE * n.nodes:
            inside = ball(n.tail, n.head, n.start, n.incident, n.capacity_j > 0.0, seeds, most)
            near = self._solved(inside, number)
            if near is not None:
                return near
            most *= WIDER
        return None

    def _solved(self, inside: Ints, number: int) -> Near | None:
        around = self._around(inside, number)
        if around is None:
            return None
        shut = self._program(around, border=False)
        trades = self._program(around, border=True)
        if shut is None or trades is None:
            return None
        solved, count = self.solved, inside.size
        old = np.append(solved.price[inside], around.beyond)
        flow = solved.flow[around.links].copy()
        was = self._worth(around, solved.x[around.at], np.where(around.closed, 0.0, flow), old)
        every = np.concatenate([self.order[self.first[v] : self.first[v + 1]] for v in inside])
        was += self._lacking(
            around, around.local[solved.columns.node[every]], solved.x[every], flow, old, count
        )
        kept = flow.copy()
        kept[around.inner] = shut.flow
        dual = np.append(shut.price, around.beyond)
        least = self._worth(around, shut.x, kept, dual)
        least += self._lacking(around, around.node, shut.x, kept, dual, count)
        x, dual = trades.x[: around.at.size], trades.price
        most = self._worth(around, x, trades.flow, dual)
        most += self._lacking(around, around.node, x, trades.flow, dual, dual.size)
        size = abs(most) + abs(was)
        gap = abs(most - least)
        money = 0.5 * (most + least) - was
        if not gap <= max(CLOSED * abs(money), DIGITS * size):
            return None
        return Near(money, size, gap)

    def _around(self, inside: Ints, number: int) -> _Around | None:
        """What lies in a ball and at its border, without a party."""
        n, c = self.network, self.solved.columns
        local = np.full(n.nodes, -1, np.int64)
        local[inside] = np.arange(inside.size)
        at = np.concatenate([self.order[self.first[v] : self.first[v + 1]] for v in inside])
        at = np.sort(at[self.owner[at] != number])
        met = np.unique(np.concatenate([n.incident[n.start[v] : n.start[v + 1]] for v in inside]))
        met = met[n.capacity_j[met] > 0.0]
        tail, head = local[n.tail[met]], local[n.head[met]]
        inner = (tail >= 0) & (head >= 0)
        closed = self.parties.link[met] == number
        if not at.size or np.any(closed & ~inner):
            return None
        far = inside.size + np.arange(int(np.count_nonzero(~inner)))
        outside = np.where(tail[~inner] >= 0, n.head[met[~inner]], n.tail[met[~inner]])
        tail[~inner] = np.where(tail[~inner] >= 0, tail[~inner], far)
        head[~inner] = np.where(head[~inner] >= 0, head[~inner], far)
        return _Around(
            inside.size, at, local[c.node[at]], met, tail, head, inner, closed,
            self.solved.price[outside], local,
        )  # fmt: skip

    def _program(self, a: _Around, *, border: bool) -> Optimum | None:
        """The program inside: what crosses the border stays, or trades at the prices beyond it."""
        n, c, limits = self.network, self.solved.columns, self.network.limits
        some = np.ones(a.links.size, bool) if border else a.inner
        links, more = a.links[some], a.beyond.size if border else 0
        inject = np.zeros(a.count + more)
        if not border:
            over = self._over(a, np.where(a.inner, 0.0, self.solved.flow[a.links]))
            inject += over[: a.count]
        shut = a.closed[some]
        small = Network(
            nodes=inject.size,
            node_of=np.arange(inject.size),
            tail=a.tail[some],
            head=a.head[some],
            limits=LinkLimits(
                np.where(shut, 0, limits.capacity_uj[links]),
                limits.loss_ppb[links],
                limits.loss_per_j[links],
            ),
            gain=n.gain[links],
            capacity_j=np.where(shut, 0.0, n.capacity_j[links]),
            price=n.price[links],
            standing_uj=np.zeros(links.size, np.int64),
        )
        offers, offer = np.unique(c.offer[a.at], return_inverse=True)
        where = np.zeros(offers.size + more, np.int64)
        where[offer] = a.node
        where[offers.size :] = a.count + np.arange(more)
        zero, wide = np.zeros(more), np.full(more, 2.0 * self.reach_j)
        p = Pieces(*(column[a.at] for column in c.pieces))
        ends = Pieces(-wide, wide, a.beyond[:more], zero, zero, zero, zero + 1.0)
        pieces = Pieces(*(np.concatenate(pair) for pair in zip(p, ends, strict=True)))
        columns = Columns(
            np.append(a.node, where[offers.size :]),
            np.append(offer.astype(np.int64), offers.size + np.arange(more)),
            pieces,
            np.ones(a.at.size + more, bool),
            where,
            np.zeros(0, np.int64),
        )
        found = optimum(small, columns, inject)
        if not found.residual < ACCEPTED or found.x.size != a.at.size + more:
            return None
        return found

    def _worth(self, a: _Around, x: Floats, flow: Floats, dual: Floats) -> float:
        """Worth inside less what links cost, and what goes beyond, at the prices there."""
        p = Pieces(*(column[a.at] for column in self.solved.columns.pieces))
        worth = float(integral(p, x).sum())
        worth -= float((self.network.price[a.links] * np.abs(flow)).sum())
        return worth + self._crossed(a, flow, np.append(np.zeros(a.count), a.beyond))

    def _crossed(self, a: _Around, flow: Floats, dual: Floats) -> float:
        return float((self._over(a, flow)[a.count :] * dual[a.count :]).sum())

    def _over(self, a: _Around, flow: Floats) -> Floats:
        """What links bring to each node, and beyond the border."""
        n = self.network
        sent, back = np.abs(flow), flow < 0
        arrives = (n.gain[a.links] - n.limits.loss_per_j[a.links] * sent) * sent
        over = np.zeros(a.count + a.beyond.size)
        np.add.at(over, np.where(back, a.tail, a.head), arrives)
        np.add.at(over, np.where(back, a.head, a.tail), -sent)
        return over

    def _lacking(
        self, a: _Around, node: Ints, x: Floats, flow: Floats, dual: Floats, count: int
    ) -> float:
        """By how much nodes inside are off balance, at their prices, money."""
        over = self._over(a, flow)[: a.count]
        np.add.at(over, node, -x)
        return float((over * dual[: a.count]).sum())


@dataclass(frozen=True, eq=False, slots=True)
class _Around:
    """A ball: nodes inside first, then a far end for each link that crosses the border.

    Attributes
    ----------
    count
        Nodes inside.
    at, node
        Pieces inside, and where.
    links, tail, head, inner, closed
        Links that touch it; whether both ends are inside, and whether they are the party's.
    beyond
        Prices at the far ends.
    local
        Place of each node of the network, -1 outside.
    """

    count: int
    at: Ints
    node: Ints
    links: Ints
    tail: Ints
    head: Ints
    inner: Bools
    closed: Bools
    beyond: Floats
    local: Ints
