"""What binds on `dc` and on `lindistflow`, as rows of a small program.

On `dc` energy is balanced in each connected part; where it goes, the angles say. So a part is one
node, and a line is a row: its flow is the sum over all pieces of what each receives times the
line's shift factor at its node (`isojoule.grid.dc.LinearFlow.shift`). On `lindistflow` nodes and
links are those of `transport`, and limits of voltage and of apparent power are rows, as in
`isojoule.market.radial`.

Spec: docs/spec/vcg.md, P17; docs/spec/grid.md, G10 and G16 to G19.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, linear_flow_of
from isojoule.grid.formulation import Network, network_of
from isojoule.grid.radial import Feeder, facet_towards
from isojoule.market.allocation import Allocation, columns_of
from isojoule.market.book import Book
from isojoule.market.columns import join_smooth
from isojoule.market.meshed.prices import SIDE as LINES
from isojoule.market.pivots.warm_rows import Limit, Limits
from isojoule.market.radial.model import (
    Row,
    Stand,
    any_broken,
    broken_rows,
    facet_row,
    feeder_for,
    on_arcs,
    on_nodes,
    stand,
    voltage_row,
)
from isojoule.market.radial.prices import duals_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PASSED = 1e-12
"""A limit is passed by more than this: a line's of the largest flow, and per unit."""

BINDS = 1e-9
"""A limit binds if its dual is more than this share of the largest."""


def limits_of(book: Book, grid: Grid, found: Allocation) -> Limits | None:
    """The limits of a book of divisible offers, those that bind at its optimum first."""
    if book.indivisible:
        return None
    if book.network == "dc":
        linear = linear_flow_of(grid, book.interval.duration_s)
        return Lines(book, grid, linear, found) if isinstance(linear, LinearFlow) else None
    if book.network == "lindistflow":
        feeder = feeder_for(book, grid)
        return Voltages(book, grid, feeder, found) if isinstance(feeder, Feeder) else None
    return None


class Lines:
    """Lines of a meshed grid that are full; see `isojoule.market.pivots.warm_rows.Limits`."""

    def __init__(self, book: Book, grid: Grid, linear: LinearFlow, found: Allocation) -> None:
        self.linear = linear
        whole = network_of(grid, book.network, book.interval.duration_s)
        columns = join_smooth(columns_of(book, whole))
        self.at = columns.node
        self.network = _without_links(whole, linear.root.size)
        self.columns = columns._replace(
            node=linear.part[columns.node], offer_node=linear.part[columns.offer_node]
        )
        self.first = self._limits(
            np.array(_binding(np.abs(found.side[LINES][linear.live])), np.int64)
        )

    def _limits(self, lines: Ints) -> list[Limit]:
        shift = self.linear.shift(lines)[self.at].T
        mine = self.linear.part[self.linear.tail[lines]][:, None] == self.columns.node
        shift = np.where(mine, shift, 0.0)
        most = self.linear.capacity_j[lines].tolist()
        none = np.zeros(0)
        return [
            Limit(("line", e, 0), shift[i], none, -most[i], most[i])
            for i, e in enumerate(lines.tolist())
        ]

    def passed(self, x: Floats, f: Floats) -> list[Limit]:
        """The lines that are too full when pieces receive x."""
        return self._limits(np.flatnonzero(self._over(x[None, :])[0]))

    def keeps(self, x: Floats, f: Floats) -> Bools:
        """Whether points keep all limits, shape (points,)."""
        within: Bools = ~np.any(self._over(x), axis=1)
        return within

    def _over(self, x: Floats) -> Bools:
        """Which lines are too full, at points of pieces (points, P). Shape (points, lines)."""
        linear, points = self.linear, x.shape[0]
        at = (self.at + linear.nodes * np.arange(points)[:, None]).ravel()
        drawn = np.bincount(at, x.ravel(), points * linear.nodes).reshape(points, linear.nodes)
        angle = linear.angles(-drawn.T.astype(np.float64))
        flow = np.abs(linear.weight[:, None] * (angle[linear.tail] - angle[linear.head])).T
        most = np.max(flow, axis=1, initial=0.0)[:, None]
        over: Bools = flow - linear.capacity_j > PASSED * most
        return over


class Voltages:
    """Limits of voltage and apparent power; see `isojoule.market.pivots.warm_rows.Limits`."""

    def __init__(self, book: Book, grid: Grid, feeder: Feeder, found: Allocation) -> None:
        self.book, self.feeder = book, feeder
        self.network = network_of(grid, book.network, book.interval.duration_s)
        self.columns = c = join_smooth(columns_of(book, self.network))
        more = int(np.max(c.offer, initial=-1)) + 1 - book.offer_count
        share = np.append(book.reactive_share, np.zeros(max(more, 0)))
        self.share = share[c.offer]
        duals = duals_of(found.side)
        rows = [
            voltage_row(feeder, v, upper=bool(duals.voltage[v] < 0.0))
            for v in _binding(np.abs(duals.voltage))
        ]
        cos, sin = facet_towards(duals.active, duals.reactive)
        full = _binding(np.hypot(duals.active, duals.reactive))
        rows += [facet_row(feeder, e, float(cos[e]), float(sin[e])) for e in full]
        self.first = [self._limit(row) for row in rows]

    def _limit(self, row: Row) -> Limit:
        pieces = on_nodes(self.feeder, row)[self.columns.node] * self.share
        arcs = on_arcs(self.feeder, self.network, row)
        return Limit(row.name, pieces, arcs, -np.inf, row.limit)

    def passed(self, x: Floats, f: Floats) -> list[Limit]:
        """The limits that are passed when pieces receive x and arcs carry f."""
        return [self._limit(row) for row in broken_rows(self.feeder, self._stand(x, f), PASSED)]

    def keeps(self, x: Floats, f: Floats) -> Bools:
        """Whether points keep all limits, shape (points,)."""
        return np.array([not any_broken(self.feeder, self._stand(*point), PASSED)
                         for point in zip(x, f, strict=True)], dtype=bool)  # fmt: skip

    def _stand(self, x: Floats, f: Floats) -> Stand:
        n, book = self.network, self.book
        energy = np.bincount(self.columns.offer, x, book.offer_count)[: book.offer_count]
        flow = np.bincount(n.arc_link, np.where(n.arc_back, -f, f), n.tail.size)
        return stand(self.feeder, book, energy.astype(np.float64), flow.astype(np.float64))


def _binding(dual: Floats) -> list[int]:
    """Where duals are more than what a solver leaves where nothing binds."""
    bind: list[int] = np.flatnonzero(dual > BINDS * float(np.max(dual, initial=0.0))).tolist()
    return bind


def _without_links(network: Network, nodes: int) -> Network:
    """A network of so many nodes and no links, of the kind of another."""
    none, nobody = np.zeros(0), np.zeros(0, np.int64)
    limits = network.limits
    return Network(
        nodes=nodes,
        node_of=np.arange(nodes),
        tail=nobody,
        head=nobody,
        limits=type(limits)(nobody, nobody, none),
        gain=none,
        capacity_j=none,
        price=none,
        standing_uj=nobody,
    )
