"""How far from closed a proof may be: what it costs to stand on whole microjoules.

Offers and flows are whole microjoules, so the optimum in integers is a little below that in real
numbers. That much of a gap is no fault. What a microjoule is worth at a node is read off the
allocation itself: duals come with the clearing that is to be checked, and where nothing trades
they cost nothing, so their size alone must not widen any margin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import Network
from isojoule.kernels.proof import DUST_J as DUST_J
from isojoule.kernels.proof import is_closed
from isojoule.market.columns import Columns
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]


def proven(welfare: float, gap: float, rounding: float) -> bool:
    """Whether a gap counts as closed, but for `rounding`, what whole microjoules cost.

    That is 1e-7 of the welfare, or ten nano-units if that is more.
    """
    return is_closed(welfare, gap, rounding)


def rounding_of(
    columns: Columns, network: Network, dual: Floats, most: Floats | float = np.inf
) -> float:
    """What it may cost to stand on whole microjoules, money: two of them at each offer and link.

    Bounds are rounded inwards, losses upwards. An offer without room has no dust.

    Parameters
    ----------
    dual
        A price per node of the network, money per J.
    most
        What counts of its size at most; for duals that come from outside (see `reach_of_prices`).
    """
    size = np.minimum(np.abs(dual), most)
    at_links = np.maximum(size[network.tail], size[network.head])
    at_offers = size[columns.offer_node]
    p = columns.pieces
    np.maximum.at(at_offers, columns.offer, np.abs(p.a) + p.b)
    # legs of what is taken whole have no piece: their energies are given
    some = np.zeros(at_offers.size, bool)
    some[columns.offer] = True
    room = np.where(some, np.bincount(columns.offer, p.hi - p.lo, at_offers.size), np.inf)
    dust = np.minimum(2.0 * room, DUST_J)
    return float((dust * at_offers).sum()) + DUST_J * float(at_links.sum())


def reach_of_prices(lowest: Floats, highest: Floats) -> Floats:
    """The size of the supporting prices of each node; 0 where nothing bounds them."""
    ends = np.abs(np.array([lowest, highest]))
    out: Floats = np.max(np.where(np.isfinite(ends), ends, 0.0), axis=0)
    return out


def dearest(pieces: Pieces) -> float:
    """The largest worth of a Joule in these pieces, without sign, money per J."""
    some = pieces.hi > pieces.lo
    worth = np.abs(pieces.a) + pieces.b * np.abs(pieces.c0) ** pieces.k
    return float(np.max(worth[some], initial=0.0))
