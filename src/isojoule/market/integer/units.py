"""What of a book is taken whole or not at all, and the divisible rest once that is chosen.

A *unit* is one yes or no: an all-or-nothing offer, a bundle, or a divisible offer that shares its
group with others. A *choice* says yes or no for each unit. A unit that is taken whole draws fixed
energies at nodes (its *legs*) and is worth a fixed amount of money; what is left of the book is
divisible, and cleared as any other, with the legs as given.

The rules:

- A group is a participant's own: two participants may use one name for different groups.
- At most one offer of a group is taken. A divisible offer of a group is taken if its energy is
  not 0.
- Sizes are whole microjoules (V14), so what is taken whole balances exactly.

Spec: docs/spec/market.md, M18 to M20.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.valuation import Bundle
from isojoule.valuation.curve import Pieces, integral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Legs(NamedTuple):
    """Fixed energies: node of the grid, and what is received there, microjoules."""

    node: Ints
    energy_uj: Ints

    @property
    def total_j(self) -> float:
        """Sum of the sizes, J."""
        return float(np.abs(self.energy_uj).astype(np.float64).sum()) / UJ_PER_J


class Leaf(NamedTuple):
    """A part of all choices, and nodal prices that bound it.

    Attributes
    ----------
    taken, left
        Positions of the offers that every choice of the part takes, and that none takes.
    duals
        A price per node of the grid, money per J.
    """

    taken: tuple[int, ...]
    left: tuple[int, ...]
    duals: Floats


NO_LEGS = Legs(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """The units of a book, in the order of its offers.

    Attributes
    ----------
    offer
        Position of the offer, shape (units,), ascending.
    whole
        Whether it is taken whole; else it is a divisible offer of a group.
    worth
        Worth of the whole, money; 0 for divisible ones.
    group
        Number of its group, -1 if it is alone; shape (units,).
    legs, leg_unit
        What the whole ones receive where, and the unit of each leg.
    divisible
        Per piece of the book, whether its offer is divisible.
    unit_of
        Per offer, its unit, -1 if it has none.
    """

    offer: Ints
    whole: Bools
    worth: Floats
    group: Ints
    legs: Legs
    leg_unit: Ints
    divisible: Bools
    unit_of: Ints

    @property
    def count(self) -> int:
        """Number of units."""
        return self.offer.size

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max(initial=-1)) + 1

    def net_uj(self) -> Ints:
        """Sum of the legs of each unit, microjoules."""
        net = np.zeros(self.count, np.int64)
        np.add.at(net, self.leg_unit, self.legs.energy_uj)
        return net


def units_of(book: Book, grid: Grid) -> Units:
    """The units of a book."""
    members: dict[tuple[str, str], list[int]] = {}
    for i, o in enumerate(book.offers):
        if o.group:
            members.setdefault((o.participant, o.group), []).append(i)
    shared = [rows for rows in members.values() if len(rows) > 1]
    group_of = {i: number for number, rows in enumerate(shared) for i in rows}
    worth_of = np.bincount(
        book.piece_offer, integral(book.pieces, _ends(book.pieces)), book.offer_count
    )
    size = whole_uj(book)
    offer: list[int] = []
    whole: list[bool] = []
    worth: list[float] = []
    group: list[int] = []
    leg_unit: list[int] = []
    leg_node: list[int] = []
    leg_uj: list[int] = []
    for i, o in enumerate(book.offers):
        if not (o.all_or_nothing or isinstance(o.spec, Bundle) or i in group_of):
            continue
        unit = len(offer)
        offer.append(i)
        group.append(group_of.get(i, -1))
        whole.append(o.all_or_nothing or isinstance(o.spec, Bundle))
        worth.append(0.0)
        if isinstance(o.spec, Bundle):
            worth[-1] = o.spec.price
            for leg in o.spec.legs:
                leg_unit.append(unit)
                leg_node.append(grid.node_index[leg.node])
                leg_uj.append(leg.energy_uj)
        elif o.all_or_nothing:
            worth[-1] = float(worth_of[i])
            leg_unit.append(unit)
            leg_node.append(int(book.offer_node[i]))
            leg_uj.append(int(size[i]))
    unit_of = np.full(book.offer_count, -1, np.int64)
    unit_of[offer] = np.arange(len(offer))
    takes_whole = np.zeros(book.offer_count, bool)
    takes_whole[np.array(offer, np.int64)[np.array(whole, bool)]] = True
    return Units(
        np.array(offer, np.int64),
        np.array(whole, bool),
        np.array(worth, np.float64),
        np.array(group, np.int64),
        Legs(np.array(leg_node, np.int64), np.array(leg_uj, np.int64)),
        np.array(leg_unit, np.int64),
        ~takes_whole[book.piece_offer],
        unit_of,
    )


def whole_uj(book: Book) -> Ints:
    """Energy of each offer when all its steps are taken, microjoules (0 for bundles)."""
    p = book.pieces
    with np.errstate(invalid="ignore"):
        ends = np.bincount(book.piece_offer, np.nan_to_num(_ends(p)), book.offer_count)
    return np.rint(ends * UJ_PER_J).astype(np.int64)


def _ends(pieces: Pieces) -> Floats:
    """The far end of each piece, J; 0 where there is none."""
    ends = pieces.lo + pieces.hi
    return np.where(np.isfinite(ends), ends, 0.0)


def rest_of(book: Book, units: Units, choice: Bools) -> tuple[Book, Legs]:
    """What is divisible once the choice is made, and the legs that are given then.

    Offers that are taken whole, or not at all, stay in the book with no room to trade.
    """
    shut = np.zeros(book.offer_count, bool)
    shut[units.offer[units.whole | ~choice]] = True
    closed = shut[book.piece_offer]
    p = book.pieces
    pieces = p._replace(lo=np.where(closed, 0.0, p.lo), hi=np.where(closed, 0.0, p.hi))
    given = choice[units.leg_unit]
    return replace(book, pieces=pieces), Legs(*(column[given] for column in units.legs))


def choice_from(units: Units, energy_uj: Ints, taken: Bools) -> Bools:
    """The choice that a clearing made: what it calls taken, and who of a group trades."""
    chosen: Bools = np.where(units.whole, taken[units.offer], energy_uj[units.offer] != 0)
    return chosen


def crowded(units: Units, choice: Bools) -> int:
    """Position of an offer that is taken beside another of its group, or -1."""
    grouped = np.flatnonzero(choice & (units.group >= 0))
    _, first, number = np.unique(units.group[grouped], return_index=True, return_counts=True)
    if not np.any(number > 1):
        return -1
    at = units.group[grouped[first[number > 1]]][0]
    return int(units.offer[grouped[units.group[grouped] == at][1]])
