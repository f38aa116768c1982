"""A grid cut into what belongs to each, and the best that each can do alone.

The rules of ownership and of what comes first: docs/spec/market.md, M15 and M16. Who has one node
alone finds the price at which the own offers meet by halving (`isojoule.kernels.household`); who
has several, joined by links, solves a market of one's own for each such part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.core.errors import InvariantError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.commit import commit
from isojoule.kernels.household import behind_the_meter
from isojoule.market.allocation import NotSolved, allocate, bounds_uj
from isojoule.market.book import Book
from isojoule.valuation import KINDS
from isojoule.valuation.battery import PIECES
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ends = NDArray[np.int32]
Ints = NDArray[np.int64]
LINK_COLUMNS = (
    "capacity_w", "loss_ppb", "resistance_ohm", "reactance_ohm", "voltage_v", "standing_loss_w",
    "price_per_j",
)  # fmt: skip
OFFER_COLUMNS = (
    "offer_participant", "offer_node", "offer_kind", "spill0", "spill1", "short0", "short1",
)  # fmt: skip
BATTERY = KINDS.index("battery")
OVERFLOW, SHORT = 1, 2
"""Pieces of a battery, by position: energy above the wall, and what is physically missing."""
FAR = 100.0
"""Energy is sent to the own load, and sun to the own battery, while this share of it, inverted,
arrives of the next Joule."""
KEPT = 0.05
"""So much above its curve, as a share of the dearest one, a stored Joule counts."""


class Part(NamedTuple):
    """Nodes of one owner that links join.

    Attributes
    ----------
    grid
        These nodes and links.
    nodes, links, offers
        Their rows in the whole that was cut apart.
    """

    grid: Grid
    nodes: Ints
    links: Ints
    offers: Ints


class Apart(NamedTuple):
    """A grid cut into what belongs to each.

    Attributes
    ----------
    grid
        A node for each participant at each node, and the open links, which cost nothing.
    offer_node
        Node of each offer there, shape (offers,).
    links
        Rows of the open links in the whole grid, in the order of `grid`.
    places
        Participant and node of the whole grid, for each node of `grid`.
    parts
        What links join; nodes without links are in none.
    """

    grid: Grid
    offer_node: NDArray[np.int32]
    links: Ints
    places: tuple[tuple[str, int], ...]
    parts: tuple[Part, ...]


def apart_of(book: Book, grid: Grid) -> Apart:
    """What belongs to whom, kept with the grid once made: the next book may have it, too."""
    kept: tuple[Book, Apart] | None = grid.__dict__.get("_apart")
    if kept is not None and all(
        np.array_equal(getattr(book, name), getattr(kept[0], name))
        for name in ("network", "participants", "offer_participant", "offer_node")
    ):
        return kept[1]
    apart = _cut(book, grid)
    grid.__dict__["_apart"] = (book, apart)
    return apart


def owners_of(book: Book, grid: Grid) -> list[str]:
    """The participant to whom each node belongs; "" if none, or several."""
    found: list[set[str]] = [set() for _ in grid.node_ids]
    links: list[set[str]] = [set() for _ in grid.node_ids]
    for who, node in zip(book.offer_participant, book.offer_node, strict=True):
        found[node].add(book.participants[who])
    for owner, *ends in zip(grid.owner, grid.link_from, grid.link_to, strict=True):
        for node in ends:
            links[node].add(owner)
    every = [offers or owners for offers, owners in zip(found, links, strict=True)]
    return [next(iter(names)) if len(names) == 1 else "" for names in every]


def _cut(book: Book, grid: Grid) -> Apart:
    wires = book.network == "transport"
    owner = owners_of(book, grid)
    same = [a if owner[a] == owner[b] and owner[a] else -1
            for a, b in zip(grid.link_from, grid.link_to, strict=True)]  # fmt: skip
    links = np.flatnonzero(np.array(same, np.int64) >= 0) if wires else np.zeros(0, np.int64)
    number: dict[tuple[str, int], int] = {}

    def node_of(who: str, node: int) -> int:
        # on a copperplate there is one node, where each is alone
        return number.setdefault((who, node if wires else 0), len(number))

    offer_node = [
        node_of(book.participants[who], node)
        for who, node in zip(book.offer_participant, book.offer_node.tolist(), strict=True)
    ]
    tail, head = (
        np.array([node_of(owner[v], v) for v in end[links].tolist()], np.int32)
        for end in (grid.link_from, grid.link_to)
    )
    names = tuple(str(i) for i in range(max(len(number), 1)))
    free = replace(grid, price_per_j=np.zeros(grid.link_count))
    own = _some_links(free, links, names, tail, head)
    where = np.array(offer_node, np.int32)
    return Apart(own, where, links, tuple(number), tuple(_parts(own, where)))


def _some_links(grid: Grid, links: Ints, names: tuple[str, ...], tail: Ends, head: Ends) -> Grid:
    """Some of the links of a grid, between nodes of other names."""
    columns = {name: getattr(grid, name)[links] for name in LINK_COLUMNS}
    ids = tuple(grid.link_ids[e] for e in links)
    return Grid(names, ids, tail, head, **columns)


def _parts(grid: Grid, offer_node: Ends) -> Iterator[Part]:
    graph = coo_array(
        (np.ones(grid.link_count), (grid.link_from, grid.link_to)),
        shape=(grid.node_count, grid.node_count),
    )
    label = connected_components(graph, directed=False)[1]
    for at in np.unique(label[grid.link_from]):
        nodes, links = np.flatnonzero(label == at), np.flatnonzero(label[grid.link_from] == at)
        tail, head = (np.searchsorted(nodes, end[links]) for end in (grid.link_from, grid.link_to))
        part = _some_links(
            grid,
            links,
            tuple(grid.node_ids[v] for v in nodes.tolist()),
            tail.astype(np.int32),
            head.astype(np.int32),
        )
        yield Part(part, nodes, links, np.flatnonzero(label[offer_node] == at))


class Alone(NamedTuple):
    """What everyone does alone, microjoules: offers (O,), links of the grid cut apart (L,)."""

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints


def best_alone(book: Book, apart: Apart) -> Alone | NotSolved:
    """The best that each can do alone."""
    own = own_book(book, apart)
    energy = _at_one_node(own, apart)
    flow, loss, standing = np.zeros((3, apart.links.size), np.int64)
    for part in apart.parts:
        if not part.offers.size:
            continue
        found = allocate(_some_offers(own, part), part.grid)
        if isinstance(found, NotSolved):
            return found
        energy[part.offers], flow[part.links] = found.energy_uj, found.flow_uj
        loss[part.links], standing[part.links] = found.loss_uj, found.standing_uj
    return Alone(energy, flow, loss, standing)


def _some_offers(own: Book, part: Part) -> Book:
    """The offers of a part, at its nodes."""
    take = part.offers
    inside = np.zeros(own.offer_count, bool)
    inside[take] = True
    pieces = inside[own.piece_offer]
    columns = {name: getattr(own, name)[take] for name in OFFER_COLUMNS}
    columns["offer_node"] = np.searchsorted(part.nodes, columns["offer_node"]).astype(np.int32)
    return replace(
        own,
        offer_ids=tuple(own.offer_ids[o] for o in take),
        piece_offer=np.searchsorted(take, own.piece_offer[pieces]).astype(np.int32),
        pieces=Pieces(*(column[pieces] for column in own.pieces)),
        on_curve=own.on_curve[pieces],
        offers=(),
        **columns,
    )


def _at_one_node(own: Book, apart: Apart) -> Ints:
    """Energies of offers at nodes without links; 0 elsewhere."""
    nodes = apart.grid.node_count
    joined = np.zeros(nodes, bool)
    joined[apart.grid.link_from] = joined[apart.grid.link_to] = True
    node = own.offer_node.astype(np.int64)
    offer = own.piece_offer.astype(np.int64)
    p = own.pieces
    reach = 10.0 * float(np.sum(np.where(np.isfinite(p.hi - p.lo), p.hi - p.lo, 0.0))) + 1.0
    p = p._replace(lo=np.maximum(p.lo, -reach), hi=np.minimum(p.hi, reach))
    order = np.argsort(node[offer], kind="stable")
    order = order[~joined[node[offer[order]]]]
    start = np.searchsorted(node[offer[order]], np.arange(nodes + 1)).astype(np.int64)
    level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    most, least = float(np.max(level, initial=0.0)) or 1.0, float(np.min(p.a, initial=0.0))
    x = behind_the_meter(nodes, node[offer], start, order, *p, least - most, 2.0 * most)
    low, high = bounds_uj(offer, p, own.offer_count)
    energy = np.rint(np.bincount(offer, x, own.offer_count) * UJ_PER_J).astype(np.int64)
    energy = np.where(joined[node], 0, np.clip(energy, low, high))
    empty = np.zeros(0, np.int64)
    low, high = np.where(joined[node], 0, low), np.where(joined[node], 0, high)
    none = np.zeros(nodes + 1, np.int64)
    bad = commit(
        empty, empty, empty, empty, np.zeros(0), np.zeros(0), empty, node, energy, low, high, low,
        high, none, empty,
    )  # fmt: skip
    if bad:
        raise InvariantError(f"{bad} nodes are off balance alone")
    return energy


def own_book(book: Book, apart: Apart) -> Book:
    """The book on the grid cut apart, with worths by which load comes first and sun last.

    From dear to cheap: load, and what a battery physically lacks; what batteries keep, along
    their curves, which share between batteries of one owner; sun that would be spilled. Other
    offers keep their prices among each other: what is dearer than some load stays so.
    """
    p, count = book.pieces, len(book.participants)
    role, who = _role(book), book.offer_participant[book.piece_offer]
    sun, load = sun_of(book), load_of(book)
    kept = (role >= 0) & ~sun & ~load & (p.hi > p.lo)
    level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k

    def extreme(pick: np.ufunc, which: Bools, values: Floats, none: float) -> Floats:
        """Of the pieces of each participant, for each piece."""
        found = np.full(count, none)
        pick.at(found, who[which], values[which])
        return found[who]

    dearest = extreme(np.maximum, np.isfinite(level), np.abs(level), 0.0)
    stored = extreme(np.maximum, kept, level, 0.0)
    lift = np.where(stored > 0, KEPT * stored, np.where(dearest > 0, dearest, 1.0) / FAR)
    first = load | ((role < 0) & ~sun & (p.a >= extreme(np.minimum, load, p.a, np.inf)))
    a = np.where(kept, p.a + lift, np.where(first, p.a + FAR * (stored + lift), p.a))
    least, most = extreme(np.minimum, sun, p.a, np.inf), extreme(np.maximum, sun, level, -np.inf)
    scale = lift / FAR / np.where(most > least, most - least, 1.0)
    a = np.where(sun, lift / FAR + scale * (p.a - np.where(sun, least, 0.0)), a)
    b = np.where(sun, scale * p.b, p.b)
    return replace(
        book, network="transport", offer_node=apart.offer_node, pieces=p._replace(a=a, b=b)
    )


def _role(book: Book) -> Ints:
    """Position of each piece in its battery; -1 for pieces of other offers."""
    first = np.searchsorted(book.piece_offer, book.piece_offer)
    role = np.arange(book.piece_offer.size) - first
    return np.where((book.offer_kind == BATTERY)[book.piece_offer], role % PIECES, -1)


def sun_of(book: Book) -> Bools:
    """Pieces of energy that is lost if nobody takes it; not of offers that also buy."""
    p = book.pieces
    buys = np.bincount(book.piece_offer, p.hi > 0, book.offer_count) > 0
    lost = (book.spill1 > 0) & ~buys & (book.offer_kind != BATTERY)
    sun: Bools = (lost[book.piece_offer] & (p.lo < 0)) | ((_role(book) == OVERFLOW) & (p.lo < 0))
    return sun


def load_of(book: Book) -> Bools:
    """Pieces that must be served: loads, and what batteries physically lack."""
    p = book.pieces
    short = (book.short1 > 0) & (book.offer_kind != BATTERY)
    load: Bools = (short[book.piece_offer] | (_role(book) == SHORT)) & (p.hi > 0)
    return load
