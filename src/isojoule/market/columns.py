"""A book as columns, ready for kernels, and what they say before anything is solved.

The standing loss of a link is a must-serve load of the operator at its `from` node, worth
`STANDING_WORTH` times the dearest piece of the book. It stands behind the offers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid.formulation import Network
from isojoule.kernels.prepare import Survey, bounds, join, reach, survey, with_standing
from isojoule.market.book import Book
from isojoule.valuation.curve import Pieces

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STANDING_WORTH = 10.0
LIFT = 1e-4
"""Worths below 0 are lifted to this share of the dearest, and up to twice it, where they must."""


class Columns(NamedTuple):
    """Pieces of a book and of the operator's standing losses, ready for kernels.

    The standing losses come last, one piece and one offer each. `node` is of the formulation.
    """

    node: Ints
    offer: Ints
    pieces: Pieces
    counts: Bools
    offer_node: Ints
    standing_links: Ints


class _Layout(NamedTuple):
    """Who stands where: what of the columns is the same for every book of these very arrays."""

    book_node: NDArray[np.int32]
    book_offer: NDArray[np.int32]
    node: Ints
    offer: Ints
    counts: Bools
    offer_node: Ints
    links: Ints
    drawn_j: Floats


def columns_of(book: Book, network: Network) -> Columns:
    """Pieces of the book with the standing losses behind them.

    Books are immutable, and those of a simulation share the arrays that say who offers where; so
    the last layout is kept with the network.
    """
    kept: _Layout | None = network.__dict__.get("_layout")
    if (
        kept is None
        or kept.book_node is not book.offer_node
        or kept.book_offer is not book.piece_offer
    ):
        kept = network.__dict__["_layout"] = _laid_out(book, network)
    pieces = book.pieces
    if kept.links.size:
        pieces = Pieces(*with_standing(*pieces, kept.drawn_j, STANDING_WORTH))
    return Columns(kept.node, kept.offer, pieces, kept.counts, kept.offer_node, kept.links)


def _laid_out(book: Book, network: Network) -> _Layout:
    links = np.flatnonzero(network.standing_uj > 0)
    offer_node = network.node_of[book.offer_node]
    node = offer_node[book.piece_offer]
    offer = book.piece_offer.astype(np.int64)
    counts = np.ones(node.size + links.size, bool)
    if links.size:
        at = network.tail[links]
        counts[node.size :] = False
        node = np.concatenate([node, at])
        offer = np.concatenate([offer, book.offer_count + np.arange(links.size)])
        offer_node = np.concatenate([offer_node, at])
    drawn_j = network.standing_uj[links] / UJ_PER_J
    return _Layout(
        book.offer_node, book.piece_offer, node, offer, counts, offer_node, links, drawn_j
    )


def survey_of(network: Network, columns: Columns, inject: Floats | None = None) -> Survey:
    """What the columns say before they are solved; `inject` is given at each node, J."""
    given = NOTHING if inject is None else inject
    return Survey(
        *survey(
            columns.node, columns.offer, *columns.pieces, columns.offer_node.size, network.part,
            network.parts, given, network.capacity_j,
        )
    )  # fmt: skip


def join_smooth(columns: Columns) -> Columns:
    """Join the two sides of an offer where they are one formula.

    So it is for a battery without losses, and for a utility that buys at its selling price:
    apart, its two sides could trade without end, at no gain.
    """
    lower, keep = join(columns.offer, *columns.pieces)
    if keep.all():
        return columns
    pieces = columns.pieces._replace(lo=lower)
    return columns._replace(
        node=columns.node[keep],
        offer=columns.offer[keep],
        pieces=Pieces(*(c[keep] for c in pieces)),
        counts=columns.counts[keep],
    )


def lifted(columns: Columns) -> Columns:
    """The columns with all worths below 0 lifted a little above it, in their order.

    With losses the program is concave only where prices are 0 or more, so a solver may fail where
    they are not. Lifted, nobody gains by losing energy on the way: who trades with whom is the
    same, but for energy that would be sent around to get rid of it, which is not wanted (G4).
    Prices and proof are those of the true worths.
    """
    a = columns.pieces.a
    below = a < 0
    scale = float(np.max(np.abs(a) + columns.pieces.b))
    order = (a - float(a.min())) / -float(a.min())  # 0 to 1 below 0
    lifted = np.where(below, LIFT * scale * (1.0 + order), a)
    return columns._replace(pieces=columns.pieces._replace(a=lifted))


def reach_of(pieces: Pieces, capacity_j: Floats) -> float:
    """No allocation that pays moves more than this through one offer or link, J.

    See `isojoule.kernels.prepare.reach`.
    """
    p = pieces
    return reach(p.lo, p.hi, p.a, p.b, p.c0, p.k, capacity_j)


def bounds_uj(offer: Ints, pieces: Pieces, count: int) -> tuple[Ints, Ints]:
    """Least and greatest energy of each offer, microjoules, inside its bounds."""
    return bounds(offer, pieces.lo, pieces.hi, count)


NOTHING: Floats = np.zeros(0)
"""No supply is given anywhere."""
