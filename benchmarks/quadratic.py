"""Quadratic solvers that anyone can install: Clarabel, PIQP, HiGHS with its two methods.

Each takes the same matrices (`benchmarks.matrices`) and runs in a process of its own, with a time
limit: `python -m benchmarks.peers NAME TOLERANCE IN OUT`. Only its setup and its solving are timed.
All settings but the tolerances are its own defaults.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.matrices import Matrices, load

Floats = NDArray[np.float64]
Solved = tuple[Floats, Floats, float]
"""z, the multipliers of the balances, and the time from matrices to answer, s."""

RUNS = 5
BUDGET_S = 5.0
"""Runs that the median is of; after so much time it is not run again."""


def clarabel(m: Matrices, tolerance: float) -> Solved:
    """Clarabel: interior point on cones (Goulart, Chen 2024, arXiv 2405.12762)."""
    import clarabel as peer

    start = time.perf_counter()
    total = m.linear.size
    unit = sparse.identity(total, format="csc")
    rules = sparse.vstack([sparse.csc_matrix(m.balance), unit, -unit], format="csc")
    limits = np.concatenate([np.zeros(m.balance.shape[0]), m.hi, -m.lo])
    cones = [peer.ZeroConeT(m.balance.shape[0]), peer.NonnegativeConeT(2 * total)]
    settings = peer.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_rel = settings.tol_gap_abs = settings.tol_feas = tolerance
    square = sparse.diags(m.square, format="csc")
    found = peer.DefaultSolver(square, m.linear, rules, limits, cones, settings).solve()
    return np.array(found.x), np.array(found.z)[: m.balance.shape[0]], time.perf_counter() - start


def piqp(m: Matrices, tolerance: float) -> Solved:
    """PIQP: proximal interior point (Schwan et al. 2023, arXiv 2304.00290)."""
    import piqp as peer

    start = time.perf_counter()
    solver = peer.SparseSolver()
    s = solver.settings
    s.eps_abs = s.eps_rel = s.eps_duality_gap_abs = s.eps_duality_gap_rel = tolerance
    solver.setup(
        sparse.diags(m.square, format="csc"), m.linear, sparse.csc_matrix(m.balance),
        np.zeros(m.balance.shape[0]), x_l=m.lo, x_u=m.hi,
    )  # fmt: skip
    solver.solve()
    return solver.result.x, solver.result.y, time.perf_counter() - start


def active_set(m: Matrices, tolerance: float) -> Solved:
    """HiGHS by its active-set method, which it chooses by itself."""
    return _highs(m, tolerance, "qpasm")


def hipo(m: Matrices, tolerance: float) -> Solved:
    """HiGHS by its interior point HiPO, which has to be asked for."""
    return _highs(m, tolerance, "hipo")


def _highs(m: Matrices, tolerance: float, method: str) -> Solved:
    import highspy as peer

    start = time.perf_counter()
    model, lp = peer.HighsModel(), peer.HighsLp()
    nodes, total = m.balance.shape
    lp.num_col_, lp.num_row_ = total, nodes
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = m.linear, m.lo, m.hi
    lp.row_lower_ = lp.row_upper_ = np.zeros(nodes)
    lp.a_matrix_.format_ = peer.MatrixFormat.kColwise
    lp.a_matrix_.start_ = m.balance.indptr
    lp.a_matrix_.index_ = m.balance.indices
    lp.a_matrix_.value_ = m.balance.data
    bent = np.flatnonzero(m.square)
    model.lp_ = lp
    model.hessian_.dim_ = total
    model.hessian_.format_ = peer.HessianFormat.kTriangular
    model.hessian_.start_ = np.searchsorted(bent, np.arange(total + 1))
    model.hessian_.index_ = bent
    model.hessian_.value_ = m.square[bent]
    solver = peer.Highs()
    solver.setOptionValue("output_flag", False)
    names = ["primal_feasibility_tolerance", "dual_feasibility_tolerance"]
    for name in [*names, "ipm_optimality_tolerance"]:
        solver.setOptionValue(name, tolerance)
    if solver.setOptionValue("solver", method) != peer.HighsStatus.kOk:
        raise RuntimeError(f"this build of HiGHS has no {method}")
    solver.passModel(model)
    solver.run()
    found = solver.getSolution()
    return np.array(found.col_value), -np.array(found.row_dual), time.perf_counter() - start


class Peer(NamedTuple):
    """A solver, what it is called, and the module without which it does not run."""

    title: str
    module: str
    solve: Callable[[Matrices, float], Solved]


PEERS = {
    "clarabel": Peer("Clarabel", "clarabel", clarabel),
    "piqp": Peer("PIQP", "piqp", piqp),
    "hipo": Peer("HiGHS, HiPO", "highspy_extras", hipo),
    "active-set": Peer("HiGHS, active set", "highspy", active_set),
}


def installed() -> list[str]:
    """Which of them are there."""
    return [name for name, peer in PEERS.items() if find_spec(peer.module)]


def main() -> None:
    """Solve in this process, which was started for it, some times if it is quick."""
    name, tolerance, given, got = sys.argv[1:]
    matrices = load(Path(given))
    spent: list[float] = []
    while len(spent) < RUNS and sum(spent) < BUDGET_S:
        z, dual, seconds = PEERS[name].solve(matrices, float(tolerance))
        spent.append(seconds)
    np.savez(got, z=z, dual=dual, seconds=median(spent))


if __name__ == "__main__":
    main()
