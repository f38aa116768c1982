"""The check of what the baselines tell beside energies and payments: they prove no optimum.

Their certificate says so: the bound is the welfare, and prices are what meters pay.
"""

from __future__ import annotations

import numpy as np

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.market.contract import Clearing

MARGIN = 1e-9
"""As in `isojoule.market.verify`."""


def check_unproved(grid: Grid, clearing: Clearing, again: Clearing) -> None:
    """Check prices, welfare, certificate and state of a baseline.

    Parameters
    ----------
    again
        What should stand.

    Raises
    ------
    VerificationError
        At the first thing that is something else.
    """
    c, cert = clearing, clearing.certificate
    if not abs(c.welfare - again.welfare) <= MARGIN * abs(again.welfare) + 1e-12:
        raise VerificationError(f"is {c.welfare!r}, not {again.welfare!r}", place="welfare")
    for place, stored, true in (
        ("prices", c.price_per_j, again.price_per_j),
        ("certificate.duals", cert.duals, again.certificate.duals),
        ("certificate.lowest", cert.lowest, again.certificate.lowest),
        ("certificate.highest", cert.highest, again.certificate.highest),
    ):
        other = (stored != true) & ~(np.isnan(stored) & np.isnan(true))
        if other.any():
            name = grid.node_ids[int(np.flatnonzero(other)[0])]
            at = f"node {name!r}" if place == "prices" else f"{place}: node {name!r}"
            raise VerificationError("has another price than its meter pays", place=at)
    if cert.gap != 0 or cert.welfare_bound != c.welfare:
        raise VerificationError("proves no more than the welfare", place="certificate")
    if c.state:
        raise VerificationError("leaves none", place="state")
    if cert.leaves:
        raise VerificationError("there is nothing to choose", place="certificate.leaves")
