"""The welfare optimum of a book, in exact integers, with its supporting prices.

What comes in: a book of divisible offers and a network. What goes out: what every offer
receives and every link carries, in microjoules that add up at every node; the least and the
greatest nodal prices that support it; and a bound on the welfare. How: interior point
(`isojoule.kernels.interior_point`), then integers (`isojoule.kernels.commit`), then prices and
gap, which use the integers alone (`isojoule.kernels.prices`), so that an auditor repeats that
last part without the first two.

The standing loss of a link is a must-serve load of the operator at its `from` node, worth
`STANDING_WORTH` times the dearest piece of the book.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import Network, network_of
from isojoule.kernels.commit import commit, losses, residuals
from isojoule.kernels.interior_point import Program, Solution, maximise
from isojoule.kernels.prices import fill, support, welfare_gap
from isojoule.market.book import Book
from isojoule.market.settle import capacity_uj
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-12
"""Scaled residual at which the interior point stops; it may stop earlier for lack of digits."""
ACCEPTED = 1e-6
"""Scaled residual above which a solution is refused."""
STANDING_WORTH = 10.0


GAP_SHARE = 1e-7
GAP_LEAST = 1e-8
DUST_J = 2e-6


def proven(welfare: float, gap: float, rounding: float) -> bool:
    """Whether a gap counts as closed, but for `rounding`, what whole microjoules cost.

    That is 1e-7 of the welfare, or ten nano-units if that is more.
    """
    return gap <= max(GAP_SHARE * abs(welfare), GAP_LEAST) + rounding


def rounding_of(columns: Columns, network: Network, dual: Floats) -> float:
    """What it may cost to stand on whole microjoules, money: two of them at each offer and link.

    Bounds are rounded inwards, losses upwards.
    """
    size = np.abs(dual)
    at_links = np.maximum(size[network.tail], size[network.head])
    return DUST_J * (float(size[columns.offer_node].sum()) + float(at_links.sum()))


class Columns(NamedTuple):
    """Pieces of a book and of the operator's standing losses, ready for kernels.

    The standing losses come last, one piece and one offer each. `node` is of the formulation.
    """

    node: Ints
    offer: Ints
    pieces: Pieces
    counts: NDArray[np.bool_]
    offer_node: Ints
    standing_links: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Support:
    """Prices that support an allocation, and the bound that the duals prove.

    `closed` says whether the gap is no more than rounding (see `proven`).
    """

    lowest: Floats
    highest: Floats
    price: Floats
    welfare: float
    gap: float
    closed: bool


@dataclass(frozen=True, eq=False, slots=True)
class Allocation:
    """The optimum in integers. Offers (O,), links (L,), nodes of the grid (n,)."""

    energy_uj: Ints
    flow_uj: Ints
    loss_uj: Ints
    standing_uj: Ints
    duals: Floats
    support: Support
    residual: float
    steps: int


class NotSolved(NamedTuple):
    """Why no optimum was found."""

    reason: str
    remedy: str


def columns_of(book: Book, network: Network) -> Columns:
    """Pieces of the book with the standing losses behind them."""
    links = np.flatnonzero(network.standing_uj > 0)
    offer_node = network.node_of[book.offer_node]
    node = offer_node[book.piece_offer]
    offer = book.piece_offer.astype(np.int64)
    if not links.size:
        counts = np.ones(node.size, bool)
        return Columns(node, offer, book.pieces, counts, offer_node, links)
    p = book.pieces
    dearest = float(np.max(np.abs(p.a) + p.b * np.abs(p.c0) ** p.k, initial=0.0)) or 1.0
    zero, one = np.zeros(links.size), np.ones(links.size)
    extra = (
        zero,
        network.standing_uj[links] / UJ_PER_J,
        STANDING_WORTH * dearest * one,
        zero,
        one,
        zero,
        one,
    )
    at = network.tail[links]
    return Columns(
        np.concatenate([node, at]),
        np.concatenate([offer, book.offer_count + np.arange(links.size)]),
        Pieces(*(np.concatenate([c, e]) for c, e in zip(p, extra, strict=True))),
        np.arange(node.size + links.size) < node.size,
        np.concatenate([offer_node, at]),
        links,
    )


def allocate(book: Book, grid: Grid) -> Allocation | NotSolved:
    """The welfare optimum of a book of divisible offers."""
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    joined = _join_smooth(columns)
    solution = relaxed = _solve(network, joined.columns)
    for _ in range(4):
        shut = _two_ways(network, joined.columns, solution, book.offer_count)
        if shut is None:
            break
        solution = _solve(network, joined.columns, shut)
    if not solution.residual < ACCEPTED:
        return NotSolved(
            f"the solver stopped at a residual of {solution.residual:.1e}",
            "check for prices or sizes that are many powers of ten apart",
        )
    limit_j = reach_of(columns.pieces)
    unlimited = ~np.isfinite(joined.columns.pieces.hi - joined.columns.pieces.lo)
    if np.any(np.abs(solution.x[unlimited]) > limit_j):
        worst = int(np.flatnonzero(unlimited & (np.abs(solution.x) > limit_j))[0])
        name = book.offer_ids[int(joined.columns.offer[worst])]
        return NotSolved(
            f"trade through offer {name!r} has no limit: an unlimited offer to sell meets a "
            "dearer unlimited offer to buy",
            "limit the link between them, or correct the prices",
        )
    energy, flow = _commit(book, network, columns, joined, solution)
    loss = losses(flow, network.limits.loss_ppb, network.limits.loss_per_j)
    standing = np.zeros(grid.link_count, np.int64)
    standing[columns.standing_links] = energy[book.offer_count :]
    all_flow = np.zeros(grid.link_count, np.int64)
    all_loss = np.zeros(grid.link_count, np.int64)
    all_flow[: flow.size] = flow
    all_loss[: loss.size] = loss
    energy = energy[: book.offer_count]
    flows = (energy, all_flow, all_loss, standing)
    # what is shut against running both ways binds no dual: those of the relaxation prove more
    duals, support = _best_proof(
        book, grid, flows, [p.price[network.node_of] for p in (relaxed, solution)]
    )
    return Allocation(
        energy,
        all_flow,
        all_loss,
        standing,
        duals,
        support,
        solution.residual,
        solution.steps,
    )


def _best_proof(
    book: Book, grid: Grid, flows: tuple[Ints, Ints, Ints, Ints], candidates: list[Floats]
) -> tuple[Floats, Support]:
    """The duals that leave the least gap: one of the candidates, or the prices themselves."""
    best = candidates[0], supporting_prices(book, grid, *flows, candidates[0])
    for duals in (*candidates[1:], np.nan_to_num(best[1].price)):
        if best[1].closed:
            break
        found = supporting_prices(book, grid, *flows, duals)
        if found.gap < best[1].gap:
            best = duals, found
    return best


def supporting_prices(
    book: Book,
    grid: Grid,
    energy_uj: Ints,
    flow_uj: Ints,
    loss_uj: Ints,
    standing_uj: Ints,
    duals: Floats,
) -> Support:
    """Prices that support the integers, and the gap that `duals` prove. Needs no solver.

    The price of a node is the midpoint of the least and the greatest; where one of them is
    infinite the other; nan where both are.
    """
    network = network_of(grid, book.network, book.interval.duration_s)
    columns = columns_of(book, network)
    p = columns.pieces
    links = network.tail.size
    energy_j = np.concatenate([energy_uj, standing_uj[columns.standing_links]]) / UJ_PER_J
    x = fill(columns.offer, p.lo, p.hi, energy_j)
    flow_j = flow_uj[:links] / UJ_PER_J
    received_j = (np.abs(flow_uj[:links]) - loss_uj[:links]) / UJ_PER_J
    finite = np.concatenate([-p.lo[np.isfinite(p.lo)], p.hi[np.isfinite(p.hi)]])
    largest = float(np.max(finite, initial=0.0))
    limit_j = reach_of(p)

    def gap_at(price: Floats) -> tuple[float, float, bool]:
        welfare, gap, _ = welfare_gap(
            columns.node, np.maximum(p.lo, -limit_j), np.minimum(p.hi, limit_j), *p[2:], x,
            columns.counts, network.tail, network.head, flow_j, received_j,
            np.minimum(network.capacity_j, limit_j), network.gain, network.limits.loss_per_j,
            network.price, price,
        )  # fmt: skip
        return welfare, gap, proven(welfare, gap, rounding_of(columns, network, price))

    # what is nearer to a kink than the dust of the commit stands at the kink; how much dust
    # there is shows in whether the prices prove the optimum
    first: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))
    for widen in (1.0, 10.0, 100.0):
        slack = widen * (4e-6 + 1e-9 * largest)
        low, high = support(
            columns.node, *p, x, network.tail, network.head, flow_j, network.capacity_j,
            network.gain, network.limits.loss_per_j, network.price, network.start,
            network.incident, slack,
        )  # fmt: skip
        first = (low, high) if widen == 1.0 else first
        if gap_at(np.nan_to_num(price_between(low, high)))[2]:
            break
    else:
        low, high = first
    dual = np.zeros(network.nodes)
    dual[network.node_of] = duals
    welfare, gap, closed = gap_at(dual)
    lowest, highest = low[network.node_of], high[network.node_of]
    return Support(lowest, highest, price_between(lowest, highest), welfare, gap, closed)


def price_between(lowest: Floats, highest: Floats) -> Floats:
    """The price rule: the midpoint, or the finite end, or nan."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (lowest + highest)
    middle = np.where(np.isfinite(lowest), middle, highest)
    middle = np.where(np.isfinite(highest), middle, lowest)
    price: Floats = np.where(np.isfinite(middle), middle, np.nan)
    return price


def reach_of(pieces: Pieces) -> float:
    """No allocation that pays moves more than this through one offer or link, J.

    All finite quantities together, times what may be lost on the way: a Joule that arrives
    cannot be worth sending more than the ratio of the dearest worth to the cheapest price of
    unlimited energy (ten, if there is none).
    """
    ends = np.concatenate([pieces.lo, pieces.hi])
    dearest = np.max(pieces.a + pieces.b * np.maximum(pieces.c0, 0.0) ** pieces.k, initial=0.0)
    cheapest = np.min(pieces.a[np.isneginf(pieces.lo)], initial=np.inf)
    ratio = float(dearest / cheapest) if cheapest > 0.0 else 0.0
    return max(10.0, ratio) * float(np.sum(np.abs(ends[np.isfinite(ends)]))) + 1.0


class _Joined(NamedTuple):
    """Columns in which smooth neighbours are one piece, and where each piece went."""

    columns: Columns
    into: Ints


def _join_smooth(columns: Columns) -> _Joined:
    """Join pieces of one offer that are one formula (a battery without losses)."""
    p = columns.pieces
    size = p.lo.size
    curved = (p.b > 0) & (p.hi - p.lo > 0)
    last = np.flatnonzero(curved)
    if last.size < 2:
        return _Joined(columns, np.arange(size))
    left, right = last[:-1], last[1:]
    same = columns.offer[left] == columns.offer[right]
    for c in p[2:]:
        same &= c[left] == c[right]
    if not same.any():
        return _Joined(columns, np.arange(size))
    left, right = left[same], right[same]
    lo = p.lo.copy()
    lo[right] = p.lo[left]
    keep = np.ones(size, bool)
    keep[left] = False
    into = np.cumsum(keep) - 1
    into[left] = into[right]
    pieces = Pieces(*(c[keep] for c in p._replace(lo=lo)))
    return _Joined(
        columns._replace(
            node=columns.node[keep],
            offer=columns.offer[keep],
            pieces=pieces,
            counts=columns.counts[keep],
        ),
        into,
    )


def _solve(
    network: Network, columns: Columns, shut: tuple[NDArray[np.bool_], Floats, Floats] | None = None
) -> Solution:
    p = columns.pieces
    arc_hi, lo, hi = network.arc_hi, p.lo, p.hi
    if shut is not None:
        arc_hi = np.where(shut[0], 0.0, arc_hi)
        lo, hi = shut[1], shut[2]
    link = network.arc_link
    program = Program(
        columns.node,
        lo,
        hi,
        *p[2:],
        network.arc_tail,
        network.arc_head,
        network.pattern.edge_slot,
        network.gain[link],
        network.limits.loss_per_j[link],
        np.zeros(link.size),
        network.price[link],
        network.arc_lo,
        arc_hi,
        np.zeros(network.nodes),
    )
    return maximise(program, network.pattern, TOLERANCE)


def _two_ways(
    network: Network, columns: Columns, solution: Solution, offers: int
) -> tuple[NDArray[np.bool_], Floats, Floats] | None:
    """Arcs and pieces to shut because a link or a battery runs both ways at once, or None.

    That pays only where a price is 0 or less: lossy links and batteries would burn energy.
    """
    p = columns.pieces
    if not np.any(solution.price <= 1e-9 * np.max(np.abs(p.a), initial=1e-300)):
        return None
    links = network.tail.size
    small = 1e-9 * (1.0 + float(np.max(np.abs(solution.f), initial=0.0)))
    forward, backward = np.zeros(links), np.zeros(links)
    forward[network.arc_link[~network.arc_back]] = solution.f[~network.arc_back]
    backward[network.arc_link[network.arc_back]] = solution.f[network.arc_back]
    both = (forward > small) & (backward > small)
    shut_back = both & (forward >= backward)
    shut_forward = both & (forward < backward)
    arcs = np.where(network.arc_back, shut_back[network.arc_link], shut_forward[network.arc_link])
    count = columns.offer_node.size
    bought = np.bincount(columns.offer, np.maximum(solution.x, 0.0), count)
    sold = np.bincount(columns.offer, np.maximum(-solution.x, 0.0), count)
    loop = (bought > small) & (sold > small)
    if not (both.any() or loop.any()):
        return None
    lo = np.where((loop & (bought >= sold))[columns.offer], np.maximum(p.lo, 0.0), p.lo)
    hi = np.where((loop & (bought < sold))[columns.offer], np.minimum(p.hi, 0.0), p.hi)
    return arcs, lo, hi


def _commit(
    book: Book, network: Network, columns: Columns, joined: _Joined, solution: Solution
) -> tuple[Ints, Ints]:
    """Integers that balance: energies of offers and standing losses, and flows of links."""
    j = joined.columns
    x = np.where(solution.x_side < 0, j.pieces.lo, solution.x)
    x = np.where(solution.x_side > 0, j.pieces.hi, x)
    x = np.where(np.isfinite(x), x, solution.x)
    count = columns.offer_node.size
    p = columns.pieces
    offer_x = np.bincount(j.offer, x, count)
    low, high = bounds_uj(columns.offer, p, count)
    energy = np.clip(np.rint(offer_x * UJ_PER_J).astype(np.int64), low, high)

    f = np.where(solution.f_side < 0, network.arc_lo, solution.f)
    f = np.where(solution.f_side > 0, network.arc_hi, f)
    f = np.where(np.isfinite(f), f, solution.f)
    signed = np.where(network.arc_back, -f, f)
    net = np.bincount(network.arc_link, signed, network.tail.size)
    flow = np.rint(net * UJ_PER_J).astype(np.int64)
    cap = capacity_uj(network)
    flow = np.clip(flow, -cap, cap)
    bad = commit(
        network.tail, network.head, cap, network.limits.loss_ppb, network.limits.loss_per_j,
        network.price, flow, columns.offer_node, energy, low, high,
        *_inner(j, solution, energy, low, high), network.start, network.incident,
    )  # fmt: skip
    if bad:
        rest = residuals(
            network.tail, network.head, flow, network.limits.loss_ppb,
            network.limits.loss_per_j, columns.offer_node, energy, network.nodes,
        )  # fmt: skip
        worst = int(np.argmax(np.abs(rest)))
        raise InvariantError(f"node {worst} is off balance by {rest[worst]} uJ after the commit")
    return energy, flow


def _inner(
    columns: Columns, solution: Solution, energy: Ints, low: Ints, high: Ints
) -> tuple[Ints, Ints]:
    """Bounds within which each offer stays on the pieces that it stands inside of."""
    p = columns.pieces
    inside = solution.x_side == 0
    limit = float(NO_LIMIT_UJ)
    count = energy.size
    down = np.where(inside, np.minimum((solution.x - p.lo) * UJ_PER_J, limit), 0.0)
    up = np.where(inside, np.minimum((p.hi - solution.x) * UJ_PER_J, limit), 0.0)
    down = np.minimum(np.bincount(columns.offer, down, count), limit)
    up = np.minimum(np.bincount(columns.offer, up, count), limit)
    return (
        np.maximum(low, energy - np.floor(down).astype(np.int64)),
        np.minimum(high, energy + np.floor(up).astype(np.int64)),
    )


def bounds_uj(offer: Ints, pieces: Pieces, count: int) -> tuple[Ints, Ints]:
    """Least and greatest energy of each offer, microjoules, inside its bounds."""
    low = np.bincount(offer, pieces.lo, count) * UJ_PER_J
    high = np.bincount(offer, pieces.hi, count) * UJ_PER_J
    limit = float(NO_LIMIT_UJ)
    # a bound that is whole microjoules but for rounding stays whole
    low = np.ceil(np.clip(low, -limit, limit) - 1e-3)
    high = np.floor(np.clip(high, -limit, limit) + 1e-3)
    return low.astype(np.int64), high.astype(np.int64)
