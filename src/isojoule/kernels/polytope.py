"""Values that linear conditions allow: the least, the greatest, and the ones nearest to targets.

Values v = base + rows @ p of a few parameters p are bounded from below and above; some of the
parameters are bounded, too. The set is a polytope, often a point or a segment, both of which are
found without a search. Else each end is a small linear program (HiGHS), and the nearest point a
least-distance program by nonnegative least squares (Lawson, Hanson 1974, Solving Least Squares
Problems, ch. 23, doi 10.1137/1.9781611971217).

Bounds that agree or cross by no more than `TIGHT` are one value, which is met by least squares:
what stands at several margins at once has them apart by its last digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIGHT = 1e-9
RANK = 1e-10
"""Singular values below this share of the largest count as 0."""
NEVER = 1e-12
"""A direction that moves a value by less than this does not move it."""
PULL = 1e-3
"""Weight with which parameters are kept near 0, and then, in `ROUNDS`, where they were: what moves
no value stays near 0, and what does is not held back in the end."""
ROUNDS = 30


class Ends(NamedTuple):
    """What the conditions leave.

    Attributes
    ----------
    lowest, highest
        Least and greatest of each value; -inf and inf where nothing bounds.
    nearest, parameters
        The values nearest to the middle of each (its finite end, if there is one alone) and
        their parameters.
    """

    lowest: Floats
    highest: Floats
    nearest: Floats
    parameters: Floats


def ends(rows: Floats, low: Floats, high: Floats, least: Floats, most: Floats) -> Ends:
    """What values rows @ p may take within their bounds and those of the parameters.

    Parameters
    ----------
    rows
        Shape (values, parameters), entries of about 1.
    low, high
        Bounds of the values, about 1 in size; -inf and inf where there are none.
    least, most
        Bounds of the parameters.
    """
    count = rows.shape[1]
    tight = high - low <= TIGHT
    target = 0.5 * (low[tight] + high[tight])
    p, free = _solve(rows[tight], target, count)
    base, moves = rows @ p, rows @ free
    moves[np.abs(moves) < NEVER] = 0.0
    if free.shape[1] == 0:
        return Ends(base, base, base, p)
    both = [(moves[~tight], high[~tight] - base[~tight]), (free, most - p)]
    both += [(-moves[~tight], base[~tight] - low[~tight]), (-free, p - least)]
    a = np.vstack([side for side, _ in both])
    h = np.concatenate([room for _, room in both])
    some = np.isfinite(h) & np.any(np.abs(a) > NEVER, axis=1)
    a, h = a[some], h[some]
    size = np.sqrt(np.sum(a * a, axis=1))
    a, h = a / size[:, None], h / size
    found = _segment if free.shape[1] == 1 else _search
    lowest, highest, z = found(moves, a, h)
    return Ends(base + lowest, base + highest, base + moves @ z, p + free @ z)


def middle(lowest: Floats, highest: Floats) -> Floats:
    """The midpoint, or the finite end, or nan."""
    with np.errstate(invalid="ignore"):
        out = 0.5 * (lowest + highest)
    out = np.where(np.isfinite(lowest), out, highest)
    out = np.where(np.isfinite(highest), out, lowest)
    return np.where(np.isfinite(out), out, np.nan)


def _solve(rows: Floats, target: Floats, count: int) -> tuple[Floats, Floats]:
    """A solution of rows @ p = target by least squares, and what may be added to it."""
    if not rows.size:
        return np.zeros(count), np.eye(count)
    u, s, vt = np.linalg.svd(rows, full_matrices=True)
    rank = int(np.sum(s > RANK * s[0]))
    p: Floats = vt[:rank].T @ ((u[:, :rank].T @ target) / s[:rank])
    return p, vt[rank:].T


def _segment(moves: Floats, a: Floats, h: Floats) -> tuple[Floats, Floats, Floats]:
    """Ends and nearest point where one number z is free, a z <= h."""
    a = a[:, 0]
    top = float(np.min(h[a > 0] / a[a > 0], initial=np.inf))
    bottom = float(np.max(h[a < 0] / a[a < 0], initial=-np.inf))
    if bottom > top:  # by their last digits
        top = bottom = 0.5 * (bottom + top)
    at = middle(np.array([bottom]), np.array([top]))
    move = moves[:, 0]
    if not np.any(move):
        at = np.clip(np.zeros(1), bottom, top)
    with np.errstate(invalid="ignore"):
        one, other = move * bottom, move * top
    one, other = np.where(move == 0, 0.0, one), np.where(move == 0, 0.0, other)
    return np.minimum(one, other), np.maximum(one, other), np.nan_to_num(at)


def _search(moves: Floats, a: Floats, h: Floats) -> tuple[Floats, Floats, Floats]:
    """The same for several numbers."""
    from scipy.optimize import linprog

    values, size = moves.shape
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}

    def least(cost: Floats, matrix: Floats) -> tuple[float, Floats | None]:
        out = linprog(cost, matrix, h, bounds=(None, None), method="highs", options=options)
        if out.status == 0:
            return float(out.fun), out.x
        return -np.inf, None

    # bounds may miss each other by their last digits: by how much?
    slack = np.hstack([a, -np.ones((a.shape[0], 1))])
    slack = np.vstack([slack, np.append(np.zeros(size), -1.0)[None]])
    h = np.append(h, 0.0)
    miss, _ = least(np.append(np.zeros(size), 1.0), slack)
    h = h[:-1] + (max(miss, 0.0) * (1.0 + 1e-9) + 1e-13 if np.isfinite(miss) else 0.0)

    lowest, highest = np.zeros(values), np.zeros(values)
    known: dict[bytes, tuple[float, float]] = {}
    for i in range(values):
        if not np.any(moves[i]):
            continue
        key = moves[i].tobytes()
        if key not in known:
            known[key] = least(moves[i], a)[0], -least(-moves[i], a)[0]
        lowest[i], highest[i] = known[key]
        if lowest[i] > highest[i]:
            lowest[i] = highest[i] = 0.5 * (lowest[i] + highest[i])
    target = middle(lowest, highest)
    aimed = np.isfinite(target) & np.any(moves != 0, axis=1)
    return lowest, highest, _nearest(moves[aimed], target[aimed], a, h)


def _nearest(rows: Floats, target: Floats, a: Floats, h: Floats) -> Floats:
    """The z with a z <= h for which rows @ z is nearest to the target."""
    from scipy.optimize import nnls

    size = a.shape[1]
    q, r = np.linalg.qr(np.vstack([rows, PULL * np.eye(size)]))
    g = -np.linalg.solve(r.T, a.T).T  # a z <= h is g y >= g0 with y = r z - aim
    z = np.zeros(size)
    for _ in range(ROUNDS):
        aim = q.T @ np.append(target, PULL * z)
        best: Floats = np.linalg.solve(r, aim)
        if a.size and np.any(a @ best > h):
            e = np.vstack([g.T, -h - g @ aim])
            one = np.append(np.zeros(size), 1.0)
            u, _ = nnls(e, one, maxiter=100 * (size + h.size))
            rest = e @ u - one
            best = np.linalg.solve(r, aim - rest[:size] / rest[size])
        moved, z = float(np.max(np.abs(best - z))), best
        if moved <= NEVER * float(np.max(np.abs(z))):
            break
    return z
