"""The Shapley value of games with many players, from orders drawn by recorded seeds.

An order in which players come is made of a 64-bit seed alone: splitmix64 counts through the
numbers, and a shuffle (Fisher and Yates) takes them, each bounded without bias by leaving out the
first 2**64 mod bound of them. So the same seed is the same order on every machine.

Each seed gives a pair, the order and its reverse. Who comes late in one comes early in the other,
so the mean of the two varies less; pairs are independent, and the standard error is that of their
means.

References
----------
Castro, Gomez, Tejada 2009, Polynomial calculation of the Shapley value based on sampling, Computers
and Operations Research 36:1726-1730, https://doi.org/10.1016/j.cor.2008.04.004.
Mitchell, Cooper, Frank, Holmes 2022, Sampling permutations for Shapley value estimation, Journal of
Machine Learning Research 23(43) (reversed orders), https://arxiv.org/abs/2104.12199.
Steele, Lea, Flood 2014, Fast splittable pseudorandom number generators, OOPSLA (splitmix64),
https://doi.org/10.1145/2660193.2660195.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Seeds = NDArray[np.uint64]

STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
BY_30, BY_27, BY_31 = np.uint64(30), np.uint64(27), np.uint64(31)


class Sampled(NamedTuple):
    """A mean over orders, and how far off it may be.

    Attributes
    ----------
    value
        (n,) estimate of the Shapley value. It sums to the worth of everybody, whatever the orders.
    error
        (n,) standard error of each.
    """

    value: Floats
    error: Floats


@inline
def _mixed(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> BY_30)) * FIRST
    z = (z ^ (z >> BY_27)) * SECOND
    return z ^ (z >> BY_31)


@kernel
def numbers(seed: np.uint64, count: int) -> Seeds:
    """The first numbers of splitmix64 for a seed."""
    out = np.empty(count, np.uint64)
    at = np.uint64(seed)
    for k in range(count):
        at += STEP
        out[k] = _mixed(at)
    return out


@kernel
def order_of(seed: np.uint64, players: int) -> Ints:
    """The order that a seed stands for: (players,), a permutation, all equally likely."""
    order = np.arange(players)
    at = np.uint64(seed)
    for last in range(players - 1, 0, -1):
        bound = np.uint64(last + 1)
        unfair = (~bound + np.uint64(1)) % bound  # 2**64 mod bound
        while True:
            at += STEP
            draw = _mixed(at)
            if draw >= unfair:
                break
        other = np.int64(draw % bound)
        order[last], order[other] = order[other], order[last]
    return order


def sampled_shapley(seeds: Seeds, players: int, adds: Callable[[Ints], Floats]) -> Sampled:
    """The Shapley value from a pair of orders a seed.

    Parameters
    ----------
    seeds
        (pairs,), at least 2, distinct.
    players
        How many.
    adds
        Given an order (n,), what each player (by its number, not its place) adds to those who come
        before it, (n,).

    Raises
    ------
    ValueError
        Fewer than 2 seeds: one pair alone says nothing of the error.
    """
    if seeds.size < 2:
        raise ValueError("a standard error needs 2 pairs of orders")
    mean = np.zeros(players)
    squares = np.zeros(players)
    for k, seed in enumerate(seeds.astype(np.uint64)):
        order = order_of(seed, players)
        pair = 0.5 * (adds(order) + adds(np.ascontiguousarray(order[::-1])))
        off = pair - mean  # Welford 1962, https://doi.org/10.1080/00401706.1962.10490022
        mean += off / (k + 1)
        squares += off * (pair - mean)
    return Sampled(mean, np.sqrt(squares / (seeds.size - 1) / seeds.size))
