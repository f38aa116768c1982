"""`relaxation`: link by link from the flows of a moment ago, for the next interval of a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import Network
from isojoule.kernels.climb import Goal, Reached, climb
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.settle_down import settle_down
from isojoule.market.solvers.first_order import FirstOrder
from isojoule.market.solvers.scaled import Units

Floats = NDArray[np.float64]


class Relaxation(FirstOrder):
    """Each link is set to where its ends would stop trading; who is touched by it looks again.

    What is left over a long distance is for accelerated steps, which go on from there. It fits
    whatever `first-order` fits.

    Parameters
    ----------
    start_j
        Flows to begin from, per link, J; none: no flow.
    most_steps
        See `FirstOrder`.
    """

    name = "relaxation"
    summary = "link by link, where something has changed: the next interval of a mesh"

    def __init__(self, start_j: Floats | None = None, most_steps: int | None = None) -> None:
        super().__init__(most_steps)
        self.start_j = start_j

    def steps(self, network: Network, mesh: Mesh, units: Units, x: Floats, goal: Goal) -> Reached:
        """See `FirstOrder.steps`; begins from the flows that are known."""
        flow = np.zeros(mesh.capacity.size)
        if self.start_j is not None:
            flow = self.start_j[network.sheet.layout.order] / units.energy_j
            flow = np.minimum(np.maximum(flow, -mesh.capacity), mesh.capacity)
        found = settle_down(mesh, flow, x, goal)
        calm, most = self.patience(mesh)
        if calm == np.inf and max(found.gap, found.off) <= goal.of(found.welfare):
            return found
        further = climb(mesh, found.flow, found.x, goal, calm, most)
        return further._replace(steps=found.steps + further.steps)
