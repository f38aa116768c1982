"""A proof that no choice is better: a tree of choices, with nodal prices at its leaves.

Every leaf fixes some units as taken or not taken. Its prices bound all choices that agree with it
(`isojoule.market.integer.lagrangian`); together the leaves cover all choices. Whoever checks it
needs arithmetic alone. The tree is grown by branch and bound (Land, Doig 1960, Econometrica 28:497,
https://doi.org/10.2307/1910129), the leaf with the greatest bound first, the prices being those of
the relaxed master program. It ends when all bounds meet the welfare reached, or at a limit; the
greatest bound of its leaves stands in both cases.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.market.integer.lagrangian import Fixed, Gains, Lagrangian
from isojoule.market.integer.master import Master
from isojoule.market.integer.units import Leaf

Floats = NDArray[np.float64]

LEAVES = 200
"""Most leaves of a tree."""
NUMBERS = 100_000
"""Most prices in a tree, over all leaves."""
MEETS = 1e-8
"""A bound this share of all worths above the welfare reached meets it."""
TANGENTS = 30
"""Most rounds of tangents at a leaf."""
BOXES = (1e2, 1e5, 1e8)
"""Prices at a leaf are at most this many times the dearest; more where it does not balance."""
WHOLE = 1e-6
"""A share nearer to 0 or 1 than this is whole."""


class Proof(NamedTuple):
    """The bound that is proved (standing losses included), prices at the root, and the leaves."""

    bound: float
    duals: Floats
    leaves: tuple[Leaf, ...]


class _Leaf(NamedTuple):
    fixed: Fixed
    bound: float
    duals: Floats
    gains: Gains
    share: Floats | None


class _Tree:
    def __init__(self, relaxation: Lagrangian, master: Master, target: float, slack: float) -> None:
        self.relaxation, self.master = relaxation, master
        self.target, self.slack = target, slack

    def leaf(self, fixed: Fixed, duals: Floats, gains: Gains | None = None) -> _Leaf:
        """A leaf with the best prices that are found, from these on."""
        r = self.relaxation
        gains = gains or r.gains(duals)
        best = _Leaf(fixed, r.bound(gains, fixed), duals, gains, None)
        box = 0
        for _ in range(TANGENTS):
            if best.bound <= self.target:
                break
            found = self.master.shares(fixed, BOXES[box] * self.master.dearest)
            if found is None:
                break
            gains = r.gains(found.duals)
            bound = r.bound(gains, fixed)
            if bound < best.bound:
                best = _Leaf(fixed, bound, found.duals, gains, found.share)
            best = best._replace(share=found.share)
            apart = bound > found.value + self.slack
            if best.bound <= self.target or (self.master.grew and apart):
                continue
            if found.lack_j > 1e-12 * self.master.energy and box + 1 < len(BOXES):
                box += 1  # what cannot balance is bounded by prices that are high enough
                continue
            break
        return best

    def split(self, leaf: _Leaf) -> list[_Leaf]:
        """Two leaves instead of one; none where the relaxation has no share to split."""
        if leaf.share is None:
            return []
        part = np.minimum(leaf.share, 1.0 - leaf.share)
        part[leaf.fixed >= 0] = 0.0
        if not np.max(part, initial=0.0) > WHOLE:
            return []
        at = int(np.argmax(part))
        group = self.relaxation.units.group
        out = []
        for value in (1, 0):
            fixed = leaf.fixed.copy()
            fixed[at] = value
            if value and group[at] >= 0:
                fixed[(group == group[at]) & (fixed < 0)] = 0
            out.append(self.leaf(fixed, leaf.duals, leaf.gains))
        return out


def prove(
    relaxation: Lagrangian, master: Master, duals: Floats, reached: float, scale: float
) -> Proof:
    """The bound of a book, with its proof.

    Parameters
    ----------
    relaxation, master
        Of the book.
    duals
        Prices to begin with.
    reached, scale
        Welfare reached (standing losses included), and the size of what meets it, money.
    """
    slack = MEETS * scale
    tree = _Tree(relaxation, master, reached + slack, 0.1 * slack)
    root = tree.leaf(np.full(relaxation.units.count, -1, np.int8), duals)
    most = max(1, min(LEAVES, NUMBERS // max(duals.size, 1)))
    heap = [(-root.bound, 0, root)]
    number = 1
    stuck: list[_Leaf] = []
    while heap and len(heap) + len(stuck) < most and -heap[0][0] > tree.target:
        leaf = heapq.heappop(heap)[2]
        parts = tree.split(leaf)
        if not parts:
            stuck.append(leaf)
            break  # nothing bounds this leaf better, and all others are below it
        for part in parts:
            heapq.heappush(heap, (-part.bound, number, part))
            number += 1
    leaves = [entry[2] for entry in sorted(heap, key=lambda entry: entry[1])] + stuck
    bound = max(leaf.bound for leaf in leaves)
    if len(leaves) == 1:
        return Proof(bound, leaves[0].duals, ())
    offer = relaxation.units.offer
    rows = (
        Leaf(
            tuple(offer[leaf.fixed == 1].tolist()),
            tuple(offer[leaf.fixed == 0].tolist()),
            leaf.duals,
        )
        for leaf in leaves
    )
    return Proof(bound, root.duals, tuple(rows))
