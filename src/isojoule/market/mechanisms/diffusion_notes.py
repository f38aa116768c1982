"""What `diffusion` tells about itself: how far it came, and where it is stuck.

Spec: docs/spec/diffusion.md, D9 and D10.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.kernels.diffusion import HIGH, LOW
from isojoule.kernels.diffusion_stuck import transit
from isojoule.kernels.diffusion_sweep import SAME, would_move
from isojoule.market.mechanisms.diffusion_run import Curves, Wires

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_STUCK = 20
"""So many stuck nodes are listed, those first that lose most."""
KINK = 1e-7
"""A node whose bid and ask are nearer than this share of them has no kink."""


def notes(
    grid: Grid, curves: Curves, wires: Wires, *, z_uj: Ints, flow_uj: Ints, x: Floats,
    bid: Floats, ask: Floats, made: int,
) -> dict[str, Any]:  # fmt: skip
    """Everything that follows from where the sweeps ended; the distance is added by the caller."""
    moves, profit = would_move(*curves.packed, wires.link, wires.rate, z_uj, flow_uj, x)
    moving: dict[str, Any] = {"links": int(moves.sum()), "profit_per_j": 0.0, "link": None}
    if moves.any():
        # where profits are equal, the first by name
        rows = sorted(np.flatnonzero(moves).tolist(), key=lambda e: grid.link_ids[e])
        best = max(rows, key=lambda e: float(profit[e]))
        moving |= {"profit_per_j": float(profit[best]), "link": grid.link_ids[best]}
    stuck, total = _stuck(grid, curves, wires, flow_uj, bid, ask, moves)
    return {"sweeps": made, "moving": moving, "stuck": stuck, "stuck_nodes": total}


def _stuck(
    grid: Grid, curves: Curves, wires: Wires, flow_uj: Ints, bid: Floats, ask: Floats,
    moves: NDArray[np.bool_],
) -> tuple[list[dict[str, Any]], int]:  # fmt: skip
    """Nodes through which energy would pay to pass, and how many there are."""
    both = np.isfinite(bid) & np.isfinite(ask)
    with np.errstate(invalid="ignore"):
        kink = both & (ask - bid > KINK * (np.abs(ask) + np.abs(bid)))
    busy = np.zeros(bid.size, bool)
    busy[wires.link[moves, :2].ravel()] = True
    blocked = (~both | kink) & ~busy
    turn = wires.order
    cost, value, source, sink = transit(
        wires.link[turn], wires.rate[turn], flow_uj[turn], bid, ask, blocked
    )
    with np.errstate(invalid="ignore"):
        profit = np.where(blocked, value - cost, -np.inf)
        # who would rather sell or buy itself is an end of a path, not on its way
        on_the_way = (cost < ask - SAME * np.abs(cost)) & (value > bid + SAME * np.abs(value))
        pays = on_the_way & (profit > 100.0 * SAME * (np.abs(value) + np.abs(cost)))
    found = np.flatnonzero(pays & np.isfinite(profit)).tolist()
    # profits in a chain are equal but for rounding: nine digits decide, then the name
    found.sort(key=lambda v: (-float(f"{profit[v]:.9e}"), grid.node_ids[v]))
    empty = curves.node[:, HIGH] == curves.node[:, LOW]

    def why(v: int) -> str:
        if empty[v]:
            return "no storage"
        if bid[v] == -np.inf:
            return "full"
        return "empty" if ask[v] == np.inf else "kink"

    listed = [
        {
            "node": grid.node_ids[v],
            "why": why(v),
            "from": grid.node_ids[source[v]],
            "to": grid.node_ids[sink[v]],
            "comes_at_per_j": float(cost[v]),
            "goes_at_per_j": float(value[v]),
            "profit_per_j": float(profit[v]),
        }
        for v in found[:MOST_STUCK]
    ]
    return listed, len(found)
