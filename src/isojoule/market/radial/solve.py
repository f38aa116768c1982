"""The program of a feeder with rows, as `isojoule.kernels.rows` takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def maximise_with_rows(
    network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, inject: Floats,
    on_pieces: Floats, on_arcs: Floats, limit: Floats,
) -> tuple[Solution, Floats]:  # fmt: skip
    """The solution of one program on the network, with rows beside its balances.

    Parameters
    ----------
    network, node, pieces, arc_lo, arc_hi, inject
        As in `isojoule.market.optimum.maximise_flow`.
    on_pieces, on_arcs, limit
        Rows: on_pieces @ x + on_arcs @ f <= limit, shape (rows, ...).

    Returns
    -------
    The solution, and the multipliers of the rows, 0 or more.
    """
    raise NotImplementedError
