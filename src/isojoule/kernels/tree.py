"""The optimum on trees, exactly: from the leaves to the roots, and back.

Leaf by leaf, what a part of the tree wants at each price is folded into what its link to the node
above makes of it (`isojoule.kernels.polyline`). At a root the price is where nothing more is
wanted. On the way back each node's price follows from the one above: it is that price less or plus
what the link takes, unless nothing is to be carried, or the link is full,

    price = median of what the link leaves, and where it is full or idle.

Then the energies: what pieces want between two prices a hair apart is a range; from the roots to
the leaves each takes its share of it. So ties are shared in proportion, and every node balances.

Nothing is iterated where curves are straight and losses proportional. Bent ones are followed by
chords, finer ones around the last answer, until a chord and its curve are one; from the second
round on only prices near the last ones are looked at.

The cost is O(n) times the points of a row, which full links keep few; it grows where large parts
are linked without limits, and ends at `most` points in all.

Source: nonserial dynamic programming (Bertele, Brioschi 1972, Nonserial Dynamic Programming).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.prepare import reach
from isojoule.kernels.prices import marginal_at
from isojoule.kernels.tree_fold import fold_up
from isojoule.kernels.tree_settle import FINER, is_bent, settle, settle_links
from isojoule.kernels.tree_share import share_out
from isojoule.kernels.tree_walk import TreeProgram, Walk

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HAIR = 4e-13
"""Prices nearer to each other than this, relative to their size, are one,"""
WIDE_HAIR = 1e-10
"""or than this, where chords were followed."""
ROUNDS = 60
"""Most times that chords are drawn anew."""
ASKED = 1.5
"""Prices are first looked for up to so many times the dearest ask: seldom is more lost."""
WINDOW = 0.02
"""Share of a price around which it is looked for after the first round; later less."""


@kernel
def solve_tree(walk: Walk, program: TreeProgram, tolerance: float,
               most: float) -> tuple[Floats, Floats, Floats, int, float]:  # fmt: skip
    """Energies, flows and prices of the optimum.

    Parameters
    ----------
    walk, program
        The forest and what stands on it. Where worths below 0 meet links that lose or cost, the
        program is not concave, and not for this kernel.
    tolerance
        Largest distance of a chord from its curve where the answer stands, money per J.
    most
        Most points of rows that are handled in one round.

    Returns
    -------
    x
        Per piece, J, in the order of the program.
    flow
        Per link, J at the sender, positive from tail to head.
    price
        Per place, money per J.
    rounds
        Rounds made: one, unless curves are bent, or the dearest ask does not serve all.
    off
        What does not balance, at its prices, as a share of what moves; inf where a round had more
        than `most` points, chords did not settle, or a part has no balance.
    """
    pieces, nodes, links = program.lo.size, walk.order.size, program.gain.size
    x = np.zeros(pieces)
    flow = np.zeros(links)
    price = np.zeros(nodes)
    marks = np.empty((nodes, 4))
    drawn = np.zeros(nodes)
    near, wide = np.zeros(pieces), np.full(pieces, math.inf)
    level, around = np.zeros(nodes), np.full(nodes, math.inf)
    # where sellers ask is looked first: beyond it only what nobody can sell is priced
    dearest = ASKED * _dearest_ask(program)
    guessed = math.inf > dearest > 0.0
    low, high = np.full(nodes, -math.inf), np.full(nodes, math.inf)
    if guessed:
        low[:], high[:] = -dearest, dearest
    bent = False
    for i in range(pieces):
        if program.hi[i] > program.lo[i] and is_bent(program.b[i], program.c1[i], program.k[i]):
            bent = True
    for e in range(links):
        bent = bent or (program.loss_per_j[e] > 0.0 and program.capacity[e] > 0.0)
    done = 0
    window = WINDOW / FINER
    off = math.inf
    while done < ROUNDS:
        done += 1
        found = fold_up(
            walk, program, near, wide, level, around, low, high, marks, price, drawn, most
        )
        inside = found and _inside(low, high, price)
        if not inside:
            if not low[0] > -math.inf:
                break
            low[:], high[:] = -math.inf, math.inf  # look everywhere once more, then wider
            if not guessed:
                window /= FINER * FINER
            guessed = False
            continue
        guessed = False
        settled = True
        if bent:
            settled = settle(program, tolerance, price, near, wide)
            settled = settle_links(walk, program, drawn, level, around) and settled
            window = max(FINER * window, FINER * WINDOW)
            if window < 1.0:
                for p in range(nodes):
                    low[p] = price[p] - window * abs(price[p]) - tolerance
                    high[p] = price[p] + window * abs(price[p]) + tolerance
        if settled:
            off = share_out(walk, program, WIDE_HAIR if bent else HAIR, marks, price, x, flow)
            break
    return x, flow, price, done, off


@inline
def _dearest_ask(program: TreeProgram) -> float:
    """What the dearest Joule that is for sale costs, money per J; 0 where nothing is."""
    dearest = 0.0
    lo, hi, a, b = program.lo, program.hi, program.a, program.b
    c0, c1, k = program.c0, program.c1, program.k
    for i in range(lo.size):
        if lo[i] < 0.0 and hi[i] > lo[i]:
            last = marginal_at(a[i], b[i], c0[i], c1[i], k[i], lo[i])
            dearest = max(dearest, last)
    return dearest


@inline
def _inside(low: Floats, high: Floats, price: Floats) -> bool:
    """Whether no price stands at an end of where it was looked for."""
    inside = True
    for p in range(price.size):
        inside = inside and low[p] < price[p] < high[p]
    return inside


@kernel
def solve_forest(order: Ints, above: Ints, link: Ints, ahead: Bools, first: Ints, piece: Ints,
                 lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats, c1: Floats, k: Floats,
                 inject: Floats, capacity: Floats, gain: Floats, loss_per_j: Floats,
                 fee: Floats, chord: float, most: float) -> tuple[
                     Floats, Floats, Floats, int, float]:  # fmt: skip
    """As `solve_tree`, with pieces and prices in the order in which they are given.

    Parameters
    ----------
    order, above, link, ahead
        The forest, as in `Walk`.
    first, piece
        Pieces of the place p are piece[first[p]:first[p + 1]].
    lo, hi, a, b, c0, c1, k
        Pieces; bounds may be infinite.
    inject
        Energy given at each node.
    capacity, gain, loss_per_j, fee
        Per link, as in `TreeProgram`.
    chord
        The tolerance, as a share of the dearest worth.
    """
    most_j = reach(lo, hi, a, b, c0, k, capacity)
    nodes, pieces = order.size, piece.size
    table = np.empty((7, pieces))
    given = np.empty(nodes)
    dearest = 0.0
    for p in range(nodes):
        given[p] = inject[order[p]]
        most_j += abs(given[p])
    for j in range(pieces):
        i = piece[j]
        table[0, j], table[1, j] = max(lo[i], -most_j), min(hi[i], most_j)
        table[2, j], table[3, j], table[4, j] = a[i], b[i], c0[i]
        table[5, j], table[6, j] = c1[i], k[i]
        dearest = max(dearest, abs(a[i]) + b[i])
    program = TreeProgram(
        first, table[0], table[1], table[2], table[3], table[4], table[5], table[6], given,
        capacity, gain, loss_per_j, fee,
    )  # fmt: skip
    x, flow, price, rounds, off = solve_tree(
        Walk(order, above, link, ahead), program, chord * dearest, most
    )
    out, prices = np.empty(pieces), np.empty(nodes)
    for j in range(pieces):
        out[piece[j]] = x[j]
    for p in range(nodes):
        prices[order[p]] = price[p]
    return out, flow, prices, rounds, off
