"""Core-selecting payments by constraint generation.

1. The VCG gains d({i}) are what every bidder may gain at most.
2. The point nearest to them with the greatest sum, under the limits known so far.
3. The coalition that blocks it most gives the next limit, d(S), until none blocks.

At one place with divisible offers, bidders are substitutes: what a coalition adds is never more
than what its members add one by one, so VCG is in the core already, and nothing is sought. Where
few win, all coalitions of them are valued instead of step 3.

Spec: docs/spec/vcg.md, P12 to P15.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.grid import Grid
from isojoule.market.allocation import Allocation, NotSolved
from isojoule.market.book import Book
from isojoule.market.pivots import blocking
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.core_point import nearest_core
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.pivots import DIGITS, Pivots, all_rounded, optimal, pivots_of, worth_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW = 6
"""Winners of which all coalitions are valued."""
MOST = 10
"""The same, where curves are bent, so that the separation problem has no program."""
ROUNDS = 500
NEAR = 1e-9
"""Share of all worths by which a coalition may block; and a nano-unit for each winner."""


def core_payments(
    book: Book, grid: Grid, found: Allocation, parties: Parties, at: Ints, seed: bytes = b""
) -> Pivots | NotSolved:
    """What these participants pay so that no coalition blocks. As `pivots_of`."""
    vcg = pivots_of(book, grid, found, parties, at, seed)
    if isinstance(vcg, NotSolved) or one_place(book):
        return vcg
    game = Game(book, grid, found, parties, at, vcg, seed)
    gains = game.gains()
    if isinstance(gains, NotSolved):
        return gains
    money = vcg.money.copy()
    money[game.place] += game.vcg - gains
    unsure = vcg.unsure + DIGITS * game.size * (money != vcg.money)
    return replace(vcg, money=money, nano=all_rounded(money, unsure), unsure=unsure)


def one_place(book: Book) -> bool:
    """Whether bidders are substitutes, so that VCG is in the core."""
    return book.network == "copperplate" and not book.indivisible


class Game:
    """What coalitions of winners are worth, each valued when it is asked for.

    Attributes
    ----------
    winners, place
        Numbers of the parties who trade and pay, and their places in the payments.
    vcg
        What each gains by VCG, money.
    size
        The size of all worths, money.
    """

    def __init__(
        self, book: Book, grid: Grid, found: Allocation, parties: Parties, at: Ints,
        vcg: Pivots, seed: bytes,
    ) -> None:  # fmt: skip
        self.book, self.grid, self.parties, self.seed = book, grid, parties, seed
        busy = ~parties.silent(book, found, found.taken)[at]
        self.place = np.flatnonzero(busy)
        self.winners = at[busy]
        whole = optimal(book, grid, found)
        self.most = math.fsum([*whole.terms(), whole.operator, whole.slack])
        self.size = math.fsum(map(abs, [*whole.terms(), whole.operator]))
        worth = np.bincount(parties.offer, whole.offers, parties.count)
        owned = parties.link >= 0
        worth -= np.bincount(parties.link[owned], whole.links[owned], parties.count)
        self.worth = worth[self.winners]
        self.vcg: Floats = np.maximum(self.worth - vcg.money[self.place], 0.0)

    def limit(self, members: Bools) -> float | NotSolved:
        """What these winners gain together at most, money: what all lose without them."""
        book, grid = self.book, self.grid
        for i in self.winners[members].tolist():
            book, grid = without(book, grid, self.parties.name(i))
        rest = worth_of(book, grid, self.seed)
        if isinstance(rest, NotSolved):
            return rest
        left = math.fsum([*rest.terms(), rest.operator, rest.slack])
        return max(self.most - left, 0.0)

    def gains(self) -> Floats | NotSolved:
        """What each winner gains."""
        count = self.winners.size
        steps = blocking.takes(self.book, self.grid)
        if count < 2:
            return self.vcg
        if count <= FEW or (count <= MOST and not steps):
            return self._of_all()
        if not steps:
            return NotSolved(
                f"{count} participants win with curves that are no steps, and who would block "
                "could not be told",
                "use steps and links that lose a share, or vcg",
            )
        return self._generated()

    def _of_all(self) -> Floats | NotSolved:
        count = self.winners.size
        masks = np.array([m for m in range(1, 2**count) if m & (m - 1)], np.int64)
        coalitions = (masks[:, None] >> np.arange(count)) & 1 > 0
        limits = []
        for members in coalitions:
            limit = self.limit(members)
            if isinstance(limit, NotSolved):
                return limit
            limits.append(limit)
        return nearest_core(self.vcg, coalitions, np.array(limits))

    def _generated(self) -> Floats | NotSolved:
        program = blocking.truncated(self.book, self.grid, self.parties, self.winners)
        rows: list[Bools] = []
        limits: list[float] = []
        gains = self.vcg
        for _ in range(ROUNDS):
            members = program.left_out(gains)
            known = any(np.array_equal(members, row) for row in rows)
            if known or members.sum() < 2:
                return gains
            limit = self.limit(members)
            if isinstance(limit, NotSolved):
                return limit
            if float(gains[members].sum()) <= limit + NEAR * self.size * 1e-3:
                return gains
            rows.append(members)
            limits.append(limit)
            gains = nearest_core(self.vcg, np.array(rows), np.array(limits))
        raise InvariantError(f"coalitions still block after {ROUNDS} rounds")
