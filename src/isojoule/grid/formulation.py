"""Network formulations: how a grid constrains a clearing.

`copperplate` ignores the links: one node for all. `transport` lets every link carry what it can,
either way, at a loss. `lindistflow` is the same on a tree, with limits of voltage and of apparent
power beside it (`isojoule.grid.radial`). `dc` is the same where flows follow from what is fed in
(`isojoule.grid.dc`). Here a grid becomes what solvers walk on, once per grid,
formulation and length of interval. What only some of them need (arcs, the pattern of a
factorisation, the forest) is made when it is first asked for. In arcs:

- a link without loss and price is one arc whose flow may have either sign;
- any other link is two arcs, one each way, of which at most one carries energy.

Spec: docs/spec/grid.md, G1 to G4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, PPB, UJ_PER_J
from isojoule.grid.network import Grid, LinkLimits
from isojoule.kernels.incidence import incidence, walk
from isojoule.kernels.ldl import Pattern, analyse
from isojoule.kernels.mesh import Layout, lay_out
from isojoule.kernels.tree_walk import Walk, depth_first

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Forest(NamedTuple):
    """A walk over every connected part, breadth first; see `isojoule.kernels.incidence.walk`.

    Attributes
    ----------
    order, up, link
        Nodes, each after the node above it; that node, and the link to it, -1 at roots.
    whole
        Whether the open links are the forest: there is no ring.
    """

    order: Ints
    up: Ints
    link: Ints
    whole: bool


class Sheet(NamedTuple):
    """Links in the order of sweeps (see `isojoule.kernels.mesh`).

    Attributes
    ----------
    layout
        Order and ends.
    gain, price, loss_per_j
        As in a network; `price` and `loss_per_j` are empty where they are 0 everywhere.
    """

    layout: Layout
    gain: Floats
    price: Floats
    loss_per_j: Floats


@dataclass(frozen=True, eq=False)
class Network:
    """A grid as the solver sees it in intervals of one length.

    Attributes
    ----------
    nodes
        Number of nodes of the formulation (1 for a copperplate).
    node_of
        Node of the formulation for each node of the grid.
    tail, head, limits, gain, capacity_j, price
        Per link in use: ends, limits in integers, 1 - proportional loss, capacity in J (inf if
        unlimited, and no more than a quadratic loss lets through), price per J.
    standing_uj
        Per link of the grid, standing loss in the interval, microjoules.
    shut_hi
        Upper bounds of the arcs, J, where some ways are shut; None: the capacities.
    """

    nodes: int
    node_of: Ints
    tail: Ints
    head: Ints
    limits: LinkLimits
    gain: Floats
    capacity_j: Floats
    price: Floats
    standing_uj: Ints
    shut_hi: Floats | None = None

    @cached_property
    def plain(self) -> Bools:
        """Per link: without loss and price."""
        limits = self.limits
        out: Bools = (limits.loss_ppb == 0) & (limits.loss_per_j == 0) & (self.price == 0)
        return out

    @cached_property
    def arcs(self) -> int:
        """Number of arcs, told without making them."""
        return 2 * self.tail.size - int(np.count_nonzero(self.plain))

    @cached_property
    def arc_link(self) -> Ints:
        """Link of each arc: all links, then those that need an arc for the way back."""
        every = np.arange(self.tail.size)
        return np.concatenate([every, every[~self.plain]])

    @cached_property
    def arc_back(self) -> Bools:
        """Whether an arc runs from `to` to `from`."""
        return np.arange(self.arc_link.size) >= self.tail.size

    @cached_property
    def arc_tail(self) -> Ints:
        """Where arcs begin."""
        return np.concatenate([self.tail, self.head[~self.plain]])

    @cached_property
    def arc_head(self) -> Ints:
        """Where arcs end."""
        return np.concatenate([self.head, self.tail[~self.plain]])

    @cached_property
    def arc_lo(self) -> Floats:
        """Lower bounds of arcs, J."""
        out: Floats = np.where(self.plain[self.arc_link], -self.capacity_j[self.arc_link], 0.0)
        return out

    @cached_property
    def arc_hi(self) -> Floats:
        """Upper bounds of arcs, J."""
        return self.capacity_j[self.arc_link] if self.shut_hi is None else self.shut_hi

    @cached_property
    def pattern(self) -> Pattern:
        """Structure of the node matrix."""
        tail, head = self.arc_tail.astype(np.int32), self.arc_head.astype(np.int32)
        return analyse(self.nodes, tail, head)

    @cached_property
    def _incidence(self) -> tuple[Ints, Ints]:
        return incidence(self.nodes, self.tail, self.head)

    @property
    def start(self) -> Ints:
        """Links at each node: incident[start[v]:start[v+1]]."""
        return self._incidence[0]

    @property
    def incident(self) -> Ints:
        """See `start`."""
        return self._incidence[1]

    @cached_property
    def _walk(self) -> tuple[Ints, Ints, Ints, Ints, bool]:
        open_ = self.capacity_j > 0.0
        return walk(self.tail, self.head, self.start, self.incident, open_)

    @property
    def part(self) -> Ints:
        """Number of the connected part in which each node lies; closed links do not connect."""
        return self._walk[0]

    @cached_property
    def parts(self) -> int:
        """Number of connected parts."""
        return int(self.part.max(initial=-1)) + 1

    @cached_property
    def forest(self) -> Forest:
        """A spanning forest of the open links."""
        _, order, up, link, ringed = self._walk
        return Forest(order, up, link, not ringed)

    @cached_property
    def rings(self) -> bool:
        """Whether flow may circulate for nothing somewhere: a ring of links without loss and price.

        Where it may not, no arcs are made to find out.
        """
        if self.forest.whole or not self.plain.any():
            return False
        return bool(_ringed(self.nodes, self.tail, self.head, self._plain_open).any())

    @property
    def _plain_open(self) -> Bools:
        out: Bools = self.plain & (self.capacity_j > 0)
        return out

    def spread(self, values: Floats) -> Floats:
        """Values at the nodes of the formulation, at the nodes of the grid."""
        return values if self.nodes == self.node_of.size else values[self.node_of]

    def gathered(self, values: Floats) -> Floats:
        """Values at the nodes of the grid, at those of the formulation: where several, the last."""
        if self.nodes == self.node_of.size:
            return values
        out = np.zeros(self.nodes)
        out[self.node_of] = values
        return out

    @cached_property
    def lossy(self) -> bool:
        """Whether some open link loses energy or has a price."""
        return bool(np.any(~self.plain & (self.capacity_j > 0.0)))

    @cached_property
    def free(self) -> bool:
        """Whether energy moves freely: no open link has a loss, a price or a limit."""
        open_ = self.capacity_j > 0.0
        return not self.lossy and not np.any(np.isfinite(self.capacity_j[open_]))

    @cached_property
    def depth_first(self) -> Walk:
        """The forest, depth first: each node before all that lies behind it."""
        f = self.forest
        return depth_first(f.order, f.up, f.link, self.tail)

    @cached_property
    def sheet(self) -> Sheet:
        """Links in the order of sweeps."""
        layout = lay_out(self.nodes, self.tail, self.head, self.start, self.incident)
        order, r, none = layout.order, self.limits.loss_per_j, np.zeros(0)
        return Sheet(
            layout,
            self.gain[order],
            self.price[order] if np.any(self.price) else none,
            r[order] if np.any(r) else none,
        )

    @cached_property
    def ring(self) -> Bools:
        """Per arc: whether flow may circulate through it for nothing.

        So it is around links without loss and price.
        """
        return _ringed(self.nodes, self.tail, self.head, self._plain_open)[self.arc_link]


def network_of(grid: Grid, formulation: str, duration_s: float) -> Network:
    """The network of a grid, kept with the grid once made."""
    cache: dict[tuple[str, float], Network] = grid.__dict__.setdefault("_networks", {})
    key = (formulation, duration_s)
    if key not in cache:
        cache[key] = _build(grid, formulation, duration_s)
    return cache[key]


def _build(grid: Grid, formulation: str, duration_s: float) -> Network:
    steered = formulation != "copperplate"
    links = grid.link_count if steered else 0
    nodes = grid.node_count if steered else 1
    node_of = np.arange(grid.node_count) if steered else np.zeros(grid.node_count, np.int64)
    all_limits = grid.limits(duration_s)
    limits = LinkLimits(
        all_limits.capacity_uj[:links], all_limits.loss_ppb[:links], all_limits.loss_per_j[:links]
    )
    gain = 1.0 - limits.loss_ppb / PPB
    capacity_j = np.where(limits.capacity_uj >= NO_LIMIT_UJ, np.inf, limits.capacity_uj / UJ_PER_J)
    with np.errstate(divide="ignore"):
        # beyond this a quadratic loss grows faster than what is sent
        capacity_j = np.minimum(capacity_j, gain / (2.0 * limits.loss_per_j))
    standing = np.zeros(grid.link_count, np.int64)  # and so are prices: zeros weigh nothing
    if np.any(grid.standing_loss_w):
        standing = np.floor(grid.standing_loss_w * duration_s * UJ_PER_J + 0.5).astype(np.int64)
    given = grid.price_per_j[:links]
    return Network(
        nodes=nodes,
        node_of=node_of,
        tail=grid.link_from[:links].astype(np.int64),
        head=grid.link_to[:links].astype(np.int64),
        limits=limits,
        gain=gain,
        capacity_j=capacity_j,
        price=np.ascontiguousarray(given) if np.any(given) else np.zeros(links),
        standing_uj=standing if steered else np.zeros_like(standing),
    )


def _parts(nodes: int, tail: Ints, head: Ints) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(tail.size), (tail, head)), shape=(nodes, nodes))
    part: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return part


def _ringed(nodes: int, tail: Ints, head: Ints, plain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Links without loss and price that lie in a part, made of such links, that has a ring."""
    part = _parts(nodes, tail[plain], head[plain])
    count = int(part.max(initial=-1)) + 1
    has_ring = np.bincount(part[tail[plain]], minlength=count) >= np.bincount(part, minlength=count)
    ringed: NDArray[np.bool_] = plain & has_ring[part[tail]]
    return ringed
