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
Integers throughout: sizes are microjoules, prices are doubles, which are whole multiples of one
power of two.

Spec: docs/spec/vcg.md, P5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.market.book import Book


class Steps(NamedTuple):
    """Steps of equal worth each, in any order; lists of one length.

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

    worth_per_j: Sequence[float]
    size_uj: Sequence[int]
    sold: Sequence[bool]
    held_uj: Sequence[int]
    owner: Sequence[int]


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


def steps_of(book: Book, energy_uj: np.ndarray) -> Steps | None:
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
    worth = (p.a + p.b * np.maximum(p.c0, 0.0) ** p.k).tolist()
    size = [round(e) if f else 0 for e, f in zip(ends.tolist(), finite.tolist(), strict=True)]
    beyond = sum(size) + 1
    size = [s if f else beyond for s, f in zip(size, finite.tolist(), strict=True)]
    sold, offer = (p.lo < 0).tolist(), book.piece_offer.tolist()
    held = [s if sells else 0 for s, sells in zip(size, sold, strict=True)]
    left = energy_uj.tolist()
    rows = range(len(size))
    for i in rows:  # bought first where the curve is dearest
        if not sold[i] and left[offer[i]] > 0:
            held[i] = min(size[i], left[offer[i]])
            left[offer[i]] -= held[i]
    for i in reversed(rows):  # sold first where it is cheapest
        if sold[i] and left[offer[i]] < 0:
            held[i] = size[i] - min(size[i], -left[offer[i]])
            left[offer[i]] += size[i] - held[i]
    if any(left):  # more than the steps hold: bounds that are not whole microjoules
        return None
    return Steps(worth, size, sold, held, book.offer_participant[book.piece_offer].tolist())
