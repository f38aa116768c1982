"""The optimum in floats, and then in integers.

The program of a book goes to `isojoule.kernels.interior_point`, after what has no freedom has
been taken out of it:

- pieces of one offer that are one formula are joined;
- a part of the grid where nobody sells, or nobody buys, has only one answer, no trade. Left in,
  it would leave the program without an interior;
- links without loss and price in a ring leave the flow around it open: the least flows are taken
  (`isojoule.market.least_norm`);
- where a price is 0 or less, lossy links and batteries would run both ways, or in circles, to
  burn energy. One way is shut, and the program is solved again.

The integers come from `isojoule.kernels.commit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.core.errors import InvariantError
from isojoule.core.units import NO_LIMIT_UJ, UJ_PER_J
from isojoule.grid.formulation import Network
from isojoule.kernels.commit import commit, residuals
from isojoule.kernels.interior_point import Program, Solution, maximise
from isojoule.market.least_norm import least_norm
from isojoule.market.settle import capacity_uj
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Solver = Callable[[Network, Ints, Pieces, Floats, Floats, Floats], Solution]
"""Solves one program: network, node of each piece, pieces, bounds of the arcs (J), and what is
given at each node (J)."""


class LinkSolution(NamedTuple):
    """A solution with one signed flow for each link.

    Attributes
    ----------
    x
        Per piece, J.
    flow
        Per link, J at the sender, positive from tail to head.
    price
        Per node, money per J.
    steps, residual
        Steps made; `inf` where it is no solution (see `ACCEPTED`).
    """

    x: Floats
    flow: Floats
    price: Floats
    steps: int
    residual: float


def as_arcs(
    network: Network, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, found: LinkSolution
) -> Solution:
    """The same with a flow for each arc, as other solvers have it."""
    signed = found.flow[network.arc_link]
    f = np.where(network.arc_back, -signed, signed)
    f = np.minimum(np.maximum(f, arc_lo), arc_hi)
    return Solution(
        found.x,
        f,
        found.price,
        side_of(found.x, pieces.lo, pieces.hi),
        side_of(f, arc_lo, arc_hi),
        found.steps,
        found.residual,
    )


def side_of(x: Floats, lo: Floats, hi: Floats) -> NDArray[np.int8]:
    """-1 where x stands at its lower bound, 1 at its upper, else 0."""
    side: NDArray[np.int8] = np.where(x <= lo, -1, np.where(x >= hi, 1, 0)).astype(np.int8)
    return side


TOLERANCE = 1e-12
"""Scaled residual at which the interior point stops; it may stop earlier for lack of digits."""
DUST_SHARE = 1e-8
"""Flows below this share of the largest may be the solver's dust."""
ACCEPTED = 1e-6
"""Scaled residual above which a solution is refused."""
ROUNDS = 20
"""So often at most is a way shut against burning energy."""
NO_PRICE = 1e-9
"""A price below this share of the dearest step counts as 0 when ways are shut."""


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
class Optimum:
    """The optimum in floats.

    Attributes
    ----------
    columns, solution
        The joined pieces, and their solution; what is at a bound is exactly there.
    offer_x
        Energy per offer (standing losses behind), J.
    prices
        Nodal prices that may prove the welfare: of the program with all ways open, and of the
        last one.
    residual, steps
        Of the last program.
    """

    columns: Columns
    solution: Solution
    offer_x: Floats
    prices: tuple[Floats, Floats]
    residual: float
    steps: int


class _Bounds(NamedTuple):
    """Bounds of pieces and arcs, J."""

    lo: Floats
    hi: Floats
    arc_lo: Floats
    arc_hi: Floats


def optimum(
    network: Network,
    columns: Columns,
    inject: Floats | None = None,
    solver: Solver | None = None,
) -> Optimum:
    """The optimum on this network, with a given supply at each of its nodes, J.

    `solver` may know of more limits than the network's; without one, `maximise_flow`.
    """
    solver = solver or maximise_flow
    given = np.zeros(network.nodes) if inject is None else inject
    joined = join_smooth(columns)
    p = joined.pieces
    alive, fallback = _parts(network, joined, given)
    here, arcs = alive[joined.node], alive[network.arc_tail]
    bounds = _Bounds(
        np.where(here, p.lo, 0.0),
        np.where(here, p.hi, 0.0),
        np.where(arcs, network.arc_lo, 0.0),
        np.where(arcs, network.arc_hi, 0.0),
    )
    solution = open_ways = _solve(network, joined, bounds, given, solver)
    for _ in range(ROUNDS):
        shut = _shut(network, joined, bounds, solution)
        if shut is None:
            break
        bounds = shut
        solution = _solve(network, joined, bounds, given, solver)
    solution = solution._replace(f=least_norm(network, solution))
    return Optimum(
        joined,
        solution,
        np.bincount(joined.offer, solution.x, joined.offer_node.size).astype(np.float64),
        (
            np.where(alive, open_ways.price, fallback),
            np.where(alive, solution.price, fallback),
        ),
        solution.residual,
        solution.steps,
    )


def _parts(network: Network, columns: Columns, inject: Floats) -> tuple[Bools, Floats]:
    """Which nodes lie where someone sells and someone buys; a price for all others.

    Where energy is given or drawn, whatever the price, every node counts.
    """
    part = network.part
    parts = int(part.max(initial=-1)) + 1
    p = columns.pieces
    at = part[columns.node]
    worth = p.a + p.b * np.maximum(p.c0, 0.0) ** p.k
    sells, buys = p.lo < 0, p.hi > 0
    ask = np.full(parts, np.inf)
    bid = np.full(parts, -np.inf)
    np.minimum.at(ask, at[sells], worth[sells])
    np.maximum.at(bid, at[buys], worth[buys])
    alive = np.isfinite(ask) & np.isfinite(bid)
    alive[part[inject != 0]] = True
    fallback = np.where(np.isfinite(ask), np.minimum(ask, 0.0), np.maximum(bid, 0.0))
    return alive[part], fallback[part]


def join_smooth(columns: Columns) -> Columns:
    """Join the two sides of an offer where they are one formula.

    So it is for a battery without losses, and for a utility that buys at its selling price:
    apart, its two sides could trade without end, at no gain.
    """
    p = columns.pieces
    last = np.flatnonzero(p.hi - p.lo > 0)
    if last.size < 2:
        return columns
    left, right = last[:-1], last[1:]
    same = (columns.offer[left] == columns.offer[right]) & (p.hi[left] == 0) & (p.lo[right] == 0)
    for c in p[2:]:
        same &= c[left] == c[right]
    if not same.any():
        return columns
    left, right = left[same], right[same]
    lo = p.lo.copy()
    lo[right] = p.lo[left]
    keep = np.ones(p.lo.size, bool)
    keep[left] = False
    pieces = Pieces(*(c[keep] for c in p._replace(lo=lo)))
    return columns._replace(
        node=columns.node[keep],
        offer=columns.offer[keep],
        pieces=pieces,
        counts=columns.counts[keep],
    )


def _solve(
    network: Network, columns: Columns, bounds: _Bounds, inject: Floats, solver: Solver
) -> Solution:
    """The solution within these bounds, with what is at a bound exactly there."""
    pieces = columns.pieces._replace(lo=bounds.lo, hi=bounds.hi)
    s = solver(network, columns.node, pieces, bounds.arc_lo, bounds.arc_hi, inject)
    if not s.residual < ACCEPTED:
        s = _with_disposal(network, columns.node, pieces, bounds, inject, s, solver)
    return s._replace(
        x=_at_bounds(s.x, s.x_side, bounds.lo, bounds.hi),
        f=_at_bounds(s.f, s.f_side, bounds.arc_lo, bounds.arc_hi),
    )


def _with_disposal(
    network: Network, node: Ints, pieces: Pieces, bounds: _Bounds, inject: Floats,
    failed: Solution, solver: Solver,
) -> Solution:  # fmt: skip
    """A second try, where energy may be thrown away for a little less than any ask.

    A quadratic loss makes the program concave only where prices are 0 or more. Where energy has
    no worth, a step may lead far below 0; disposal keeps prices up, and is not used in the end.
    """
    n = network.nodes
    worth = np.abs(pieces.a) + pieces.b
    fee = 1e-3 * float(np.mean(worth[worth > 0])) if np.any(worth > 0) else 1.0
    ask = min(float(np.min(pieces.a[pieces.lo < 0], initial=0.0)), 0.0) - fee
    more = (0.0, np.inf, ask, 0.0, 1.0, 0.0, 1.0)
    wider = Pieces(*(np.append(c, np.full(n, v)) for c, v in zip(pieces, more, strict=True)))
    more_nodes = np.append(node, np.arange(n))
    s = solver(network, more_nodes, wider, bounds.arc_lo, bounds.arc_hi, inject)
    size = node.size
    most = float(np.max(np.abs(s.x[:size]), initial=0.0))
    if not (s.residual < ACCEPTED and np.all(s.x[size:] <= 1e-6 * most)):
        return failed
    return s._replace(x=s.x[:size], x_side=s.x_side[:size])


def maximise_flow(
    network: Network, node: Ints, pieces: Pieces, arc_lo: Floats, arc_hi: Floats, inject: Floats
) -> Solution:
    """The solution of one program on the network alone."""
    link = network.arc_link
    program = Program(
        node,
        *pieces,
        network.arc_tail,
        network.arc_head,
        network.pattern.edge_slot,
        network.gain[link],
        network.limits.loss_per_j[link],
        np.zeros(link.size),
        network.price[link],
        arc_lo,
        arc_hi,
        inject,
    )
    return maximise(program, network.pattern, TOLERANCE)


def _at_bounds(x: Floats, side: NDArray[np.int8], lo: Floats, hi: Floats) -> Floats:
    out = np.where(side < 0, lo, np.where(side > 0, hi, x))
    exact: Floats = np.where(np.isfinite(out), out, x)
    return exact


def _shut(
    network: Network, columns: Columns, bounds: _Bounds, solution: Solution
) -> _Bounds | None:
    """Bounds with one way shut wherever energy is burned in a circle, or None if nowhere.

    That pays only where a price is 0 or less. Of a link that runs both ways, the smaller way is
    shut; in each strongly connected part of what is left, the lossy arc that carries least; of a
    battery, the smaller side.
    """
    p = columns.pieces
    free = NO_PRICE * float(np.max(np.abs(p.a) + p.b, initial=0.0))
    if not np.any(solution.price <= free):
        return None
    small = 1e-9 * (1.0 + float(np.max(np.abs(solution.f), initial=0.0)))
    used = (np.abs(solution.f) > small) & (solution.price[network.arc_tail] <= free)
    ahead = solution.f >= 0
    near = np.where(ahead, network.arc_tail, network.arc_head)[used]
    far = np.where(ahead, network.arc_head, network.arc_tail)[used]
    graph = coo_array((np.ones(near.size), (near, far)), shape=(network.nodes, network.nodes))
    _, part = connected_components(graph, directed=True, connection="strong")
    link = network.arc_link
    lossy = (network.limits.loss_ppb[link] > 0) | (network.limits.loss_per_j[link] > 0)
    circle = used & lossy & (part[network.arc_tail] == part[network.arc_head])
    arc_hi = bounds.arc_hi.copy()
    at = np.flatnonzero(circle)
    at = at[np.argsort(solution.f[at], kind="stable")]
    _, smaller, ways = np.unique(link[at], return_index=True, return_counts=True)
    if np.any(ways == 2):
        arc_hi[at[smaller[ways == 2]]] = 0.0
    else:
        _, first = np.unique(part[network.arc_tail[at]], return_index=True)
        arc_hi[at[first]] = 0.0

    count = columns.offer_node.size
    bought = np.bincount(columns.offer, np.maximum(solution.x, 0.0), count)
    sold = np.bincount(columns.offer, np.maximum(-solution.x, 0.0), count)
    loop = (bought > small) & (sold > small)
    loop[columns.offer[~np.isfinite(p.hi - p.lo)]] = False
    if not (circle.any() or loop.any()):
        return None
    return _Bounds(
        np.where((loop & (bought >= sold))[columns.offer], np.maximum(bounds.lo, 0.0), bounds.lo),
        np.where((loop & (bought < sold))[columns.offer], np.minimum(bounds.hi, 0.0), bounds.hi),
        bounds.arc_lo,
        arc_hi,
    )


def in_integers(
    network: Network, columns: Columns, found: Optimum, low: Ints, high: Ints
) -> tuple[Ints, Ints]:
    """Integers that balance: energies of offers and standing losses, and flows of links.

    `low` and `high` bound the energies, microjoules. Where the flows of the optimum cannot be
    balanced (a circle of dust that loses more than anybody sells), small flows are dropped, at
    last all.
    """
    f = found.solution.f
    signed = np.where(network.arc_back, -f, f)
    net = np.bincount(network.arc_link, signed, network.tail.size)
    # a link that runs both ways almost alike, and little, carries but the solver's dust; a small
    # flow on a link of quadratic loss may well be such a difference, and is meant
    gross = np.bincount(network.arc_link, np.abs(f), network.tail.size)
    dust = DUST_SHARE * float(np.max(gross, initial=0.0))
    net[(np.abs(net) < 0.5 * gross) & (gross < dust)] = 0.0
    cap = capacity_uj(network)
    wanted = np.clip(np.rint(net * UJ_PER_J).astype(np.int64), -cap, cap)
    clipped = np.clip(np.rint(found.offer_x * UJ_PER_J).astype(np.int64), low, high)
    largest = int(np.max(np.abs(wanted), initial=0))
    for share in (0.0, 1e-9, 1e-6, 1e-3, 1.0):
        flow = np.where(np.abs(wanted) <= share * largest, 0, wanted)
        energy = clipped.copy() if share < 1.0 else np.clip(np.zeros_like(clipped), low, high)
        bad = commit(
            network.tail, network.head, cap, network.limits.loss_ppb, network.limits.loss_per_j,
            network.price, flow, columns.offer_node, energy, low, high,
            *_inner(found.columns, found.solution, energy, low, high),
            network.start, network.incident,
        )  # fmt: skip
        if not bad:
            return energy, flow
    rest = residuals(
        network.tail, network.head, flow, network.limits.loss_ppb, network.limits.loss_per_j,
        columns.offer_node, energy, network.nodes,
    )  # fmt: skip
    worst = int(np.argmax(np.abs(rest)))
    raise InvariantError(f"node {worst} is off balance by {rest[worst]} uJ after the commit")


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
