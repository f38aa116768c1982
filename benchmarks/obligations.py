"""How fast obligations are cleared, beside the minimum-cost flow of OR-Tools on the whole graph.

Both get the same obligations as arrays, and both must leave the same amount open. Ours is timed
with all that it does: ties by names, obligations of the same two added up, trimming, the flow,
potentials, set-offs of every single obligation. OR-Tools is timed in `solve()` alone, on one arc
for each obligation, in a process of its own (it does not share one with other solvers).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.subjects import Data, Say
from benchmarks.tables import count, percent, seconds, table
from isojoule.settlement.netting.proof import check
from isojoule.settlement.obligations import Obligations, clear

TITLE = "Obligations cleared"
SIZES = ((10_000, 100_000), (100_000, 1_000_000))
QUICK = ((300, 3_000),)
SEED = 1
REACH, AIM = 1.2, 0.5
"""Shares of the time of OR-Tools wanted."""
Ints = NDArray[np.int64]
OR_TOOLS = """\
import json, sys, time
import numpy as np
from ortools.graph.python import min_cost_flow
with np.load(sys.argv[1]) as data:
    tail, head, amount, parties = (data[key] for key in ("tail", "head", "amount", "parties"))
supply = np.zeros(int(parties), np.int64)
np.add.at(supply, tail, amount)
np.subtract.at(supply, head, amount)
solver = min_cost_flow.SimpleMinCostFlow()
solver.add_arcs_with_capacity_and_unit_cost(tail, head, amount, np.ones(tail.size, np.int64))
solver.set_nodes_supplies(np.arange(supply.size, dtype=np.int32), supply)
wall, cpu = time.perf_counter(), time.process_time()
status = solver.solve()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
assert status == solver.OPTIMAL, status
print(json.dumps({"wall_s": wall, "cpu_s": cpu, "open": str(solver.optimal_cost())}))
"""


class Arcs(NamedTuple):
    """Debtors and creditors, (N,)."""

    debtor: Ints
    creditor: Ints


def sparse(rng: np.random.Generator, parties: int, rows: int) -> Arcs:
    """Anybody owes anybody."""
    return Arcs(rng.integers(0, parties, rows), rng.integers(0, parties, rows))


def scale_free(rng: np.random.Generator, parties: int, rows: int) -> Arcs:
    """Few owe, and are owed, very often; not the same few."""
    weight = (np.arange(parties) + 10.0) ** -0.8
    weight /= weight.sum()
    sides = (rng.permutation(parties)[rng.choice(parties, rows, p=weight)] for _ in range(2))
    return Arcs(*sides)


def circles(rng: np.random.Generator, parties: int, rows: int) -> Arcs:
    """Circles of three to eight, with other amounts on each of their arcs."""
    size = rng.integers(3, 9, rows // 3 + 1)
    size = size[: int(np.searchsorted(np.cumsum(size), rows)) + 1]
    first = np.repeat(np.cumsum(size) - size, size)
    place = np.arange(first.size) - first
    debtor = rng.integers(0, parties, first.size)
    creditor = debtor[first + (place + 1) % np.repeat(size, size)]
    return Arcs(debtor[:rows], creditor[:rows])


def communities(rng: np.random.Generator, parties: int, rows: int) -> Arcs:
    """Communities of 50; every tenth obligation leaves them."""
    debtor = rng.integers(0, parties, rows)
    near = np.minimum(debtor // 50 * 50 + rng.integers(0, 50, rows), parties - 1)
    return Arcs(debtor, np.where(rng.random(rows) < 0.9, near, rng.integers(0, parties, rows)))


FAMILIES: dict[str, Callable[[np.random.Generator, int, int], Arcs]] = {
    "sparse": sparse,
    "scale-free": scale_free,
    "circles": circles,
    "communities": communities,
}


def drawn(family: str, parties: int, rows: int) -> Obligations:
    """Obligations of a family; amounts of some 55 units, from cents to thousands."""
    rng = np.random.default_rng([SEED, list(FAMILIES).index(family)])
    arcs = FAMILIES[family](rng, parties, rows)
    keep = arcs.debtor != arcs.creditor
    cents = 1 + np.rint(100 * np.exp(rng.normal(4, 1.5, int(keep.sum())))).astype(np.int64)
    return Obligations(
        tuple(f"p{i}" for i in range(parties)),
        arcs.debtor[keep].astype(np.int32),
        arcs.creditor[keep].astype(np.int32),
        cents * 10_000_000,
    )


def measure(quick: bool, say: Say) -> Data:
    """All families and sizes, one run each: ours, then theirs."""
    clear(drawn("sparse", 30, 60))  # compiled, or read from the cache
    rows = []
    for parties, many in QUICK if quick else SIZES:
        for family in FAMILIES:
            say(f"{family}, {many:,} obligations")
            rows.append(_row(family, drawn(family, parties, many)))
    return {"rows": rows, "reach": REACH, "aim": AIM}


def _row(family: str, o: Obligations) -> Data:
    wall, cpu = time.perf_counter(), time.process_time()
    netted = clear(o)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    start = time.perf_counter()
    check(o, None, netted)
    checked = time.perf_counter() - start
    row = {
        "family": family,
        "parties": len(o.parties),
        "obligations": int(o.amount_nano.size),
        "cleared": netted.cleared_nano / o.total_nano,
        "ours_s": wall,
        "ours_cpu_s": cpu,
        "check_s": checked,
    }
    if not find_spec("ortools"):
        return row
    theirs = _or_tools(o)
    left = o.total_nano - netted.cleared_nano
    assert int(theirs["open"]) == left, (theirs["open"], left)
    return row | {
        "theirs_s": theirs["wall_s"],
        "theirs_cpu_s": theirs["cpu_s"],
        "share": wall / theirs["wall_s"],
        "share_cpu": cpu / theirs["cpu_s"],
    }


def _or_tools(o: Obligations) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.npz"
        np.savez(file, tail=o.debtor, head=o.creditor, amount=o.amount_nano, parties=len(o.parties))
        done = subprocess.run(
            [sys.executable, "-c", OR_TOOLS, str(file)], capture_output=True, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page(data: Data) -> str:
    """The table of shares."""
    rows = [
        [
            f"{r['family']}, {count(r['obligations'])}",
            percent(r["cleared"]),
            seconds(r["ours_s"]),
            seconds(r["check_s"]),
            *(
                (seconds(r["theirs_s"]), percent(r["share"]), percent(r["share_cpu"]))
                if "theirs_s" in r
                else ("not installed", "-", "-")
            ),
        ]
        for r in data["rows"]
    ]
    heads = ["", "cleared", "ours", "check", "OR-Tools", "of OR-Tools", "in CPU time"]
    return f"""\
[Obligations](obligations.md) of ten a party are cleared to the optimum. Beside it, OR-Tools solves
the same minimum-cost flow on the whole graph, in a process of its own; both leave the same amount
open, to the nano-unit. Ours is the whole of `clear`: names, merging, trimming, the flow, potentials
and the set-off of each obligation; theirs is `SimpleMinCostFlow.solve()` alone. One run each.
Wanted is at most {percent(data["reach"])} of its time, and the aim {percent(data["aim"])}.

{table(heads, rows)}
"""
