"""Relaxation: link by link, what pays is traded, and who is touched by it looks again.

From flows that were good a moment ago this is the shortest way: each link is set to where its two
ends would stop trading (Gauss, Seidel), so what is wrong in one place is mended there, in a few
sweeps. What is wrong over a long distance takes many; that is for `isojoule.kernels.first_order`.

A sweep passes over links at whose ends no price has moved since, so that it costs what has changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import inline, kernel
from isojoule.kernels.first_order import LEAST_T, Mesh

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAP = 1.2
"""Links go so far beyond where their ends would stop: neighbours move, too (over-relaxation)."""


@inline
def _price(lo: float, hi: float, a: float, b: float, c0: float, c1: float, k: float,
           over: float) -> tuple[float, float]:  # fmt: skip
    """Price where a main piece has to take so much, and how fast it falls; straight on outside."""
    x = min(max(over, lo), hi)
    t = c0 - c1 * x
    if k == 1.0:
        return a + b * t - b * c1 * (over - x), b * c1
    t = max(t, LEAST_T)
    power = b * t**k
    slope = c1 * k * power / t
    return a + power - slope * (over - x), slope


@kernel
def open_up(mesh: Mesh, over: Floats, lam: Floats, slope: Floats) -> None:
    """Fill the prices at these balances, and how fast they fall; both 0 at nodes without curve."""
    for v in range(over.size):
        m = mesh.main[v]
        lam[v] = slope[v] = 0.0
        if m >= 0:
            lam[v], slope[v] = _price(
                mesh.lo[m], mesh.hi[m], mesh.a[m], mesh.b[m], mesh.c0[m], mesh.c1[m], mesh.k[m],
                over[v],
            )  # fmt: skip


@kernel
def relax_pieces(mesh: Mesh, x: Floats, over: Floats, lam: Floats, slope: Floats,
                 touched: Bools) -> None:  # fmt: skip
    """Set pieces beside the main ones, at nodes that are touched; as in `relax`."""
    others, piece_node, main = mesh.others, mesh.piece_node, mesh.main
    lo, hi, a, b, c0, c1, k = mesh.lo, mesh.hi, mesh.a, mesh.b, mesh.c0, mesh.c1, mesh.k
    for q in range(others.size):
        i = others[q]
        v = piece_node[i]
        m = main[v]
        if m < 0 or not touched[v]:
            continue
        here, own = _price(lo[i], hi[i], a[i], b[i], c0[i], c1[i], k[i], x[i])
        if not slope[v] + own > 0.0:
            continue
        new = min(max(x[i] + (here - lam[v]) / (slope[v] + own), lo[i]), hi[i])
        if new != x[i]:
            over[v] -= new - x[i]
            x[i] = new
            lam[v], slope[v] = _price(lo[m], hi[m], a[m], b[m], c0[m], c1[m], k[m], over[v])


@kernel
def relax(mesh: Mesh, flow: Floats, over: Floats, lam: Floats, slope: Floats, before: Bools,
          touched: Bools, least: float, part: int) -> int:  # fmt: skip
    """One sweep over the links of one run; returns how many it moved.

    Runs touch no node of each other; the links between them, run `PARTS`, come last.

    Parameters
    ----------
    flow, over, lam, slope
        Links, what main pieces have to take, prices, and how fast these fall; changed in place.
    before, touched
        Nodes whose price has moved by more than `least` in the sweep before, and in this one;
        `touched` is changed in place.
    """
    tail, head, capacity, gain = mesh.tail, mesh.head, mesh.capacity, mesh.gain
    fees, bends = mesh.price, mesh.loss_per_j
    main = mesh.main
    lo, hi, a, b, c0, c1, k = mesh.lo, mesh.hi, mesh.a, mesh.b, mesh.c0, mesh.c1, mesh.k
    plain = mesh.straight and fees.size == 0 and bends.size == 0
    count = 0
    for e in range(mesh.link_first[part], mesh.link_first[part + 1]):
        t, h = tail[e], head[e]
        if not (before[t] or before[h] or touched[t] or touched[h]):
            continue
        f, c, g = flow[e], capacity[e], gain[e]
        fee = fees[e] if fees.size else 0.0
        r = bends[e] if bends.size else 0.0
        one, other = lam[t], lam[h]
        ahead = f > 0.0
        if f == 0.0:
            ahead = g * other - one - fee > 0.0
            if not ahead and not g * one - other - fee > 0.0:
                continue
        sent = abs(f)
        arrives = g - 2.0 * r * sent
        here, there = (one, other) if ahead else (other, one)
        near, far = (t, h) if ahead else (h, t)
        profit = arrives * there - here - fee
        if sent >= c and profit >= 0.0:
            continue
        bend = slope[near] + arrives * arrives * slope[far] + 2.0 * r * max(there, 0.0)
        if not bend > 0.0:
            continue
        new = min(max(sent + LEAP * profit / bend, 0.0), c)
        moved = new - sent
        if moved == 0.0:
            continue
        gained = g * moved - r * (new + sent) * moved
        if plain:
            now_here, now_there = here + slope[near] * moved, there - slope[far] * gained
        else:
            m, n = main[near], main[far]
            for turn in range(2):
                now_here, one_slope = _price(
                    lo[m], hi[m], a[m], b[m], c0[m], c1[m], k[m], over[near] - moved
                )
                now_there, other_slope = _price(
                    lo[n], hi[n], a[n], b[n], c0[n], c1[n], k[n], over[far] + gained
                )
                left = (g - 2.0 * r * new) * now_there - now_here - fee
                if turn == 1 or not left * profit < -0.25 * profit * profit:
                    break
                # a curve bends on the way: no further than where the profit turns
                moved *= profit / (profit - left)
                new = sent + moved
                gained = g * moved - r * (new + sent) * moved
            slope[near], slope[far] = one_slope, other_slope
        over[near] -= moved
        over[far] += gained
        lam[near], lam[far] = now_here, now_there
        touched[near] = touched[near] or abs(now_here - here) > least
        touched[far] = touched[far] or abs(now_there - there) > least
        flow[e] = new if ahead else -new
        count += 1
    return count
