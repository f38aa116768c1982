"""The grid: nodes, and links of limited Watts that lose energy on the way.

A grid is immutable and columnar: one array per property, one row a link. What depends on the
length of the interval (how many Joules fit through a link, how much a Joule costs in losses)
comes from `Grid.limits`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.units import NO_LIMIT_UJ, PPB, UJ_PER_J

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

    node_ids: tuple[str, ...]
    link_ids: tuple[str, ...] = ()
    link_from: Index = field(default_factory=lambda: np.zeros(0, np.int32))
    link_to: Index = field(default_factory=lambda: np.zeros(0, np.int32))
    capacity_w: Floats = field(default_factory=lambda: np.zeros(0))
    loss_ppb: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    resistance_ohm: Floats = field(default_factory=lambda: np.zeros(0))
    reactance_ohm: Floats = field(default_factory=lambda: np.zeros(0))
    voltage_v: Floats = field(default_factory=lambda: np.zeros(0))
    standing_loss_w: Floats = field(default_factory=lambda: np.zeros(0))
    price_per_j: Floats = field(default_factory=lambda: np.zeros(0))
    owner: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
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
        """Row of each node by name."""
        return {name: i for i, name in enumerate(self.node_ids)}

    def limits(self, duration_s: float) -> LinkLimits:
        """What the links can do in an interval of this length.

        The quadratic coefficient is r = R / (V**2 * dt), V line to line for three phases, and
        R the loop resistance for direct current.
        """
        cache: dict[float, LinkLimits] = self.__dict__.setdefault("_limits", {})
        if duration_s not in cache:
            with np.errstate(invalid="ignore"):
                energy_uj = np.floor(self.capacity_w * duration_s * UJ_PER_J)
            limited = energy_uj < NO_LIMIT_UJ
            capacity_uj = np.where(limited, energy_uj, 0).astype(np.int64)
            capacity_uj[~limited] = NO_LIMIT_UJ
            loss_per_j = np.zeros(self.link_count)
            has = self.resistance_ohm > 0
            loss_per_j[has] = self.resistance_ohm[has] / (self.voltage_v[has] ** 2 * duration_s)
            cache[duration_s] = LinkLimits(capacity_uj, self.loss_ppb, loss_per_j)
        return cache[duration_s]


FILLERS: dict[str, str | int | float] = {
    "capacity_w": np.inf,
    "loss_ppb": 0,
    "resistance_ohm": 0.0,
    "reactance_ohm": 0.0,
    "voltage_v": np.nan,
    "standing_loss_w": 0.0,
    "price_per_j": 0.0,
    "owner": "",
    "kind": "link",
}
"""What stands in the columns of links that are not given."""


def check_grid(grid: Grid) -> None:
    """Refuse a grid that cannot exist.

    Raises
    ------
    InputError
        Duplicate names, unknown ends, negative or missing numbers; names the node or link.
    """
    for what, names in (("node", grid.node_ids), ("link", grid.link_ids)):
        if len(set(names)) != len(names):
            twice = next(n for i, n in enumerate(names) if n in names[:i])
            raise InputError(f"{what} {twice!r} stands twice", remedy=f"give each {what} one name")
    links = grid.link_count
    for name, filler in FILLERS.items():
        given = len(getattr(grid, name))
        if given == links:
            continue
        if given:
            raise InputError(
                f"{name} has {given} entries for {links} links", remedy="give one for each link"
            )
        column = (filler,) * links if isinstance(filler, str) else np.full(links, filler)
        object.__setattr__(grid, name, column)

    def refuse(bad: NDArray[np.bool_], message: str, remedy: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise InputError(message, place=f"link {grid.link_ids[at]!r}", remedy=remedy)

    if not links:
        return
    nodes = grid.node_count
    ends = np.stack([grid.link_from, grid.link_to])
    refuse(
        np.any((ends < 0) | (ends >= nodes), axis=0),
        "an end is not a node",
        "name an existing node",
    )
    refuse(grid.link_from == grid.link_to, "both ends are one node", "connect two nodes")
    refuse(~(grid.capacity_w >= 0), "capacity is negative or not a number", "give W of 0 or more")
    refuse(
        (grid.loss_ppb < 0) | (grid.loss_ppb >= PPB),
        "loss is outside 0 <= loss < 1",
        "give the share of the energy that is lost, as 0.02",
    )
    refuse(
        ~((grid.resistance_ohm >= 0) & (grid.resistance_ohm < np.inf)),
        "resistance is negative or not a finite number",
        "give ohm of 0 or more",
    )
    refuse(
        (grid.resistance_ohm > 0) & ~(grid.voltage_v > 0),
        "resistance without a voltage",
        "give the link's voltage, as '400 V'",
    )
    refuse(
        ~((grid.standing_loss_w >= 0) & (grid.standing_loss_w < np.inf)),
        "standing loss is negative or not a finite number",
        "give W of 0 or more",
    )
    refuse(
        ~((grid.price_per_j >= 0) & (grid.price_per_j < np.inf)),
        "price is negative or not a finite number",
        "give a price of 0 or more",
    )
