"""Closing in on bent curves and quadratic losses, round by round of `isojoule.kernels.tree`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline
from isojoule.kernels.polyline import MOST_POINTS, between, draw, sent_for
from isojoule.kernels.prices import demand_at, marginal_at
from isojoule.kernels.tree_walk import TreeProgram, Walk

Floats = NDArray[np.float64]

FINER = 0.0625
"""The first step of a ladder becomes so much shorter in each round. Its further ones reach wherever
the answer may still go."""
CLOSE = 1e-6
"""What links with a quadratic loss carry stands still if it moves by no more than this share of the
largest flow: what is left is of the order of its square."""
BEND = 1e-4
"""Share of a Joule by which the gain of a link may change from one point to the next."""
NARROW = 1e-13
"""A distance in energy that counts as none, as a share of the piece."""


@inline
def is_bent(b: float, c1: float, k: float) -> bool:
    """Whether a piece is a curve and no straight line."""
    return b > 0.0 and c1 > 0.0 and k != 1.0


@inline
def settle(program: TreeProgram, tolerance: float, price: Floats, near: Floats,
           wide: Floats) -> bool:  # fmt: skip
    """Draw the next chords around where curves stand at the prices. Whether the last ones fit."""
    at, want = np.empty(MOST_POINTS), np.empty(MOST_POINTS)
    settled = True
    first = program.first
    all_lo, all_hi, all_a, all_b = program.lo, program.hi, program.a, program.b
    all_c0, all_c1, all_k = program.c0, program.c1, program.k
    for p in range(first.size - 1):
        lam = price[p]
        for i in range(first[p], first[p + 1]):
            lo, hi, a, b = all_lo[i], all_hi[i], all_a[i], all_b[i]
            c0, c1, k = all_c0[i], all_c1[i], all_k[i]
            if not hi > lo or not is_bent(b, c1, k):
                continue
            end = draw(lo, hi, a, b, c0, c1, k, near[i], wide[i], at, want, 0)
            j = 0
            while j < end and at[j] > lam:
                j += 1
            chord = between(at, want, 0, end, j, lam)
            curve = demand_at(lo, hi, a, b, c0, c1, k, lam, chord)
            miss = abs(chord - curve)
            # where a curve is steep, its price tells; where it is flat, its energy
            off = abs(marginal_at(a, b, c0, c1, k, chord) - lam) if lo < curve < hi else math.inf
            if not (miss <= NARROW * (hi - lo) or off <= tolerance):
                settled = False
            if wide[i] < math.inf:
                wide[i] = max(FINER * wide[i], NARROW * (hi - lo))
            else:
                wide[i] = (hi - lo) / 8.0
            near[i] = curve
    return settled


@inline
def settle_links(walk: Walk, program: TreeProgram, drawn: Floats, level: Floats,
                 around: Floats) -> bool:  # fmt: skip
    """Choose where links with a quadratic loss are followed closely. Whether they stand still."""
    link, gains, losses = walk.link, program.gain, program.loss_per_j
    most = largest = 0.0
    for p in range(link.size):
        e = link[p]
        if e < 0 or losses[e] == 0.0:
            continue
        gain, r, taken = gains[e], losses[e], drawn[p]
        behind = (gain - r * taken) * taken if taken > 0.0 else -sent_for(-taken, gain, r)
        largest = max(largest, abs(behind))
        # between points that are far from each other a link bends, whether or not that showed
        near = losses[e] * around[p] <= BEND * gain
        most = max(most, abs(behind - level[p]) if near else math.inf)
        level[p] = behind
    for p in range(link.size):
        if around[p] < math.inf:
            around[p] = max(FINER * around[p], CLOSE * largest)
        else:
            around[p] = 0.02 * abs(level[p]) + 1e-3 * largest
    return most <= CLOSE * largest
