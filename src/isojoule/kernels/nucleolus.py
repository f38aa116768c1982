"""The nucleolus and the least core of cooperative games, by linear programs.

The nucleolus makes the coalition that fares worst fare as well as can be; among the allocations
that do so it makes the next one fare as well as can be; and so on. So it is one point, in the core
where there is one.

How it is found: each program raises the least of what coalitions get above their worth. Its dual
names coalitions whose share is the same in every optimum; they are settled there, and with them all
that are sums and differences of settled ones. So each program settles at least one more dimension,
and at most n - 1 are solved. Whether a coalition is such a combination is decided in whole numbers
modulo a prime, without an error: minors of 0-1 matrices of 20 columns are smaller than it. In the
end the equations that are left are solved once more as a whole, so that errors of the programs do
not add up.

References
----------
Schmeidler 1969, The nucleolus of a characteristic function game, SIAM Journal on Applied
Mathematics 17:1163-1170, https://doi.org/10.1137/0117107.
Maschler, Peleg, Shapley 1979, Geometric properties of the kernel, nucleolus, and related solution
concepts, Mathematics of Operations Research 4:303-338, https://doi.org/10.1287/moor.4.4.303.
Benedek, Fliege, Nguyen 2021, Finding and verifying the nucleolus of cooperative games, Mathematical
Programming 190:135-170, https://doi.org/10.1007/s10107-020-01527-9 (settling by duals).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.coalitions import players_of, sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIME = 2**31 - 1
MOST_PLAYERS = 20
"""Minors of 0-1 matrices with 20 columns are at most 21**10.5 / 2**20, which is below `PRIME`."""
HELD = 1e-7
"""Duals above this hold their coalition; they sum to 1, and few are not 0."""
SAME = 1e-12
"""Worths are known to this part of the largest."""
AT_ONCE = 64
"""Coalitions that a program begins with, and that join it at a time."""
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class LeastCore(NamedTuple):
    """The least that every coalition must forgo.

    Attributes
    ----------
    excess
        The largest worth of a coalition above what it gets, as small as it can be; above 0: the
        core is empty. -inf for one player.
    allocation
        (n,), one that reaches it.
    """

    excess: float
    allocation: Floats


def least_core(value: Floats) -> LeastCore:
    """The allocation of what everybody is worth whose worst coalition fares best.

    Parameters
    ----------
    value
        (2**n,), n at most 20.

    References
    ----------
    Maschler, Peleg, Shapley 1979, as above.
    """
    n = players_of(value)
    if n == 1:
        return LeastCore(-np.inf, np.array([value[-1]], np.float64))
    own, scale, game = _plain(value, n)
    if scale == 0.0:
        share = own + (value[-1] - own.sum()) / n
        return LeastCore(float((value - sums(share))[1:-1].max()), share)
    rows = _rows(n)
    step = _raised(game, rows, np.arange(1, game.size - 1), [rows[-1]], [game[-1]], rational=False)
    share = own + step.shares * scale
    return LeastCore(float((value - sums(share))[1:-1].max()), share)


def nucleolus(value: Floats, *, rational: bool = True) -> Floats:
    """The nucleolus.

    Parameters
    ----------
    value
        (2**n,), n at most 20; up to 12 or so in a second.
    rational
        Nobody gets less than alone. False: the prenucleolus, which does not ask for that; for
        superadditive games the two are one.

    Returns
    -------
    (n,), which sums to the worth of everybody.

    Raises
    ------
    ValueError
        `rational`, and all are worth more alone than together: there is nothing to choose from.

    Examples
    --------
    The middle one of three holds the only right glove.

    >>> nucleolus(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0])).round(6) + 0.0
    array([0., 1., 0.])
    """
    n = players_of(value)
    own, scale, game = _plain(value, n)
    over = value[-1] - own.sum()
    if rational and over < -SAME * np.abs(value).max():
        raise ValueError("the players are worth more alone than together")
    if n == 1 or scale == 0.0 or (rational and over <= SAME * np.abs(value).max()):
        alone: Floats = own + over / n
        return alone
    rows = _rows(n)
    span = _Span(n)
    span.add(rows[-1])
    fixed, worth = [rows[-1]], [float(game[-1])]
    open_ = np.arange(1, game.size - 1)
    equations = [(rows[-1], -1, float(game[-1]))]
    level = 0
    while span.rank < n:
        step = _raised(game, rows, open_, fixed, worth, rational)
        for s in step.held:
            equations.append((rows[s], level, float(game[s])))
            if span.add(rows[s]):
                fixed.append(rows[s])
                worth.append(float(game[s]) + step.least)
        for i in step.at_bound:
            equations.append((rows[1 << i], -1, 0.0))
            if span.add(rows[1 << i]):
                fixed.append(rows[1 << i])
                worth.append(0.0)
        open_ = open_[~span.holds(rows[open_])]
        level += 1
    return own + _solved(equations, n, level) * scale


class _Step(NamedTuple):
    least: float
    shares: Floats
    held: Ints
    at_bound: Ints


def _plain(value: Floats, n: int) -> tuple[Floats, float, Floats]:
    """What each is worth alone, the size of the rest, and the rest of that size: about 1.

    Nucleolus and least core follow such a change, but programs solve best what is about 1 in size.
    """
    own = np.array([value[1 << i] for i in range(n)], np.float64)
    rest = value - sums(own)
    rest[1 << np.arange(n)] = 0.0
    scale = float(np.abs(rest).max())
    return own, scale, rest / scale if scale > 0.0 else rest


def _rows(n: int) -> Ints:
    """Who is in each coalition, (2**n, n), 0 or 1."""
    if n > MOST_PLAYERS:
        raise ValueError(f"at most {MOST_PLAYERS} players, not {n}")
    rows: Ints = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    return rows


def _raised(game: Floats, rows: Ints, open_: Ints, fixed: list[Ints], worth: list[float],
            rational: bool) -> _Step:  # fmt: skip
    """Raise the least that open coalitions get above their worth, and name what holds it there.

    Few coalitions hold, so the program begins with some and takes in those that it forgot.
    """
    from scipy.optimize import linprog  # loads slowly, and only some rules need it

    n = rows.shape[1]
    cost = np.append(np.zeros(n), -1.0)
    equal = np.hstack([np.array(fixed, np.float64), np.zeros((len(fixed), 1))])
    bounds = [(0.0 if rational else None, None)] * n + [(None, None)]
    whole = rows[open_]
    inside = np.zeros(open_.size, bool)
    inside[np.argsort(-game[open_] / whole.sum(axis=1), kind="stable")[:AT_ONCE]] = True
    inside |= (whole.sum(axis=1) == 1) | (whole.sum(axis=1) == n - 1)
    while True:
        some = open_[inside]
        above = np.hstack([-rows[some].astype(np.float64), np.ones((some.size, 1))])
        found = linprog(
            cost, above, -game[some], equal, np.array(worth), bounds, method="highs", options=EXACT
        )
        if found.status != 0:
            raise ArithmeticError(f"the program of a nucleolus was not solved: {found.message}")
        shares, least = found.x[:n], float(found.x[n])
        gain = whole @ shares - game[open_]
        gain[inside] = np.inf
        worse = np.flatnonzero(gain < least - 1e-9)
        if worse.size == 0:
            break
        inside[worse[np.argsort(gain[worse], kind="stable")[:AT_ONCE]]] = True
    held = some[-found.ineqlin.marginals > HELD]
    at_bound = np.flatnonzero(found.lower.marginals[:n] > HELD)
    return _Step(least, shares, held, at_bound)


@dataclass
class _Span:
    """What is a combination of the rows added so far; in whole numbers modulo a prime."""

    n: int

    def __post_init__(self) -> None:
        self.reduced = np.zeros((0, self.n), np.int64)
        self.pivots: list[int] = []

    @property
    def rank(self) -> int:
        return len(self.pivots)

    def _rest(self, rows: Ints) -> Ints:
        rest: Ints = (rows - rows[:, self.pivots] @ self.reduced) % PRIME
        return rest

    def holds(self, rows: Ints) -> NDArray[np.bool_]:
        """Which rows of 0 and 1, (many, n), are combinations."""
        return np.asarray(~self._rest(rows).any(axis=1), np.bool_)

    def add(self, row: Ints) -> bool:
        """Take in a row; False if it was a combination already."""
        rest = self._rest(row[None])[0]
        if not rest.any():
            return False
        pivot = int(np.flatnonzero(rest)[0])
        rest = rest * pow(int(rest[pivot]), -1, PRIME) % PRIME
        cleared = (self.reduced - self.reduced[:, [pivot]] * rest) % PRIME
        self.reduced = np.vstack([cleared, rest])
        self.pivots.append(pivot)
        return True


def _solved(equations: list[tuple[Ints, int, float]], n: int, levels: int) -> Floats:
    """The shares and levels that the equations say; there are more of them than needed."""
    left = np.zeros((len(equations), n + levels))
    right = np.empty(len(equations))
    for k, (row, level, worth) in enumerate(equations):
        left[k, :n] = row
        right[k] = worth
        if level >= 0:
            left[k, n + level] = -1.0
    return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0][:n], np.float64)
