"""Run quadratic solvers beside ours, each in a process of its own, until the gap is reached."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.matrices import answer_of, matrices_of, save
from benchmarks.program import GAP, Answer, Program, gap_of

TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8)
"""Tried in this order, until the gap is reached; the time of the one that reaches it counts."""
ROOT = Path(__file__).resolve().parent.parent


class Outcome(NamedTuple):
    """How one peer did. `why` says what went wrong, "" if the gap is reached."""

    seconds: float
    tolerance: float
    gap: float
    why: str


def race(name: str, program: Program, limit_s: float) -> Outcome:
    """Let a peer solve the program to `GAP`, with the widest tolerance that reaches it.

    `limit_s` is the most time for each try, with the start of the process.
    """
    worst = seconds = np.inf
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder) / "in.npz", Path(folder) / "out.npz"
        save(given, matrices_of(program))
        for tolerance in TOLERANCES:
            command = [
                sys.executable,
                "-m",
                "benchmarks.quadratic",
                name,
                str(tolerance),
                given,
                got,
            ]
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
                answer = Answer(*answer_of(program, f["z"], f["dual"]))
                seconds = float(f["seconds"])
            worst = gap_of(program, answer)
            if worst <= GAP:
                return Outcome(seconds, tolerance, worst, "")
    return Outcome(seconds, tolerance, worst, f"its gap is {worst:.1e}")
