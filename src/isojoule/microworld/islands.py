"""Parts of a grid that no utility reaches: where they are, and who stands in them.

There a deviation from what was cleared is made up for by those who are there, see
`isojoule.microworld.balancing`. What is told here never changes in a run.

Spec: docs/spec/run.md, R23.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.household import meters
from isojoule.microworld.devices import DeviceKind
from isojoule.microworld.scenario import Scenario

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PIECES = 5
"""Of each device in the program that balances an island."""


@dataclass(frozen=True, eq=False)
class Island:
    """One part without a utility.

    Attributes
    ----------
    devices
        Rows of the devices that stand in it, (D,).
    node
        Node of each in `grid`, int32, (D,).
    links
        Rows of the links in it, (L,).
    grid
        The part as a grid of its own, without prices of links.
    names, participant
        Name and owner of each device, (D,).
    home
        Home of each device, one a participant and node, numbered from 0, (D,).
    homes
        How many there are.
    """

    devices: Ints
    node: NDArray[np.int32]
    links: Ints
    grid: Grid
    names: tuple[str, ...]
    participant: NDArray[np.int32]
    home: Ints
    homes: int

    @cached_property
    def piece_offer(self) -> NDArray[np.int32]:
        """Device of each piece of the program by which they are balanced."""
        return np.repeat(np.arange(self.devices.size, dtype=np.int32), PIECES)


@dataclass(frozen=True, eq=False)
class Packs:
    """Batteries of an island, and what they can do in an interval at the grid's side, (B,).

    Attributes
    ----------
    at
        Their places among the devices of the island.
    row
        Their places among the batteries of the scenario.
    """

    at: Ints
    row: Ints
    most_in_uj: Floats
    most_out_uj: Floats
    eta_c: Floats
    eta_d: Floats
    capacity_uj: Floats
    reserve_uj: Floats


@dataclass(frozen=True, eq=False)
class Islands:
    """All parts of a scenario that no utility reaches, with somebody in them."""

    scenario: Scenario
    network: str
    """The formulation by which their links carry: that of the scenario; `transport` where that
    one sees voltages, which no utility holds here."""

    @classmethod
    def of(cls, scenario: Scenario) -> Islands:
        """The islands of a scenario."""
        plain = scenario.network == "lindistflow"
        return cls(scenario, "transport" if plain else scenario.network)

    @cached_property
    def parts(self) -> tuple[Island, ...]:
        """Island by island, in the order of their first nodes."""
        s = self.scenario
        network = network_of(s.grid, self.network, float(s.interval_s))
        part = network.part[network.node_of]
        own = network.part[network.node_of[s.utility_node]] if s.has_utility else -1
        populated = np.unique(part[s.devices.node])
        return tuple(_island(s, part == number) for number in populated if number != own)

    @cached_property
    def packs(self) -> tuple[Packs, ...]:
        """The batteries of each island."""
        d, dt = self.scenario.devices, float(self.scenario.interval_s)
        batteries = np.flatnonzero(d.kind == DeviceKind.BATTERY)
        out = []
        for island in self.parts:
            at = np.flatnonzero(d.kind[island.devices] == DeviceKind.BATTERY)
            i = island.devices[at]
            out.append(
                Packs(
                    at=at,
                    row=np.searchsorted(batteries, i).astype(np.int64),
                    most_in_uj=d.charge_power_w[i] * dt * UJ_PER_J,
                    most_out_uj=d.discharge_power_w[i] * dt * UJ_PER_J,
                    eta_c=d.charge_efficiency[i],
                    eta_d=d.discharge_efficiency[i],
                    capacity_uj=np.rint(d.capacity_j[i] * UJ_PER_J),
                    reserve_uj=np.rint(np.nan_to_num(d.reserve_j[i]) * UJ_PER_J),
                )
            )
        return tuple(out)

    @cached_property
    def devices(self) -> Bools:
        """Which devices stand in islands, (devices,)."""
        out = np.zeros(self.scenario.devices.count, bool)
        for island in self.parts:
            out[island.devices] = True
        return out

    @cached_property
    def links(self) -> Bools:
        """Which links lie in islands, (links,)."""
        out = np.zeros(self.scenario.grid.link_count, bool)
        for island in self.parts:
            out[island.links] = True
        return out


def _island(s: Scenario, inside: Bools) -> Island:
    """The part that these nodes make, (nodes,)."""
    g, d = s.grid, s.devices
    nodes = np.flatnonzero(inside)
    links = np.flatnonzero(inside[g.link_from] & inside[g.link_to])
    place = np.full(g.node_count, -1, np.int32)
    place[nodes] = np.arange(nodes.size, dtype=np.int32)
    devices = np.flatnonzero(inside[d.node])
    grid = Grid(
        node_ids=tuple(g.node_ids[i] for i in nodes.tolist()),
        link_ids=tuple(g.link_ids[i] for i in links.tolist()),
        link_from=place[g.link_from[links]],
        link_to=place[g.link_to[links]],
        capacity_w=g.capacity_w[links],
        loss_ppb=g.loss_ppb[links],
        resistance_ohm=g.resistance_ohm[links],
        reactance_ohm=g.reactance_ohm[links],
        voltage_v=g.voltage_v[links],
        standing_loss_w=g.standing_loss_w[links],
        node_voltage_v=None if g.node_voltage_v is None else g.node_voltage_v[nodes],
    )
    home, homes = meters(d.participant[devices], d.node[devices])
    names = tuple(d.ids[i] for i in devices.tolist())
    return Island(
        devices, place[d.node[devices]], links, grid, names, d.participant[devices], home, homes
    )
