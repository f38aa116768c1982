"""What energy is worth to those who got it, by their true curves.

A clearing says what offers received. Whether somebody gained by it depends on the curves that are
true, which need not be those that were offered: so what one got at a node, under whatever names,
is split again among the true offers there, in the best way.

The rules:

- At each node of the grid by itself; energy does not move to another node for nothing.
- All of it is taken that the true offers have room for, even where that is worth less than
  nothing; what is beyond is worth nothing. Who cannot deliver what was promised: -inf.
- Indivisible offers are taken whole or not at all, of a group at most one: the best choice counts.

Spec: docs/spec/traits.md, T2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import inf

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.prices import fill
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.integer.units import Units, rest_of, units_of
from isojoule.valuation import Bundle
from isojoule.valuation.curve import Pieces, integral, inverse, marginal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_UNITS = 12
"""Most indivisible offers of one participant whose best choice is looked for."""
HALVINGS = 70


@dataclass(frozen=True, eq=False)
class Truth:
    """A book in which everybody tells the truth, ready to say what energy is worth to whom."""

    book: Book
    grid: Grid
    _units: list[Units] = field(default_factory=list)

    def worth(self, participant: str, energy_uj: Ints) -> float:
        """Worth of what a participant received at each node of the grid, money; shape (nodes,).

        -inf if it cannot deliver that. Somebody who is not in the book has no use for energy.
        """
        book = self.book
        if participant not in book.participants:
            return 0.0 if bool(np.all(energy_uj >= 0)) else -inf
        own = book.offer_participant == book.participants.index(participant)
        if not book.indivisible:
            return self._divisible(book, own, energy_uj)
        if not self._units:
            self._units.append(units_of(book, self.grid))
        units = self._units[0]
        mine = np.flatnonzero(own[units.offer])
        if mine.size > MOST_UNITS:
            raise InputError(
                f"{participant!r} has {mine.size} offers that are indivisible or in a group",
                remedy=f"leave it at {MOST_UNITS}",
            )
        best = -inf
        for answer in product((False, True), repeat=mine.size):
            choice = np.zeros(units.count, bool)
            choice[mine] = answer
            grouped = units.group[mine][choice[mine] & (units.group[mine] >= 0)]
            if np.unique(grouped).size < grouped.size:
                continue
            rest, legs = rest_of(book, units, choice)
            left = energy_uj.copy()
            np.subtract.at(left, legs.node, legs.energy_uj)
            whole = float(units.worth[choice & units.whole].sum())
            best = max(best, whole + self._divisible(rest, own, left))
        return best

    def _divisible(self, book: Book, own: Bools, energy_uj: Ints) -> float:
        """The best split among divisible offers."""
        node = book.offer_node[book.piece_offer]
        mine = own[book.piece_offer] & (node >= 0)
        pieces = Pieces(*(column[mine] for column in book.pieces))
        dust_j = (2.0 + int(own.sum())) / UJ_PER_J
        return split(pieces, node[mine].astype(np.int64), energy_uj / UJ_PER_J, dust_j)


def split(pieces: Pieces, node: Ints, energy_j: Floats, dust_j: float = 0.0) -> float:
    """The most that energies are worth to pieces at their nodes, money.

    Parameters
    ----------
    pieces, node
        Curves, and the node of each piece.
    energy_j
        Received per node, J; shape (nodes,).
    dust_j
        A shortfall up to this counts as none, J.

    Returns
    -------
    The worth; -inf where less is received than the pieces can deliver.
    """
    count = energy_j.size
    ends = np.concatenate([pieces.lo, pieces.hi])
    most = float(np.sum(np.abs(ends[np.isfinite(ends)])) + np.sum(np.abs(energy_j))) + 1.0
    p = pieces._replace(lo=np.maximum(pieces.lo, -most), hi=np.minimum(pieces.hi, most))
    low, high = np.bincount(node, p.lo, count), np.bincount(node, p.hi, count)
    if bool(np.any(energy_j < low - dust_j)):
        return -inf
    wanted = np.clip(energy_j, low, high)
    if not node.size:
        return 0.0
    tops, bottoms = marginal(p, p.lo), marginal(p, p.hi)
    span = float(tops.max() - bottoms.min()) + abs(float(tops.max())) + 1e-300
    cheap, dear = np.full(count, bottoms.min() - span), np.full(count, tops.max() + span)
    much, little = p.hi, p.lo
    for _ in range(HALVINGS):  # at `cheap` they take at least what is wanted, at `dear` at most
        middle = 0.5 * (cheap + dear)
        x = inverse(p, middle[node])
        enough = np.bincount(node, x, count) >= wanted
        cheap, dear = np.where(enough, middle, cheap), np.where(enough, dear, middle)
        much, little = np.where(enough[node], x, much), np.where(enough[node], little, x)
    over, under = np.bincount(node, much, count), np.bincount(node, little, count)
    room = over - under
    share = np.where(room > 0.0, (wanted - under) / np.where(room > 0.0, room, 1.0), 0.0)
    return float(np.sum(integral(p, little + np.clip(share, 0.0, 1.0)[node] * (much - little))))


def received_uj(book: Book, grid: Grid, clearing: Clearing, own: Bools) -> Ints:
    """Energy that offers received together at each node of the grid, microjoules.

    `own` says which offers, shape (offers,).
    """
    energy = np.zeros(grid.node_count, np.int64)
    at_node = own & (book.offer_node >= 0)
    np.add.at(energy, book.offer_node[at_node], clearing.energy_uj[at_node])
    for i in np.flatnonzero(own & (book.offer_node < 0)).tolist():
        spec = book.offers[i].spec
        if isinstance(spec, Bundle) and clearing.taken is not None and clearing.taken[i]:
            for leg in spec.legs:
                energy[grid.node_index[leg.node]] += leg.energy_uj
    return energy


def welfare_at(book: Book, energy_uj: Ints) -> float:
    """What divisible offers are worth together when they receive `energy_uj` each, money."""
    p = book.pieces
    x = fill(book.piece_offer.astype(np.int64), p.lo, p.hi, energy_uj / UJ_PER_J)
    return float(integral(p, x).sum())


def welfare_of(book: Book, grid: Grid, clearing: Clearing) -> float:
    """Gains from trade, money: what offers are worth as cleared, less price times flow."""
    worth = welfare_at(book, clearing.energy_uj)
    if clearing.taken is not None:
        for offer, taken in zip(book.offers, clearing.taken.tolist(), strict=True):
            if taken and isinstance(offer.spec, Bundle):
                worth += offer.spec.price
    return worth - float(np.sum(grid.price_per_j * np.abs(clearing.flow_uj))) / UJ_PER_J


def money_scale(book: Book) -> float:
    """What all limited energy of a book is worth at its dearest, money: the size of its sums."""
    p = book.pieces
    finite = p._replace(
        lo=np.where(np.isfinite(p.lo), p.lo, 0.0), hi=np.where(np.isfinite(p.hi), p.hi, 0.0)
    )
    dearest = np.maximum(np.abs(marginal(finite, finite.lo)), np.abs(marginal(finite, finite.hi)))
    with np.errstate(over="ignore"):  # beyond all doubles is large, too
        scale = float(np.sum(dearest * (finite.hi - finite.lo)))
    return scale + sum(abs(o.spec.price) for o in book.offers if isinstance(o.spec, Bundle))
