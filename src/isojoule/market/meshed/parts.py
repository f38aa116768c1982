"""The connected parts of a grid as one node each, where energies are made whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isojoule.grid.dc import LinearFlow
from isojoule.grid.formulation import Network, network_of
from isojoule.grid.network import Grid
from isojoule.market.optimum import Columns, Optimum


def parts_of(linear: LinearFlow, columns: Columns, found: Optimum) -> tuple[Network, Optimum]:
    """A network without links, with a node for each part, and the optimum as it stands there."""
    count = linear.root.size
    grid = Grid(tuple(str(number) for number in range(count)))
    network = replace(network_of(grid, "dc", 1.0), nodes=count)
    none = np.zeros(0)
    place = linear.part
    joined = found.columns._replace(
        node=place[found.columns.node], offer_node=place[found.columns.offer_node]
    )
    return network, replace(found, columns=joined, flow=none, sent=none, arcs=none)
