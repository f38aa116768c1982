"""Which prices support an allocation on `dc`, and the bound that they and the links' duals prove.

Where no link is full, a part of the grid has one price. A full link l adds to it, at each node,
its dual times the node's shift factor (`LinearFlow.shift`): that is what a Joule taken there does
to the link. So prices are linear in the price at the root and in the duals of the full links, all
else follows from what offers and full links want:

    low(n) <= root + sum_l shift(n, l) * dual(l) <= high(n),     dual(l) * flow(l) >= 0.

That is a polytope per part, often a point. The price of a node is taken from the vector of the
polytope nearest to the midpoints between the least and the greatest price of each node.

The bound is weak duality with two sets of multipliers: prices of the nodes' balances and duals of
the links' limits. What is left of a link's price difference beyond its dual is the multiplier of
its power flow equation; these must add up to 0 at every node, and what they miss is counted as if
every angle were as large as the limits let it be. So the bound holds for any numbers. Spec:
docs/spec/grid.md, G13 and G15.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid.dc import LinearFlow
from isojoule.kernels.polytope import ends, middle
from isojoule.kernels.prices import fill, welfare_gap
from isojoule.kernels.radial import offer_bounds
from isojoule.market.allocation import Support, reach_of
from isojoule.market.book import Book
from isojoule.market.dust import DUST_J, dearest, proven
from isojoule.valuation.curve import Pieces, integral, marginal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = np.zeros(0)
NOBODY = np.zeros(0, np.int64)

SIDE = "links"
"""Name of the links' duals in a certificate's `side`."""
SNAP = 1e-12
"""A price nearer than this to what an offer asks or bids is that, as a share of the greatest."""
MOST_TIMES = 10.0
"""Duals count as no dearer than so many times the dearest worth where dust is measured."""
LINK_DUST_J = 1e-5
"""What a full link may stand below its limit for whole microjoules, J."""


class Proof(NamedTuple):
    """Prices of the nodes, and duals of the limits of live links, above 0 where `to` is dearer."""

    price: Floats
    link: Floats


class Proved(NamedTuple):
    """A proof and what it proves; `own` is that of the supporting prices."""

    proof: Proof
    support: Support
    own: Proof


def as_side(linear: LinearFlow, dual: Floats, links: int) -> dict[str, Floats]:
    """The duals of live links as a certificate has them."""
    out = np.zeros(links)
    out[linear.live] = dual
    return {SIDE: out}


def proof_of(
    book: Book, linear: LinearFlow, energy_uj: Ints, flow_uj: Ints, proof: Proof | None
) -> Proved:
    """Prices that support the integers, and the gap that a proof leaves. Runs no optimum.

    Parameters
    ----------
    energy_uj, flow_uj
        Per offer and per link of the grid, microjoules.
    proof
        Prices and duals that prove the bound; None: those that support the integers.
    """
    node = book.offer_node.astype(np.int64)[book.piece_offer]
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, energy_uj / UJ_PER_J)
    stand = _Stand(book, linear, node, x, flow_uj[linear.live] / UJ_PER_J)
    finite = np.concatenate([-p.lo[np.isfinite(p.lo)], p.hi[np.isfinite(p.hi)]])
    largest = float(np.max(finite, initial=0.0))
    # as in isojoule.market.allocation: how much dust there is shows in whether the prices prove
    found = first = stand.supporting(4e-6 + 1e-9 * largest)
    for widen in (10.0, 100.0):
        if stand.gap(found[3])[1]:
            break
        found = stand.supporting(widen * (4e-6 + 1e-9 * largest))
    else:
        found = found if stand.gap(found[3])[1] else first
    lowest, highest, price, own = found
    proof = proof or own
    gap, closed = stand.gap(proof)
    size = math.fsum(np.abs(integral(p, x)))
    support = Support(lowest, highest, price, stand.welfare, gap, closed, size)
    return Proved(proof, support, own)


class _Stand:
    """Where offers and links stand, and what prices make of it."""

    def __init__(
        self, book: Book, linear: LinearFlow, node: Ints, x: Floats, flow_j: Floats
    ) -> None:
        self.linear, self.node, self.x, self.flow_j = linear, node, x, flow_j
        self.p = p = book.pieces
        self.offer_node = book.offer_node.astype(np.int64)
        self.limit_j = reach_of(p, linear.capacity_j)
        self.cut = p._replace(lo=np.maximum(p.lo, -self.limit_j), hi=np.minimum(p.hi, self.limit_j))
        self.most_j = np.minimum(linear.capacity_j, self.limit_j)
        self.worth = marginal(p, x)
        self.welfare = math.fsum(integral(p, x))
        self.most = MOST_TIMES * dearest(p)
        self.size = _size(book.piece_offer.astype(np.int64), p, self.offer_node.size)

    def supporting(self, slack: float) -> tuple[Floats, Floats, Floats, Proof]:
        """Least and greatest prices, those of the clearing, and the proof that they are part of.

        Quantities nearer to a bound than `slack`, J, count as at the bound.
        """
        linear, p = self.linear, self.p
        low, high = offer_bounds(self.node, p.lo, p.hi, self.worth, self.x, linear.nodes, slack)
        full = np.abs(self.flow_j) >= linear.capacity_j - slack
        both = linear.capacity_j <= slack
        least = np.where(both | (self.flow_j < 0), -np.inf, 0.0)
        most = np.where(both | (self.flow_j > 0), np.inf, 0.0)
        finite = np.concatenate([low, high])
        scale = float(np.max(np.abs(finite[np.isfinite(finite)]), initial=0.0)) or 1.0
        scale = 2.0 ** round(math.log2(scale))  # loses no digit
        low, high = low / scale, high / scale
        lowest, highest = np.full(linear.nodes, -np.inf), np.full(linear.nodes, np.inf)
        member, dual = np.zeros(linear.nodes), np.zeros(linear.live.size)
        by_part = np.argsort(linear.part, kind="stable")
        cuts = np.searchsorted(linear.part[by_part], np.arange(1, linear.root.size))
        walls = np.flatnonzero(full)
        wall_part = linear.part[linear.tail[walls]]
        shift = linear.shift(walls)
        for number, nodes in enumerate(np.split(by_part, cuts)):
            mine = np.flatnonzero(wall_part == number)
            rows = np.hstack([np.ones((nodes.size, 1)), shift[np.ix_(nodes, mine)]])
            found = ends(
                rows,
                low[nodes],
                high[nodes],
                np.append(-np.inf, least[walls[mine]]),
                np.append(np.inf, most[walls[mine]]),
            )
            lowest[nodes], highest[nodes] = found.lowest, found.highest
            member[nodes], dual[walls[mine]] = found.nearest, found.parameters[1:]
        at_low, at_high = low * scale, high * scale
        lowest, highest, member = (
            _snapped(v * scale, at_low, at_high, scale) for v in (lowest, highest, member)
        )
        dual = dual * scale
        price = np.where(np.isnan(middle(lowest, highest)), np.nan, member)
        return lowest, highest, price, Proof(member, dual)

    def gap(self, proof: Proof) -> tuple[float, bool]:
        """How much more welfare any allocation could have at most, and whether that is dust."""
        linear, p = self.linear, self.cut
        price, dual = proof
        _, gap, _ = welfare_gap(
            self.node, *p, self.x, np.ones(self.node.size, bool), NOBODY, NOBODY,
            NONE, NONE, NONE, NONE, NONE, NONE, price,
        )  # fmt: skip
        at_limits = np.abs(dual) * self.most_j - dual * self.flow_j
        law = dual - (price[linear.head] - price[linear.tail])
        missed = np.abs(linear.leaves(law * linear.weight)) * linear.reach(self.limit_j)
        gap += math.fsum([*at_limits, *(law * self.flow_j), *missed])
        gap = max(gap, 0.0)
        return gap, proven(self.welfare, gap, self._dust(proof))

    def _dust(self, proof: Proof) -> float:
        """What it may cost to stand on whole microjoules, money."""
        # duals may come from outside: what is dearer than any price could be is no reason
        price = np.minimum(np.abs(proof.price), self.most)
        dual = np.minimum(np.abs(proof.link), self.most)
        ends_ = np.maximum(price[self.linear.tail], price[self.linear.head])
        at_offers = np.maximum(price[self.offer_node], self.size)
        total = DUST_J * (at_offers.sum() + ends_.sum()) + LINK_DUST_J * dual.sum()
        return float(total)


def _snapped(value: Floats, low: Floats, high: Floats, scale: float) -> Floats:
    """Values that are a bound but for their last digits are that bound."""
    for bound in (low, high):
        with np.errstate(invalid="ignore"):
            value = np.where(np.abs(value - bound) <= SNAP * scale, bound, value)
    return value


def _size(offer: Ints, pieces: Pieces, offers: int) -> Floats:
    """The dearest worth of each offer, as in `isojoule.market.dust.rounding_of`."""
    out = np.zeros(offers)
    np.maximum.at(out, offer, np.abs(pieces.a) + pieces.b)
    return out
