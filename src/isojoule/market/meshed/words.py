"""Why a price on `dc` is what it is, in words: the price elsewhere, and what full links add."""

from __future__ import annotations

import numpy as np

from isojoule.core.units import UJ_PER_J, price_text
from isojoule.grid import Grid
from isojoule.grid.dc import NotLinear, linear_flow_of
from isojoule.kernels.prices import fill
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.meshed.prices import SIDE

MOST_LINKS = 3
SLIGHT = 1e-6
"""What a link adds counts if it is more than this share of the greatest price."""


def price_words(book: Book, grid: Grid, clearing: Clearing, node: int) -> str:
    """The price as another node's, where somebody is at the margin, and what full links add.

    "" where no full link has a say.
    """
    linear = linear_flow_of(grid, book.interval.duration_s)
    side, price = clearing.certificate.side, clearing.price_per_j
    if isinstance(linear, NotLinear) or SIDE not in side or np.isnan(price[node]):
        return ""
    dual = side[SIDE][linear.live]
    full = np.flatnonzero(dual)
    shift = linear.shift(full)
    start, who = _margin(book, clearing, linear.part == linear.part[node], node)
    if start == node:
        return ""
    adds = (shift[node] - shift[start]) * dual[full]
    scale = float(np.max(np.abs(price[np.isfinite(price)]), initial=0.0))
    says = np.flatnonzero(np.abs(adds) > SLIGHT * scale)
    if not says.size:
        return ""
    says = says[np.argsort(-np.abs(adds[says]), kind="stable")]

    def told(price_per_j: float) -> str:
        return price_text(float(price_per_j), book.currency)

    here, there = grid.node_ids[node], grid.node_ids[start]
    words = (
        f"At {here} a Joule is worth {told(price[node])}. At {there}, where {who} "
        f"is partly filled, it is worth {told(price[start])}, and power from "
        f"there takes all ways to {here}."
    )
    for i in says[:MOST_LINKS].tolist():
        e = int(full[i])
        link = int(linear.live[e])
        share = float(shift[node, i] - shift[start, i])
        along = share * np.sign(dual[e])  # with the full flow, or against it
        power_w = abs(int(clearing.flow_uj[link])) / UJ_PER_J / book.interval.duration_s
        limit = f"{power_w / 1000:.4g} kW" if power_w >= 1000 else f"{power_w:.4g} W"
        verb = "adds" if along > 0 else "takes off"
        way = "would run over" if along > 0 else "would relieve"
        words += (
            f" Link {grid.link_ids[link]} {verb} {told(abs(adds[i]))}: it is full "
            f"at {limit}, and {100 * abs(share):.3g} % of a Joule {way} it, where a Joule more "
            f"would be worth {told(abs(dual[e]))}."
        )
    if says.size > MOST_LINKS:
        words += f" {says.size - MOST_LINKS} more full links add to that."
    return words


def _margin(book: Book, clearing: Clearing, here: np.ndarray, node: int) -> tuple[int, str]:
    """The cheapest node of a part with a partly filled offer, and that offer's participant."""
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, clearing.energy_uj / UJ_PER_J)
    inside = (x > p.lo + 1e-4) & (x < p.hi - 1e-4) & here[book.offer_node[book.piece_offer]]
    offers = np.unique(book.piece_offer[inside])
    if not offers.size:
        return node, ""
    at = book.offer_node[offers]
    if np.any(at == node):
        return node, ""
    first = offers[int(np.argmin(clearing.price_per_j[at]))]
    who = book.participants[book.offer_participant[first]]
    return int(book.offer_node[first]), who
