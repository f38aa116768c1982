"""The same program as matrices, as quadratic solvers take it, and their answers read back.

    minimise  z'Pz/2 + c'z   such that  A z = 0  and  lo <= z <= hi

z holds what each piece receives, then what each link carries ahead, then back; A says that every
node gets what its pieces receive. Energies are in units of a typical piece, so that all numbers are
near 1, which these solvers like. Worth has to fall in a straight line (k = 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:  # the processes of the peers need none of it
    from benchmarks.program import Program

Floats = NDArray[np.float64]


class Matrices(NamedTuple):
    """`square` is the diagonal of P; `balance` is A."""

    square: Floats
    linear: Floats
    balance: sparse.csc_array
    lo: Floats
    hi: Floats


def unit_of(program: Program) -> float:
    """One unit of energy, J."""
    return float(np.median(program.pieces.hi - program.pieces.lo))


def matrices_of(program: Program) -> Matrices:
    """The program as matrices.

    Raises
    ------
    ValueError
        A curve is not straight.
    """
    p = program.pieces
    if np.any(p.k != 1.0):
        raise ValueError("k has to be 1: other curves are no quadratic program")
    unit = unit_of(program)
    pieces, links = p.lo.size, program.tail.size
    ahead = pieces + np.arange(links)
    back = ahead + links
    entries = [
        (program.node, np.arange(pieces), -np.ones(pieces)),
        (program.tail, ahead, -np.ones(links)),
        (program.head, ahead, program.gain),
        (program.head, back, -np.ones(links)),
        (program.tail, back, program.gain),
    ]
    row, column, value = (np.concatenate([e[i] for e in entries]) for i in range(3))
    total = pieces + 2 * links
    none, most = np.zeros(2 * links), np.tile(program.capacity_j / unit, 2)
    return Matrices(
        np.concatenate([p.b * p.c1 * unit, none]),
        np.concatenate([-(p.a + p.b * p.c0), none]),
        sparse.csc_array((value, (row, column)), shape=(program.nodes, total)),
        np.concatenate([p.lo / unit, none]),
        np.concatenate([p.hi / unit, most]),
    )


def answer_of(program: Program, z: Floats, dual: Floats) -> tuple[Floats, Floats, Floats]:
    """What pieces receive, links carry, and prices (`Answer`).

    `dual` are the multipliers y of the balances, with c + Pz + A'y = 0 inside of all bounds.
    """
    unit = unit_of(program)
    pieces, links = program.node.size, program.tail.size
    x, ahead, back = np.split(z * unit, [pieces, pieces + links])
    return x, ahead - back, -dual


def save(path: Path, m: Matrices) -> None:
    """Write them to a file."""
    a = m.balance
    np.savez(
        path, square=m.square, linear=m.linear, lo=m.lo, hi=m.hi,
        data=a.data, indices=a.indices, indptr=a.indptr, shape=np.array(a.shape),
    )  # fmt: skip


def load(path: Path) -> Matrices:
    """Read them from a file."""
    with np.load(path) as f:
        balance = sparse.csc_array((f["data"], f["indices"], f["indptr"]), shape=tuple(f["shape"]))
        return Matrices(f["square"], f["linear"], balance, f["lo"], f["hi"])
