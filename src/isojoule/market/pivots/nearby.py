"""Pivots on meshes, one by one, from the optimum: only what moves is settled again.

Without a participant prices change along links that carry something and are not full, and stop at
idle and full ones until the difference there is used up. So of the optimum clusters of nodes are
taken that hang together by such links: first those of the participant, then those whose links come
to move (`isojoule.kernels.ties`). The rest stays as it is. Flows and prices that are settled so are
a solution of the whole without the participant and its duals, and what pieces and links would still
gain at them says how much more there can be (weak duality).

The optimum itself has to be known to the last digits. It is found by the interior point, and then
settled in the same way: what the interior point leaves at a distance from its bounds goes there.

Spec: docs/spec/vcg.md, P16.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.incidence import grouped, incidence, walk
from isojoule.kernels.ties import Clusters, Mesh, Region, Stand, factored, respond
from isojoule.kernels.ties_settle import settle
from isojoule.kernels.ties_without import Asked, taken_out
from isojoule.market.allocation import Allocation, columns_of, reach_of
from isojoule.market.book import Book
from isojoule.market.optimum import Optimum
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.pruned import CLOSED, DUST, worth_of_stored
from isojoule.market.pivots.rerooted import Local, was_lifted
from isojoule.market.solvers.auto import TOO_LARGE
from isojoule.market.solvers.tree import below_zero
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STIFF = 1e6
"""A tie carries so many typical energies more for a typical price more at its far end: the more,
the fewer rounds, and the fewer digits of the flows."""
LEAST = 1e-5
"""So many typical energies hold a price that nothing else holds, for a typical price."""
OFF = 2e-14
"""Nodes balance but for this share of what a tie would carry for all of a price."""
EXACT = 1e-15
"""The optimum is settled until no more than this share of what is traded could be gained."""


def is_mesh(book: Book, grid: Grid) -> bool:
    """Whether it is a book of divisible offers on rings that the interior point solves exactly."""
    if book.network != "transport" or book.indivisible:
        return False
    network = network_of(grid, book.network, book.interval.duration_s)
    if network.forest.whole or network.free:
        return False
    pieces = columns_of(book, network).pieces
    return network.tail.size < TOO_LARGE and not below_zero(network, pieces)


def nearby(
    book: Book, grid: Grid, found: Allocation, exact: Allocation, parties: Parties, busy: Bools,
    local: Local,
) -> Local | None:  # fmt: skip
    """What `local` says, and the pivots of those who are busy and whom it leaves open.

    None if the optimum is not known to the last digits.

    Parameters
    ----------
    found, exact
        The optimum that is stored, and as the interior point knows it.
    """
    solved = exact.optimum
    network = network_of(grid, book.network, book.interval.duration_s)
    plain = columns_of(book, network).pieces
    if solved is None or was_lifted(solved, plain):
        return None
    settled = Settled(network, solved, parties, reach_of(plain, network.capacity_j))
    if not settled.loose <= DUST:
        return None
    ask = np.flatnonzero(busy & ~local.known)
    money, size, unsure, _ = settled.without(ask)
    told = np.isfinite(money)
    at = ask[told]
    stored = worth_of_stored(found, parties)[at]
    out = Local(local.known.copy(), local.money.copy(), local.size.copy(), local.unsure.copy())
    out.known[at] = True
    out.money[at] = money[told] + stored
    out.size[at] = size[told] + np.abs(stored)
    out.unsure[at] = unsure[told]
    return out


class Settled:
    """A mesh at its optimum, from which parties are taken out one by one.

    Attributes
    ----------
    mesh, base, clusters
        As for `isojoule.kernels.ties_without.taken_out`.
    loose
        What pieces and links, each alone, would gain at the prices; inf where nodes are off
        balance.
    """

    def __init__(self, network: Network, solved: Optimum, parties: Parties, reach_j: float) -> None:
        self.count = parties.count
        self.mesh, self.base = _laid_out(network, solved, parties, reach_j)
        m, s, nodes, links = self.mesh, self.base, network.nodes, network.tail.size
        single, every = np.arange(nodes + 1), _region(nodes, links)
        every.size[:2] = nodes, links
        every.node[:], every.link[:] = np.arange(nodes), np.arange(links)
        every.inside[:] = every.met[:] = True
        alone = Clusters(single[:-1], single, single[:-1])
        respond(m, s, s.anchor, alone, every, 1.0)
        factored(m, s, network.pattern)
        goal = EXACT * float(np.abs(s.price[m.node] * s.x).sum())
        loose, lack = settle(m, s, s.anchor, alone, every, goal, 1.0)
        self.loose = loose if lack <= m.tolerance else np.inf
        factored(m, s, network.pattern)
        part = walk(m.tail, m.head, m.start, m.incident, s.weight > 0.0)[0]
        self.clusters = Clusters(part, *grouped(part, int(part.max(initial=-1)) + 1))

    def without(self, number: Ints) -> tuple[Floats, Floats, Floats, Ints]:
        """Welfare without each of these parties less that with it; see `taken_out`."""
        m, count = self.mesh, self.count + 1
        pieces, links = grouped(m.party + 1, count), grouped(m.owner + 1, count)
        return taken_out(
            m, self.base, Stand(*(column.copy() for column in self.base)), self.clusters,
            _region(self.base.price.size, m.tail.size), Asked(number + 1, *pieces, *links),
            self.loose, CLOSED, DUST,
        )  # fmt: skip


def _laid_out(n: Network, solved: Optimum, parties: Parties, reach_j: float) -> tuple[Mesh, Stand]:
    """The mesh with nodes in elimination order, and where it stands; nothing is factored yet."""
    place, c, links = n.pattern.place, solved.columns, n.tail.size
    wide = np.flatnonzero(c.pieces.hi > c.pieces.lo)
    node = place[c.node[wide]]
    first, order = grouped(node, n.nodes)
    at = wide[order]
    p = Pieces(*(column[at] for column in c.pieces))
    party = np.full(solved.offer_x.size, -1, np.int64)
    party[: parties.offer.size] = parties.offer
    tail, head = place[n.tail], place[n.head]
    energy = _typical(p.hi - p.lo)
    worth = _typical(np.abs(p.a) + p.b)
    stiff = STIFF * energy / worth
    sold = float(-p.lo.sum())  # nothing carries more than all can deliver
    dearest = float(np.max(np.abs(solved.price), initial=worth))
    mesh = Mesh(
        tail, head, n.gain, n.limits.loss_per_j, n.price, parties.link[:links].copy(),
        *incidence(n.nodes, tail, head), first, node[order], party[c.offer[at]],
        p.a, p.b, p.c0, p.c1, p.k, n.pattern.l_start, n.pattern.l_rows,
        stiff, LEAST * energy / worth, min(reach_j, sold), dearest, OFF * stiff * dearest,
    )  # fmt: skip
    price = np.empty(n.nodes)
    price[place] = solved.price
    flow, x = solved.flow, solved.x[at]
    at_node, at_link = np.zeros((3, n.nodes)), np.zeros((3, links))
    stand = Stand(
        price, at_node[0], n.capacity_j.copy(), flow.copy(), flow.copy(), np.full(links, stiff),
        p.lo, p.hi, x, x.copy(), at_link[0], at_link[1], at_link[2], at_node[1], at_node[2],
        np.zeros(n.pattern.l_rows.size), np.ones(n.nodes),
    )  # fmt: skip
    return mesh, stand


def _region(nodes: int, links: int) -> Region:
    """A region without anything in it."""
    node, link = np.zeros((2, nodes), np.int64), np.zeros(links, np.int64)
    inside, changed = np.zeros((2, nodes), bool)
    step, vector = np.zeros((2, nodes))
    return Region(
        np.zeros(3, np.int64), node[0], link, node[1], inside, np.zeros(links, bool), changed,
        step, vector,
    )  # fmt: skip


def _typical(sizes: Floats) -> float:
    """The median of those that are finite and not 0; 1 if there is none."""
    some = sizes[(sizes > 0.0) & np.isfinite(sizes)]
    return float(np.median(some)) if some.size else 1.0
