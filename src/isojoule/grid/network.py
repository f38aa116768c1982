"""The grid: nodes, and links of limited Watts that lose energy on the way.

A grid is immutable and columnar: one array per property, one row a link. What depends on the
length of the interval (how many Joules fit through a link, how much a Joule costs in losses)
comes from `Grid.limits`. Names may be a tuple of strings or, where they are many,
`isojoule.core.names.Names`. Columns that are not given take no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid.check import check_grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Index = NDArray[np.int32]


class LinkLimits(NamedTuple):
    """What links can do in one interval. Arrays of shape (links,).

    Attributes
    ----------
    capacity_uj
        Most energy that may be sent in either direction, microjoules; `NO_LIMIT_UJ` if unlimited.
    loss_ppb
        Proportional loss, parts of 1e-9 of what is sent.
    loss_per_j
        Quadratic loss coefficient r: sending f Joules loses r*f**2. Unit 1/J.
    """

    capacity_uj: Ints
    loss_ppb: Ints
    loss_per_j: Floats


@dataclass(frozen=True, eq=False)
class Grid:
    """Nodes and links, columnar.

    Parameters
    ----------
    node_ids
        Names of the nodes, unique.
    link_ids
        Names of the links, unique.
    link_from, link_to
        Node index of each end, shape (links,). Positive flow runs from `from` to `to`.
    capacity_w
        Most power either way, W, `inf` if unlimited.
    loss_ppb
        Proportional loss in parts of 1e-9, 0 <= loss < 1e9.
    resistance_ohm, reactance_ohm
        Per link, ohm, 0 if not given. A resistance makes a quadratic loss.
    voltage_v
        Voltage of the link (line to line for three phases), V; nan if not given.
    standing_loss_w
        Power drawn at `from` whatever flows (the iron of a transformer), W.
    price_per_j
        Owner's price per Joule sent.
    owner
        Name of the owner, or "" for the operator.
    kind
        "line", "transformer" or "link"; only for reading.
    node_voltage_v, min_voltage_pu, max_voltage_pu
        Per node, nan if not given.
    x, y
        Plane coordinates of the nodes for drawing, nan if not given.
    """

    node_ids: Sequence[str]
    link_ids: Sequence[str] = ()
    link_from: Index = field(default_factory=lambda: np.zeros(0, np.int32))
    link_to: Index = field(default_factory=lambda: np.zeros(0, np.int32))
    capacity_w: Floats = field(default_factory=lambda: np.zeros(0))
    loss_ppb: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    resistance_ohm: Floats = field(default_factory=lambda: np.zeros(0))
    reactance_ohm: Floats = field(default_factory=lambda: np.zeros(0))
    voltage_v: Floats = field(default_factory=lambda: np.zeros(0))
    standing_loss_w: Floats = field(default_factory=lambda: np.zeros(0))
    price_per_j: Floats = field(default_factory=lambda: np.zeros(0))
    owner: Sequence[str] = ()
    kind: Sequence[str] = ()
    node_voltage_v: Floats | None = None
    min_voltage_pu: Floats | None = None
    max_voltage_pu: Floats | None = None
    x: Floats | None = None
    y: Floats | None = None

    def __post_init__(self) -> None:
        check_grid(self)

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.node_ids)

    @property
    def link_count(self) -> int:
        """Number of links."""
        return len(self.link_ids)

    @cached_property
    def node_index(self) -> dict[str, int]:
        """Row of each node by name, for few nodes; see `isojoule.core.name_index.NameIndex`."""
        return {name: i for i, name in enumerate(self.node_ids)}

    def limits(self, duration_s: float) -> LinkLimits:
        """What the links can do in an interval of this length.

        The quadratic coefficient is r = R / (V**2 * dt), V line to line for three phases, and
        R the loop resistance for direct current.
        """
        cache: dict[float, LinkLimits] = self.__dict__.setdefault("_limits", {})
        if duration_s not in cache:
            energy_uj = self.capacity_w * duration_s
            energy_uj *= UJ_PER_J
            np.floor(energy_uj, out=energy_uj)
            np.minimum(energy_uj, float(NO_LIMIT_UJ), out=energy_uj)  # 2**62 is exact
            capacity_uj = energy_uj.astype(np.int64)
            loss_per_j = np.zeros(self.link_count)
            has = np.flatnonzero(self.resistance_ohm > 0)
            loss_per_j[has] = self.resistance_ohm[has] / (self.voltage_v[has] ** 2 * duration_s)
            cache[duration_s] = LinkLimits(capacity_uj, self.loss_ppb, loss_per_j)
        return cache[duration_s]
