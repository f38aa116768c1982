"""Restarted primal-dual steps for concave flow on a graph.

The program is that of `isojoule.kernels.interior_point`. Written as a saddle point, quantities y
(pieces and arcs) climb at given prices, and prices fall where there is too much:

    y' = argmax  U(y') + prices * (what y' brings to the nodes) - |y' - y|**2 / (2 tau)
    lam' = lam - sigma * (2 surplus(y') - surplus(y))

Each quantity is solved by itself, so walls, kinks, flat steps and nodes without storage are
nothing special, and nothing is factored. Steps are scaled per variable by how many meet at its
nodes (Pock, Chambolle 2011, doi 10.1109/ICCV.2011.6126441). Every pair of steps is reflected and
drawn back to the point of the last restart (Halpern's iteration), and restarts where the
fixed-point error has fallen enough; the weight between energy and money follows from what moved
(Lu, Yang 2024, arXiv 2407.16144; Applegate et al. 2021, arXiv 2106.04756). With quadratic losses
what is brought is not linear in y (Valkonen 2014, doi 10.1088/0266-5611/30/5/055012).

It stops on what it can prove: the gap to the bound that its prices give (weak duality), and what
its quantities are off balance, at these prices.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.interior_point import Program
from isojoule.kernels.prices import demand_at, integral_between

Floats = NDArray[np.float64]

ENOUGH = 0.2
"""Share of the error at the last restart at which it restarts."""
FALLEN = 0.8
"""Share at which it restarts where the error rises again."""
LONGEST = 0.36
"""Share of all steps that one stretch lasts at most."""
CHECK_EVERY = 40
"""Steps between two looks at the gap."""
FAR_BELOW = 1e-4
"""A gap below this share of what is asked for ends it, whatever still moves."""


class Reached(NamedTuple):
    """Where an iteration stands.

    Attributes
    ----------
    x, f, price
        Quantities of pieces and arcs, prices of nodes.
    steps
        Steps taken.
    welfare, gap, off
        Welfare, how far from the optimum it is at most, and the imbalances at their prices, money.
    error
        Largest change that one more step would bring, scaled.
    """

    x: Floats
    f: Floats
    price: Floats
    steps: int
    welfare: float
    gap: float
    off: float
    error: float


@inline
def nearest(lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float,
            price: float, at: float, tau: float) -> float:  # fmt: skip
    """The x in [lo, hi] where m(x) - price = (x - at)/tau: the best one that stays near `at`."""
    if b == 0.0 or c1 == 0.0:
        level = a if b == 0.0 else a + b * c0**k
        return min(max(at + tau * (level - price), lo), hi)
    if k == 1.0:
        x = (at + tau * (a + b * c0 - price)) / (1.0 + tau * b * c1)
        return min(max(x, lo), hi)
    low, high = lo, hi
    t = max(c0 - c1 * high, 0.0)
    if high - at <= tau * (a + b * t**k - price):
        return high
    t = max(c0 - c1 * low, 0.0)
    if low - at >= tau * (a + b * t**k - price):
        return low
    x = min(max(at, low), high)
    for _ in range(80):
        t = max(c0 - c1 * x, 1e-300)
        power = b * t**k
        value = x - at - tau * (a + power - price)
        if value > 0.0:
            high = x
        else:
            low = x
        new = x - value / (1.0 + tau * c1 * k * power / t)
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 1e-15 * (abs(new) + abs(x)):
            return float(new)
        x = new
    return x


@inline
def best_flow(gain: float, r: float, price: float, here: float, there: float, lo: float,
              hi: float) -> float:  # fmt: skip
    """The flow in [lo, hi] that earns most between two prices; 0 where none does."""
    slope = gain * there - here - price
    bend = 2.0 * r * there
    if bend > 0.0:
        return min(max(slope / bend, lo), hi)
    if slope > 0.0:
        return hi
    return lo if slope < 0.0 else min(max(0.0, lo), hi)


@kernel
def surplus(program: Program, x: Floats, f: Floats, out: Floats) -> None:
    """What is left over at each node when nothing else happens; fills `out` (nodes,)."""
    out[:] = program.inject
    for i in range(x.size):
        out[program.piece_node[i]] -= x[i]
    for e in range(f.size):
        out[program.arc_tail[e]] -= f[e]
        out[program.arc_head[e]] += (program.gain[e] - program.loss_per_j[e] * f[e]) * f[e]


@kernel
def gap_of(program: Program, x: Floats, f: Floats, price: Floats, over: Floats,
           reach: float) -> tuple[float, float, float]:  # fmt: skip
    """Welfare, gap to the bound of these prices, and imbalances at their prices, money.

    Parameters
    ----------
    over
        Surplus of each node at x and f.
    reach
        Bounds beyond this are cut to it (see `isojoule.market.allocation.reach_of`).
    """
    welfare = 0.0
    gap = 0.0
    for i in range(x.size):
        a, b, c0 = program.a[i], program.b[i], program.c0[i]
        c1, k, lam = program.c1[i], program.k[i], price[program.piece_node[i]]
        lo, hi = max(program.lo[i], -reach), min(program.hi[i], reach)
        welfare += integral_between(a, b, c0, c1, k, 0.0, x[i])
        want = demand_at(lo, hi, a, b, c0, c1, k, lam, x[i])
        term = integral_between(a, b, c0, c1, k, x[i], want) - lam * (want - x[i])
        if not term <= 0.0:  # a nan must show
            gap += term
    for e in range(f.size):
        here, there = price[program.arc_tail[e]], price[program.arc_head[e]]
        gain, r, fee = program.gain[e], program.loss_per_j[e], program.price[e]
        lo, hi = max(program.arc_lo[e], -reach), min(program.arc_hi[e], reach)
        want = best_flow(gain, r, fee, here, there, lo, hi)
        slope = gain * there - here - fee
        term = (want - f[e]) * (slope - r * there * (want + f[e]))
        if not term <= 0.0:
            gap += term
        welfare -= fee * f[e]
    off = 0.0
    for v in range(price.size):
        off += abs(price[v] * over[v])
    return welfare, gap, off


@kernel
def primal_dual(program: Program, x0: Floats, f0: Floats, price0: Floats, reach: float,
                share: float, least: float, calm: float, most: int) -> Reached:  # fmt: skip
    """Solve the program, or come as near as `most` steps lead.

    Parameters
    ----------
    program
        In units in which typical energies and prices are near 1; no pattern is used.
    x0, f0, price0
        Where to begin.
    reach
        As in `gap_of`.
    share, least
        It stops where gap and imbalance are each at most this share of the welfare, or this much
        money if that is more,
    calm
        and one more step changes no quantity and no price by more than this (or gap and imbalance
        are `FAR_BELOW` that).
    most
        Most steps.
    """
    n = program.inject.size
    pieces = x0.size
    arcs = f0.size
    total = pieces + arcs
    y = np.concatenate((x0, f0))
    lam = price0.copy()
    new, new_lam = y.copy(), lam.copy()
    anchor, anchor_lam = y.copy(), lam.copy()
    over, new_over = np.zeros(n), np.zeros(n)
    free = np.zeros(total, np.bool_)
    degree = np.zeros(n)
    for i in range(pieces):
        free[i] = program.hi[i] > program.lo[i]
        if free[i]:
            degree[program.piece_node[i]] += 1.0
    for e in range(arcs):
        free[pieces + e] = program.arc_hi[e] > program.arc_lo[e]
        if free[pieces + e]:
            degree[program.arc_tail[e]] += 1.0
            degree[program.arc_head[e]] += 1.0
    for v in range(n):
        degree[v] = max(degree[v], 1.0)

    weight = 1.0  # prices that count as much as one unit of energy
    first = 0.0
    last = math.inf
    since = 0
    done = 0
    welfare = 0.0
    gap = math.inf
    off = math.inf
    error = math.inf
    best = math.inf
    best_x, best_f, best_lam = x0.copy(), f0.copy(), price0.copy()
    best_welfare, best_gap, best_off, best_error = 0.0, math.inf, math.inf, math.inf
    surplus(program, y[:pieces], y[pieces:], over)
    while done < most:
        done += 1
        new_over[:] = program.inject
        for i in range(pieces):
            v = program.piece_node[i]
            if free[i]:
                new[i] = nearest(
                    program.lo[i], program.hi[i], program.a[i], program.b[i], program.c0[i],
                    program.c1[i], program.k[i], lam[v], y[i], 1.0 / weight,
                )  # fmt: skip
            new_over[v] -= new[i]
        tau = 0.5 / weight
        for e in range(arcs):
            i = pieces + e
            tail, head = program.arc_tail[e], program.arc_head[e]
            gain, r = program.gain[e], program.loss_per_j[e]
            if free[i]:
                slope = gain * lam[head] - lam[tail] - program.price[e]
                want = (y[i] + tau * slope) / (1.0 + 2.0 * r * tau * max(lam[head], 0.0))
                new[i] = min(max(want, program.arc_lo[e]), program.arc_hi[e])
            new_over[tail] -= new[i]
            new_over[head] += (gain - r * new[i]) * new[i]
        moved_y = 0.0
        moved_lam = 0.0
        cross = 0.0
        error = 0.0
        for v in range(n):
            new_lam[v] = lam[v] - weight / degree[v] * (2.0 * new_over[v] - over[v])
            d = new_lam[v] - lam[v]
            moved_lam += d * d * degree[v] / weight
            cross += d * (new_over[v] - over[v])
            if not max(abs(d), abs(new_over[v])) <= error:  # a nan must not pass
                error = max(abs(d), abs(new_over[v]))
        for i in range(total):
            d = new[i] - y[i]
            moved_y += d * d * weight * (1.0 if i < pieces else 2.0)
            if not abs(d) <= error:
                error = abs(d)
        size = math.sqrt(max(moved_y + moved_lam + 2.0 * cross, 0.0))
        if not math.isfinite(size):
            break
        if done % CHECK_EVERY == 0 or size == 0.0:
            welfare, gap, off = gap_of(
                program, new[:pieces], new[pieces:], new_lam, new_over, reach
            )
            bound = max(share * abs(welfare), least)
            if gap + off < best:
                best = gap + off
                best_x[:], best_f[:], best_lam[:] = new[:pieces], new[pieces:], new_lam
                best_welfare, best_gap, best_off, best_error = welfare, gap, off, error
            near = gap <= bound and off <= bound and error <= calm
            if near or gap + off <= FAR_BELOW * bound or size == 0.0:
                break
        if since == 0:
            first = size
            last = math.inf
        restart = (
            (since > 0 and size <= ENOUGH * first)
            or (size <= FALLEN * first and size > last)
            or since >= LONGEST * done + 10
        )
        last = size
        since += 1
        if restart:
            far_y = 0.0
            far_lam = 0.0
            for i in range(total):
                d = new[i] - anchor[i]
                far_y += d * d * (1.0 if i < pieces else 2.0)
                y[i] = anchor[i] = new[i]
            for v in range(n):
                d = new_lam[v] - anchor_lam[v]
                far_lam += d * d * degree[v]
                lam[v] = anchor_lam[v] = new_lam[v]
                over[v] = new_over[v]
            if far_y > 1e-30 and far_lam > 1e-30:
                ratio = math.sqrt(far_lam / far_y)
                weight = math.exp(0.5 * math.log(ratio) + 0.5 * math.log(weight))
            since = 0
            continue
        ahead = since / (since + 1.0)
        for i in range(total):
            if free[i]:
                y[i] = ahead * (2.0 * new[i] - y[i]) + (1.0 - ahead) * anchor[i]
        for v in range(n):
            lam[v] = ahead * (2.0 * new_lam[v] - lam[v]) + (1.0 - ahead) * anchor_lam[v]
        surplus(program, y[:pieces], y[pieces:], over)
    if gap + off <= best:
        return Reached(
            new[:pieces].copy(), new[pieces:].copy(), new_lam.copy(), done, welfare, gap, off, error
        )
    return Reached(best_x, best_f, best_lam, done, best_welfare, best_gap, best_off, best_error)
