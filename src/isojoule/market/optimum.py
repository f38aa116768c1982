"""The optimum in floats, and then in integers.

The program of a book goes to a solver after what has no freedom has been taken out of it:

- pieces of one offer that are one formula are joined;
- a part of the grid where nobody sells, or nobody buys, has only one answer, no trade. Left in,
  it would leave the program without an interior.

There are two kinds of solvers. One works on links with signed flows (`LinkSolver`); what it finds
is taken as it is, but where energy would be burned in a circle. The other works on arcs
(`isojoule.market.arcs`). In both, links without loss and price in a ring leave the flow around it
open: the least flows are taken (`isojoule.market.least_norm`).

The integers come from `isojoule.kernels.whole`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.grid.formulation import Network
from isojoule.kernels.circles import burns
from isojoule.kernels.commit import residuals
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.prepare import Survey, within
from isojoule.kernels.whole import at_bounds, on_links, to_whole, within_bounds
from isojoule.market.arcs import (
    ACCEPTED,
    NO_PRICE,
    SMALL,
    TOLERANCE,
    Solver,
    disposed,
    maximise_flow,
    solve_on_arcs,
    with_disposal,
)
from isojoule.market.columns import Columns, join_smooth, survey_of
from isojoule.market.least_norm import least_norm
from isojoule.market.settle import capacity_uj
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

__all__ = [
    "ACCEPTED", "TOLERANCE", "Columns", "Floats", "Ints", "LinkSolution", "LinkSolver", "Optimum",
    "Solver", "as_arcs", "in_integers", "join_smooth", "maximise_flow", "optimum", "side_of",
]  # fmt: skip


class LinkSolution(NamedTuple):
    """A solution with one signed flow for each link.

    Attributes
    ----------
    x
        Per piece, J.
    flow
        Per link, J at the sender, positive from tail to head.
    price
        Per node, money per J.
    steps, residual
        Steps made; `inf` where it is no solution (see `ACCEPTED`).
    """

    x: Floats
    flow: Floats
    price: Floats
    steps: int
    residual: float


class LinkSolver(Protocol):
    """A solver that works on links."""

    def solve_links(
        self, network: Network, node: Ints, pieces: Pieces, capacity_j: Floats, inject: Floats
    ) -> LinkSolution:
        """The solution of one program.

        Parameters
        ----------
        network
            Its links, with `capacity_j` in place of its own.
        node, pieces
            Node of each piece; their bounds are 0 where they do not count.
        capacity_j
            Per link, J; 0 where it does not count.
        inject
            What is given at each node, J.
        """
        ...


def works_on_links(solver: object) -> TypeGuard[LinkSolver]:
    """Which kind of solver it is."""
    return hasattr(solver, "solve_links")


@dataclass(frozen=True, eq=False, slots=True)
class Optimum:
    """The optimum in floats.

    Attributes
    ----------
    columns
        The joined pieces.
    x, side
        Where they stand, J; -1 at the lower bound, 1 at the upper, and exactly there, else 0.
    offer_x
        Energy per offer (standing losses behind), J.
    flow, sent
        Net flow of each link, signed, and what runs both ways together, its sign aside, J; one
        array where nothing does.
    arcs
        Flows of arcs, J; empty where the solver worked on links.
    price
        Of the last program, money per J.
    prices
        Nodal prices that may prove the welfare: of the program with all ways open, and of the
        last one.
    residual, steps
        Of the last program.
    """

    columns: Columns
    x: Floats
    side: NDArray[np.int8]
    offer_x: Floats
    flow: Floats
    sent: Floats
    arcs: Floats
    price: Floats
    prices: tuple[Floats, Floats]
    residual: float
    steps: int


def optimum(
    network: Network,
    columns: Columns,
    inject: Floats | None = None,
    solver: Solver | LinkSolver | None = None,
    known: Survey | None = None,
) -> Optimum:
    """The optimum on this network, with a given supply at each of its nodes, J.

    `solver` may know of more limits than the network's; without one, `maximise_flow`. `known` is
    what `survey_of` says of these columns.
    """
    known = known or survey_of(network, columns, inject)
    given = np.zeros(network.nodes) if inject is None else inject
    joined = join_smooth(columns) if known.joins else columns
    p = joined.pieces
    lo, hi, capacity_j = p.lo, p.hi, network.capacity_j
    fallback: Floats | None = None
    if known.dead:
        lo, hi, capacity_j, fallback = within(
            joined.node, p.lo, p.hi, network.tail, capacity_j, network.part, known.alive,
            known.fallback,
        )  # fmt: skip
    if works_on_links(solver):
        found = _on_links(network, joined, lo, hi, capacity_j, given, solver)
    else:
        found = _on_arcs(
            network, joined, lo, hi, capacity_j, given, cast(Solver, solver or maximise_flow)
        )
    if fallback is None:
        return found
    alive = known.alive[network.part]
    first, last = (np.where(alive, price, fallback) for price in found.prices)
    return replace(found, prices=(first, last))


def _on_links(
    network: Network, columns: Columns, lo: Floats, hi: Floats, capacity_j: Floats,
    inject: Floats, solver: LinkSolver,
) -> Optimum:  # fmt: skip
    """The optimum by a solver on links; on arcs where energy would be burned in a circle."""
    p = columns.pieces
    pieces = p if lo is p.lo else p._replace(lo=lo, hi=hi)
    s = solver.solve_links(network, columns.node, pieces, capacity_j, inject)
    if not s.residual < ACCEPTED:
        more_nodes, wider = with_disposal(columns.node, pieces, network.nodes)
        second = solver.solve_links(network, more_nodes, wider, capacity_j, inject)
        size = columns.node.size
        if second.residual < ACCEPTED and not disposed(second.x, size):
            s = second._replace(x=second.x[:size])
    x, side, offer_x = within_bounds(s.x, lo, hi, columns.offer, columns.offer_node.size)
    limits = network.limits
    if s.residual < ACCEPTED and burns(
        network.tail, network.head, limits.loss_ppb, limits.loss_per_j, network.start,
        network.incident, network.forest.whole, s.flow, s.price, columns.offer, lo, hi, p.a, p.b, x,
        NO_PRICE, SMALL,
    ):  # fmt: skip
        return _on_arcs(network, columns, lo, hi, capacity_j, inject, maximise_flow)
    flow = sent = s.flow
    if network.rings and s.residual < ACCEPTED:
        arcs = as_arcs(network, pieces, network.arc_lo, network.arc_hi, s)
        flow, sent = _net(network, least_norm(network, arcs))
    return Optimum(
        columns, x, side, offer_x, flow, sent, np.zeros(0), s.price, (s.price, s.price),
        s.residual, s.steps,
    )  # fmt: skip


def _on_arcs(
    network: Network, columns: Columns, lo: Floats, hi: Floats, capacity_j: Floats,
    inject: Floats, solver: Solver,
) -> Optimum:  # fmt: skip
    """The optimum by a solver on arcs."""
    first, s = solve_on_arcs(network, columns, lo, hi, capacity_j, inject, solver)
    x, offer_x = at_bounds(s.x, s.x_side, lo, hi, columns.offer, columns.offer_node.size)
    flow, sent = _net(network, s.f)
    return Optimum(
        columns, x, s.x_side, offer_x, flow, sent, s.f, s.price, (first.price, s.price),
        s.residual, s.steps,
    )  # fmt: skip


def _net(network: Network, f: Floats) -> tuple[Floats, Floats]:
    return on_links(network.arc_link, network.arc_back, f, network.tail.size)


def as_arcs(
    network: Network, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, found: LinkSolution
) -> Solution:
    """The same with a flow for each arc, as other solvers have it."""
    signed = found.flow[network.arc_link]
    f = np.where(network.arc_back, -signed, signed)
    f = np.minimum(np.maximum(f, arc_lo), arc_hi)
    return Solution(
        found.x,
        f,
        found.price,
        side_of(found.x, pieces.lo, pieces.hi),
        side_of(f, arc_lo, arc_hi),
        found.steps,
        found.residual,
    )


def side_of(x: Floats, lo: Floats, hi: Floats) -> NDArray[np.int8]:
    """-1 where x stands at its lower bound, 1 at its upper, else 0."""
    side: NDArray[np.int8] = np.where(x <= lo, -1, np.where(x >= hi, 1, 0)).astype(np.int8)
    return side


def in_integers(
    network: Network, columns: Columns, found: Optimum, low: Ints, high: Ints
) -> tuple[Ints, Ints, Ints]:
    """Integers that balance: energies of offers and standing losses, flows and losses of links.

    `low` and `high` bound the energies, microjoules.

    Raises
    ------
    InvariantError
        A node does not balance.
    """
    p, limits = found.columns.pieces, network.limits
    links = (network.tail, network.head)
    energy, flow, loss, bad = to_whole(
        *links, capacity_uj(network), limits.loss_ppb, limits.loss_per_j, network.price,
        network.start, network.incident, found.flow, found.sent, found.columns.offer, found.x,
        found.side, p.lo, p.hi, columns.offer_node, found.offer_x, low, high,
    )  # fmt: skip
    if not bad:
        return energy, flow, loss
    rest = residuals(
        *links, flow, limits.loss_ppb, limits.loss_per_j, columns.offer_node, energy, network.nodes
    )
    worst = int(np.argmax(np.abs(rest)))
    raise InvariantError(f"node {worst} is off balance by {rest[worst]} uJ after the commit")
