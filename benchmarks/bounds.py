"""What holds a sweep back: the same walk over the same links, with parts of its work left out.

- *as it is*: the step of links without price, as `isojoule.kernels.first_order.sweep` makes it.
- *without sums at the ends*: new flows, but nothing is added to the nodes.
- *nor prices of the ends*: what stands in order is read and written, and all is computed.
- *columns read and written, nothing computed*: one addition a column. What memory alone takes.
- *sums at the ends alone*: one flow is read, and added at both ends.
- *as it is, in the caches*: the same few links again and again. What arithmetic alone takes.

Each is timed in turn, many times over, and the least counts: other work on the machine only adds.
All are walks of one thread over the links alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import graphs
from benchmarks.copying import copy_once
from benchmarks.subjects import Data, Say
from benchmarks.sweep import NODES, REACH, SMALL, mesh_on
from benchmarks.tables import digits, percent, table
from isojoule.kernels.compile import kernel
from isojoule.kernels.first_order import Mesh
from isojoule.kernels.mesh import BYTES_PER_LINK

Floats = NDArray[np.float64]
Places = NDArray[np.uint32]
TITLE = "What bounds a sweep"
MOMENTUM = 0.9
PASSES, FEW_PASSES = 60, 3
"""Times that each walk is made."""
COPIED = 1 << 25
"""Numbers that are copied, as the yardstick."""
FEW = 4096
"""Links that fit into the caches with all their columns."""
SEED = 1


@kernel
def as_it_is(tail: Places, head: Places, gain: Floats, capacity: Floats, rate: Floats, now: Floats,
             old: Floats, lam: Floats, over: Floats) -> float:  # fmt: skip
    """The step of links without price."""
    uphill = 0.0
    for e in range(tail.size):
        here, there, g, c, r = lam[tail[e]], lam[head[e]], gain[e], capacity[e], rate[e]
        was = now[e]
        y = was + MOMENTUM * (was - old[e])
        out, back = g * there - here, there - g * here
        new = min(max(y + r * out, 0.0), c) + max(min(y + r * back, 0.0), -c)
        moved = new - was
        uphill += (out if new + was > 0.0 else back) * moved
        old[e] = new
        ahead = new + MOMENTUM * moved
        more, less = max(ahead, 0.0), min(ahead, 0.0)
        over[tail[e]] -= more + g * less
        over[head[e]] += g * more + less
    return uphill


@kernel
def no_sums(tail: Places, head: Places, gain: Floats, capacity: Floats, rate: Floats, now: Floats,
            old: Floats, lam: Floats, over: Floats) -> float:  # fmt: skip
    """New flows alone."""
    uphill = 0.0
    for e in range(tail.size):
        here, there, g, c, r = lam[tail[e]], lam[head[e]], gain[e], capacity[e], rate[e]
        was = now[e]
        y = was + MOMENTUM * (was - old[e])
        out, back = g * there - here, there - g * here
        new = min(max(y + r * out, 0.0), c) + max(min(y + r * back, 0.0), -c)
        uphill += (out if new + was > 0.0 else back) * (new - was)
        old[e] = new
    return uphill


@kernel
def no_ends(tail: Places, head: Places, gain: Floats, capacity: Floats, rate: Floats, now: Floats,
            old: Floats, lam: Floats, over: Floats) -> float:  # fmt: skip
    """The same with made-up prices."""
    uphill = 0.0
    for e in range(tail.size):
        here, there, g, c, r = float(tail[e]), float(head[e]), gain[e], capacity[e], rate[e]
        was = now[e]
        y = was + MOMENTUM * (was - old[e])
        out, back = g * there - here, there - g * here
        new = min(max(y + r * out, 0.0), c) + max(min(y + r * back, 0.0), -c)
        uphill += (out if new + was > 0.0 else back) * (new - was)
        old[e] = new
    return uphill


@kernel
def columns_alone(tail: Places, head: Places, gain: Floats, capacity: Floats, rate: Floats,
                  now: Floats, old: Floats, lam: Floats, over: Floats) -> float:  # fmt: skip
    """Read all columns of links, write one."""
    for e in range(tail.size):
        old[e] = now[e] + gain[e] + capacity[e] + rate[e] + old[e] + float(tail[e] ^ head[e])
    return 0.0


@kernel
def sums_alone(tail: Places, head: Places, gain: Floats, capacity: Floats, rate: Floats,
               now: Floats, old: Floats, lam: Floats, over: Floats) -> float:  # fmt: skip
    """Add flows at both ends."""
    for e in range(tail.size):
        over[tail[e]] -= now[e]
        over[head[e]] += now[e]
    return 0.0


COLUMNS = "columns read and written, nothing computed"
CACHED = "as it is, in the caches"
WALKS: dict[str, Callable[..., float]] = {
    "as it is": as_it_is,
    "without sums at the ends": no_sums,
    "nor prices of the ends": no_ends,
    COLUMNS: columns_alone,
    "sums at the ends alone": sums_alone,
}


def measure(quick: bool, say: Say) -> Data:
    """All walks over two ordered meshes."""
    nodes = SMALL if quick else NODES
    side = round(nodes**0.5)
    source = np.ones(COPIED // 64 if quick else COPIED)
    target = np.zeros_like(source) + 1.0
    parts = []
    for shape in (graphs.geometric(nodes, SEED), graphs.grid(side, side)):
        say(f"walks over {shape.name}")
        mesh = mesh_on(shape)
        found = bounds(mesh, FEW_PASSES if quick else PASSES, lambda: copy_once(source, target))
        parts.append({"what": shape.name, "links": shape.links, **found})
    return {"parts": parts, "bytes_per_link": BYTES_PER_LINK}


def bounds(mesh: Mesh, runs: int, copy: Callable[[], float]) -> Data:
    """Least time of a link in each walk, ns, and the best rate of copying, bytes a second."""
    links, nodes = mesh.tail.size, mesh.top.size
    rng = np.random.default_rng(SEED)
    now = 0.1 * rng.standard_normal(links)
    old, lam, over = now.copy(), rng.random(nodes), np.zeros(nodes)
    own = (mesh.tail, mesh.head, mesh.gain, mesh.capacity, np.full(links, 0.1), now, old)
    few = tuple(column[:FEW].copy() for column in own)
    spent: dict[str, list[float]] = {}
    copied: list[float] = []
    for _ in range(runs):
        old[:] = now
        for name, walk in WALKS.items():
            spent.setdefault(name, []).append(_link_ns(walk, (*own, lam, over), 1))
        again = max(1, links // FEW)
        spent.setdefault(CACHED, []).append(_link_ns(as_it_is, (*few, lam, over), again))
        copied.append(copy())
    least = {name: min(each[1:] or each) for name, each in spent.items()}  # the first compiles
    return {"link_ns": least, "copy_rate": max(copied)}


def _link_ns(walk: Callable[..., float], columns: tuple[NDArray[Any], ...], again: int) -> float:
    start = time.perf_counter()
    for _ in range(again):
        walk(*columns)
    return 1e9 * (time.perf_counter() - start) / again / columns[0].size


def page(data: Data) -> str:
    """The walks, and what follows from them."""
    parts = data["parts"]
    rows = [
        [what, *(digits(each["link_ns"][what]) for each in parts)] for what in parts[0]["link_ns"]
    ]
    names = [each["what"] for each in parts]
    told = " ".join(_verdict(each, data["bytes_per_link"]) for each in parts)
    return f"""\
The walk over the links of a sweep, one thread, with parts of its work left out
(`benchmarks/bounds.py`); a link, ns, the least of {PASSES} times.

{table(["walk", *names], rows)}

{told}
"""


def _verdict(part: Data, bytes_per_link: int) -> str:
    ns = part["link_ns"]
    whole, still, bare = ns["as it is"], ns[CACHED], ns[COLUMNS]
    by = "Arithmetic bounds" if still > 0.8 * whole else "Memory and arithmetic together bound"
    share = 1e9 * bytes_per_link / whole / part["copy_rate"]
    reached = "reaches" if share >= REACH[1] else "does not reach"
    return (
        f"{by} it on {part['what']}: links in the caches take {percent(still / whole)} of its "
        f"time, moving the columns alone {percent(bare / whole)}. The links' "
        f"{bytes_per_link} bytes pass at {percent(share)} of the best copy in the same run, which "
        f"{reached} {percent(REACH[1])}."
    )
