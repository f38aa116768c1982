"""Pivots on a copperplate with step offers: sort once, and all are exact.

Theory of operation. Read every step as energy somebody would like to hold: a step to sell is held
at first, a step to buy is not. An allocation says who holds how much; all together hold what the
sellers had, S. The best allocation gives the S units to the dearest steps. Without participant i,
which keeps its own S_i, the others hold S - S_i, again in the dearest of their steps. So

    pivot of i = worth of the S - S_i dearest units of the others - worth of what they hold now,

which for a seller of x units is the cost of the cheapest x units that the others still have, its
own left out (or what those who would go without then lose, if that is less); for a buyer of x
units the best use that the others have for them.

Steps are sorted by worth, sizes and worths summed up once. Participant i leaves gaps at its own
steps; a binary search between them finds where S - S_i units end: O(n log n) for all together.

There are two of it. `paid_by_all` is compiled and sums worths in pairs of doubles, to 1e-30 of all
that is held. `merit_order_pivots` is plain and exact, for tests: sizes are microjoules, and prices
are doubles, which are whole multiples of one power of two.

Spec: docs/spec/vcg.md, P5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.kernels.merit_order import held_of, pivots_in_order
from isojoule.market.book import Book

MOST_UJ = 2**62
"""All steps together, for the compiled kernel."""


class Steps(NamedTuple):
    """Steps of equal worth each, in any order; lists or arrays of one length.

    Attributes
    ----------
    worth_per_j
        Money per J.
    size_uj
        Microjoules.
    sold
        Whether it is a step to sell.
    held_uj
        What of it is held now, 0 .. size.
    owner
        Number of the participant, from 0.
    """

    worth_per_j: Sequence[float] | NDArray[np.float64]
    size_uj: Sequence[int] | NDArray[np.int64]
    sold: Sequence[bool] | NDArray[np.bool_]
    held_uj: Sequence[int] | NDArray[np.int64]
    owner: Sequence[int] | NDArray[np.int64]


def merit_order_pivots(steps: Steps, owners: int) -> list[Fraction]:
    """What each of the owners pays (negative: is paid), money, exactly. O(n log n)."""
    ratios = [float(w).as_integer_ratio() for w in steps.worth_per_j]
    unit = max((below for _, below in ratios), default=1)
    worth = [above * (unit // below) for above, below in ratios]
    order = sorted(range(len(worth)), key=lambda i: -worth[i])
    ends = list(accumulate((steps.size_uj[i] for i in order), initial=0))
    worths = list(accumulate((steps.size_uj[i] * worth[i] for i in order), initial=0))
    had, held = [0] * owners, [0] * owners
    gaps: list[list[int]] = [[] for _ in range(owners)]
    for rank, i in enumerate(order):
        gaps[steps.owner[i]].append(rank)
        had[steps.owner[i]] += steps.size_uj[i] if steps.sold[i] else 0
        held[steps.owner[i]] += steps.held_uj[i] * worth[i]
    every, now = sum(had), sum(held)

    def best_without(who: int) -> int:
        """Worth of the dearest units of the others, as many as they had."""
        target = every - had[who]
        out_size = out_worth = 0  # of the own steps that are passed
        for rank in gaps[who]:
            if ends[rank] - out_size >= target:
                break
            out_size += ends[rank + 1] - ends[rank]
            out_worth += worths[rank + 1] - worths[rank]
        if target == 0:
            return 0
        last = bisect_left(ends, target + out_size) - 1  # the step in which they end
        part = target + out_size - ends[last]
        return worths[last] - out_worth + part * worth[order[last]]

    scale = unit * int(UJ_PER_J)
    return [Fraction(best_without(i) - (now - held[i]), scale) for i in range(owners)]


class Paid(NamedTuple):
    """What each owner pays, nano-units: as computed, what that double lacks, and rounded up."""

    money_nano: NDArray[np.float64]
    rest_nano: NDArray[np.float64]
    nano: NDArray[np.int64]


def paid_by_all(steps: Steps, owners: int, last_digit: float = 0.0) -> Paid:
    """What each of the owners pays (negative: is paid), to 1e-30 of all that is held. O(n log n).

    Parameters
    ----------
    steps
        Fewer than `MOST_UJ` together.
    owners
        How many there are.
    last_digit
        Share of itself by which a payment may pass a whole nano-unit and still be that one.
    """
    worth = np.asarray(steps.worth_per_j, np.float64)
    order = np.argsort(-worth, kind="stable")
    found = pivots_in_order(
        worth[order],
        np.asarray(steps.size_uj, np.int64)[order],
        np.asarray(steps.sold, np.bool_)[order],
        np.asarray(steps.held_uj, np.int64)[order],
        np.asarray(steps.owner, np.int64)[order],
        owners,
        last_digit,
    )
    return Paid(*found)


def steps_of(book: Book, energy_uj: NDArray[np.int64]) -> Steps | None:
    """The book as steps that hold what these energies say, or None if it has other curves.

    What is unlimited counts as a microjoule more than all that is limited together. Owners are
    numbered as the book's participants.
    """
    p = book.pieces
    wide = p.hi > p.lo
    flat = (p.b == 0) | (p.c1 == 0)
    ends = np.where(p.lo < 0, -p.lo, p.hi) * UJ_PER_J
    finite = np.isfinite(ends)
    with np.errstate(invalid="ignore"):
        whole = (np.abs(ends - np.rint(ends)) <= 1e-3) & (ends < NO_LIMIT_UJ)
    fits = ~wide | (flat & (whole | ~finite))
    if book.network != "copperplate" or book.indivisible or not fits.all():
        return None
    worth = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    known = np.rint(np.where(finite, ends, 0.0))
    beyond = float(known.sum()) + 1.0
    known[~finite] = beyond
    if float(known.sum()) >= MOST_UJ:
        return None
    size = known.astype(np.int64)
    size[~finite] = int(size[finite].sum()) + 1
    sold, offer = p.lo < 0, book.piece_offer.astype(np.int64)
    held, all_held = held_of(offer, size, sold, energy_uj)
    if not all_held:  # more than the steps hold: bounds that are not whole microjoules
        return None
    return Steps(worth, size, sold, held, book.offer_participant[offer].astype(np.int64))
