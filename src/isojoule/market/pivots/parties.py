"""Who has what: participants by number, as columns, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market.book import Book
from isojoule.market.pivots.absent import size_uj
from isojoule.market.settle import Flows, owned_links

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Parties:
    """All who have offers or links, by number: the book's participants, then other owners.

    Attributes
    ----------
    participants
        Of the book.
    owners
        Who has links and no place in the book.
    offer, link
        Number of each offer's party, and of each link's owner; -1: nobody.
    """

    participants: Sequence[str]
    owners: tuple[str, ...]
    offer: Ints
    link: Ints

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.participants) + len(self.owners)

    def name(self, number: int) -> str:
        """What one is called."""
        here = len(self.participants)
        return self.participants[number] if number < here else self.owners[number - here]

    def numbers(self, names: Sequence[str]) -> Ints:
        """Of these names; -1 where there is no such party."""
        if len(names) < 2:
            every = [*self.owners]
            first = len(self.participants)
            return np.array([_place(self.participants, every, first, n) for n in names], np.int64)
        number = {name: i for i, name in enumerate([*self.participants, *self.owners])}
        return np.array([number.get(name, -1) for name in names], np.int64)

    def silent(self, book: Book, flows: Flows, taken: Bools | None) -> Bools:
        """Who trades nothing: no offer moves energy, and no link carries any. Shape (count,)."""
        busy = np.zeros(self.count, bool)
        busy[self.offer[size_uj(book, flows.energy_uj, taken) > 0]] = True
        busy[self.link[(flows.flow_uj != 0) & (self.link >= 0)]] = True
        return ~busy

    def has(self) -> Bools:
        """Who has an offer or a link, shape (count,)."""
        some = np.zeros(self.count, bool)
        some[self.offer] = True
        some[self.link[self.link >= 0]] = True
        return some


def _place(participants: Sequence[str], owners: list[str], first: int, name: str) -> int:
    if name in participants:
        return participants.index(name)
    return first + owners.index(name) if name in owners else -1


def parties_of(book: Book, grid: Grid) -> Parties:
    """The parties of a book."""
    owned = np.flatnonzero(owned_links(grid))
    link = np.full(grid.link_count, -1, np.int64)
    extra: tuple[str, ...] = ()
    if owned.size:
        number = {name: i for i, name in enumerate(book.participants)}
        names = [grid.owner[e] for e in owned.tolist()]
        extra = tuple(sorted(set(names) - number.keys()))
        number.update({name: len(book.participants) + i for i, name in enumerate(extra)})
        link[owned] = [number[name] for name in names]
    return Parties(book.participants, extra, book.offer_participant.astype(np.int64), link)
