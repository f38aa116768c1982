"""Books of batteries on a shape: what the benchmarks clear.

Every node has a battery of 1000 J, filled at random, whose energy is worth 1.1 when it is empty and
0.1 when it is full. Every link lets 100 J through and loses 2 %, unless said otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.graphs import Shape
from isojoule.core.interval import Interval
from isojoule.core.names import Names
from isojoule.core.units import PPB
from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation import KINDS
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]

DURATION_S = 900.0
FULL_J = 1000.0
CAPACITY_J = 100.0
LOSS = 0.02
LEAST_WORTH, WORTH_RANGE = 0.1, 1.0
NOISE = 1e-3
"""How much the stored energies differ in the next interval, as a share of `FULL_J`."""


def batteries(
    shape: Shape,
    seed: int,
    *,
    k: float | Floats = 1.0,
    loss: float = LOSS,
    capacity_j: float = CAPACITY_J,
) -> tuple[Book, Grid]:
    """A book of batteries on this shape; `k` for all, or one for each node."""
    grid = Grid(
        Names.numbered("n", shape.nodes),
        Names.numbered("l", shape.links),
        shape.tail,
        shape.head,
        capacity_w=np.full(shape.links, capacity_j / DURATION_S),
        loss_ppb=np.full(shape.links, round(loss * PPB), np.int64),
    )
    stored_j = np.random.default_rng(seed).uniform(0.0, FULL_J, shape.nodes)
    zero = np.zeros(shape.nodes)
    every = np.arange(shape.nodes, dtype=np.int32)
    names = Names.numbered("p", shape.nodes)
    book = Book(
        currency="EUR",
        interval=Interval(0, DURATION_S),
        network="transport",
        participants=names,
        offer_ids=names,
        offer_participant=every,
        offer_node=every,
        offer_kind=np.full(shape.nodes, KINDS.index("steps"), np.uint8),
        piece_offer=every,
        pieces=_pieces(stored_j, np.broadcast_to(k, zero.shape).astype(np.float64)),
        on_curve=np.ones(shape.nodes, bool),
        spill0=zero,
        spill1=zero,
        short0=zero,
        short1=zero,
    )
    return book, grid


def later(book: Book, seed: int, noise: float = NOISE) -> Book:
    """The book of the next interval: every battery holds a little more or less."""
    stored_j = -book.pieces.lo
    change_j = np.random.default_rng(seed).normal(0.0, noise * FULL_J, stored_j.size)
    return with_stored(book, np.clip(stored_j + change_j, 0.0, FULL_J))


def with_stored(book: Book, stored_j: Floats) -> Book:
    """The book with other energies stored."""
    return replace(book, pieces=_pieces(stored_j, book.pieces.k))


def _pieces(stored_j: Floats, k: Floats) -> Pieces:
    one = np.ones(stored_j.size)
    return Pieces(
        -stored_j,
        FULL_J - stored_j,
        LEAST_WORTH * one,
        WORTH_RANGE * one,
        1.0 - stored_j / FULL_J,
        one / FULL_J,
        k,
    )
