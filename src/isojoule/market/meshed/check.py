"""The check of a clearing on `dc`, from book, grid and clearing alone.

Beside what holds on every network (bounds, limits, balance): flows are the linear power flow of
what is fed in, the prices are the ones that the rule takes from all that support the allocation,
and they and the duals of the links close the gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, NotLinear, linear_flow_of
from isojoule.market.allocation import Support
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.meshed.prices import SIDE, Proof, proof_of

Floats = NDArray[np.float64]

MARGIN = 1e-9
"""As in `isojoule.market.verify`."""
ASTRAY_UJ = 2.0
"""A flow is the power flow's if it is off by no more, microjoules, plus 1e-12 of the largest."""


def check_flows(book: Book, grid: Grid, clearing: Clearing) -> LinearFlow:
    """Check that the flows are the linear power flow of what is fed in; the power flow."""
    linear = linear_flow_of(grid, book.interval.duration_s)
    if isinstance(linear, NotLinear):
        raise VerificationError(linear.reason, place="grid")
    flow = clearing.flow_uj[linear.live].astype(np.float64)
    off = np.abs(linear.astray(flow))
    wrong = off > ASTRAY_UJ + 1e-12 * float(np.max(np.abs(flow), initial=0.0))
    if wrong.any():
        worst = int(np.argmax(off))
        raise VerificationError(
            f"carries {off[worst]:.6g} uJ else than the power flow of what is fed in",
            place=f"link {grid.link_ids[int(linear.live[worst])]!r}",
        )
    return linear


def support_of(book: Book, grid: Grid, clearing: Clearing) -> Support:
    """Supporting prices and gap, by the integers and the stored duals; checks the prices."""
    linear = check_flows(book, grid, clearing)
    cert = clearing.certificate
    dual = _side(linear, grid, cert.side)
    proof = Proof(cert.duals, dual)
    found = proof_of(book, linear, clearing.energy_uj, clearing.flow_uj, proof)
    price, own = found.support.price, found.own
    scale = float(np.max(np.abs([*own.price, *own.link]), initial=0.0))
    same = np.isnan(price) & np.isnan(clearing.price_per_j)
    with np.errstate(invalid="ignore"):
        same |= np.abs(price - clearing.price_per_j) <= MARGIN * scale
    if not same.all():
        at = int(np.flatnonzero(~same)[0])
        raise VerificationError(
            "has a price that the rule does not take from all that support the allocation",
            place=f"node {grid.node_ids[at]!r}",
        )
    if np.all(np.abs(cert.duals - own.price) <= MARGIN * scale):
        wrong = np.abs(dual - own.link) > MARGIN * scale
        if wrong.any():
            at = int(linear.live[int(np.flatnonzero(wrong)[0])])
            raise VerificationError(
                "has a dual that does not follow from the prices",
                place=f"certificate.side.{SIDE}: link {grid.link_ids[at]!r}",
            )
    return found.support


def _side(linear: LinearFlow, grid: Grid, side: dict[str, Floats]) -> Floats:
    """The duals of live links; those of open links are 0."""
    if set(side) != {SIDE}:
        raise VerificationError(f"has not {SIDE} alone", place="certificate.side")
    dual = side[SIDE]
    if dual.shape != (grid.link_count,) or not np.all(np.isfinite(dual)):
        raise VerificationError(
            f"has not {grid.link_count} finite entries", place=f"certificate.side.{SIDE}"
        )
    shut = np.ones(grid.link_count, bool)
    shut[linear.live] = False
    if np.any(dual[shut] != 0):
        raise VerificationError("an open link has a dual", place=f"certificate.side.{SIDE}")
    return dual[linear.live]
