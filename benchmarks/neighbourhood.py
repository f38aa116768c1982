"""Books of a neighbourhood, on trees and meshes of any size: the whole way of a clearing.

A third of the nodes have a battery, a third a load, a third sun; the utility sits at the root.
Links lose a share of what they carry, and some are too small.
"""

from __future__ import annotations

import numpy as np

from benchmarks import ours
from benchmarks.books import DURATION_S
from benchmarks.clock import once, timed
from benchmarks.program import NANO
from benchmarks.subjects import Data, Say
from benchmarks.tables import count, seconds, table, tiny
from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

TITLE = "Neighbourhoods of every size"
SIZES, SMALL = (100, 1_000, 10_000, 100_000), (60, 100)
RUNS = 3
BUDGET_S = 15.0
KWH = 3.6e6


def measure(quick: bool, say: Say) -> Data:
    """Clear trees and meshes by size."""
    ours.clearing(*make(60, "mesh", 0))  # compiles
    ours.clearing(*make(60, "tree", 0))
    rows = []
    for nodes in SMALL if quick else SIZES:
        for shape in ("tree", "mesh"):
            say(f"{shape}, {nodes:,} nodes")
            rows.append(_row(nodes, shape, 1 if quick else RUNS))
    return {"rows": rows}


def _row(nodes: int, shape: str, runs: int) -> Data:
    book, grid = make(nodes, shape, seed=nodes)
    first_s, _ = once(lambda: ours.clearing(book, grid))
    again, found = timed(lambda: ours.clearing(book, grid), runs, BUDGET_S)
    return {
        "shape": shape,
        "nodes": nodes,
        "links": grid.link_count,
        "first_s": first_s,
        "again_s": again.median_s,
        "gap": found.certificate.gap / max(abs(found.welfare), NANO),
    }


def page(data: Data) -> str:
    """The table."""
    rows = [
        [
            r["shape"],
            count(r["nodes"]),
            count(r["links"]),
            seconds(r["first_s"]),
            seconds(r["again_s"]),
            seconds(r["again_s"] / r["nodes"]),
            tiny(r["gap"]),
        ]
        for r in data["rows"]
    ]
    heads = ["grid", "nodes", "links", "first", "again", "a node", "gap"]
    return f"""\
A third of the nodes have a battery, a third a load, a third sun, and the utility sits at the
root; links lose some of what they carry, and some are too small. From the book to whole
microjoules, prices, payments and certificate, by the solver that `auto` chooses. *First*: on a
grid that is new to the program.

{table(heads, rows)}
"""


def make(nodes: int, shape: str, seed: int) -> tuple[Book, Grid]:
    """A random book and grid. A mesh has a quarter more links than a tree."""
    rng = np.random.default_rng(seed)
    child = np.arange(1, nodes)
    parent = np.maximum(0, child - rng.integers(1, 9, nodes - 1))
    if shape == "mesh":
        near = rng.integers(0, nodes - 10, nodes // 4)
        parent = np.concatenate([parent, near])
        child = np.concatenate([child, near + rng.integers(1, 10, nodes // 4)])
    links = len(child)
    small = rng.random(links) < 0.05
    grid = Grid(
        tuple(f"n{i}" for i in range(nodes)),
        tuple(f"l{i}" for i in range(links)),
        parent.astype(np.int32),
        child.astype(np.int32),
        capacity_w=np.where(small, 2e3, 20e3 * np.sqrt(nodes)),
        loss_ppb=rng.integers(1_000_000, 20_000_000, links),
    )
    battery, load, sun = (np.flatnonzero(np.arange(nodes) % 3 == i) for i in rng.permutation(3))
    stored = rng.uniform(0.1, 0.9, len(battery))
    capacity = rng.uniform(2, 10, len(battery)) * KWH
    served = rng.uniform(0.1, 1.0, len(load)) * KWH
    sunny = rng.uniform(0.1, 1.5, len(sun)) * KWH
    curve = (1 - stored, 1 / capacity)
    table = np.concatenate(
        [
            _block(battery, -stored * capacity, 0.0, 0.09 / 0.95, 0.18 / 0.95, *curve),
            _block(battery, 0.0, (1 - stored) * capacity, 0.09 * 0.95, 0.18 * 0.95, *curve),
            _block(load, 0.0, served, 5.0, 0.0, 1.0, 0.0),
            _block(sun, -sunny, 0.0, 0.0, 0.0, 1.0, 0.0),
            _block(np.array([nodes]), -np.inf, 0.0, 0.30, 0.0, 1.0, 0.0),
            _block(np.array([nodes]), 0.0, np.inf, 0.08, 0.0, 1.0, 0.0),
        ]
    )
    table = table[np.argsort(table[:, 0], kind="stable")]  # pieces in the order of the offers
    offer, lo, hi, a, b, c0, c1 = np.ascontiguousarray(table.T)
    offers = nodes + 1
    kinds = np.full(offers, KINDS.index("steps"), np.uint8)
    kinds[nodes] = KINDS.index("utility")
    zero = np.zeros(offers)
    names = tuple(f"p{i}" for i in range(offers))
    book = Book(
        currency="EUR",
        interval=Interval(0, DURATION_S),
        network="transport",
        participants=names,
        offer_ids=names,
        offer_participant=np.arange(offers, dtype=np.int32),
        offer_node=np.append(np.arange(nodes), 0).astype(np.int32),
        offer_kind=kinds,
        piece_offer=offer.astype(np.int32),
        pieces=Pieces(lo, hi, a / KWH, b / KWH, c0, c1, np.ones(len(a))),
        on_curve=b > 0,
        spill0=zero,
        spill1=zero,
        short0=zero,
        short1=zero,
    )
    return book, grid


def _block(offer: np.ndarray, *columns: np.ndarray | float) -> np.ndarray:
    """Rows of the table of pieces: offer, lo, hi, a, b, c0, c1 (prices per kWh)."""
    return np.column_stack(np.broadcast_arrays(offer, *columns))
