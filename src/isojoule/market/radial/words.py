"""Limits of voltage and apparent power, in words."""

from __future__ import annotations

import numpy as np

from isojoule.core.units import price_text
from isojoule.grid import Grid
from isojoule.grid.radial import NotRadial
from isojoule.kernels.radial import spread
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.radial.model import feeder_for
from isojoule.market.radial.prices import SIDE, duals_of

FEW = 3
"""So many limits are named."""


def toll_words(book: Book, grid: Grid, clearing: Clearing, node: int) -> list[str]:
    """What limits take of a Joule between a node and its root; nothing where none binds."""
    side = clearing.certificate.side
    feeder = feeder_for(book, grid) if book.network == "lindistflow" else None
    if feeder is None or isinstance(feeder, NotRadial) or set(side) != set(SIDE):
        return []
    duals = duals_of(side)
    wedge, _ = feeder.wedges(*duals)
    toll = float(spread(feeder.order, feeder.up, feeder.per_node(wedge))[node])
    names = []
    for v in np.flatnonzero(duals.voltage).tolist():
        upper = duals.voltage[v] < 0
        square = float((feeder.highest_square if upper else feeder.lowest_square)[v])
        end = "upper" if upper else "lower"
        names.append(f"the voltage of {grid.node_ids[v]} at its {end} limit of {square**0.5:.4g}")
    full = (duals.active != 0) | (duals.reactive != 0)
    names += [f"the apparent power of {grid.link_ids[e]}" for e in np.flatnonzero(full).tolist()]
    root = node
    while feeder.up[root] >= 0:
        root = int(feeder.up[root])
    if toll == 0 or not names:
        return []
    way = "brought here from" if toll > 0 else "sent from here to"
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    cost = price_text(abs(float(toll)), book.currency)
    limits = ", ".join(names[:FEW])
    return [f"A Joule {way} {grid.node_ids[root]} pays {cost} for limits: {limits}{more}."]
