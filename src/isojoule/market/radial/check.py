"""The check of a clearing on a radial feeder, from book, grid and clearing alone.

Beside what holds on every network (bounds, flows, losses, balance): voltages and apparent powers
within their limits, duals of limits that cost nothing but what binds, prices of reactive energy
that follow from them, and prices that support the allocation and close the gap. Spec:
docs/spec/grid.md, G23.
"""

from __future__ import annotations

import numpy as np

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.grid.radial import Feeder, NotRadial
from isojoule.market.allocation import Support
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.radial.model import feeder_for, kept, stand_in_integers
from isojoule.market.radial.prices import SIDE, duals_of, side_of, supporting_prices

MARGIN = 1e-9
"""As in `isojoule.market.verify`."""


def check_limits(book: Book, grid: Grid, clearing: Clearing) -> Feeder:
    """Check that voltages and apparent powers keep their limits; the feeder they were found by."""
    feeder = feeder_for(book, grid)
    if isinstance(feeder, NotRadial):
        raise VerificationError(feeder.reason, place="grid")
    name = kept(feeder, grid, stand_in_integers(feeder, book, clearing.energy_uj, clearing.flow_uj))
    if name:
        raise VerificationError("is outside its limit", place=name)
    return feeder


def check_side(feeder: Feeder, clearing: Clearing) -> None:
    """Check the certificate's `side`: its shapes, and that reactive prices follow from duals."""
    side = clearing.certificate.side
    if set(side) != set(SIDE):
        raise VerificationError(f"has not {', '.join(SIDE)}", place="certificate.side")
    nodes, links = feeder.up.size, feeder.sign.size
    for name, length in zip(SIDE, (nodes, links, links, nodes), strict=True):
        if side[name].shape != (length,) or not np.all(np.isfinite(side[name])):
            raise VerificationError(
                f"has not {length} finite entries", place=f"certificate.side.{name}"
            )
    true = side_of(feeder, duals_of(side))["reactive"]
    scale = float(np.max(np.abs(true), initial=0.0))
    if np.any(np.abs(side["reactive"] - true) > MARGIN * scale):
        raise VerificationError(
            "does not follow from the duals of the limits", place="certificate.side.reactive"
        )


def support_of(book: Book, grid: Grid, clearing: Clearing) -> Support:
    """Supporting prices and gap, by the integers and the stored duals, which are checked."""
    c = clearing
    feeder = check_limits(book, grid, c)
    check_side(feeder, c)
    flows = (c.energy_uj, c.flow_uj, c.loss_uj, c.standing_uj)
    duals = duals_of(c.certificate.side)
    return supporting_prices(book, grid, feeder, flows, c.certificate.duals, duals)
