"""Why the price is what it is, at every node at once, as codes: for statements and statistics.

    found = price_reasons(book, grid, clearing)
    found.offer[node], found.link[node]          # who sets the price there, and what is full

`isojoule.market.explain` tells one node in words. Here the same is read for all nodes in one pass:

- An offer sets a price where it stands strictly inside its bounds: one Joule more would be its own.
  Its price holds wherever links that are used and not full tie a node to it; of several the nearest
  counts, of equally near ones the first in the book.
- A full link separates prices. What stands between a node and the rest is the first full link on
  its way to the *root*, the utility's node (off the grid the first node of the largest region). It
  is told where it really separates: where one more Joule across it would pay.

That holds where everybody pays and gets the price of the own node, which is measured, not believed:
each payment must be price times energy. Other rules are answered with `Kind.RULE`, and nothing is
claimed. So are networks on which more than links that are full decides (`dc`, `lindistflow`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import PPB, UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.incidence import incidence, walk
from isojoule.kernels.price_reach import first_walls, nearest
from isojoule.market.book import NETWORKS, Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.reasons import SAME, UTILITY, Reader

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NANO_PER_UJ = 1000.0
"""A price of 1 money/J is so many nano-units a microjoule."""
PAID_SAME_NANO = 2
"""A payment that follows from a price is rounded once."""


class Kind(IntEnum):
    """What kind of reason a price has."""

    NONE = 0
    """Nobody there, or in reach, can trade: there is no price."""
    OFFER = 1
    """An offer in reach is partly filled, and its price holds."""
    BETWEEN = 2
    """No offer in reach is partly filled: any price in a range would do."""
    RULE = 3
    """By the rule of the mechanism, which has other prices than those of nodes."""
    TARIFF = 4
    """The utility's tariff, without a market."""
    ALONE = 5
    """Everybody alone: nobody trades."""


WITHOUT_MARKET = {"utility-only": Kind.TARIFF, "autarky": Kind.ALONE}
"""Mechanisms that are no market, and the reason of their prices."""


class PriceReasons(NamedTuple):
    """The reasons of all prices of an interval, (nodes,).

    Attributes
    ----------
    kind
        A `Kind`.
    offer
        Position of the offer that sets the price; -1: none.
    sells
        Whether the last Joule is one that it sells; else it buys it.
    link
        Position of the full link between the node and the rest; -1: none.
    inward
        Whether cheaper energy stands beyond that link; else dearer demand.
    """

    kind: NDArray[np.uint8]
    offer: NDArray[np.int32]
    sells: Bools
    link: NDArray[np.int32]
    inward: Bools

    @classmethod
    def same(cls, nodes: int, kind: Kind) -> PriceReasons:
        """One reason for all nodes, without offers and links."""
        return cls(
            np.full(nodes, kind, np.uint8), np.full(nodes, -1, np.int32), np.zeros(nodes, bool),
            np.full(nodes, -1, np.int32), np.zeros(nodes, bool),
        )  # fmt: skip


def price_reasons(book: Book, grid: Grid, clearing: Clearing) -> PriceReasons:
    """Why the price at each node is what it is.

    Parameters
    ----------
    clearing
        Energies, payments, flows and prices count; of its mechanism the name and the parameters.
    """
    nodes = grid.node_count
    without = WITHOUT_MARKET.get(clearing.mechanism)
    if without is not None:
        return PriceReasons.same(nodes, without)
    mechanism = get(clearing.mechanism, **clearing.parameters)
    if not nodal(mechanism, book, clearing):
        return PriceReasons.same(nodes, Kind.RULE)
    reader = Reader(book, grid, clearing)
    known = np.isfinite(clearing.price_per_j)
    if reader.one_node:
        offer, sells = _on_one_node(reader)
        link, inward = np.full(nodes, -1, np.int32), np.zeros(nodes, bool)
    else:
        offer, sells, link, inward = _on_links(reader)
    kind = np.where(offer >= 0, Kind.OFFER, Kind.BETWEEN)
    kind = np.where(known, kind, Kind.NONE).astype(np.uint8)
    offer = np.where(known, offer, -1)
    return PriceReasons(kind, offer.astype(np.int32), sells & (offer >= 0), link, inward)


def nodal(mechanism: Any, book: Book, clearing: Clearing) -> bool:
    """Whether everybody pays the price of the own node, and links alone decide what may flow."""
    if book.network not in NETWORKS or hasattr(mechanism, "audit") or np.any(book.offer_node < 0):
        return False
    price = clearing.price_per_j[book.offer_node]
    moved = clearing.energy_uj != 0
    with np.errstate(invalid="ignore"):
        due = price * clearing.energy_uj * NANO_PER_UJ
    off = np.abs(clearing.payment_nano - due)[moved]
    margin = PAID_SAME_NANO + 1e-12 * np.abs(due[moved])
    return bool(np.all(off <= margin)) and not clearing.payment_nano[~moved].any()


def _setters(reader: Reader) -> tuple[Ints, Bools]:
    """The first offer at each node that is partly filled, -1 where there is none; who sells."""
    book, p = reader.book, reader.book.pieces
    inside = (reader.x < p.hi - reader.slack_j) & (reader.x > p.lo + reader.slack_j)
    offers = book.piece_offer[inside].astype(np.int64)
    price = reader.clearing.price_per_j[book.offer_node[offers]]
    worth = reader.worth[inside]
    with np.errstate(invalid="ignore"):
        meets = np.abs(worth - price) <= SAME * np.maximum(np.abs(worth), np.abs(price)) + 1e-15
    offers, x = offers[meets], reader.x[inside][meets]
    sells = np.zeros(book.offer_count + 1, bool)  # one more, for no offer at all
    sells[offers] = x < 0
    first = np.full(reader.grid.node_count, book.offer_count, np.int64)
    np.minimum.at(first, book.offer_node[offers], offers)
    return np.where(first < book.offer_count, first, -1), sells


def _on_one_node(reader: Reader) -> tuple[Ints, Bools]:
    """One price for all, set by the first offer that is partly filled."""
    at, sells = _setters(reader)
    some = at[at >= 0]
    first = int(some.min()) if some.size else -1
    offer = np.full(at.size, first)
    return offer, np.full(at.size, first >= 0 and bool(sells[first]))


def _on_links(reader: Reader) -> tuple[Ints, Bools, NDArray[np.int32], Bools]:
    """Setters over links that tie prices, and full links on the way to the root."""
    grid, clearing = reader.grid, reader.clearing
    tail, head, start, incident = _ends(grid)
    limits = reader.limits
    plain = (limits.loss_ppb == 0) & (limits.loss_per_j == 0) & (grid.price_per_j == 0)
    used = np.abs(clearing.flow_uj) > reader.slack_j * UJ_PER_J
    ties = ~reader.full & (used | plain)
    at, sells = _setters(reader)
    offer = nearest(start, incident, tail, head, ties, at)
    root = _root(reader, (tail, head, start, incident))
    wall, near = first_walls(start, incident, tail, head, reader.full, root)
    link, inward = _separating(reader, tail, head, wall, near)
    return offer, sells[offer], link, inward


def _ends(grid: Grid) -> tuple[Ints, Ints, Ints, Ints]:
    """Ends of the links, and the links at each node; kept with the grid, which never changes."""
    cache: dict[str, tuple[Ints, Ints, Ints, Ints]] = grid.__dict__.setdefault("_ends", {})
    if "ends" not in cache:
        tail, head = grid.link_from.astype(np.int64), grid.link_to.astype(np.int64)
        cache["ends"] = (tail, head, *incidence(grid.node_count, tail, head))
    return cache["ends"]


def _root(reader: Reader, ends: tuple[Ints, Ints, Ints, Ints]) -> int:
    """The utility's node, or the first node of the largest region."""
    book = reader.book
    utility = np.flatnonzero(book.offer_kind == UTILITY)
    if utility.size:
        return int(book.offer_node[utility[0]])
    part, *_ = walk(*ends, ~reader.full)
    return int(np.flatnonzero(part == np.bincount(part).argmax())[0])


def _separating(
    reader: Reader, tail: Ints, head: Ints, wall: Ints, near: Ints
) -> tuple[NDArray[np.int32], Bools]:
    """Keep the walls across which one more Joule would pay, and say which way."""
    c, limits = reader.clearing, reader.limits
    has = np.flatnonzero(wall >= 0)
    link, inward = np.full(wall.size, -1, np.int32), np.zeros(wall.size, bool)
    if not has.size:
        return link, inward
    e, here = wall[has], near[has]
    there = tail[e] + head[e] - here
    comes = np.where(c.flow_uj[e] > 0, head[e], tail[e]) == here
    sender, receiver = np.where(comes, there, here), np.where(comes, here, there)
    sent_j = np.abs(c.flow_uj[e]) / UJ_PER_J
    kept = 1.0 - limits.loss_ppb[e] / PPB - 2.0 * limits.loss_per_j[e] * sent_j
    cost = c.price_per_j[sender] + reader.grid.price_per_j[e]
    value = kept * c.price_per_j[receiver]
    with np.errstate(invalid="ignore"):
        pays = value - cost > SAME * (np.abs(value) + np.abs(cost))
    link[has[pays]] = e[pays]
    inward[has[pays]] = comes[pays]
    return link, inward
