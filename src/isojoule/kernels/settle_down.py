"""The loop around `isojoule.kernels.relaxation`: a few sweeps, a look, and again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.climb import Each, Goal, Reached, look_at, sweepers
from isojoule.kernels.first_order import Mesh, rest_of
from isojoule.kernels.mesh import PARTS
from isojoule.kernels.relaxation import open_up, relax, relax_pieces

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SWEEPS = 3
"""Sweeps before the first look, and between two."""
ROUNDS = 8
"""Looks after which what is left is over too long a distance."""
TOUCH = 1e-4
"""A price that has moved by less than this share of the goal's does not make a node look again."""
FALLEN = 0.7
"""A round that leaves more of the gap than this is the last."""


def settle_down(mesh: Mesh, flow: Floats, x: Floats, goal: Goal, threads: int = 0) -> Reached:
    """Relax from these flows until the goal is reached, or as long as that helps.

    Parameters
    ----------
    mesh, flow, x, goal, threads
        As in `isojoule.kernels.climb.climb`.
    """
    now, own = flow.copy(), x.copy()
    nodes = mesh.main.size
    over, lam, slope = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
    for p in range(PARTS + 1):
        rest_of(mesh, now, own, p, over)
    open_up(mesh, over, lam, slope)
    touched = np.ones(nodes, bool)
    least = TOUCH * goal.share**0.5
    done = 0
    with sweepers(mesh, threads) as each:
        before = math.inf
        for _ in range(ROUNDS):
            for _ in range(SWEEPS):
                relax_pieces(mesh, own, over, lam, slope, touched)
                last, touched = touched, np.zeros(nodes, bool)
                _sweep(mesh, now, over, lam, slope, last, touched, least, each)
                done += 1
                if not touched.any():
                    break
            look = look_at(mesh, now, own, goal, each)
            worst = look.gap + look.off
            if goal.reached(look) or not worst <= FALLEN * before:
                break
            before = worst
    return Reached(look.x, now, look.lam, done, look.welfare, look.gap, look.off, 0.0)


def _sweep(
    mesh: Mesh, flow: Floats, over: Floats, lam: Floats, slope: Floats, before: Bools,
    touched: Bools, least: float, each: Each,
) -> None:  # fmt: skip
    def one(part: int) -> None:
        relax(mesh, flow, over, lam, slope, before, touched, least, part)

    each(one)
    one(PARTS)
