"""Payments on `dc`: price times energy, and what full links earn.

What all offers pay less what they get is the sum over the full links of dual times flow: the
congestion rent. A link may earn though its ends are at one price, and a link between two prices may
earn nothing: what is scarce is the full link, and prices differ everywhere around it. The rent is
the owner's, or a line `congestion_rent.<link>` of the operator. Spec: docs/spec/grid.md,
G14.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.names import not_empty
from isojoule.grid import Grid
from isojoule.kernels.money import payments
from isojoule.market.book import Book
from isojoule.market.meshed.prices import SIDE
from isojoule.market.settle import Flows, Paid

Floats = NDArray[np.float64]


def row_payments(
    book: Book, grid: Grid, flows: Flows, price: Floats, side: dict[str, Floats]
) -> Paid:
    """Everyone pays price times energy; owners of links and the operator get the rents.

    Parameters
    ----------
    price
        Per node, money per J.
    side
        Of the certificate: the duals of the links' limits.
    """
    offers = payments(price[book.offer_node], flows.energy_uj)
    owned = not_empty(grid.owner)
    rent = payments(-side[SIDE], flows.flow_uj)  # as if each were paid to an owner
    links = np.where(owned, rent, 0)
    surplus = int(offers.sum()) + int(links.sum())
    lines = {
        f"congestion_rent.{grid.link_ids[e]}": -int(rent[e])
        for e in np.flatnonzero(~owned & (rent != 0)).tolist()
    }
    lines["rounding"] = surplus - sum(lines.values())
    return Paid(offers, links, lines)
