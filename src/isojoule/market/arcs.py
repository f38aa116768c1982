"""The optimum in floats on arcs, one each way for every link that loses or costs.

The program of a book goes to `isojoule.kernels.interior_point`, or to another solver that works on
arcs. Where a price is 0 or less, lossy links and batteries would run both ways, or in circles, to
burn energy. One way is shut, and the program is solved again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isojoule.grid.formulation import Network
from isojoule.kernels.interior_point import Program, Solution, maximise
from isojoule.market.columns import Columns
from isojoule.market.least_norm import least_norm
from isojoule.valuation.curve import Pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Solver = Callable[[Network, Ints, Pieces, Floats, Floats, Floats], Solution]
"""Solves one program: network, node of each piece, pieces, bounds of the arcs (J), and what is
given at each node (J)."""

TOLERANCE = 1e-12
"""Scaled residual at which the interior point stops; it may stop earlier for lack of digits."""
ACCEPTED = 1e-6
"""Scaled residual above which a solution is refused."""
ROUNDS = 20
"""So often at most is a way shut against burning energy."""
NO_PRICE = 1e-9
"""A price below this share of the dearest step counts as 0 when ways are shut."""
SMALL = 1e-9
"""What is below this share of the largest flow does not run."""


class _Bounds(NamedTuple):
    """Bounds of pieces and arcs, J."""

    lo: Floats
    hi: Floats
    arc_lo: Floats
    arc_hi: Floats


def solve_on_arcs(
    network: Network, columns: Columns, lo: Floats, hi: Floats, capacity_j: Floats,
    inject: Floats, solver: Solver,
) -> tuple[Solution, Solution]:  # fmt: skip
    """The solutions with all ways open, and with ways shut so that nothing is burned.

    Parameters
    ----------
    columns, lo, hi
        Pieces, and their bounds, J.
    capacity_j
        Of links; 0 where they do not count.
    """
    some = capacity_j is not network.capacity_j
    open_ = capacity_j[network.arc_link] > 0.0 if some else np.True_
    bounds = _Bounds(
        lo,
        hi,
        np.where(open_, network.arc_lo, 0.0),
        np.where(open_, network.arc_hi, 0.0),
    )
    solution = open_ways = _solve(network, columns, bounds, inject, solver)
    for _ in range(ROUNDS):
        shut = _shut(network, columns, bounds, solution)
        if shut is None:
            break
        bounds = shut
        solution = _solve(network, columns, bounds, inject, solver)
    return open_ways, solution._replace(f=least_norm(network, solution))


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


def _solve(
    network: Network, columns: Columns, bounds: _Bounds, inject: Floats, solver: Solver
) -> Solution:
    """The solution within these bounds, with flows that are at a bound exactly there."""
    pieces = columns.pieces._replace(lo=bounds.lo, hi=bounds.hi)
    s = solver(network, columns.node, pieces, bounds.arc_lo, bounds.arc_hi, inject)
    if not s.residual < ACCEPTED:
        s = _with_disposal(network, columns.node, pieces, bounds, inject, s, solver)
    return s._replace(
        x=_at_bounds(s.x, s.x_side, bounds.lo, bounds.hi),
        f=_at_bounds(s.f, s.f_side, bounds.arc_lo, bounds.arc_hi),
    )


def _at_bounds(x: Floats, side: NDArray[np.int8], lo: Floats, hi: Floats) -> Floats:
    out = np.where(side < 0, lo, np.where(side > 0, hi, x))
    exact: Floats = np.where(np.isfinite(out), out, x)
    return exact


def with_disposal(node: Ints, pieces: Pieces, nodes: int) -> tuple[Ints, Pieces]:
    """The pieces, and behind them one for each node that throws energy away.

    For a little less than any ask. A quadratic loss makes the program concave only where prices
    are 0 or more. Where energy has no worth, a step may lead far below 0; disposal keeps prices
    up, and is not used in the end.
    """
    worth = np.abs(pieces.a) + pieces.b
    fee = 1e-3 * float(np.mean(worth[worth > 0])) if np.any(worth > 0) else 1.0
    ask = min(float(np.min(pieces.a[pieces.lo < 0], initial=0.0)), 0.0) - fee
    more = (0.0, np.inf, ask, 0.0, 1.0, 0.0, 1.0)
    wider = Pieces(*(np.append(c, np.full(nodes, v)) for c, v in zip(pieces, more, strict=True)))
    return np.append(node, np.arange(nodes)), wider


def disposed(x: Floats, size: int) -> bool:
    """Whether anything is thrown away; `x` has the pieces, `size` of them, and the disposal."""
    most = float(np.max(np.abs(x[:size]), initial=0.0))
    return not bool(np.all(x[size:] <= 1e-6 * most))


def _with_disposal(
    network: Network, node: Ints, pieces: Pieces, bounds: _Bounds, inject: Floats,
    failed: Solution, solver: Solver,
) -> Solution:  # fmt: skip
    """A second try, see `with_disposal`."""
    more_nodes, wider = with_disposal(node, pieces, network.nodes)
    s = solver(network, more_nodes, wider, bounds.arc_lo, bounds.arc_hi, inject)
    size = node.size
    if not s.residual < ACCEPTED or disposed(s.x, size):
        return failed
    return s._replace(x=s.x[:size], x_side=s.x_side[:size])


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
    small = SMALL * (1.0 + float(np.max(np.abs(solution.f), initial=0.0)))
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
