"""How near a sweep of `first-order` comes to the speed at which memory can be copied.

A sweep is one step of all links: prices of the nodes, then flows, then what they bring. It moves a
known number of bytes (`isojoule.kernels.mesh`), each once: the links' own columns in order, and the
nodes' while they lie in the cache. Copying is measured in the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks import books, graphs
from benchmarks.clock import timed
from benchmarks.copying import SIZE_BYTES, Rates, copying
from benchmarks.graphs import Shape
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, digits, percent, table
from isojoule.grid.formulation import network_of
from isojoule.kernels.first_order import Mesh, begin, sweep
from isojoule.kernels.mesh import BYTES_PER_LINK, BYTES_PER_NODE, PARTS
from isojoule.market.allocation import columns_of
from isojoule.market.optimum import join_smooth
from isojoule.market.solvers.first_order import mesh_of

TITLE = "Sweeps and memory"
NODES, SMALL = 1_000_000, 10_000
SEED = 1
WARM, SWEEPS, RUNS = 40, 10, 9
"""Sweeps before time counts, sweeps a run, and runs."""
MOMENTUM = 0.9
REACH = {1: 0.60, 2: 0.75}
AIM = {1: 0.80, 2: 0.85}
"""Shares of the copy bandwidth wanted, by threads."""


def measure(quick: bool, say: Say) -> Data:
    """Copy, then sweep over two ordered meshes, with one thread and two."""
    size_bytes = SIZE_BYTES // 64 if quick else SIZE_BYTES
    say("copying")
    rates = copying(size_bytes)
    nodes = SMALL if quick else NODES
    side = round(nodes**0.5)
    spent = []
    for shape in (graphs.geometric(nodes, SEED), graphs.grid(side, side)):
        say(f"sweeps over {shape.name}")
        mesh = mesh_on(shape)
        spent += [(shape, threads, sweep_s(mesh, threads)) for threads in (1, 2)]
    say("copying again")
    rates = rates.or_better(copying(size_bytes))
    return {
        "rows": [_row(*each, rates) for each in spent],
        "copy_library": rates.library,
        "copy_loop": rates.loop,
        "copy_bytes": rates.size_bytes,
        "bytes_per_link": BYTES_PER_LINK,
        "bytes_per_node": BYTES_PER_NODE,
    }


def mesh_on(shape: Shape) -> Mesh:
    """A book of batteries on this shape, laid out for sweeps."""
    book, grid = books.batteries(shape, SEED)
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = join_smooth(columns_of(book, network))
    none = np.zeros(network.nodes)
    return mesh_of(network, columns.node, columns.pieces, network.capacity_j, none)[0]


def sweep_s(mesh: Mesh, threads: int) -> float:
    """Time of one sweep, s, by so many threads, as the solver makes them."""
    links = mesh.tail.size
    flow, before = np.zeros(links), np.zeros(links)
    steps = begin(mesh, flow, np.zeros(mesh.lo.size))
    state = [flow, before]

    def step(part: int) -> None:
        sweep(mesh, steps, state[0], state[1], part, MOMENTUM, MOMENTUM)

    def make(sweeps: int, each: Callable[[Callable[[int], None]], None]) -> None:
        for _ in range(sweeps):
            each(step)
            step(PARTS)
            state.reverse()

    def alone(work: Callable[[int], None]) -> None:
        for part in range(PARTS):
            work(part)

    with ThreadPoolExecutor(threads) as pool:

        def together(work: Callable[[int], None]) -> None:
            list(pool.map(work, range(PARTS)))

        each = alone if threads == 1 else together
        make(WARM, each)
        return timed(lambda: make(SWEEPS, each), RUNS)[0].median_s / SWEEPS


def _row(shape: Shape, threads: int, spent_s: float, rates: Rates) -> Data:
    moved = BYTES_PER_LINK * shape.links + BYTES_PER_NODE * shape.nodes
    return {
        "what": shape.name,
        "nodes": shape.nodes,
        "links": shape.links,
        "threads": threads,
        "sweep_s": spent_s,
        "per_link_ns": 1e9 * spent_s / shape.links,
        "rate": moved / spent_s,
        "share": moved / spent_s / rates.best(threads),
        "reach": REACH[threads],
        "aim": AIM[threads],
    }


def page(data: Data) -> str:
    """The table of shares, and the copies beside it."""
    rows = [
        [
            f"{r['what']}, {count(r['nodes'])} nodes",
            str(r["threads"]),
            digits(1e3 * r["sweep_s"]),
            digits(r["per_link_ns"]),
            digits(r["rate"] / 1e9),
            percent(r["share"]),
            percent(r["reach"]),
            percent(r["aim"]),
        ]
        for r in data["rows"]
    ]
    heads = ["mesh", "threads", "sweep, ms", "a link, ns", "GB/s", "of copying", "reach", "aim"]
    copies = [
        [what, *(digits(rate / 1e9) for rate in data[key])]
        for what, key in (
            ("the C library's copy, past the cache", "copy_library"),
            ("a loop, which reads what it writes over", "copy_loop"),
        )
    ]
    return f"""\
Large meshes are solved by [`first-order`](spec/solvers.md): hundreds of sweeps, in each of which
every link moves a little. There is little to compute, so a sweep cannot be faster than memory. It
moves {data["bytes_per_link"]} bytes a link and {data["bytes_per_node"]} bytes a node. The share
is of the faster way to copy with as many threads, measured before and after. Two threads give the
same bits as one.

{table(heads, rows)}

Copying arrays of {data["copy_bytes"] / 2**20:.0f} MiB, bytes read and written, GB/s:

{table(["copy", "one thread", "two threads"], copies)}
"""
