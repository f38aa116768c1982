"""Pivots of books with indivisible offers, each from what is known of all.

Without a participant its units are left and its offers closed; all else of the search for the best
choice goes on from where it was (`isojoule.market.integer.less`). The best choice of all, without
the participant's units, and those found for others, are choices still: the best of them is what is
reached. Prices of the program with shares bound what could be reached, and settle most units; the
rest is branched over (`isojoule.market.integer.branch`). Ties are not broken and nothing is proved
by a tree of its own: a pivot needs the welfare alone.

Spec: docs/spec/vcg.md, P18.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.allocation import Allocation
from isojoule.market.book import Book
from isojoule.market.integer.allocate import SAME, Chosen, Search
from isojoule.market.integer.branch import Shares, Shut, best_of
from isojoule.market.integer.less import less
from isojoule.market.integer.units import choice_from
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.ranging import MANY, NOBODY, in_parts, left_without
from isojoule.market.pivots.warm import Change

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW = 12
"""So many of the choices found last are tried for the next participant."""


class WarmChoices:
    """A book at its best choice, from which participants are taken out.

    Parameters
    ----------
    value
        Welfare of the optimum that is paid for, money.
    """

    def __init__(
        self, book: Book, grid: Grid, found: Allocation, parties: Parties, value: float, seed: bytes
    ) -> None:
        self.book, self.grid, self.parties, self.whole = book, grid, parties, value
        self.search = Search(book, grid, seed)
        r, units = self.search.relaxation, self.search.units
        assert found.taken is not None
        self.best = choice_from(units, found.energy_uj, found.taken)
        self.others: list[Bools] = []
        more = int(np.max(r.columns.offer, initial=-1)) + 1 - parties.offer.size
        owner = np.append(parties.offer, np.full(max(more, 0), -1))
        self.piece_owner = owner[r.columns.offer]
        self.unit_owner = parties.offer[units.offer]
        self.link_owner = parties.link[: r.network.tail.size]
        self.shares = Shares(r, self.search.master.dearest)
        nothing = self._shut(NOBODY)
        open_ = self.search.open()
        self.fits = not np.any(~self.shares.has & (open_ < 0))  # else there is worth without energy
        self.root = self.shares.solve(open_, nothing, None).point
        self.size = math.fsum(np.abs(found.offer_value).tolist())
        self.known: dict[int, Change] = {}

    def _shut(self, number: int) -> Shut:
        """What is closed without a party."""
        return Shut(*(o == number for o in (self.piece_owner, self.link_owner, self.unit_owner)))

    def foresee(self, numbers: Ints) -> None:
        """Tell at once of those without whom the program with shares gives a choice (P20)."""
        many = numbers[~np.isin(numbers, self.link_owner)]
        s = self.shares
        if not self.fits or many.size < MANY:
            return
        program = s.program(self.search.open(), self._shut(NOBODY))
        owner = np.full(s.a.size, -1)
        owner[: s.count] = self.piece_owner
        owner[s.at_leg], owner[s.at_soft] = self.unit_owner[s.leg_unit], self.unit_owner[s.soft]
        reach = max(self.search.relaxation.reach_j / s.energy, float(s.soft.size))
        for part in in_parts(many, s.a.size):
            left = left_without(
                program, s.pattern, self.root, owner, part, reach, s.energy * s.price
            )
            told = left.proved & s.chooses(left.y)
            for j in np.flatnonzero(told[1:]).tolist():
                self.known[int(part[j])] = left.change(j + 1, self.whole, self.size)

    def change(self, number: int) -> Change | None:
        """See `isojoule.market.pivots.warm.Warm`."""
        if not self.fits:
            return None
        if number in self.known:
            return self.known[number]
        shut = self._shut(number)
        book, grid = without(self.book, self.grid, self.parties.name(number))
        search = less(self.search, book, grid, shut.pieces, shut.links)
        open_ = search.open()
        open_[shut.units] = 0
        known = [self.best, *self.others[-FEW:]]
        found = best_of(self.shares, search, shut, open_, known, self.root)
        if found is None:
            return None
        best, bound = found
        if bound > best.value + SAME * best.scale:  # a choice that could not be cleared
            return None
        if all(not np.array_equal(best.choice, choice) for choice in known):
            self.others.append(best.choice)
        total, size = _total(search, best)
        return Change(total - self.whole, size + self.size, max(bound - best.value, 0.0))


def _total(search: Search, chosen: Chosen) -> tuple[float, float]:
    """Welfare of a choice as payments count it, standing losses included, and its size, money."""
    rest, worth = chosen.rest, search.units.worth[chosen.choice].tolist()
    value, cost = rest.offer_value.tolist(), rest.link_cost.tolist()
    terms = [*value, *worth, *(-c for c in cost), rest.slack_value, chosen.served]
    return math.fsum(terms), math.fsum(map(abs, terms))
