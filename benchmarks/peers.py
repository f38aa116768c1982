"""The same books, solved by others: quadratic solvers, and models as one writes them oneself."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

from benchmarks import books, graphs, ours, quadratic
from benchmarks.clock import once, timed
from benchmarks.plain import Model, Numpy, mesa_model
from benchmarks.program import GAP, Program, gap_of, program_of
from benchmarks.race import Outcome, race
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, seconds, table, times, tiny

TITLE = "Beside others"
SEED = 3
RUNS = 5
NODES = (1_000, 10_000, 100_000)
LIMIT_S = 120.0
"""Time in which a peer must be done, for each of its tries."""
PLAIN = (100, 1_000, 10_000)
PLAIN_S = 8.0
"""Time for a plain model; then it is stopped, and its gap is shown."""
LOOK_EVERY = 25
REACH, AIM = 5.0, 10.0
"""How many times faster than the best peer we want to be."""


def measure(quick: bool, say: Say) -> Data:
    """Quadratic solvers by size, then plain models by size."""
    sizes = (200,) if quick else NODES
    out: Data = {"solvers": [], "plain": [], "limit_s": LIMIT_S}
    late: set[str] = set()
    for nodes in sizes:
        rows = _solvers(nodes, quick, say, late)
        late |= {row["name"] for row in rows if row["seconds"] is None}
        out["solvers"] += rows
    for nodes in (60,) if quick else PLAIN:
        out["plain"] += _plain(nodes, say)
    return out


def _solvers(nodes: int, quick: bool, say: Say, late: set[str]) -> list[Data]:
    """Ours and theirs on one book; who was too late on a smaller one does not try again."""
    shape = graphs.geometric(nodes, SEED)
    book, grid = books.batteries(shape, SEED)
    program = program_of(book, grid)
    run = ours.solver("first-order", book, grid)
    found = run()  # compiles
    spent = []
    rows: list[Data] = []
    for name, peer in quadratic.PEERS.items():
        say(f"{peer.title}, {nodes:,} nodes")
        spent.append(timed(run, 1 if quick else RUNS)[0].median_s)  # beside each of them
        if name not in quadratic.installed():
            done = Outcome(math.nan, math.nan, math.nan, "not installed")
        elif peer.title in late:
            done = Outcome(math.nan, math.nan, math.nan, "not tried, after none on fewer nodes")
        else:
            done = race(name, program, 20.0 if quick else LIMIT_S)
        rows.append({"name": peer.title, **_finite(done._asdict())})
    own = {
        "name": "Isojoule, first-order", "seconds": median(spent), "why": "",
        "gap": gap_of(program, found.answer), "tolerance": GAP,
    }  # fmt: skip
    return [row | {"nodes": nodes, "links": shape.links} for row in [own, *rows]]


def _finite(row: Data) -> Data:
    """What JSON can hold: no nan, no infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def _plain(nodes: int, say: Say) -> list[Data]:
    shape = graphs.geometric(nodes, SEED)
    book, grid = books.batteries(shape, SEED)
    program = program_of(book, grid)
    run = ours.solver("first-order", book, grid)
    spent, found = timed(run, RUNS)
    rows: list[Data] = [
        {
            "name": "Isojoule, first-order", "seconds": spent.median_s, "sweeps": found.steps,
            "gap": gap_of(program, found.answer), "why": "",
        }
    ]  # fmt: skip
    makers: dict[str, tuple[str, Callable[[Program], Model]]] = {
        "numpy, all links at once": ("numpy", Numpy),
        "Mesa, an agent a battery": ("mesa", mesa_model),
    }
    for name, (module, make) in makers.items():
        say(f"{name}, {nodes:,} nodes")
        if find_spec(module):
            rows.append({"name": name, **_until(make(program), program)})
        else:
            rows.append({"name": name, "why": "not installed"})
    return [row | {"nodes": nodes, "links": shape.links} for row in rows]


def _until(model: Model, program: Program) -> Data:
    """Sweep until the gap is reached, or time is up; looks at the gap are not counted."""
    spent, sweeps, gap = 0.0, 0, math.inf

    def some() -> None:
        for _ in range(LOOK_EVERY):
            model.sweep()

    while gap > GAP and spent < PLAIN_S:
        spent += once(some)[0]
        sweeps += LOOK_EVERY
        gap = gap_of(program, model.answer())
    why = "" if gap <= GAP else f"stopped after {PLAIN_S:g} s"
    return {"seconds": spent, "sweeps": sweeps, "gap": gap, "why": why}


def page(data: Data) -> str:
    """Two tables, with the ratios."""
    rows = []
    for nodes in sorted({r["nodes"] for r in data["solvers"]}):
        own, *others = [r for r in data["solvers"] if r["nodes"] == nodes]
        rows.append(_solver_cells(own, 1.0))
        for row in others:
            ratio = None if row["seconds"] is None else row["seconds"] / own["seconds"]
            rows.append(_solver_cells(row, ratio))
    sweeps = []
    for nodes in sorted({r["nodes"] for r in data["plain"]}):
        own, *others = [r for r in data["plain"] if r["nodes"] == nodes]
        sweeps += [_plain_cells(row, own["seconds"]) for row in (own, *others)]
    heads = ["solver", "nodes", "links", "time", "times ours", "gap", "tolerance"]
    plain = ["model", "nodes", "time", "times ours", "gap", "sweeps", "a link and sweep, ns"]
    most = count(max(r["nodes"] for r in data["solvers"]))
    return f"""\
### Quadratic solvers

The random geometric graph again. Clarabel, PIQP and HiGHS get it as matrices, without a modeller
in between, in units near 1, each in a process of its own with its own default settings; only
their setup and solving is timed, and ours is the solver alone, too, timed before each of them.
Each gets the widest tolerance (of 1e-5, 1e-6, ...) with which its answer reaches a gap of 1e-6,
measured for all by one and the same function (`benchmarks/program.py`). HiGHS has two methods:
the one it chooses by itself, which keeps a set of active bounds, and the interior point HiPO,
which has to be asked for. Who has no answer within {data["limit_s"]:g} s is stopped, and does not
try larger books. Our goal is {REACH:g} times the speed of the best of them on the largest book,
and then {AIM:g} times; at {most} nodes it is {times(lead(data))}.

{table(heads, rows)}

### Models that one writes oneself

Neighbours trade pair by pair, sweep after sweep, until nobody gains: in whole arrays of numpy,
and as agents of Mesa. Both end at the same optimum.

{table(plain, sweeps)}
"""


def lead(data: Data) -> float | None:
    """How many times faster we are than the best peer, on the largest book."""
    most = max(r["nodes"] for r in data["solvers"])
    own, *others = [r for r in data["solvers"] if r["nodes"] == most]
    spent = [r["seconds"] for r in others if r["seconds"] is not None and not r["why"]]
    return min(spent) / own["seconds"] if spent else None


def _solver_cells(row: Data, ratio: float | None) -> list[str]:
    return [
        row["name"],
        count(row["nodes"]),
        count(row["links"]),
        row["why"] or seconds(row["seconds"]),
        "" if ratio == 1.0 else times(ratio),
        tiny(row["gap"]),
        tiny(row["tolerance"]),
    ]


def _plain_cells(row: Data, own_s: float) -> list[str]:
    if "seconds" not in row:
        return [row["name"], count(row["nodes"]), row["why"], *["-"] * 4]
    per_link = 1e9 * row["seconds"] / row["sweeps"] / row["links"]
    ratio = row["seconds"] / own_s
    return [
        row["name"],
        count(row["nodes"]),
        f"{seconds(row['seconds'])}{', stopped' if row['why'] else ''}",
        "" if ratio == 1.0 else times(ratio),
        tiny(row["gap"]),
        count(row["sweeps"]),
        digits(per_link),
    ]
