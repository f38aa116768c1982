"""The welfare optimum of a book on `dc`, in exact integers.

The same program as on `transport`, with a row for each link that ties its flow to the angles at its
ends. Those rows go to `isojoule.kernels.rows`; all else is as in `isojoule.market.optimum`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, NotLinear, linear_flow_of
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.rows import RowProgram, maximise_rows
from isojoule.market.allocation import Allocation, NotSolved, Worths, columns_of, reach_of
from isojoule.market.book import Book
from isojoule.market.meshed.prices import Proof, as_side, proof_of
from isojoule.market.meshed.whole import in_whole
from isojoule.market.optimum import ACCEPTED, TOLERANCE, optimum
from isojoule.market.settle import capacity_uj
from isojoule.valuation.curve import Pieces, integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def allocate_meshed(book: Book, grid: Grid) -> Allocation | NotSolved:
    """The welfare optimum of a book of divisible offers on `dc`."""
    linear = linear_flow_of(grid, book.interval.duration_s)
    if isinstance(linear, NotLinear):
        return NotSolved(*linear)
    if book.indivisible:
        return NotSolved(
            f"offer {book.indivisible!r} is all-or-nothing, in a group or a bundle, which dc does "
            "not clear",
            "make it divisible, or use network transport",
        )
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    solver = _Linear(linear)
    found = optimum(network, columns, solver=solver)
    if not found.residual < ACCEPTED:
        return NotSolved(
            f"the solver stopped at a residual of {found.residual:.1e}",
            "check for unlimited offers to sell below unlimited offers to buy, and for prices or "
            "sizes that are many powers of ten apart",
        )
    beyond = np.abs(found.offer_x) > reach_of(columns.pieces, network.capacity_j)
    if beyond.any():
        offer = book.offer_ids[int(np.flatnonzero(beyond)[0])]
        return NotSolved(
            f"trade through offer {offer!r} has no limit: an unlimited offer to sell meets a "
            "dearer unlimited offer to buy",
            "limit the links between them, or correct the prices",
        )
    whole = in_whole(book, linear, columns, found, capacity_uj(network)[linear.live])
    if isinstance(whole, int):
        name = grid.link_ids[int(linear.live[whole])]
        return NotSolved(
            f"no whole microjoules keep the limit of link {name!r}",
            "check for limits that are many powers of ten below what is offered",
        )
    energy, live_flow = whole
    flow = np.zeros(grid.link_count, np.int64)
    flow[linear.live] = live_flow
    first = proof_of(book, linear, energy, flow, None)
    proof, support = first.proof, first.support
    if not support.closed:
        solved = Proof(found.prices[1], solver.dual)
        other = proof_of(book, linear, energy, flow, solved)
        if other.support.gap < support.gap:
            proof, support = solved, other.support
    worth = integral(found.columns.pieces, found.x)
    offer_value = np.bincount(found.columns.offer, worth, columns.offer_node.size)
    worths = Worths(offer_value.astype(np.float64), np.zeros(grid.link_count), solver.slack_value)
    nothing = np.zeros(grid.link_count, np.int64)
    return Allocation(
        energy, flow, nothing, nothing.copy(), proof.price, support, found.residual, found.steps,
        lambda: worths, side=as_side(linear, proof.link, grid.link_count),
    )  # fmt: skip


class _Linear:
    """The solver on a linear power flow; keeps of its last solution the duals of the links.

    And `slack_value`, as an allocation has it: what lacks in the rows, at their prices.
    """

    def __init__(self, linear: LinearFlow) -> None:
        self.linear = linear
        self.dual = np.zeros(linear.live.size)
        self.slack_value = 0.0

    def __call__(
        self,
        network: Network,
        node: Ints,
        pieces: Pieces,
        arc_lo: Floats,
        arc_hi: Floats,
        inject: Floats,
    ) -> Solution:
        """The solution of one program; see `isojoule.market.optimum.Solver`."""
        linear = self.linear
        arc = np.full(network.tail.size, -1)
        arc[network.arc_link[~network.arc_back]] = np.flatnonzero(~network.arc_back)
        arc = arc[linear.live]
        offers, links, nodes = node.size, linear.live.size, linear.nodes
        columns = offers + links + linear.free.size
        angle = np.full(nodes, -1)
        angle[linear.free] = np.arange(offers + links, columns)
        flow = np.arange(offers, offers + links)
        row = nodes + np.arange(links)
        tail, head = angle[linear.tail], angle[linear.head]
        entries = (
            (node, np.arange(offers), -np.ones(offers)),
            (linear.head, flow, np.ones(links)),
            (linear.tail, flow, -np.ones(links)),
            (row, flow, np.ones(links)),
            (row[tail >= 0], tail[tail >= 0], -linear.weight[tail >= 0]),
            (row[head >= 0], head[head >= 0], linear.weight[head >= 0]),
        )
        rows, places, values = (np.concatenate([e[i] for e in entries]) for i in range(3))
        matrix = coo_array((values, (rows, places)), shape=(nodes + links, columns)).tocsr()
        more, one = np.zeros(columns - offers), np.ones(columns - offers)
        free = np.full(linear.free.size, np.inf)
        lo = np.concatenate([pieces.lo, arc_lo[arc], -free])
        hi = np.concatenate([pieces.hi, arc_hi[arc], free])
        right = np.concatenate([-inject, np.zeros(links)])
        s = maximise_rows(
            RowProgram(
                lo,
                hi,
                np.concatenate([pieces.a, more]),
                np.concatenate([pieces.b, more]),
                np.concatenate([pieces.c0, more]),
                np.concatenate([pieces.c1, more]),
                np.concatenate([pieces.k, one]),
                matrix,
                right,
            ),
            TOLERANCE,
        )
        x = np.where(s.side < 0, lo, np.where(s.side > 0, hi, s.x))
        self.slack_value = math.fsum(s.price * (matrix @ x - right))
        price = s.price[:nodes]
        self.dual = price[linear.head] - price[linear.tail] + s.price[nodes:]
        f, side = np.zeros(arc_lo.size), np.zeros(arc_lo.size, np.int8)
        f[arc], side[arc] = s.x[flow], s.side[flow]
        self.dual[side[arc] == 0] = 0.0
        return Solution(s.x[:offers], f, price, s.side[:offers], side, s.steps, s.residual)
