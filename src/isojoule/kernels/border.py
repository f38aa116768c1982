"""The Newton system of a graph with a few rows beside its balances.

See `isojoule.kernels.bordered`, whose part it is. With B the balances of nodes and C the rows, both
over all variables, and W the weights of the variables, it is

    [ B W B'   B W C' ]
    [ C W B'   C W C' ]

The node matrix is factored on a fixed pattern (`isojoule.kernels.ldl`), the border by Cholesky.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel
from isojoule.kernels.ldl import Pattern, factor, solve

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


class Bordered(NamedTuple):
    """Data of the program: pieces (P,), arcs (A,), nodes (n,), rows (R,), all scaled.

    `lo` and `hi` are those of pieces, arcs and rows, one behind the other; `rows` has a column for
    each piece and arc. `arc_slot` as in `isojoule.kernels.interior_point`.
    """

    piece_node: Index
    a: Floats
    b: Floats
    c0: Floats
    c1: Floats
    k: Floats
    arc_tail: Index
    arc_head: Index
    arc_slot: Index
    gain: Floats
    loss: Floats
    price: Floats
    inject: Floats
    rows: Floats
    lo: Floats
    hi: Floats


@kernel
def in_order(p: Bordered, pattern: Pattern) -> Bordered:
    """The program with its nodes in the order in which they are eliminated."""
    place = pattern.place
    return Bordered(
        place[p.piece_node], p.a, p.b, p.c0, p.c1, p.k, place[p.arc_tail], place[p.arc_head],
        p.arc_slot, p.gain, p.loss, p.price, p.inject[pattern.order], p.rows, p.lo, p.hi,
    )  # fmt: skip


@kernel
def times_prices(p: Bordered, slope: Floats, prices: Floats, rows: Floats, out: Floats) -> None:
    """What prices of nodes and rows cost each variable, per unit; into `out` (P + A + R,)."""
    pieces, arcs = p.a.size, p.gain.size
    piece_node, tail, head = p.piece_node, p.arc_tail, p.arc_head
    for i in range(pieces):
        out[i] = prices[piece_node[i]]
    for e in range(arcs):
        out[pieces + e] = prices[tail[e]] - slope[e] * prices[head[e]]
    for r in range(rows.size):
        out[pieces + arcs + r] = -rows[r]
        if rows[r] != 0.0:
            mine, price = p.rows[r], rows[r]
            for i in range(pieces + arcs):
                out[i] += mine[i] * price


@kernel
def gather(p: Bordered, slope: Floats, values: Floats, node: Floats, row: Floats) -> None:
    """The transpose of `times_prices`: into `node` (n,) and `row` (R,)."""
    pieces, arcs = p.a.size, p.gain.size
    piece_node, tail, head = p.piece_node, p.arc_tail, p.arc_head
    node[:] = 0.0
    for i in range(pieces):
        node[piece_node[i]] += values[i]
    for e in range(arcs):
        node[tail[e]] += values[pieces + e]
        node[head[e]] -= slope[e] * values[pieces + e]
    for r in range(row.size):
        mine = p.rows[r]
        total = -values[pieces + arcs + r]
        for i in range(pieces + arcs):
            total += mine[i] * values[i]
        row[r] = total


@kernel
def eliminate(
    p: Bordered, pattern: Pattern, slope: Floats, weight: Floats, l_values: Floats,
    d: Floats, against: Floats, border: Floats, dense: Floats,
) -> None:  # fmt: skip
    """Factor the Newton system: nodes into `l_values` and `d`, rows into `dense` (Cholesky).

    `against` gets G', row by row, and `border` inv(M) G.
    """
    pieces, arcs, n, rows = p.a.size, p.gain.size, d.size, p.rows.shape[0]
    diagonal, upper = np.zeros(n), np.zeros(pattern.column_rows.size)
    work = np.zeros(n)
    for i in range(pieces):
        diagonal[p.piece_node[i]] += weight[i]
    for e in range(arcs):
        w, slot = weight[pieces + e], p.arc_slot[e]
        if slot < 0:
            diagonal[p.arc_tail[e]] += w * (1.0 - slope[e]) ** 2
        else:
            diagonal[p.arc_tail[e]] += w
            diagonal[p.arc_head[e]] += w * slope[e] ** 2
            upper[slot] -= w * slope[e]
    for v in range(n):
        if diagonal[v] == 0.0:
            diagonal[v] = 1.0
    factor(pattern, diagonal, upper, l_values, d, work)
    if rows == 0:
        return
    total = weight.size
    project = np.zeros((rows, total))
    unit, none = np.zeros(rows), np.zeros(0)
    values = np.empty(total)
    for r in range(rows):
        mine = p.rows[r]
        for i in range(pieces + arcs):
            values[i] = weight[i] * mine[i]
        gather(p, slope, values, against[r], none)
        border[r] = against[r]
        solve(pattern, l_values, d, border[r])
        unit[:] = 0.0
        unit[r] = 1.0
        times_prices(p, slope, -border[r], unit, project[r])
    some = np.flatnonzero(weight)
    thin, heavy = np.zeros((rows, some.size)), weight[some]
    for r in range(rows):
        thin[r] = project[r][some]
    for r in range(rows):
        one = heavy * thin[r]
        for s in range(r + 1):
            other, sum_rs = thin[s], 0.0
            for i in range(some.size):
                sum_rs += one[i] * other[i]
            dense[r, s] = sum_rs
    for r in range(rows):
        for s in range(r + 1):
            value = dense[r, s]
            for q in range(s):
                value -= dense[r, q] * dense[s, q]
            if s < r:
                dense[r, s] = value / dense[s, s]
            elif value > 1e-15 * dense[r, r]:
                dense[r, r] = math.sqrt(value)
            else:  # rows that say the same: frozen, as in `factor`
                dense[r, r] = 1e30 * math.sqrt(max(dense[r, r], 1.0))


@kernel
def solve_bordered(
    pattern: Pattern, l_values: Floats, d: Floats, border: Floats, dense: Floats, against: Floats,
    node: Floats, row: Floats,
) -> None:  # fmt: skip
    """Solve in place; `against` is G', row by row, over nodes."""
    rows = row.size
    solve(pattern, l_values, d, node)
    for r in range(rows):
        for v in range(node.size):
            row[r] -= against[r, v] * node[v]
    for r in range(rows):
        for s in range(r):
            row[r] -= dense[r, s] * row[s]
        row[r] /= dense[r, r]
    for r in range(rows - 1, -1, -1):
        for s in range(r + 1, rows):
            row[r] -= dense[s, r] * row[s]
        row[r] /= dense[r, r]
    for r in range(rows):
        for v in range(node.size):
            node[v] -= border[r, v] * row[r]
