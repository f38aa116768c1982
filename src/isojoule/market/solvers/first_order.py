"""`first-order`: accelerated steps on flows, for large meshes of batteries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.climb import Goal, Reached, climb
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.mesh import PARTS
from isojoule.kernels.pieces import main_pieces
from isojoule.market.book import Book
from isojoule.market.optimum import ACCEPTED, Columns, LinkSolution, as_arcs
from isojoule.market.solvers import primal_dual
from isojoule.market.solvers.scaled import (
    Units,
    link_task,
    residual_of,
    scaled,
    share_for,
    units_of,
)
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


MOST_STEPS = 200_000
NEAR = 1.0
"""Residual below which what it reached is a better start than none."""


class FirstOrder:
    """Accelerated first-order steps with restart, where every node has a falling curve.

    Where a curve ends at a wall, its outcome is only a start, and primal-dual steps go on from it.

    Parameters
    ----------
    most_steps
        Steps after which it gives up.
    """

    name = "first-order"
    summary = "accelerated steps on flows: large meshes with a falling curve at every node"
    measure = "the residual is gap and imbalance, as a share of the welfare"

    def __init__(self, most_steps: int | None = None) -> None:
        self.most_steps = MOST_STEPS if most_steps is None else most_steps

    def unfit(self, book: Book, grid: Grid, network: Network, columns: Columns) -> str:
        """The first node, where links lead, that has no falling curve."""
        at = first_bare(network, columns.node, columns.pieces)
        if at < 0:
            return ""
        named = int(np.flatnonzero(network.node_of == at)[0])
        return (
            f"node {grid.node_ids[named]!r} has no offer whose worth falls in the energy, "
            "so that its price does not follow from the flows"
        )

    def solve(
        self, network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats,
        inject: Floats,
    ) -> Solution:  # fmt: skip
        """See `isojoule.market.optimum.Solver`."""
        if network.shut_hi is None:
            capacity_j = arc_hi[: network.tail.size]
            found = self.solve_links(network, node, pieces, capacity_j, inject)
            if found.residual < ACCEPTED:
                return as_arcs(network, pieces, arc_lo, arc_hi, found)
            if found.residual < NEAR:
                task = scaled(network, node, pieces, arc_lo, arc_hi, inject)
                near = as_arcs(network, pieces, arc_lo, arc_hi, found)
                return primal_dual.climb(
                    task, near.x / task.energy_j, near.f / task.energy_j,
                    near.price / task.price_per_j, found.steps,
                )  # fmt: skip
        task = scaled(network, node, pieces, arc_lo, arc_hi, inject)
        return primal_dual.climb(task, *primal_dual.cold(task), 0)

    def solve_links(
        self, network: Network, node: Ints, pieces: Pieces, capacity_j: Floats, inject: Floats
    ) -> LinkSolution:
        """See `isojoule.market.optimum.LinkSolver`."""
        mesh, units = mesh_of(network, node, pieces, capacity_j, inject)
        x = np.clip(np.zeros(mesh.lo.size), mesh.lo, mesh.hi)
        goal = Goal(share_for(mesh.lo.size + mesh.capacity.size), units.least)
        found = self.steps(network, mesh, units, x, goal)
        return out_of(network, units, found)

    def steps(self, network: Network, mesh: Mesh, units: Units, x: Floats, goal: Goal) -> Reached:
        """From no flow and these energies of pieces to the goal."""
        calm, most = self.patience(mesh)
        return climb(mesh, np.zeros(mesh.capacity.size), x, goal, calm, most)

    def patience(self, mesh: Mesh) -> tuple[float, int]:
        """How calm a small mesh must be in the end, and how many steps are made at most."""
        calm, most = primal_dual.limits_of(mesh.lo.size + 2 * mesh.capacity.size)
        return calm, min(most, self.most_steps)


def out_of(network: Network, units: Units, found: Reached) -> LinkSolution:
    """The solution in J and money per J, with links in their own order."""
    flow = np.empty_like(found.flow)
    flow[network.sheet.layout.order] = found.flow
    flow *= units.energy_j
    return LinkSolution(
        found.x * units.energy_j,
        flow,
        found.price * units.price_per_j,
        found.steps,
        residual_of(units, found.welfare, found.gap, found.off),
    )


def first_bare(network: Network, node: Ints, pieces: Pieces) -> int:
    """The first node with a link or an offer, but without a falling curve; -1 if there is none."""
    main = main_pieces(network.nodes, node, *pieces)
    used = np.zeros(network.nodes, bool)
    used[network.tail] = used[network.head] = True
    used[node] = True
    bare = np.flatnonzero((main < 0) & used)
    return int(bare[0]) if bare.size else -1


def mesh_of(
    network: Network, node: Ints, pieces: Pieces, capacity_j: Floats, inject: Floats
) -> tuple[Mesh, Units]:
    """The program in the order of sweeps, and its units."""
    units = units_of(network, pieces, inject)
    sheet, layout = network.sheet, network.sheet.layout
    main = main_pieces(network.nodes, node, *pieces)
    task = link_task(pieces, units)
    others = np.flatnonzero(task.hi > task.lo)
    others = others[main[node[others]] != others]
    piece_first = np.zeros(PARTS + 1, np.int64)
    if others.size:
        others = others[np.argsort(node[others], kind="stable")]
        piece_first = np.searchsorted(node[others], layout.node_first).astype(np.int64)
    own = np.maximum(main, 0)
    straight = bool(np.all(task.k[own[main >= 0]] == 1.0))
    top, fall = np.zeros(0), np.zeros(0)
    if straight:
        top = np.where(main >= 0, task.a[own] + task.b[own] * task.c0[own], 0.0)
        fall = np.where(main >= 0, task.b[own] * task.c1[own], 0.0)
    most = capacity_j[layout.order]
    most /= units.energy_j
    np.minimum(most, units.reach, out=most)
    mesh = Mesh(
        layout.tail, layout.head, most, sheet.gain, sheet.price / units.price_per_j,
        sheet.loss_per_j * units.energy_j, network.start, layout.incident, layout.link_first,
        layout.node_first, straight, top, fall, main, piece_first, others, node, *task,
        inject / units.energy_j if inject.any() else inject,
    )  # fmt: skip
    return mesh, units
