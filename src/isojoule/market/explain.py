"""Why, in words: a reason for every offer's fill, and a sentence or two for every node's price."""

from __future__ import annotations

import numpy as np

from isojoule.core.errors import InputError
from isojoule.core.units import PPB, UJ_PER_J
from isojoule.grid import Grid
from isojoule.market import diffusion_words
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.mechanisms import get
from isojoule.market.radial.words import toll_words
from isojoule.market.reasons import MOST_NAMES, UTILITY, Reached, Reader


def reason(book: Book, grid: Grid, clearing: Clearing, offer: int) -> str:
    """Why the offer at this position got what it got. For all offers, use one `Reader`."""
    return Reader(book, grid, clearing).reason(offer)


def explain(book: Book, grid: Grid, clearing: Clearing, node: str) -> str:
    """Why the price at the node is what it is: the marginal offers, and the links that bind.

    Raises
    ------
    InputError
        No such node.
    """
    if node not in grid.node_index:
        some = ", ".join(grid.node_ids[:8])
        raise InputError(f"unknown node {node!r}", remedy=f"use one of the nodes: {some}")
    return price_words(Reader(book, grid, clearing), grid.node_index[node])


def price_words(reader: Reader, node: int) -> str:
    """Why the price at this node is what it is."""
    name = reader.grid.node_ids[node]
    price = float(reader.clearing.price_per_j[node])
    if diffusion_words.told(reader.clearing):
        return diffusion_words.price_words(reader, node)
    mechanism = get(reader.clearing.mechanism, **reader.clearing.parameters)
    if hasattr(mechanism, "price_reason"):
        own: str = mechanism.price_reason(reader.book, reader.grid, reader.clearing, node)
        if own:
            return own
    if np.isnan(price):
        if reader.clearing.certificate.kind == "recomputed":
            return (
                f"No one price holds at {name}: by the rule of {reader.clearing.mechanism}, "
                "what is bought there and what is sold there have prices of their own."
            )
        return f"No price is defined at {name}: nobody there, or in reach of it, can trade."
    first = f"At {name} a Joule is worth {reader.price_text(price)}"
    if reader.clearing.certificate.kind == "recomputed":
        rule = reader.clearing.mechanism
        return f"{first}: that is what {rule} pays or charges there, whatever the neighbours do."
    reached = list(reader.coupled(node))
    setters = _setters(reader, reached)
    if setters:
        first = f"{first}: {_who(reader, setters, price)}."
    else:
        first = f"{first}: {_between(reader, node, reached)}."
    tolls = toll_words(reader.book, reader.grid, reader.clearing, node)
    return " ".join([first, *_walls(reader, reached), *tolls])


def _setters(reader: Reader, reached: list[Reached]) -> list[tuple[int, Reached]]:
    """Pieces that stand strictly inside their bounds, at the nearest node that has one."""
    p = reader.book.pieces
    inside = (reader.x < p.hi - reader.slack_j) & (reader.x > p.lo + reader.slack_j)
    by_node: dict[int, list[int]] = {}
    for piece in np.flatnonzero(inside):
        at = int(reader.book.offer_node[reader.book.piece_offer[piece]])
        by_node.setdefault(at, []).append(int(piece))
    for place in reached:
        if place.node in by_node:
            return [(piece, place) for piece in by_node[place.node]]
    return []


def _who(reader: Reader, setters: list[tuple[int, Reached]], price: float) -> str:
    """Who buys or sells the last Joule, where, and what is lost on the way."""
    place = setters[0][1]
    book = reader.book
    worth = float(reader.worth[setters[0][0]])
    parts = []
    for side, plural, low in (("sells", "sell", True), ("buys", "buy", False)):
        mine = [piece for piece, _ in setters if (reader.x[piece] < 0) == low]
        who = sorted({book.participants[book.offer_participant[book.piece_offer[i]]] for i in mine})
        if who:
            some = _names(who)
            utility = all(book.offer_kind[book.piece_offer[i]] == UTILITY for i in mine)
            some = f"the utility ({some})" if utility and who != ["utility"] else some
            some = "the utility" if utility and who == ["utility"] else some
            parts.append(f"{some} {side if len(who) == 1 else plural}")
    words = " and ".join(parts) + " the last one"
    if place.over or not reader.equal(worth, price):
        words += f" at {reader.grid.node_ids[place.node]} for {reader.price_text(worth)}"
        return words + _way(reader, place)
    return words + " at that price"


def _way(reader: Reader, place: Reached) -> str:
    """What the links between the price setter and the node take."""
    if not place.over:
        return ""
    grid, limits = reader.grid, reader.limits
    kept, cost = 1.0, 0.0
    for e in place.over:  # the last Joule loses twice the quadratic share
        flow_j = abs(int(reader.clearing.flow_uj[e])) / UJ_PER_J
        kept *= 1.0 - limits.loss_ppb[e] / PPB - 2.0 * limits.loss_per_j[e] * flow_j
        cost += float(grid.price_per_j[e])
    names = [grid.link_ids[e] for e in place.over]
    over = f", over {'link' if len(names) == 1 else 'links'} {_names(names)}"
    if kept < 1.0 - 1e-9:
        over += f", where {100 * (1 - kept):.2g} % of the last Joule is lost"
    if cost:
        over += f"{' and' if kept < 1.0 - 1e-9 else ', where'} carrying costs "
        over += reader.price_text(cost)
    return over


def _between(reader: Reader, node: int, reached: list[Reached]) -> str:
    """Nobody stands inside a piece: the price is the midpoint of what would do, or one end."""
    low = float(reader.clearing.certificate.lowest[node])
    high = float(reader.clearing.certificate.highest[node])
    if np.isfinite(low) and np.isfinite(high):
        if reader.equal(low, high):
            return "any other price would change what somebody wants there"
        words = (
            "no offer in reach is partly filled, any price from "
            f"{reader.price_text(low)} to {reader.price_text(high)} would do, "
            f"and {_taken(low, high, float(reader.clearing.price_per_j[node]))}"
        )
    elif np.isfinite(low):
        words = "any higher price would do, and the lowest is taken"
    else:
        words = "any lower price would do, and the highest is taken"
    here = {r.node for r in reached if not r.over} | {node}
    for value, change in ((low, ("buy more", "sell less")), (high, ("buy less", "sell more"))):
        if np.isfinite(value):
            words += _who_minds(reader, here, value, change, below=value == low)
    return words


def _taken(low: float, high: float, price: float) -> str:
    """Which price of those that would do is taken."""
    share = (price - low) / (high - low)
    for value, name in ((0.0, "lowest"), (0.5, "midpoint"), (1.0, "highest")):
        if abs(share - value) < 1e-6:
            return f"the {name} is taken"
    return f"the one {100 * share:.3g} % of the way up is taken"


def _who_minds(
    reader: Reader, here: set[int], value: float, change: tuple[str, str], *, below: bool
) -> str:
    """Who would act differently beyond one end of the prices that would do."""
    book, p = reader.book, reader.book.pieces
    room = reader.x < p.hi - reader.slack_j if below else reader.x > p.lo + reader.slack_j
    for piece in np.flatnonzero(room):
        offer = book.piece_offer[piece]
        if int(book.offer_node[offer]) in here and reader.equal(float(reader.worth[piece]), value):
            who = book.participants[book.offer_participant[offer]]
            act = change[0] if p.hi[piece] > 0 else change[1]
            where = "below" if below else "above"
            return f"; {where} {reader.price_text(value)} {who} would {act}"
    return ""


def _walls(reader: Reader, reached: list[Reached]) -> list[str]:
    """A sentence for each full link around the coupled nodes (three at most)."""
    here = {r.node for r in reached}
    sentences: list[str] = []
    names = reader.grid.node_ids
    for node in (r.node for r in reached):
        for wall in reader.walls.get(int(reader.region[node]), ()):
            near = reader.other_end(wall.link, wall.far)
            if near != node or wall.far in here or len(sentences) == MOST_NAMES:
                continue
            far_price = float(reader.clearing.price_per_j[wall.far])
            near_price = float(reader.clearing.price_per_j[near])
            if np.isnan(far_price):
                continue
            full = f"Link {reader.grid.link_ids[wall.link]} is full{reader.limit_text(wall.link)}"
            there = f"{names[wall.far]} ({reader.price_text(far_price)})"
            if wall.inward and far_price < near_price:
                sentences.append(
                    f"{full}, so no more of the cheaper energy of {there} can reach {names[near]}."
                )
            elif not wall.inward and far_price > near_price:
                sentences.append(
                    f"{full}, so no more energy of {names[near]} can reach the dearer {there}."
                )
    return sentences


def _names(names: list[str]) -> str:
    """A few names in words."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
