"""Radial feeders: who stands below whom, and what a Joule does to the voltage on its way.

The linearised equations of Baran and Wu (1989, "Network reconfiguration in distribution systems
for loss reduction and load balancing", IEEE Trans. Power Delivery 4:1401, doi 10.1109/61.25627):
with P and Q the active and the reactive power that run down a link of resistance R and reactance
X at the voltage V,

    v_below**2 = v_above**2 - 2 (R P + X Q) / V**2,    v in per unit.

P is the mean power at the sender, Q the sum of what is drawn below. Both are linear in what the
offers receive. Spec: docs/spec/grid.md, G16 to G19.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import network_of
from isojoule.grid.network import Floats, Grid, Ints
from isojoule.kernels.radial import gather, spread

SIDES = 32
"""Sides of the polygon inside the circle of apparent power. Its corners lie on both axes."""
APOTHEM = float(np.cos(np.pi / SIDES))
"""The polygon reaches at least this share of the circle: 0.9952."""


@dataclass(frozen=True, eq=False, slots=True)
class Feeder:
    """A radial grid, seen from the nodes that hold the voltage.

    Attributes
    ----------
    order
        Nodes, each after the one above it, shape (nodes,).
    up, link
        Per node, the node above and the link to it, -1 at a root.
    sign
        Per link: 1 if it runs from `from` down to `to`, -1 if up, 0 if it is closed.
    below
        Per link, its lower node, -1 if it is closed.
    root_square
        Per node, the square of the voltage that its root holds, per unit.
    drop_p, drop_q
        Per link, by how much a Joule (of reactive energy, a var second) that runs down lowers
        the square of the voltage, per unit, 1/J.
    lowest_square, highest_square
        Per node, limits of the square of the voltage, -inf and inf if not given.
    capacity_j
        Per link, apparent energy that it carries, J; inf if unlimited.
    """

    order: Ints
    up: Ints
    link: Ints
    sign: Floats
    below: Ints
    root_square: Floats
    drop_p: Floats
    drop_q: Floats
    lowest_square: Floats
    highest_square: Floats
    capacity_j: Floats

    def per_link(self, by_node: Floats) -> Floats:
        """Values of the lower nodes, per link; 0 where it is closed."""
        out: Floats = np.where(self.below >= 0, by_node[self.below], 0.0)
        return out

    def per_node(self, by_link: Floats) -> Floats:
        """Values of the links above, per node; 0 at roots."""
        out: Floats = np.where(self.link >= 0, by_link[self.link], 0.0)
        return out

    def reactive_j(self, drawn_j: Floats) -> Floats:
        """Reactive energy that runs down each link, var s, when nodes draw `drawn_j`."""
        return self.per_link(gather(self.order, self.up, drawn_j))

    def squares(self, down_j: Floats, reactive_j: Floats) -> Floats:
        """Square of each node's voltage, per unit, by what runs down the links."""
        drop = self.drop_p * down_j + self.drop_q * reactive_j
        squares: Floats = self.root_square - spread(self.order, self.up, self.per_node(drop))
        return squares

    def wedges(self, voltage: Floats, active: Floats, reactive: Floats) -> tuple[Floats, Floats]:
        """What a Joule and a var second that run down each link cost at limits, money per J.

        Parameters
        ----------
        voltage
            Per node, worth of a raise of the square of its voltage, money; below 0 where the
            upper limit binds.
        active, reactive
            Per link, what apparent power costs there, money per J and per var s.
        """
        below = self.per_link(gather(self.order, self.up, voltage))
        return below * self.drop_p + active, below * self.drop_q + reactive

    def reactive_price(self, wedge: Floats) -> Floats:
        """Price of a var second at each node, by the wedges of the links."""
        return spread(self.order, self.up, self.per_node(wedge))


class NotRadial(NamedTuple):
    """Why a grid has no such form."""

    reason: str
    remedy: str


def overload(feeder: Feeder, down_j: Floats, reactive_j: Floats) -> Floats:
    """By how much each link is beyond its polygon, as a share of its capacity, shape (links,)."""
    cos, sin = facet_towards(down_j, reactive_j)
    with np.errstate(invalid="ignore", divide="ignore"):
        beyond = (cos * down_j + sin * reactive_j) / (APOTHEM * feeder.capacity_j) - 1.0
    idle = (down_j == 0) & (reactive_j == 0)
    out: Floats = np.where(np.isinf(feeder.capacity_j) | idle, -1.0, beyond)
    return out


def facet_towards(down_j: Floats, reactive_j: Floats) -> tuple[Floats, Floats]:
    """Outer normal (cosine, sine) of the side of the polygon in the direction of each flow."""
    turn = 2.0 * np.pi / SIDES
    middle = (np.floor(np.arctan2(reactive_j, down_j) / turn) + 0.5) * turn
    return np.cos(middle), np.sin(middle)


def farthest(active: Floats, reactive: Floats) -> Floats:
    """Greatest of active * P + reactive * Q over the polygon of capacity 1, shape as given."""
    angles = np.arange(SIDES) * (2.0 * np.pi / SIDES)
    reach: Floats = np.max(
        np.multiply.outer(np.cos(angles), active) + np.multiply.outer(np.sin(angles), reactive),
        axis=0,
    )
    return reach


def feeder_of(grid: Grid, duration_s: float, suppliers: tuple[int, ...] = ()) -> Feeder | NotRadial:
    """The grid as a radial feeder in intervals of this length, kept with the grid once made.

    In each part of the grid the voltage is held by the node whose lowest and highest voltage are
    the same; if there is none, by the node of the utility, at 1 per unit.

    Parameters
    ----------
    suppliers
        Nodes where a utility's offer stands, ascending.
    """
    cache: dict[tuple[float, tuple[int, ...]], Feeder | NotRadial]
    cache = grid.__dict__.setdefault("_feeders", {})
    key = (duration_s, suppliers)
    if key not in cache:
        cache[key] = _build(grid, duration_s, suppliers)
    return cache[key]


def _build(grid: Grid, duration_s: float, suppliers: tuple[int, ...]) -> Feeder | NotRadial:
    network = network_of(grid, "lindistflow", duration_s)
    live = np.flatnonzero(network.capacity_j > 0)
    at: list[list[int]] = [[] for _ in range(grid.node_count)]
    for e in live.tolist():
        at[grid.link_from[e]].append(e)
        at[grid.link_to[e]].append(e)
    voltage_v = link_voltages(grid)
    blind = ((grid.resistance_ohm != 0) | (grid.reactance_ohm != 0)) & ~(voltage_v > 0)
    if blind.any():
        name = grid.link_ids[int(np.flatnonzero(blind)[0])]
        return NotRadial(
            f"link {name!r} has a reactance and no voltage", "give the link's voltage, as '400 V'"
        )
    low = _given(grid.min_voltage_pu, grid.node_count, -np.inf)
    high = _given(grid.max_voltage_pu, grid.node_count, np.inf)
    roots = _roots(grid, network.part, at, low, high, suppliers)
    if isinstance(roots, NotRadial):
        return roots
    up = np.full(grid.node_count, -1, np.int64)
    link = np.full(grid.node_count, -1, np.int64)
    sign, below = np.zeros(grid.link_count), np.full(grid.link_count, -1, np.int64)
    root_square = np.ones(grid.node_count)
    order: list[int] = []
    seen = np.zeros(grid.node_count, bool)
    for root, voltage_pu in roots:
        seen[root] = True
        root_square[root] = voltage_pu**2
        queue = [root]
        for u in queue:
            order.append(u)
            for e in at[u]:
                v = int(grid.link_from[e] + grid.link_to[e]) - u
                if e == link[u]:
                    continue
                if seen[v]:
                    return _ring(grid, up, link, u, v, e)
                seen[v] = True
                up[v], link[v], below[e] = u, e, v
                sign[e] = 1.0 if grid.link_from[e] == u else -1.0
                root_square[v] = root_square[u]
                queue.append(v)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_j = np.where(voltage_v > 0, 2.0 / (voltage_v**2 * duration_s), 0.0)
    return Feeder(
        order=np.array(order, np.int64),
        up=up,
        link=link,
        sign=sign,
        below=below,
        root_square=root_square,
        drop_p=grid.resistance_ohm * per_j,
        drop_q=grid.reactance_ohm * per_j,
        lowest_square=np.where(np.isfinite(low), low * np.abs(low), low),
        highest_square=np.where(np.isfinite(high), high * np.abs(high), high),
        capacity_j=grid.capacity_w * duration_s,
    )


def link_voltages(grid: Grid) -> Floats:
    """Voltage of each link, V; where none is given that of an end, nan if that has none."""
    voltage_v = grid.voltage_v
    if grid.node_voltage_v is not None:
        for end in (grid.link_from, grid.link_to):
            voltage_v = np.where(np.isnan(voltage_v), grid.node_voltage_v[end], voltage_v)
    return voltage_v


def _given(limits: Floats | None, nodes: int, absent: float) -> Floats:
    if limits is None:
        return np.full(nodes, absent)
    return np.where(np.isnan(limits), absent, limits)


def _roots(
    grid: Grid, part: Ints, at: list[list[int]], low: Floats, high: Floats,
    suppliers: tuple[int, ...],
) -> list[tuple[int, float]] | NotRadial:  # fmt: skip
    """The node of each part that holds the voltage, and the voltage, per unit."""
    roots = []
    fixed: NDArray[np.bool_] = low == high
    for number in range(int(part.max(initial=-1)) + 1):
        nodes = np.flatnonzero(part == number)
        held = nodes[fixed[nodes]].tolist()
        names = held or [v for v in suppliers if part[v] == number]
        if len(names) > 1:
            one, other = (grid.node_ids[v] for v in names[:2])
            return NotRadial(
                f"both {one!r} and {other!r} would hold the voltage of one part of the grid",
                "give one of them equal min_voltage_pu and max_voltage_pu, and no other",
            )
        if names:
            roots.append((names[0], float(low[names[0]]) if held else 1.0))
        elif nodes.size == 1:
            roots.append((int(nodes[0]), 1.0))
        else:
            name = grid.node_ids[int(nodes[0])]
            return NotRadial(
                f"no node holds the voltage in the part of the grid with {name!r}",
                "give one of its nodes equal min_voltage_pu and max_voltage_pu",
            )
    return roots


def _ring(grid: Grid, up: Ints, link: Ints, u: int, v: int, closing: int) -> NotRadial:
    """The ring that a link closes, by name."""
    paths = []
    for end in (u, v):
        path = [end]
        while up[path[-1]] >= 0:
            path.append(int(up[path[-1]]))
        paths.append(path)
    common = set(paths[0]) & set(paths[1])
    links = [grid.link_ids[closing]]
    for path in paths:
        links += [grid.link_ids[link[w]] for w in path if w not in common]
    return NotRadial(
        f"the links {', '.join(sorted(links))} make a ring",
        "use network dc or transport, or open one of them with capacity 0",
    )
