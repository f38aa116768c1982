"""What holds a sweep back: the same walk over the same links, with parts of its work left out.

- *as it is*: the step of links without price, as `isojoule.kernels.first_order.sweep` makes it.
- *without sums at the ends*: new flows, but nothing is added to the nodes.
- *nor prices of the ends*: what stands in order is read and written, and all is computed.
- *columns read and written, nothing computed*: one addition a column. What memory alone takes.
- *sums at the ends alone*: one flow is read, and added at both ends.
- *as it is, in the caches*: the same few links again and again. What arithmetic alone takes.

Each is timed in turn, many times over, and the least counts: other work on the machine only adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.subjects import Data
from isojoule.kernels.compile import kernel
from isojoule.kernels.first_order import Mesh

Floats = NDArray[np.float64]
Places = NDArray[np.uint32]
MOMENTUM = 0.9
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


def bounds(mesh: Mesh, runs: int) -> Data:
    """Least time of a link in each walk over the links of a mesh, ns, one thread."""
    links, nodes = mesh.tail.size, mesh.top.size
    rng = np.random.default_rng(SEED)
    now = 0.1 * rng.standard_normal(links)
    old, lam, over = now.copy(), rng.random(nodes), np.zeros(nodes)
    own = (mesh.tail, mesh.head, mesh.gain, mesh.capacity, np.full(links, 0.1), now, old)
    few = tuple(column[:FEW].copy() for column in own)
    spent: dict[str, list[float]] = {}
    for _ in range(runs):
        old[:] = now
        for name, walk in WALKS.items():
            spent.setdefault(name, []).append(_link_ns(walk, (*own, lam, over), 1))
        again = max(1, links // FEW)
        spent.setdefault(CACHED, []).append(_link_ns(as_it_is, (*few, lam, over), again))
    return {name: min(each[1:] or each) for name, each in spent.items()}  # the first compiles


def _link_ns(walk: Callable[..., float], columns: tuple[NDArray[Any], ...], again: int) -> float:
    start = time.perf_counter()
    for _ in range(again):
        walk(*columns)
    return 1e9 * (time.perf_counter() - start) / again / columns[0].size
