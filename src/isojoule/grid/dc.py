"""The linear power flow of meshed grids.

With angles small, voltages held and resistances left out, the power over a link of reactance x at
the voltage V follows from the angles at its ends,

    f = (V**2 / x) * (angle_from - angle_to),

and what flows where follows from what is fed in: nobody steers it. Sources: Schweppe, Wildes 1970,
IEEE Trans. Power App. Syst. 89:120, doi 10.1109/TPAS.1970.292678; Stott, Jardim, Alsac 2009, "DC
power flow revisited", IEEE Trans. Power Syst. 24:1290, doi 10.1109/TPWRS.2009.2021235.

Angles count from a reference node in each connected part, whose choice changes no flow. They are
scaled so that a typical link carries 1 J at an angle of 1. Spec: docs/spec/grid.md, G10 and G11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from isojoule.grid.formulation import network_of
from isojoule.grid.network import Floats, Grid, Ints
from isojoule.grid.radial import link_voltages


class NotLinear(NamedTuple):
    """Why a grid has no such form."""

    reason: str
    remedy: str


@dataclass(frozen=True, eq=False, slots=True)
class LinearFlow:
    """A grid whose flows follow from what is fed in.

    Attributes
    ----------
    live
        Positions of the links in use; those of capacity 0 are open.
    tail, head, weight, capacity_j
        Per live link: ends, J per unit of angle (about 1), most that it carries, inf if unlimited.
    nodes, part, root
        Number of nodes; the connected part of each; the reference node of each part.
    order, up, link
        A spanning forest: nodes, each after the one above it; the node above each and the
        position in `live` of the link to it, -1 at a root.
    free, factors
        Nodes that are no root, and the factored Laplacian of `weight` over them.
    """

    live: Ints
    tail: Ints
    head: Ints
    weight: Floats
    capacity_j: Floats
    nodes: int
    part: Ints
    root: Ints
    order: Ints
    up: Ints
    link: Ints
    free: Ints
    laplacian: csc_array
    factors: Any

    def angles(self, fed_in: Floats) -> Floats:
        """Angles when so much is fed in at each node, J (in sum 0 in each part).

        Shape (nodes,) or (nodes, columns).
        """
        out = np.zeros(fed_in.shape)
        if self.free.size:
            right = fed_in[self.free]
            found = self.factors.solve(right)
            found += self.factors.solve(right - self.laplacian @ found)
            out[self.free] = found
        return out

    def flows(self, angles: Floats) -> Floats:
        """Flow of each live link, J, at these angles."""
        out: Floats = self.weight * (angles[self.tail] - angles[self.head])
        return out

    def leaves(self, flow: Floats) -> Floats:
        """What live links carry away from each node less what they bring."""
        away = np.bincount(self.tail, flow, self.nodes) - np.bincount(self.head, flow, self.nodes)
        return away.astype(np.float64)

    def astray(self, flow: Floats) -> Floats:
        """By how much each live link's flow is off the power flow of what is fed in, as `flow`.

        Angles along the forest leave a mismatch on the other links alone, which then spreads
        over all; so the answer has the digits of the mismatch, not those of the flows.
        """
        angles = np.zeros(self.nodes)
        for v in self.order.tolist():
            u, e = self.up[v], self.link[v]
            if u >= 0:
                drop = flow[e] / self.weight[e]
                angles[v] = angles[u] - (drop if self.tail[e] == u else -drop)
        off = flow - self.flows(angles)
        off[self.link[self.link >= 0]] = 0.0
        out: Floats = off - self.flows(self.angles(self.leaves(off)))
        return out

    def shift(self, links: Ints) -> Floats:
        """Price of each node that a limit of price 1 on one of these live links makes.

        It is also the flow over that link when 1 J is fed in at the root and taken out at the
        node (a shift factor, or PTDF). Shape (nodes, links).
        """
        right = np.zeros((self.nodes, links.size))
        each = np.arange(links.size)
        right[self.head[links], each] = self.weight[links]
        right[self.tail[links], each] -= self.weight[links]
        return self.angles(right)

    def reach(self, most_j: float) -> Floats:
        """No angle is farther from 0 than this where no link carries more than `most_j`."""
        out = np.zeros(self.nodes)
        drop = np.minimum(self.capacity_j, most_j) / self.weight
        for v in self.order.tolist():
            if self.up[v] >= 0:
                out[v] = out[self.up[v]] + drop[self.link[v]]
        return out


def linear_flow_of(grid: Grid, duration_s: float) -> LinearFlow | NotLinear:
    """The linear power flow of a grid in intervals of this length, kept with the grid once made."""
    cache: dict[float, LinearFlow | NotLinear] = grid.__dict__.setdefault("_linear_flows", {})
    if duration_s not in cache:
        cache[duration_s] = refusal(grid) or _build(grid, duration_s)
    return cache[duration_s]


def refusal(grid: Grid) -> NotLinear | None:
    """What keeps a grid from having a linear power flow, or None."""
    live = grid.capacity_w > 0
    voltage_v = link_voltages(grid)
    some = bool(np.any(live & (voltage_v > 0)))
    if np.any(grid.standing_loss_w > 0):
        name = grid.link_ids[int(np.argmax(grid.standing_loss_w))]
        return NotLinear(
            f"link {name!r} has a standing loss, and dc is lossless",
            "make it a load, or use network transport",
        )
    for bad, what, remedy in (
        (
            (grid.loss_ppb > 0) | (grid.resistance_ohm > 0),
            "loses energy, and dc is lossless",
            "leave out its loss and resistance, or use network transport or lindistflow",
        ),
        (
            ~((grid.reactance_ohm > 0) & (grid.reactance_ohm < np.inf)),
            "has no reactance above 0, which dc needs to tell where power flows",
            "give its reactance in ohm, or capacity 0 to open it",
        ),
        (
            ~(voltage_v > 0) & some,
            "has no voltage, and others have",
            "give the voltage that each reactance is referred to, or none at all",
        ),
        (
            grid.price_per_j > 0,
            "has a price, and on dc nobody decides what a link carries",
            "leave out its price, or use network transport",
        ),
    ):
        wrong: NDArray[np.bool_] = live & bad
        if wrong.any():
            name = grid.link_ids[int(np.flatnonzero(wrong)[0])]
            return NotLinear(f"link {name!r} {what}", remedy)
    return None


def _build(grid: Grid, duration_s: float) -> LinearFlow:
    network = network_of(grid, "dc", duration_s)
    nodes, part = grid.node_count, network.part
    live = np.flatnonzero(network.capacity_j > 0)
    tail, head = network.tail[live], network.head[live]
    voltage_v = link_voltages(grid)[live]
    weight = np.where(voltage_v > 0, voltage_v, 1.0) ** 2 / grid.reactance_ohm[live]
    if live.size:
        weight = weight / np.exp(np.mean(np.log(weight)))
    root = np.full(int(part.max(initial=-1)) + 1, nodes)
    np.minimum.at(root, part, np.arange(nodes))
    order, up, link = _forest(nodes, tail, head, weight, root)
    free = np.setdiff1d(np.arange(nodes), root)
    entries = np.concatenate([weight, weight, -weight, -weight])
    rows = np.concatenate([tail, head, tail, head])
    columns = np.concatenate([tail, head, head, tail])
    whole = coo_array((entries, (rows, columns)), shape=(nodes, nodes)).tocsc()
    laplacian = whole[free][:, free].tocsc()
    return LinearFlow(
        live=live,
        tail=tail,
        head=head,
        weight=weight,
        capacity_j=network.capacity_j[live],
        nodes=nodes,
        part=part,
        root=root,
        order=order,
        up=up,
        link=link,
        free=free,
        laplacian=laplacian,
        factors=splu(laplacian) if free.size else None,
    )


def _forest(
    nodes: int, tail: Ints, head: Ints, weight: Floats, root: Ints
) -> tuple[Ints, Ints, Ints]:
    """A spanning forest from the roots, breadth first; strong links first at each node."""
    at: list[list[int]] = [[] for _ in range(nodes)]
    for e in np.argsort(-weight, kind="stable").tolist():
        at[tail[e]].append(e)
        at[head[e]].append(e)
    up = np.full(nodes, -1, np.int64)
    link = np.full(nodes, -1, np.int64)
    seen = np.zeros(nodes, bool)
    seen[root] = True
    order = root.tolist()
    for u in order:
        for e in at[u]:
            v = int(tail[e] + head[e]) - u
            if not seen[v]:
                seen[v] = True
                up[v], link[v] = u, e
                order.append(v)
    return np.array(order, np.int64), up, link
