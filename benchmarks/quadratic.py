"""Quadratic solvers that anyone can install: Clarabel, PIQP, HiGHS with its two methods.

Each takes the same matrices (`benchmarks.matrices`) and runs in a process of its own, with a time
limit: `python -m benchmarks.peers NAME TOLERANCE IN OUT`. Only its setup and its solving are timed.
All settings but the tolerances are its own defaults.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.matrices import Matrices, answer_of, load, matrices_of, save
from benchmarks.program import GAP, Program, gap_of

Floats = NDArray[np.float64]
Solved = tuple[Floats, Floats, float]
"""z, the multipliers of the balances, and the time from matrices to answer, s."""

TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8)
"""Tried in this order, until the gap is reached; the time of the one that reaches it counts."""
ROOT = Path(__file__).resolve().parent.parent


class Outcome(NamedTuple):
    """How one peer did. `why` says what went wrong, "" if the gap is reached."""

    seconds: float
    tolerance: float
    gap: float
    why: str


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


def race(name: str, program: Program, limit_s: float, *, least: int = 0) -> Outcome:
    """Let a peer solve the program to `GAP`, with the widest tolerance that reaches it.

    Parameters
    ----------
    limit_s
        Most time for each try, with the start of the process.
    least
        Position in `TOLERANCES` of the first one to try.
    """
    worst = np.inf
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder) / "in.npz", Path(folder) / "out.npz"
        save(given, matrices_of(program))
        for tolerance in TOLERANCES[least:]:
            command = [sys.executable, "-m", __spec__.name, name, str(tolerance), given, got]
            try:
                done = subprocess.run(
                    [str(c) for c in command], cwd=ROOT, capture_output=True, timeout=limit_s
                )
            except subprocess.TimeoutExpired:
                return Outcome(np.nan, tolerance, worst, f"no answer within {limit_s:g} s")
            if done.returncode:
                told = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason"]
                return Outcome(np.nan, tolerance, worst, f"it failed: {told[-1]}")
            with np.load(got) as f:
                answer = answer_of(program, f["z"], f["dual"])
                seconds = float(f["seconds"])
            worst = gap_of(program, answer)
            if worst <= GAP:
                return Outcome(seconds, tolerance, worst, "")
    return Outcome(seconds, tolerance, worst, f"its gap is {worst:.1e}")


def main() -> None:
    """Solve in this process, which was started for it."""
    name, tolerance, given, got = sys.argv[1:]
    z, dual, seconds = PEERS[name].solve(load(Path(given)), float(tolerance))
    np.savez(got, z=z, dual=dual, seconds=seconds)


if __name__ == "__main__":
    main()
