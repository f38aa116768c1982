"""The program of a book, plainly, and how far an answer is from its optimum.

One measure for everybody: our solvers, other people's, and plain models. It uses nothing of the
solvers, neither their kernels nor their units. The gap is a bound, so it needs no better answer to
compare with: what each battery and each link, taken alone at the answer's prices, would still gain
(weak duality), and what the answer is off balance, at these prices; both as a share of the welfare
gained, or of a nano-unit of money if that is more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.grid import Grid
from isojoule.market import Book
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NANO = 1e-9
GAP = 1e-6
"""What every solver is asked for."""


class Program(NamedTuple):
    """Maximise the worth of all pieces; a link may carry energy either way, and loses a share.

    Attributes
    ----------
    nodes
        Number of nodes.
    node, pieces
        (pieces,) Where each piece is, and its curve; J and money per J.
    tail, head, gain, capacity_j
        (links,) Ends, share of the energy that arrives, and the most that may be sent, J.
    """

    nodes: int
    node: Ints
    pieces: Pieces
    tail: Ints
    head: Ints
    gain: Floats
    capacity_j: Floats


class Answer(NamedTuple):
    """What the pieces receive (J), what links carry (J, from tail to head), prices of the nodes."""

    x: Floats
    flow: Floats
    price: Floats


def program_of(book: Book, grid: Grid) -> Program:
    """The program of a book on the network `transport`.

    Raises
    ------
    ValueError
        Links have quadratic or standing losses or a price, which this program does not know.
    """
    if np.any(grid.resistance_ohm > 0) or np.any(grid.standing_loss_w > 0):
        raise ValueError("the program knows proportional losses alone")
    if np.any(grid.price_per_j > 0):
        raise ValueError("the program knows no price of links")
    limits = grid.limits(book.interval.duration_s)
    return Program(
        grid.node_count,
        book.offer_node[book.piece_offer].astype(np.int64),
        book.pieces,
        grid.link_from.astype(np.int64),
        grid.link_to.astype(np.int64),
        1.0 - 1e-9 * limits.loss_ppb,
        1e-6 * limits.capacity_uj,
    )


def gap_of(program: Program, answer: Answer) -> float:
    """How far the answer is from the optimum, as a share of the welfare; inf if it is no answer.

    Bounds are kept to the letter. An answer that is off balance has a second try, and the better
    one counts: the piece at each node, where there is one alone, takes what is left over.
    """
    p = program.pieces
    if not all(np.all(np.isfinite(part)) for part in answer):
        return np.inf
    flow = np.clip(answer.flow, -program.capacity_j, program.capacity_j)
    x = np.clip(answer.x, p.lo, p.hi)
    tries = [x]
    if np.array_equal(program.node, np.arange(program.nodes)):
        tries.append(np.clip(brought(program, flow), p.lo, p.hi))
    return min(_gap(program, each, flow, answer.price) for each in tries)


def brought(program: Program, flow: Floats) -> Floats:
    """What the links bring to each node, less what they take from it, J."""
    ahead, back = np.maximum(flow, 0.0), np.maximum(-flow, 0.0)
    arrives = np.bincount(program.head, program.gain * ahead - back, program.nodes)
    leaves = np.bincount(program.tail, ahead - program.gain * back, program.nodes)
    return arrives - leaves


def welfare_of(program: Program, x: Floats) -> float:
    """Worth of what the pieces receive, money."""
    return float(np.sum(_worth(program.pieces, x)))


def _gap(program: Program, x: Floats, flow: Floats, price: Floats) -> float:
    p, here = program.pieces, price[program.node]
    want = _wanted(p, here)
    own = _worth(p, want) - _worth(p, x) - here * (want - x)
    ahead = program.gain * price[program.head] - price[program.tail]  # per Joule sent
    back = program.gain * price[program.tail] - price[program.head]
    best = program.capacity_j * np.maximum(np.maximum(ahead, back), 0.0)
    earned = np.where(flow >= 0, ahead, back) * np.abs(flow)
    over = brought(program, flow) - np.bincount(program.node, x, program.nodes)
    missed = own.sum() + (best - earned).sum() + np.abs(price * over).sum()
    gained = abs(welfare_of(program, x))
    share = missed / max(gained, NANO)
    return float(share) if np.isfinite(share) else np.inf


def _worth(p: Pieces, x: Floats) -> Floats:
    """Integral of a + b*(c0 - c1*s)**k for s from 0 to x, money."""
    slope = np.where(p.c1 > 0, p.c1 * (p.k + 1.0), 1.0)
    curved = (np.maximum(p.c0, 0.0) ** (p.k + 1.0) - _room(p, x) ** (p.k + 1.0)) / slope
    level = np.maximum(p.c0, 0.0) ** p.k * x
    return np.asarray(p.a * x + p.b * np.where(p.c1 > 0, curved, level))


def _room(p: Pieces, x: Floats) -> Floats:
    return np.maximum(p.c0 - p.c1 * x, 0.0)


def _wanted(p: Pieces, price: Floats) -> Floats:
    """What each piece would receive at this price, J."""
    falls = (p.b > 0) & (p.c1 > 0)
    b, c1 = np.where(falls, p.b, 1.0), np.where(falls, p.c1, 1.0)
    inside = (p.c0 - np.maximum((price - p.a) / b, 0.0) ** (1.0 / p.k)) / c1
    level = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    ends = np.where(level > price, p.hi, p.lo)
    return np.asarray(np.clip(np.where(falls, inside, ends), p.lo, p.hi))
