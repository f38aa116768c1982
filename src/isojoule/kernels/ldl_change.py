"""A sparse LDL' factorisation that follows changes of one weight, and solves for some unknowns.

A matrix that gains `weight` * v v' changes only the columns on the way from the first entry of v to
the root of the elimination tree, and of these only those that v's own part of the matrix reaches:
where a matrix falls into blocks, what is between them stays exactly 0.

Source: method C1 of Gill, Golub, Murray, Saunders 1974 (Math. Comp. 28:505,
https://doi.org/10.1090/S0025-5718-1974-0343558-6); on a fixed pattern, Davis, Hager 1999 (SIAM J.
Matrix Anal. 20:606, https://doi.org/10.1137/S0895479897321076).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.compile import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@kernel
def change(l_start: Ints, l_rows: Ints, l_values: Floats, d: Floats, vector: Floats, first: int,
           weight: float, least: float, changed: Bools, columns: Ints,
           count: int) -> int:  # fmt: skip
    """Add `weight` * v v' to a factored matrix, in place.

    Parameters
    ----------
    l_start, l_rows, l_values, d
        The factors (`isojoule.kernels.ldl`).
    vector, first
        v in elimination order, 0 afterwards; its first entry.
    least
        A pivot never falls below it: what is less is rounding.
    changed, columns, count
        Which columns have changed so far, and the list of them; both are added to.

    Returns
    -------
    How many columns have changed so far.
    """
    j = first
    while True:
        begin, end = l_start[j], l_start[j + 1]
        v = vector[j]
        if v != 0.0:
            vector[j] = 0.0
            if not changed[j]:
                changed[j] = True
                columns[count] = j
                count += 1
            was = d[j]
            d[j] = max(was + weight * v * v, least)
            share = weight * v / d[j]
            weight *= was / d[j]
            for p in range(begin, end):
                i = l_rows[p]
                vector[i] -= v * l_values[p]
                l_values[p] += share * vector[i]
        if begin == end:
            return count
        j = l_rows[begin]


@kernel
def solve_some(l_start: Ints, l_rows: Ints, l_values: Floats, d: Floats, some: Ints,
               x: Floats) -> None:  # fmt: skip
    """Solve in place for the unknowns of some blocks, `some` in elimination order; x is 0 else."""
    for k in some:
        xk = x[k]
        if xk != 0.0:
            for p in range(l_start[k], l_start[k + 1]):
                x[l_rows[p]] -= l_values[p] * xk
    for k in some[::-1]:
        xk = x[k] / d[k]
        for p in range(l_start[k], l_start[k + 1]):
            xk -= l_values[p] * x[l_rows[p]]
        x[k] = xk
