"""Clearing one interval: random books on trees and meshes, ours beside Clarabel.

A third of the nodes have a battery (k = 1, so that the peer sees a plain quadratic program), a
third a load, a third sun; the utility sits at the root. Links lose a share of what they carry and
some are too small. The peer gets the same program as matrices, without a modeller in between, and
only its own solving time is counted; ours counts everything from the book to the checked integers.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from scipy import sparse

from isojoule.core.interval import Interval
from isojoule.grid import Grid
from isojoule.market import Book, Clearing
from isojoule.market.mechanisms.equilibrium import Equilibrium
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

DURATION_S = 900.0
KWH = 3.6e6
ENERGY = 1e6  # the peer's numbers are in these units, to be near 1
PRICE = 1e-7


class Result(NamedTuple):
    """One row of the table; times in s. `peer_s` and `apart` are nan where no peer ran."""

    shape: str
    nodes: int
    first_s: float
    again_s: float
    peer_s: float
    apart: float


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


def ours(book: Book, grid: Grid) -> tuple[float, Clearing]:
    """Time and outcome of one clearing."""
    start = time.perf_counter()
    found = Equilibrium().clear(book, grid)
    spent = time.perf_counter() - start
    if not isinstance(found, Clearing):
        raise SystemExit(str(found))
    return spent, found


def peer(book: Book, grid: Grid) -> tuple[float, float]:
    """Clarabel's time and welfare on the same program.

    Variables: a piece each, then a flow each way per link. Minimise -(a + b c0) x + b c1 x^2 / 2,
    such that at each node what is received is what arrives, and all stay within their bounds.
    """
    import clarabel

    p = book.pieces
    pieces, links, nodes = len(p.lo), grid.link_count, grid.node_count
    gain = 1 - grid.loss_ppb * 1e-9
    at = book.offer_node[book.piece_offer]
    every = np.arange(links)
    back = pieces + links
    total = pieces + 2 * links
    entry = [
        (at, np.arange(pieces), -np.ones(pieces)),
        (grid.link_from, pieces + every, -np.ones(links)),
        (grid.link_to, pieces + every, gain),
        (grid.link_to, back + every, -np.ones(links)),
        (grid.link_from, back + every, gain),
    ]
    row, column, value = (np.concatenate([e[i] for e in entry]) for i in range(3))
    balance = sparse.csc_matrix((value, (row, column)), shape=(nodes, total))
    most = np.minimum(grid.capacity_w * DURATION_S, np.inf) / ENERGY
    lo = np.concatenate([p.lo / ENERGY, np.zeros(2 * links)])
    hi = np.concatenate([p.hi / ENERGY, most, most])
    under, over = np.isfinite(hi), np.isfinite(lo)
    unit = sparse.identity(total, format="csc")
    rules = sparse.vstack([balance, unit[under], -unit[over]], format="csc")
    limits = np.concatenate([np.zeros(nodes), hi[under], -lo[over]])
    linear = np.append(-(p.a + p.b * p.c0) / PRICE, np.zeros(2 * links))
    square = np.append(p.b * p.c1 / PRICE * ENERGY, np.zeros(2 * links))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_rel = settings.tol_gap_abs = settings.tol_feas = 1e-9
    cones = [
        clarabel.ZeroConeT(nodes),
        clarabel.NonnegativeConeT(int(under.sum() + over.sum())),
    ]
    start = time.perf_counter()
    solver = clarabel.DefaultSolver(
        sparse.diags(square, format="csc"), linear, rules, limits, cones, settings
    )
    answer = solver.solve()
    spent = time.perf_counter() - start
    if str(answer.status) not in ("Solved", "AlmostSolved"):
        return np.nan, np.nan
    return spent, -answer.obj_val * ENERGY * PRICE


def measure(nodes: int, shape: str, *, with_peer: bool, repeats: int = 3) -> Result:
    """Clear a book of this size: the first time on its grid, and again (the best of some)."""
    book, grid = make(nodes, shape, seed=nodes)
    first_s, found = ours(book, grid)
    again_s = min(ours(book, grid)[0] for _ in range(repeats))
    peer_s = apart = np.nan
    if with_peer:
        peer_s, welfare = min(peer(book, grid) for _ in range(repeats))
        apart = abs(found.welfare - welfare) / abs(welfare)
    return Result(shape, nodes, first_s, again_s, peer_s, apart)
