"""The program of a feeder with rows, as `isojoule.kernels.rows` takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, hstack, vstack

from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Solution
from isojoule.kernels.rows import RowProgram, maximise_rows
from isojoule.market.optimum import TOLERANCE
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


AT_BOUND = 1e-9
"""What is nearer to its bound than this share of the largest quantity is moved there."""


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
    link = network.arc_link
    arcs, rows, size = link.size, limit.size, node.size
    every = np.arange(arcs)
    places = (network.nodes, arcs)
    arrives = coo_array((network.gain[link], (network.arc_head, every)), shape=places)
    leaves = coo_array((np.ones(arcs), (network.arc_tail, every)), shape=places)
    lost = coo_array((network.limits.loss_per_j[link], (network.arc_head, every)), shape=places)
    drawn = coo_array((np.ones(size), (node, np.arange(size))), shape=(network.nodes, size))
    none = csr_array((network.nodes, rows))
    balance = hstack([-drawn, arrives.tocsr() - leaves.tocsr(), none])
    # a row with its slack: what is left of the limit arrives there
    beside = hstack([csr_array(-on_pieces), csr_array(-on_arcs), -_eye(rows)])
    zero, one = np.zeros(arcs + rows), np.ones(arcs + rows)
    lo = np.concatenate([pieces.lo, arc_lo, np.zeros(rows)])
    hi = np.concatenate([pieces.hi, arc_hi, np.full(rows, np.inf)])
    found = maximise_rows(
        RowProgram(
            lo=lo,
            hi=hi,
            a=np.concatenate([pieces.a, -network.price[link], np.zeros(rows)]),
            b=np.concatenate([pieces.b, zero]),
            c0=np.concatenate([pieces.c0, one]),
            c1=np.concatenate([pieces.c1, zero]),
            k=np.concatenate([pieces.k, one]),
            matrix=csr_array(vstack([balance, beside])),
            right=np.concatenate([-inject, -limit]),
            loss=csr_array(
                vstack(
                    [
                        hstack([csr_array((network.nodes, size)), lost, none]),
                        csr_array((rows, size + arcs + rows)),
                    ]
                )
            ),
        ),
        TOLERANCE,
    )
    end = size + arcs
    # what is moved to its bound leaves a row: only the last digits may be
    near = AT_BOUND * float(np.max(np.abs(found.x[:end]), initial=0.0))
    away = np.where(found.side < 0, found.x - lo, np.where(found.side > 0, hi - found.x, 0.0))
    side = np.where(away <= near, found.side, 0).astype(np.int8)
    solution = Solution(
        found.x[:size],
        found.x[size:end],
        found.price[: network.nodes],
        side[:size],
        side[size:end],
        found.steps,
        found.residual,
    )
    return solution, np.maximum(found.price[network.nodes :], 0.0)


def _eye(size: int) -> csr_array:
    return csr_array((np.ones(size), (np.arange(size), np.arange(size))), shape=(size, size))
