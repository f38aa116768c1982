"""Cooperative games: what every coalition is worth, and what that says of shares.

A game of n players is an array of 2**n numbers. Bit i of the index says whether player i is in
the coalition, so entry 0 is the empty coalition, which is worth 0, and the last one is everybody.
Worths are floats in whatever unit the caller has; allocations are in the same one.

Everything here looks at all coalitions, so it is for up to some 20 players; `permutations` samples
more. The nucleolus and the least core, which need linear programs, are in `nucleolus`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]


class CoreAnswer(NamedTuple):
    """Whether an allocation is in the core, and who objects most.

    Attributes
    ----------
    inside
        It shares out just what everybody is worth, and no coalition gets less than it is worth.
    excess
        The most that a coalition is worth above what it gets; -inf for one player, who has nobody
        to form another coalition with.
    coalition
        The coalition of that excess, as a bit mask; the lowest one where several tie; 0 if none.
    left_over
        What everybody is worth less what is shared out.
    """

    inside: bool
    excess: float
    coalition: int
    left_over: float


class Worst(NamedTuple):
    """By how much a property fails at most, and where.

    Attributes
    ----------
    gap
        Above 0: the property fails by so much. 0 or below: it holds. -inf: nothing to compare.
    first, second
        The two coalitions, as bit masks.
    """

    gap: float
    first: int
    second: int


def players_of(value: Floats) -> int:
    """The number of players of a game.

    Raises
    ------
    ValueError
        The array is not one of 2**n values, n at least 1.
    """
    n = max(value.size.bit_length() - 1, 1)
    if value.ndim != 1 or value.size != 1 << n:
        raise ValueError(
            f"a game has 2**n values in one row, n from 1, not the shape {value.shape}"
        )
    return n


@kernel
def sums(each: Floats) -> Floats:
    """What each coalition has together, (2**n,), of what each player has, (n,)."""
    out = np.zeros(1 << each.size)
    for i in range(each.size):
        half = 1 << i
        for s in range(half):
            out[half + s] = out[s] + each[i]
    return out


@kernel
def _shapley(value: Floats, n: int) -> Floats:
    by_size = np.zeros((n, n))
    for s in range(value.size):
        size = 0
        rest = s
        while rest:
            rest &= rest - 1
            size += 1
        for i in range(n):
            if not (s >> i) & 1:
                by_size[i, size] += value[s | (1 << i)] - value[s]
    out = np.zeros(n)
    for i in range(n):
        many = 1.0  # coalitions of this size without i
        for size in range(n):
            out[i] += by_size[i, size] / many
            many = many * (n - 1 - size) / (size + 1)
        out[i] /= n
    return out


def shapley(value: Floats) -> Floats:
    """The Shapley value: what a player adds, on average over all orders of coming.

    Players are told apart by the size of what they find: the mean of what i adds to coalitions of
    one size, averaged over the sizes. O(n 2**n).

    Parameters
    ----------
    value
        (2**n,).

    Returns
    -------
    (n,), which sums to the worth of everybody.

    References
    ----------
    Shapley 1953, A value for n-person games, Contributions to the Theory of Games 2:307-317,
    https://doi.org/10.1515/9781400881970-018.

    Examples
    --------
    Two hold a left glove, the player between them a right one, and a pair is worth 1.

    >>> shapley(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0])).round(6)
    array([0.166667, 0.666667, 0.166667])
    """
    return _shapley(np.ascontiguousarray(value, np.float64), players_of(value))


def core_answer(value: Floats, allocation: Floats, tolerance: float = 0.0) -> CoreAnswer:
    """Whether an allocation is in the core, and the most violated coalition.

    Parameters
    ----------
    value, allocation
        (2**n,) and (n,).
    tolerance
        An excess, or something left over, of no more than this is forgiven.

    References
    ----------
    Gillies 1959, Solutions to general non-zero-sum games, Contributions to the Theory of Games
    4:47-85, https://doi.org/10.1515/9781400882168-005.
    """
    players_of(value)
    excess = value - sums(np.ascontiguousarray(allocation, np.float64))
    left_over = float(excess[-1])
    worst, coalition = -np.inf, 0
    if value.size > 2:
        coalition = 1 + int(np.argmax(excess[1:-1]))
        worst = float(excess[coalition])
    inside = abs(left_over) <= tolerance and worst <= tolerance
    return CoreAnswer(inside, worst, coalition, left_over)


@kernel
def _superadditive(value: Floats) -> tuple[float, int, int]:
    gap, first, second = -np.inf, 0, 0
    for union in range(value.size):
        top = union & -union  # the part that holds the lowest player; the other is what is left
        others = union ^ top
        part = others
        while part:
            part = (part - 1) & others  # all true subsets, so that nobody's part is empty
            mine = top | part
            here = value[mine] + value[union ^ mine] - value[union]
            if here > gap:
                gap, first, second = here, mine, union ^ mine
    return gap, first, second


def superadditive(value: Floats) -> Worst:
    """By how much two coalitions without a common player are at most worth more apart. O(3**n)."""
    players_of(value)
    gap, first, second = _superadditive(np.ascontiguousarray(value, np.float64))
    return Worst(float(gap), int(first), int(second))


@kernel
def _convex(value: Floats, n: int) -> tuple[float, int, int]:
    gap, first, second = -np.inf, 0, 0
    for s in range(value.size):
        for i in range(n):
            one = 1 << i
            if s & one:
                continue
            for j in range(i + 1, n):
                two = 1 << j
                if s & two:
                    continue
                here = value[s | one] + value[s | two] - value[s | one | two] - value[s]
                if here > gap:
                    gap, first, second = here, s | one, s | two
    return gap, first, second


def convex(value: Floats) -> Worst:
    """By how much a player adds at most less to a larger coalition than to a smaller. O(n**2 2**n).

    It is enough to look at two coalitions that differ by one player each.

    References
    ----------
    Shapley 1971, Cores of convex games, International Journal of Game Theory 1:11-26,
    https://doi.org/10.1007/BF01753431.
    """
    n = players_of(value)
    gap, first, second = _convex(np.ascontiguousarray(value, np.float64), n)
    return Worst(float(gap), int(first), int(second))
