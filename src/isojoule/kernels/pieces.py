"""What can be said of pieces in one pass over them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def main_pieces(nodes: int, node: Ints, lo: Floats, hi: Floats, a: Floats, b: Floats, c0: Floats,
                c1: Floats, k: Floats) -> Ints:  # fmt: skip
    """The piece of each node that takes what is left over: its widest falling one, or -1."""
    main = np.full(nodes, -1, np.int64)
    for i in range(node.size):
        wide = hi[i] - lo[i]
        if not (b[i] > 0.0 and c1[i] > 0.0 and wide > 0.0 and wide < math.inf):
            continue
        m = main[node[i]]
        if m < 0 or wide >= hi[m] - lo[m]:
            main[node[i]] = i
    return main


ENOUGH = 10_000


@kernel
def typical(low: Floats, high: Floats, dust: float) -> float:
    """Geometric mean of high - low where it is finite and more than `dust` of the largest, or 1.

    Of many, some: those at `ENOUGH` places or more, at equal distances.
    """
    most = 0.0
    for i in range(low.size):
        d = high[i] - low[i]
        if d < math.inf and d > most:
            most = d
    total = 0.0
    count = 0
    for i in range(0, low.size, max(low.size // ENOUGH, 1)):
        d = high[i] - low[i]
        if d < math.inf and d > dust * most:
            total += math.log(d)
            count += 1
    return math.exp(total / count) if count else 1.0
