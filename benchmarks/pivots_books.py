"""Books whose payments are pivots: a procurement at one place, and a feeder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.books import DURATION_S
from isojoule.core.interval import Interval
from isojoule.core.names import Names
from isojoule.core.units import PPB
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def sellers(count: int, seed: int) -> tuple[Book, Grid]:
    """So many sellers of a step each, and one buyer who takes half of it, at one place."""
    rng = np.random.default_rng(seed)
    size_j = rng.integers(1_000_000, 9_000_000, count) / 1e6
    price = rng.uniform(0.05, 0.4, count)
    lo, hi = np.append(-size_j, 0.0), np.append(np.zeros(count), round(float(size_j.sum()) / 2))
    grid = Grid(
        ("n0",), (), np.zeros(0, np.int32), np.zeros(0, np.int32), capacity_w=np.zeros(0),
        loss_ppb=np.zeros(0, np.int64),
    )  # fmt: skip
    every = np.arange(count + 1)
    return _book("copperplate", every, np.zeros(count + 1), lo, hi, np.append(price, 1.0)), grid


def feeder(nodes: int, seed: int) -> tuple[Book, Grid]:
    """A radial feeder: a step at each node, half of them sell; the utility at the root.

    Links lose 1 %, and three in ten are narrow.
    """
    rng = np.random.default_rng(seed)
    child = np.arange(1, nodes)
    parent = np.maximum(0, child - rng.integers(1, 21, nodes - 1))
    sells = rng.random(nodes) < 0.5
    size_j = rng.integers(100, 900, nodes).astype(np.float64)
    price = rng.uniform(0.05, 0.35, nodes) + np.where(sells, 0.0, 0.05)
    lo, hi = np.where(sells, -size_j, 0.0), np.where(sells, 0.0, size_j)
    lo[0], hi[0], price[0] = 0.0, np.inf, 0.04
    party = np.append(np.arange(nodes), 0)  # the utility sells, too, dearer
    behind = np.ones(nodes)
    for i in range(nodes - 1, 0, -1):
        behind[parent[i - 1]] += behind[i]
    wide_j = np.where(rng.random(nodes - 1) < 0.3, 200.0, 2e3 + 100.0 * np.sqrt(behind[1:]))
    grid = Grid(
        Names.numbered("n", nodes),
        Names.numbered("l", nodes - 1),
        parent.astype(np.int32),
        child.astype(np.int32),
        capacity_w=wide_j / DURATION_S,
        loss_ppb=np.full(nodes - 1, PPB // 100, np.int64),
    )
    lo, hi = np.append(lo, -np.inf), np.append(hi, 0.0)
    return _book("transport", party, party, lo, hi, np.append(price, 0.41)), grid


def _book(network: str, party: Ints, node: Ints, lo: Floats, hi: Floats, price: Floats) -> Book:
    count = lo.size
    zero = np.zeros(count)
    return Book(
        currency="EUR",
        interval=Interval(0, DURATION_S),
        network=network,
        participants=Names.numbered("p", int(party.max()) + 1),
        offer_ids=Names.numbered("o", count),
        offer_participant=party.astype(np.int32),
        offer_node=node.astype(np.int32),
        offer_kind=np.full(count, KINDS.index("steps"), np.uint8),
        piece_offer=np.arange(count, dtype=np.int32),
        pieces=Pieces(lo, hi, price, zero, zero, zero, np.ones(count)),
        on_curve=np.zeros(count, bool),
        spill0=zero,
        spill1=zero,
        short0=zero,
        short1=zero,
    )
