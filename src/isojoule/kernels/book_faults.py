"""What is wrong with the columns of a book, in one walk over its pieces."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.prices import marginal_at

Floats = NDArray[np.float64]
Index = NDArray[np.int32]

NEAR = 1e-9
"""Share of its size by which rounding may let a worth rise, or a curve end below 0."""

NODE, ORDER, NUMBER, BOUNDS, SHAPE, POWER, ENDLESS, END, RISES = range(9)
FAULTS = (
    ("its node is not one of the grid", "give positions of nodes; -1 is for bundles"),
    ("its pieces do not stand in the order of the offers", "give piece_offer in ascending order"),
    (
        "a number of its curve is not finite",
        "give finite numbers; only bounds may be inf",
    ),
    ("a piece has lo above 0 or hi below 0, or a bound that is no number", "give lo <= 0 <= hi"),
    ("b or c1 is negative, so the curve would rise", "give b and c1 of 0 or more"),
    ("k is not above 0", "use k of 1 for a line"),
    ("an unlimited piece whose worth falls without end", "limit the piece, or make it flat"),
    ("the piece goes on where its curve has ended (c0 - c1*x below 0)", "end the piece there"),
    ("its worth rises with the energy received", "order the pieces by falling worth (V3)"),
)
"""Message and remedy of each fault."""


@kernel
def first_fault(offers: int, nodes: int, offer_node: Index, bundle: NDArray[np.bool_],
                piece_offer: Index, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
                c1: Floats, k: Floats) -> tuple[int, int]:  # fmt: skip
    """The first offer at fault and the number of its fault in `FAULTS`; -1, -1 if there is none."""
    for o in range(offers):
        v = offer_node[o]
        if v >= nodes or v < -1 or (v == -1 and not bundle[o]):
            return o, NODE
    before, worth = -1, math.inf
    for i in range(piece_offer.size):
        o = piece_offer[i]
        if o < before or o >= offers:
            return o, ORDER
        if o != before:
            before, worth = o, math.inf
        if not (lo[i] <= 0.0 <= hi[i]):
            return o, BOUNDS
        if not (abs(a[i]) < math.inf and abs(b[i]) < math.inf and abs(c0[i]) < math.inf
                and abs(c1[i]) < math.inf):  # fmt: skip
            return o, NUMBER
        if b[i] < 0.0 or c1[i] < 0.0:
            return o, SHAPE
        if not 0.0 < k[i] < math.inf:
            return o, POWER
        if lo[i] == hi[i]:
            continue
        if b[i] > 0.0 and c1[i] > 0.0:
            if hi[i] - lo[i] == math.inf:
                return o, ENDLESS
            if c0[i] - c1[i] * hi[i] < -NEAR * (1.0 + abs(c0[i])):
                return o, END
        first = marginal_at(a[i], b[i], c0[i], c1[i], k[i], max(lo[i], -1e300))
        last = marginal_at(a[i], b[i], c0[i], c1[i], k[i], min(hi[i], 1e300))
        if first > worth + NEAR * (abs(first) + abs(worth)):
            return o, RISES
        worth = last
    return -1, -1
