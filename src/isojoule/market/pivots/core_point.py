"""The point of the core that leaves bidders most, and of these the one nearest to VCG.

Bidders gain u, and a coalition S of them no more than what all lose without it:

    sum of u over S  <=  d(S) = W*(N) - W*(N without S),   u >= 0.

So no coalition of the others with the auctioneer could do better among themselves: nobody blocks.
Of these points those of the greatest sum are taken (the least revenue), and of these the one
nearest, by the sum of squares, to the VCG gains d({i}) (Day, Cramton 2012, Oper. Res. 60:588,
https://doi.org/10.1287/opre.1110.1024).

The sum is a linear program (HiGHS). The nearest point is Lawson and Hanson's least distance program
(1974, Solving Least Squares Problems, ch. 23), by nonnegative least squares; what binds there is
then solved for once more, so that whole amounts come out whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

from isojoule.core.errors import InvariantError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROOM = 1e-11
"""Share of the largest gain by which the sum may fall short of the greatest."""
LOOSE = 1e-9
"""Share by which a limit may be passed."""


def nearest_core(vcg: Floats, coalitions: Bools, limit: Floats) -> Floats:
    """What bidders gain, shape (bidders,).

    Parameters
    ----------
    vcg
        What each gains by VCG: its own limit, 0 or more.
    coalitions, limit
        Who is in each coalition, and what these gain together at most; (rows, bidders), (rows,).
    """
    scale = float(np.max(vcg, initial=0.0))
    if scale <= 0.0 or not coalitions.size:
        return np.maximum(vcg, 0.0)
    ideal = np.maximum(vcg, 0.0) / scale
    most = np.maximum(limit, 0.0) / scale
    member = coalitions.astype(np.float64)
    total = _greatest_sum(ideal, member, most)
    count = ideal.size
    every = np.ones((1, count))
    # rows of G y >= h for y = u - ideal
    g = np.vstack([-member, np.eye(count), -np.eye(count), every])
    h = np.concatenate([member @ ideal - most, -ideal, np.zeros(count), [total - ideal.sum()]])
    eased = h.copy()
    eased[-1] -= ROOM * max(1.0, total)
    y = _least_distance(g, h, eased)
    return scale * np.clip(ideal + y, 0.0, ideal)


def _greatest_sum(ideal: Floats, member: Floats, most: Floats) -> float:
    bounds = np.column_stack([np.zeros(ideal.size), ideal])
    found = linprog(-np.ones(ideal.size), A_ub=member, b_ub=most, bounds=bounds, method="highs")
    if found.status:
        raise InvariantError(f"no point of the core was found: {found.message}")
    return -float(found.fun)


def _least_distance(g: Floats, h: Floats, eased: Floats) -> Floats:
    """The shortest y with g y >= eased; where the same rows bind at h, that one."""
    count = g.shape[1]
    lift = np.zeros(count + 1)
    lift[-1] = 1.0
    z, _ = nnls(np.vstack([g.T, eased]), lift, maxiter=100 * g.shape[0])
    rest = np.vstack([g.T, eased]) @ z - lift
    if not rest[-1] < 0.0:
        raise InvariantError("the core has no nearest point")
    y: Floats = -rest[:-1] / rest[-1]
    binds = z > 0.0
    if not binds.any():
        return y
    exact: Floats = np.linalg.lstsq(g[binds], h[binds], rcond=None)[0]
    near = np.max(np.abs(exact - y)) <= 1e-6 and np.all(g @ exact >= h - LOOSE)
    return exact if near else y
