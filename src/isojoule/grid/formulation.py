"""Network formulations: how a grid constrains a clearing.

`copperplate` ignores the links: one node for all. `transport` lets every link carry what it can,
either way, at a loss. `lindistflow` is the same on a tree, with limits of voltage and of apparent
power beside it (`isojoule.grid.radial`). `dc` is the same where flows follow from what is fed in
(`isojoule.grid.dc`). Here a grid becomes arcs for the solver, once per grid,
formulation and length of interval:

- a link without loss and price is one arc whose flow may have either sign;
- any other link is two arcs, one each way, of which at most one carries energy.

Spec: docs/spec/grid.md, G1 to G4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, PPB, UJ_PER_J
from isojoule.grid.network import Grid, LinkLimits
from isojoule.kernels.ldl import Pattern, analyse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
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
    arc_link, arc_back
        Link of each arc, and whether it runs from `to` to `from`.
    arc_tail, arc_head, arc_lo, arc_hi
        Ends and bounds of the arcs, J.
    pattern
        Structure of the node matrix.
    start, incident
        Links at each node: incident[start[v]:start[v+1]].
    ring
        Per arc: whether flow may circulate through it for nothing, around links without loss and
        price.
    standing_uj
        Per link, standing loss in the interval, microjoules.
    part
        Number of the connected part in which each node lies; closed links do not connect.
    """

    nodes: int
    node_of: Ints
    tail: Ints
    head: Ints
    limits: LinkLimits
    gain: Floats
    capacity_j: Floats
    price: Floats
    arc_link: Ints
    arc_back: NDArray[np.bool_]
    arc_tail: Ints
    arc_head: Ints
    arc_lo: Floats
    arc_hi: Floats
    pattern: Pattern
    start: Ints
    incident: Ints
    standing_uj: Ints
    part: Ints
    ring: NDArray[np.bool_]


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
    node_of = np.arange(grid.node_count) if steered else None
    if node_of is None:
        node_of = np.zeros(grid.node_count, np.int64)
    all_limits = grid.limits(duration_s)
    limits = LinkLimits(
        all_limits.capacity_uj[:links], all_limits.loss_ppb[:links], all_limits.loss_per_j[:links]
    )
    tail = grid.link_from[:links].astype(np.int64)
    head = grid.link_to[:links].astype(np.int64)
    gain = 1.0 - limits.loss_ppb / PPB
    capacity_j = np.where(limits.capacity_uj >= NO_LIMIT_UJ, np.inf, limits.capacity_uj / UJ_PER_J)
    with np.errstate(divide="ignore"):
        # beyond this a quadratic loss grows faster than what is sent
        capacity_j = np.minimum(capacity_j, gain / (2.0 * limits.loss_per_j))
    price = grid.price_per_j[:links]
    plain = (limits.loss_ppb == 0) & (limits.loss_per_j == 0) & (price == 0)
    every = np.arange(links)
    arc_link = np.concatenate([every, every[~plain]])
    arc_back = np.concatenate([np.zeros(links, bool), np.ones(int((~plain).sum()), bool)])
    arc_tail = np.where(arc_back, head[arc_link], tail[arc_link])
    arc_head = np.where(arc_back, tail[arc_link], head[arc_link])
    arc_lo = np.where(plain[arc_link], -capacity_j[arc_link], 0.0)
    pattern = analyse(nodes, arc_tail.astype(np.int32), arc_head.astype(np.int32))
    ends = np.concatenate([tail, head])
    incident = np.argsort(ends, kind="stable")
    start = np.searchsorted(ends[incident], np.arange(nodes + 1)).astype(np.int64)
    standing = np.floor(grid.standing_loss_w * duration_s * UJ_PER_J + 0.5).astype(np.int64)
    return Network(
        nodes=nodes,
        node_of=node_of,
        tail=tail,
        head=head,
        limits=limits,
        gain=gain,
        capacity_j=capacity_j,
        price=np.ascontiguousarray(price),
        arc_link=arc_link,
        arc_back=arc_back,
        arc_tail=arc_tail,
        arc_head=arc_head,
        arc_lo=arc_lo,
        arc_hi=capacity_j[arc_link],
        pattern=pattern,
        start=start,
        incident=(incident % max(links, 1)).astype(np.int64),
        ring=_ringed(nodes, tail, head, plain & (capacity_j > 0))[arc_link],
        part=_parts(nodes, tail[capacity_j > 0], head[capacity_j > 0]),
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
