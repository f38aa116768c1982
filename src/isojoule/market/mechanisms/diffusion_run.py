"""The sweeps of `diffusion`: from a book to energies, flows and money, all of it from kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.core.names import not_empty
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network
from isojoule.kernels.commit import losses
from isojoule.kernels.diffusion import END, FIRST, HIGH, LOW, NODE, PIECE, in_whole, lay_out, stand
from isojoule.kernels.diffusion_order import colours
from isojoule.kernels.diffusion_sweep import DUST_UJ, sweep
from isojoule.kernels.money import payments
from isojoule.kernels.prices import fill
from isojoule.market.allocation import bounds_uj, price_between
from isojoule.market.book import Book
from isojoule.market.contract import Trade
from isojoule.market.optimum import Columns
from isojoule.market.settle import MOST_MONEY, capacity_uj
from isojoule.valuation.curve import Pieces, integral, marginal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REST_UJ = DUST_UJ
"""A kink or wall that is no further counts as reached when the sweeps have ended (D8)."""
WALL_UJ = 2.0**61
KEPT = 4
EXACT_NANO = 1e-3
"""Less of a nano-unit than this is the rounding of floats, and is not rounded up."""


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """The curves of a book's nodes as kernels take them, and which offer each piece is of."""

    piece: Floats
    stretch: Floats
    moving: Ints
    node: Ints
    offer: Ints
    source: Ints
    endless: int

    @property
    def packed(self) -> tuple[Floats, Floats, Ints, Ints]:
        """The four arrays of all kernels."""
        return self.piece, self.stretch, self.moving, self.node


class Wires(NamedTuple):
    """Links as kernels take them: integers, rates, and their turns."""

    link: Ints
    rate: Floats
    order: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """What the sweeps led to. Offers with the standing losses behind them; links; nodes."""

    energy_uj: Ints
    flow_uj: Ints
    z_uj: Ints
    x: Floats
    own_j: Floats
    own_price: Floats
    profit: Floats
    received: Floats
    bid: Floats
    ask: Floats
    made: int
    endless: str

    @property
    def price(self) -> Floats:
        """Price per node: between bid and ask."""
        return price_between(self.bid, self.ask)


def curves_of(columns: Columns, nodes: int) -> Curves:
    """Lay out what the offers of every node want together."""
    order = np.argsort(columns.node, kind="stable")  # offers stay in the order of the book
    p = Pieces(*(column[order] for column in columns.pieces))
    ends = (np.where(np.isfinite(end), end, 0.0) for end in (p.lo, p.hi))
    piece = np.empty((order.size, PIECE))
    for i, values in enumerate((*p, *(marginal(p, end) for end in ends))):
        piece[:, i] = values
    node = np.zeros((nodes, NODE), np.int64)
    start = np.searchsorted(columns.node[order], np.arange(nodes + 1))
    node[:, FIRST], node[:, END] = start[:-1], start[1:]
    low, high = bounds_uj(columns.offer, columns.pieces, columns.offer_node.size)
    for wall, bound in ((LOW, low), (HIGH, high)):
        rough = np.bincount(columns.offer_node, bound.astype(float), nodes)
        exact = np.zeros(nodes, np.int64)
        np.add.at(exact, columns.offer_node, np.where(np.abs(bound) < WALL_UJ, bound, 0))
        far = np.clip(rough, -WALL_UJ, WALL_UJ).astype(np.int64)
        node[:, wall] = np.where(np.abs(rough) < WALL_UJ, exact, far)
    stretch, moving, endless = lay_out(piece, node)
    return Curves(piece, stretch, moving, node, columns.offer[order], order, endless)


def wires_of(grid: Grid, network: Network, seed: bytes) -> Wires:
    """Links in arrays; their turns are kept with the grid once found."""
    links = network.tail.size
    link = np.stack(
        [network.tail, network.head, capacity_uj(network), network.limits.loss_ppb], axis=1
    )
    rate = np.stack([network.gain, network.limits.loss_per_j, network.price], axis=1)
    cache: dict[bytes, Ints] = grid.__dict__.setdefault("_turns", {})
    if seed not in cache:
        names = grid.link_ids[:links]
        ranks = [rank(seed, "diffusion", name) for name in names]
        turn = np.array(sorted(range(links), key=ranks.__getitem__), dtype=np.int64)
        colour = colours(network.nodes, network.tail, network.head, turn)
        while len(cache) >= KEPT:
            cache.pop(next(iter(cache)))
        cache[seed] = np.argsort(colour, kind="stable").astype(np.int64)
    return Wires(np.ascontiguousarray(link), np.ascontiguousarray(rate), cache[seed])


def run(
    book: Book, grid: Grid, curves: Curves, columns: Columns, wires: Wires, sweeps: int,
    split: float,
) -> Outcome:  # fmt: skip
    """Each node by itself, then the sweeps, then whole microjoules for every offer."""
    nodes, links = curves.node.shape[0], wires.link.shape[0]
    count = columns.offer_node.size
    z, flow = np.zeros(nodes, np.int64), np.zeros(links, np.int64)
    profit, received = np.zeros(count), np.zeros(links)
    bid, ask, x = stand(*curves.packed, z, 0)
    own_price = price_between(bid, ask)
    own_j: Floats = np.bincount(curves.offer, x, count).astype(np.float64)
    endless = _endless(book, curves, grid, -1)
    made = 0
    while made < sweeps and not endless:
        made += 1
        moved, unlimited = sweep(
            *curves.packed, curves.offer, wires.link, wires.rate, wires.order, split, z, flow, x,
            profit, received,
        )  # fmt: skip
        endless = _endless(book, curves, grid, unlimited)
        if endless or not moved:
            break
    energy = np.zeros(count, np.int64) if endless else _whole(book, grid, columns, curves, z, x)
    bid, ask, _ = stands_at(curves, z)
    return Outcome(energy, flow, z, x, own_j, own_price, profit, received, bid, ask, made,
                   endless)  # fmt: skip


def stands_at(curves: Curves, z_uj: Ints) -> tuple[Floats, Floats, Floats]:
    """Bid and ask of every node, money per J, and where pieces stand, J, once sweeps have ended."""
    return stand(*curves.packed, z_uj, REST_UJ)


def _endless(book: Book, curves: Curves, grid: Grid, link: int) -> str:
    """What has no limit, in words, or ""."""
    if curves.endless >= 0:
        return f"trade at node {grid.node_ids[curves.endless]!r}"
    return f"trade over link {grid.link_ids[link]!r}" if link >= 0 else ""


def _whole(book: Book, grid: Grid, columns: Columns, curves: Curves, z_uj: Ints, x: Floats) -> Ints:
    """Whole microjoules for every offer; those of a node add up to what it receives."""
    count = columns.offer_node.size
    names = [*book.offer_ids, *(grid.link_ids[e] for e in columns.standing_links)]
    # offers by node; where fractions are equal, by name, behind them standing losses by link
    place = np.empty(count, np.int64)
    place[sorted(range(count), key=lambda i: (i >= book.offer_count, names[i]))] = np.arange(count)
    order = np.lexsort((place, columns.offer_node))
    start = np.searchsorted(columns.offer_node[order], np.arange(z_uj.size + 1))
    low, high = bounds_uj(columns.offer, columns.pieces, count)
    wanted = np.bincount(curves.offer, x, count).astype(np.float64)[order]
    ends = np.stack([start[:-1], start[1:]], axis=1).astype(np.int64)
    return in_whole(ends, z_uj, order.astype(np.int64), wanted, low, high)


class Money(NamedTuple):
    """Payments of offers and of links' owners, and the operator's lines, nano-units."""

    offers: Ints
    links: Ints
    operator: dict[str, int]
    total: float


def settle(grid: Grid, columns: Columns, outcome: Outcome, offers: int) -> Money:
    """Every offer pays the own node's price for what it had there, then its worth less its profit.

    The worth is the integral along its own curve from there to what it receives in the end.
    """
    p = columns.pieces
    o = outcome
    count = columns.offer_node.size
    first = fill(columns.offer, p.lo, p.hi, o.own_j)
    last = fill(columns.offer, p.lo, p.hi, o.energy_uj / UJ_PER_J)
    worth = integral(_from(p, first), last - first)
    paid = np.bincount(columns.offer, worth, count) - o.profit
    paid += np.nan_to_num(o.own_price)[columns.offer_node] * o.own_j
    total = float(np.abs(paid).sum())
    if not total < MOST_MONEY:
        return Money(np.zeros(0, np.int64), np.zeros(0, np.int64), {}, total)
    whole = np.ceil(paid * NANO_PER_UNIT - EXACT_NANO).astype(np.int64)
    links = np.zeros(grid.link_count, np.int64)
    carried = payments(grid.price_per_j, -np.abs(o.flow_uj))  # owners are rounded down
    owned = not_empty(grid.owner)
    links[owned] = carried[owned]
    lines = {
        "carriage": -int(carried[~owned].sum()),
        "standing_loss": -int(whole[offers:].sum()),
    }
    surplus = int(whole[:offers].sum()) + int(links.sum())
    lines["rounding"] = surplus - sum(lines.values())
    return Money(whole[:offers], links, lines, total)


def trades_of(wires: Wires, network: Network, outcome: Outcome) -> tuple[Trade, ...]:
    """The net trade of every link over which energy or money went."""
    flow, got = outcome.flow_uj, np.rint(outcome.received * NANO_PER_UNIT).astype(np.int64)
    lost = losses(flow, network.limits.loss_ppb, network.limits.loss_per_j)
    carried = -payments(network.price, -np.abs(flow))
    trades = []
    for e in np.flatnonzero((flow != 0) | (got != 0)).tolist():
        ends = int(network.tail[e]), int(network.head[e])
        sent, nano = abs(int(flow[e])), int(got[e])
        if flow[e] < 0:
            ends, nano = (ends[1], ends[0]), -nano - int(carried[e])
        trades.append(Trade(e, *ends, sent, sent - int(lost[e]), nano))
    return tuple(trades)


def _from(p: Pieces, x: Floats) -> Pieces:
    """The pieces as seen from x."""
    return p._replace(c0=np.maximum(p.c0 - p.c1 * x, 0.0))
