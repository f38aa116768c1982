"""All VCG payments of a book, beside HiGHS, which solves it anew without each participant."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import pivots_books
from benchmarks.clock import once, timed
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, goal, seconds, table, times, tiny
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market import Book
from isojoule.market.allocation import Allocation, NotSolved
from isojoule.market.best import best
from isojoule.market.pivots.parties import parties_of
from isojoule.market.pivots.pivots import Pivots, pivots_of

TITLE = "Payments by pivots"
SEED = 5
RUNS = 5
LIMIT_S = 60.0
"""HiGHS's time for all payments; larger books are not tried."""
ROOT = Path(__file__).resolve().parent.parent
Make = Callable[[int, int], tuple[Book, Grid]]
KINDS: dict[str, tuple[Make, float, int, int, float]] = {
    "merit order": (pivots_books.sellers, 1_000.0, 1_000, 100_000, 0.5),
    "radial feeder": (pivots_books.feeder, 100.0, 500, 100_000, 2.0),
}
"""Maker, how many times HiGHS we want to be, first size, our largest one, and its time."""


def measure(quick: bool, say: Say) -> Data:
    """Per kind: sizes that double until HiGHS is not done in time, and our largest one."""
    rows = []
    for kind, (make, _, first, most, _) in KINDS.items():
        ours(*make(60, SEED))  # compiles
        size = 100 if quick else first
        while True:
            say(f"{kind}, {size:,}")
            row = {"kind": kind, "size": size} | _beside(*make(size, SEED), LIMIT_S)
            rows.append(row)
            if quick or row["highs_s"] is None:
                break
            size *= 2
        if not quick:
            say(f"{kind}, {most:,}")
            rows.append({"kind": kind, "size": most} | _ours_alone(*make(most, SEED)))
    return {"rows": rows, "limit_s": LIMIT_S}


def ours(book: Book, grid: Grid) -> Callable[[], Pivots]:
    """All payments, the optimum being known; run once, which compiles."""
    found = best(book, grid)
    if isinstance(found, NotSolved):
        raise ValueError(found.reason)
    parties = parties_of(book, grid)

    def run() -> Pivots:
        pays = pivots_of(book, grid, found, parties, np.arange(parties.count))
        if isinstance(pays, NotSolved):
            raise ValueError(pays.reason)
        return pays

    run()
    return run


def _ours_alone(book: Book, grid: Grid) -> Data:
    solve_s, _ = once(lambda: best(book, grid))
    spent, pays = timed(ours(book, grid), RUNS)
    return {
        "payments": int(np.count_nonzero(pays.nano)),
        "optimum_s": solve_s,
        "ours_s": spent.median_s,
        "highs_s": None,
        "ratio": None,
        "differ": None,
        "why": "not tried",
    }


def _beside(book: Book, grid: Grid, limit_s: float) -> Data:
    out = _ours_alone(book, grid)
    if not find_spec("highspy"):
        return out | {"why": "not installed"}
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, **_program(book, grid))
        command = [sys.executable, "-m", "benchmarks.pivots_highs", given, got, limit_s]
        subprocess.run([str(c) for c in command], cwd=ROOT, check=True, capture_output=True)
        with np.load(got) as f:
            gain, spent, solved = f["gain"], float(f["seconds"]), int(f["count"])
    if np.isnan(gain).any():
        return out | {"why": f"{solved:,} payments in {spent:.0f} s"}
    own = _gains(book, grid)
    differ = float(np.max(np.abs(own - gain)) / max(float(np.max(np.abs(gain))), 1e-9))
    return out | {
        "highs_s": spent, "ratio": spent / out["ours_s"], "differ": differ, "why": "",
    }  # fmt: skip


def _gains(book: Book, grid: Grid) -> np.ndarray:
    """What each participant gains, which is what all gain by its being there."""
    found = best(book, grid)
    assert isinstance(found, Allocation)
    worth = np.bincount(book.offer_participant, found.offer_value, len(book.participants))
    out: np.ndarray = worth - ours(book, grid)().money
    return out


def _program(book: Book, grid: Grid) -> dict[str, np.ndarray | int]:
    """The linear program, as `benchmarks.pivots_highs` reads it: links run both ways."""
    network = network_of(grid, book.network, book.interval.duration_s)
    p = book.pieces
    return {
        "nodes": network.nodes,
        "node": network.node_of[book.offer_node[book.piece_offer]],
        "party": book.offer_participant[book.piece_offer],
        "lo": p.lo, "hi": p.hi, "a": p.a,
        "tail": np.concatenate([network.tail, network.head]),
        "head": np.concatenate([network.head, network.tail]),
        "gain": np.concatenate([network.gain, network.gain]),
        "capacity": np.concatenate([network.capacity_j, network.capacity_j]),
    }  # fmt: skip


def page(data: Data) -> str:
    """The table."""
    rows = [
        [
            r["kind"],
            count(r["size"]),
            count(r["payments"]),
            seconds(r["optimum_s"]),
            seconds(r["ours_s"]),
            r["why"] or seconds(r["highs_s"]),
            times(r["ratio"]),
            tiny(r["differ"]),
        ]
        for r in data["rows"]
    ]
    goals = "; ".join(
        f"{kind}: {want:,.0f} times HiGHS, {most:,} participants in {goal(s)}"
        for kind, (_, want, _, most, s) in KINDS.items()
    )
    heads = ["book", "size", "payments", "optimum", "all payments", "HiGHS", "ratio", "differ"]
    return f"""\
What everybody pays in `vcg`, `reverse-vcg` and `vcg-exchange` ([spec/vcg.md](spec/vcg.md)): at one
place by one sort, on a feeder read off at each node. HiGHS has the linear program, built once
through highspy, and solves it anew without each participant who trades, each time from the last
basis; its own run time counts, up to {data["limit_s"]:g} s in all. *Differ*: by how much gains
differ at most, as a share of the largest. Goals: {goals}.

{table(heads, rows)}
"""
