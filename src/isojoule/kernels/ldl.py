"""Sparse LDL' factorisation of symmetric M-matrices on a fixed pattern.

The pattern is analysed once per grid (elimination order, elimination tree, where each entry of
L lies); the numbers are factored once per interior-point step. On a tree the leaf-to-root order
has no fill, and a factorisation is O(n).

Source: the up-looking method by the elimination tree (Liu 1990, SIAM J. Matrix Anal. 11:134;
Davis 2006, Direct Methods for Sparse Linear Systems, ch. 4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


class Pattern(NamedTuple):
    """Fixed structure of a factorisation of an n x n matrix.

    Attributes
    ----------
    order
        order[k] is the k-th node to be eliminated, shape (n,).
    place
        The inverse: where a node stands in the order.
    column_start, column_rows
        Upper triangle of the permuted matrix by columns: rows < column. Values are given in
        this order ("slots").
    row_start, row_columns, row_place
        Row k of L: its columns, ascending, and where each entry lies in the column storage.
    l_start, l_rows
        Columns of L.
    edge_slot
        For each edge given to `analyse`, its slot, or -1 where both ends are one node.
    """

    order: Index
    place: Index
    column_start: Index
    column_rows: Index
    row_start: Index
    row_columns: Index
    row_place: Index
    l_start: Index
    l_rows: Index
    edge_slot: Index


def analyse(nodes: int, tail: NDArray[np.int32], head: NDArray[np.int32]) -> Pattern:
    """Structure for the graph with these edges (parallel edges and loops allowed)."""
    order = _leaves_first(nodes, tail.astype(np.int64), head.astype(np.int64))
    if order.size < nodes:
        order = _minimum_degree(nodes, tail, head)
    place = np.empty(nodes, np.int64)
    place[order] = np.arange(nodes)
    a, b = place[tail], place[head]
    low, high = np.minimum(a, b), np.maximum(a, b)
    key = high * nodes + low
    loop = low == high
    unique = np.unique(key[~loop])
    slot = np.searchsorted(unique, key)
    slot[loop] = -1
    column_rows = unique % max(nodes, 1)
    column_start = np.searchsorted(unique // max(nodes, 1), np.arange(nodes + 1)).astype(np.int64)
    row_start, row_columns, row_place, l_start, l_rows = _structure(
        nodes, column_start, column_rows.astype(np.int64)
    )
    return Pattern(
        order,
        place,
        column_start,
        column_rows.astype(np.int64),
        row_start,
        row_columns,
        row_place,
        l_start,
        l_rows,
        slot.astype(np.int64),
    )


@kernel
def _leaves_first(nodes: int, tail: Index, head: Index) -> Index:
    """Order that peels leaves; shorter than `nodes` if the graph has a cycle."""
    degree = np.zeros(nodes, np.int64)
    across = np.zeros(nodes, np.int64)  # xor of incident edges: for a leaf, its one edge
    for e in range(tail.size):
        if tail[e] != head[e]:
            for v in (tail[e], head[e]):
                degree[v] += 1
                across[v] ^= e
    order = np.empty(nodes, np.int64)
    done = np.zeros(nodes, np.bool_)
    count = 0
    for v in range(nodes):
        if degree[v] <= 1 and not done[v]:
            order[count] = v
            done[v] = True
            count += 1
    seen = 0
    while seen < count:
        v = order[seen]
        seen += 1
        if degree[v] == 1:
            e = across[v]
            u = tail[e] + head[e] - v
            degree[v] = 0
            degree[u] -= 1
            across[u] ^= e
            if degree[u] <= 1 and not done[u]:
                order[count] = u
                done[u] = True
                count += 1
    return order[:count]


def _minimum_degree(nodes: int, tail: NDArray[np.int32], head: NDArray[np.int32]) -> Index:
    """Multiple minimum degree order, as SuperLU computes it."""
    from scipy.sparse import coo_array, csc_array, eye_array
    from scipy.sparse.linalg import splu

    ones = np.full(tail.size, -1.0)
    off = coo_array((ones, (tail, head)), shape=(nodes, nodes))
    degree = np.bincount(tail, minlength=nodes) + np.bincount(head, minlength=nodes)
    matrix = csc_array(off + off.T) + csc_array(eye_array(nodes)) * 1.0
    matrix.setdiag(degree + 1.0)
    factors = splu(
        csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.argsort(factors.perm_c).astype(np.int64)


@kernel
def _structure(
    nodes: int, column_start: Index, column_rows: Index
) -> tuple[Index, Index, Index, Index, Index]:
    parent = np.full(nodes, -1, np.int64)
    mark = np.full(nodes, -1, np.int64)
    count = np.zeros(nodes, np.int64)
    row_start = np.zeros(nodes + 1, np.int64)
    for k in range(nodes):
        mark[k] = k
        for p in range(column_start[k], column_start[k + 1]):
            i = column_rows[p]
            while mark[i] != k:
                if parent[i] == -1:
                    parent[i] = k
                mark[i] = k
                count[i] += 1
                row_start[k + 1] += 1
                i = parent[i]
    l_start = np.zeros(nodes + 1, np.int64)
    for k in range(nodes):
        l_start[k + 1] = l_start[k] + count[k]
        row_start[k + 1] += row_start[k]
    total = l_start[nodes]
    row_columns = np.empty(total, np.int64)
    row_place = np.empty(total, np.int64)
    l_rows = np.empty(total, np.int64)
    filled = l_start[:-1].copy()
    mark[:] = -1
    for k in range(nodes):
        mark[k] = k
        at = row_start[k]
        for p in range(column_start[k], column_start[k + 1]):
            i = column_rows[p]
            while mark[i] != k:
                mark[i] = k
                row_columns[at] = i
                at += 1
                i = parent[i]
        row_columns[row_start[k] : at] = np.sort(row_columns[row_start[k] : at])
        for p in range(row_start[k], at):
            i = row_columns[p]
            row_place[p] = filled[i]
            l_rows[filled[i]] = k
            filled[i] += 1
    return row_start, row_columns, row_place, l_start, l_rows


@kernel
def factor(
    pattern: Pattern, diagonal: Floats, upper: Floats, l_values: Floats, d: Floats, work: Floats
) -> None:
    """Factor in place: `diagonal` (n, in elimination order) and `upper` (slots) into L and D.

    A pivot that cancels to nothing is replaced by a huge one, which freezes its unknown: the
    matrix is then singular to rounding (a part of the grid where any price will do).
    """
    for k in range(diagonal.size):
        dk = diagonal[k]
        for p in range(pattern.column_start[k], pattern.column_start[k + 1]):
            work[pattern.column_rows[p]] = upper[p]
        for p in range(pattern.row_start[k], pattern.row_start[k + 1]):
            i = pattern.row_columns[p]
            y = work[i]
            work[i] = 0.0
            at = pattern.row_place[p]
            for q in range(pattern.l_start[i], at):
                work[pattern.l_rows[q]] -= l_values[q] * y
            share = y / d[i]
            l_values[at] = share
            dk -= share * y
        if not dk > 1e-15 * diagonal[k]:
            dk = 1e60 * max(diagonal[k], 1.0)
        d[k] = dk


@kernel
def solve(pattern: Pattern, l_values: Floats, d: Floats, x: Floats) -> None:
    """Solve in place; `x` in elimination order."""
    n = x.size
    for k in range(n):
        xk = x[k]
        for p in range(pattern.l_start[k], pattern.l_start[k + 1]):
            x[pattern.l_rows[p]] -= l_values[p] * xk
    for k in range(n - 1, -1, -1):
        xk = x[k] / d[k]
        for p in range(pattern.l_start[k], pattern.l_start[k + 1]):
            xk -= l_values[p] * x[pattern.l_rows[p]]
        x[k] = xk
