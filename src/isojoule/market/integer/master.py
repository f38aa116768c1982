"""The master program of a book with indivisible offers: linear, with a yes or no per unit.

Concave curves and quadratic losses are held from outside by tangents, which are added where a
solution passes over them (outer approximation: Duran, Grossmann 1986, Math. Program. 36:307,
https://doi.org/10.1007/BF02592064). Its optimum bounds the welfare of the book. It is asked in
two ways: with yes and no in whole (HiGHS, by `scipy.optimize.milp`), and relaxed to shares (by
`linprog`), which has nodal prices.

    maximise   sum a x + sum u + sum worth y - sum price f
    subject to balance at every node; y per group at most 1; x of a divisible unit within y times
               its bounds; u and what links receive below their tangents; at most one way in full

A divisible unit's tangents are scaled by its y: then the shares are the best there are for a
bound. Nodes and links are sorted by name, so that the order of the input has no say. Energies
and prices are scaled so that the solver's tolerances are about 1e-9 of the largest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.market.integer.lagrangian import Fixed, Lagrangian
from isojoule.valuation.curve import Pieces, integral, marginal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SIZE = 1e3
"""The largest quantity, scaled."""
COST = 1.0
"""The typical price, scaled. With larger numbers HiGHS repairs its answers, and says so."""
TOO_HIGH = 1e-11
"""A value above its curve by no more than this share of the largest is on it."""
NODES = 20_000
"""Most nodes of one search by the solver."""
FIRST = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where the first tangents stand, as shares of the width."""


class Relaxed(NamedTuple):
    """A solution of the master program, J and money.

    Attributes
    ----------
    x, f
        Per divisible piece and arc of the network.
    share
        Per unit, 0 to 1.
    value, bound
        Worth of the solution, and what the solver says cannot be passed.
    duals
        Per node of the grid, money per J; empty if yes and no are whole.
    lack_j
        Energy made or lost at nodes, where it does not balance otherwise, J.
    """

    x: Floats
    f: Floats
    share: Floats
    value: float
    bound: float
    duals: Floats
    lack_j: float


class _Rows:
    """Rows of a sparse matrix with their right-hand sides, gathered piece by piece."""

    def __init__(self) -> None:
        self.row: list[Ints] = []
        self.column: list[Ints] = []
        self.value: list[Floats] = []
        self.right: list[Floats] = []
        self.count = 0

    def add(self, parts: list[tuple[Ints, Floats | float]], right: Floats) -> None:
        """Rows, one per entry of `right`, each the sum of value times column of the parts."""
        rows = self.count + np.arange(right.size)
        for column, value in parts:
            self.row.append(rows)
            self.column.append(column)
            self.value.append(np.broadcast_to(np.asarray(value, np.float64), rows.shape))
        self.right.append(right)
        self.count += right.size

    def matrix(self, width: int) -> tuple[csr_array, Floats]:
        """The matrix so far, and the right-hand sides."""
        none = [np.zeros(0)]
        triple = [np.concatenate([*none, *part]) for part in (self.value, self.row, self.column)]
        entries = (triple[0], (triple[1].astype(np.int64), triple[2].astype(np.int64)))
        made = csr_array(coo_array(entries, shape=(self.count, width)))
        return made, np.concatenate([*none, *self.right])


class Master:
    """The program of one book; it grows by tangents and excluded choices."""

    def __init__(self, grid: Grid, relaxation: Lagrangian) -> None:
        r = self.relaxation = relaxation
        network, columns, units = r.network, r.columns, r.units
        p = columns.pieces
        self.piece = np.flatnonzero(p.hi > p.lo)
        self.pieces = Pieces(*(c[self.piece] for c in p))
        self.unit = r.piece_unit[self.piece]
        names = [grid.link_ids[i] for i in network.arc_link]
        back = network.arc_back.tolist()
        self.arc = np.array(sorted(range(len(names)), key=lambda a: (names[a], back[a])), np.int64)
        order = sorted(range(grid.node_count), key=lambda v: grid.node_ids[v])
        first = {int(network.node_of[v]): None for v in order}
        self.row_of = np.zeros(network.nodes, np.int64)
        self.row_of[list(first)] = np.arange(len(first))

        q = self.pieces
        curved = (q.b > 0) & (q.c1 > 0)
        self.level = np.where(curved, 0.0, q.a + q.b * np.maximum(q.c0, 0.0) ** q.k)
        self.curved = np.flatnonzero(curved)
        link = network.arc_link[self.arc]
        self.cap = np.minimum(network.arc_hi[self.arc], r.capacity_j[link])
        self.loss_per_j = network.limits.loss_per_j[link]
        self.gain = network.gain[link]
        self.bent = np.flatnonzero((self.loss_per_j > 0) & (self.cap > 0))
        size = np.concatenate([np.abs(q.lo), q.hi, np.abs(units.legs.energy_uj) / UJ_PER_J])
        known = size[(size > 0) & (size < 0.99 * r.reach_j)]
        self.energy = (float(known.max()) if known.size else 1.0) / SIZE
        leg = np.abs(units.legs.energy_uj) / UJ_PER_J
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.abs(units.worth[units.leg_unit]) / leg
        worth = np.abs(np.concatenate([q.a, q.a + q.b, each]))
        worth = worth[np.isfinite(worth) & (worth > 0)]
        self.price = (float(np.median(worth)) if worth.size else 1.0) / COST
        self.dearest = float(worth.max()) if worth.size else 1.0
        self.money = self.energy * self.price
        self.excluded = _Rows()
        self.grew = True  # whether the last call of `shares` left new tangents

        sizes = (self.piece.size, self.arc.size, self.curved.size, self.bent.size, units.count)
        ends = np.cumsum([0, *sizes, network.nodes, network.nodes])
        self.at_x, self.at_f, self.at_u, self.at_z, self.at_y, self.at_more, self.at_less = (
            np.arange(a, b) for a, b in pairwise(ends.tolist())
        )
        self.width = int(ends[-1])
        self._balance()
        self._limits()
        self._first_tangents()

    def _balance(self) -> None:
        r, network, units = self.relaxation, self.relaxation.network, self.relaxation.units
        tail, head = (self.row_of[end[self.arc]] for end in (network.arc_tail, network.arc_head))
        straight = np.ones(self.arc.size, bool)
        straight[self.bent] = False
        legs = units.legs
        at = self.row_of[network.node_of[legs.node]]
        drawn = legs.energy_uj / UJ_PER_J / self.energy
        node = self.row_of[r.columns.node[self.piece]]
        every = np.arange(network.nodes)
        ones = np.ones(network.nodes)
        blocks = (
            (node, self.at_x, -np.ones(node.size)),
            (tail, self.at_f, -np.ones(tail.size)),
            (head[straight], self.at_f[straight], self.gain[straight]),
            (head[self.bent], self.at_z, np.ones(self.bent.size)),
            (at, self.at_y[units.leg_unit], -drawn),
            (every, self.at_more, ones),
            (every, self.at_less, -ones),
        )
        row, column, value = (np.concatenate(part) for part in zip(*blocks, strict=True))
        self.balance = csr_array(
            coo_array((value, (row, column)), shape=(network.nodes, self.width))
        )

    def _limits(self) -> None:
        network, units, q = self.relaxation.network, self.relaxation.units, self.pieces
        e = self.energy
        self.rows = rows = _Rows()
        mine = np.flatnonzero(self.unit >= 0)
        y = self.at_y[self.unit[mine]]
        rows.add([(self.at_x[mine], 1.0), (y, -q.hi[mine] / e)], np.zeros(mine.size))
        rows.add([(self.at_x[mine], -1.0), (y, q.lo[mine] / e)], np.zeros(mine.size))
        for number in range(units.groups):
            members = self.at_y[np.flatnonzero(units.group == number)]
            rows.add([(members[i : i + 1], 1.0) for i in range(members.size)], np.ones(1))
        # a link is used one way: both ways together no more than one
        link = network.arc_link[self.arc]
        back = network.arc_back[self.arc]
        there = {int(link[i]): i for i in np.flatnonzero(~back)}
        pair = np.array([there[int(link[i])] for i in np.flatnonzero(back)], np.int64)
        other = self.at_f[back]
        rows.add([(self.at_f[pair], 1.0), (other, 1.0)], self.cap[back] / e)
        bent, cap = self.at_f[self.bent], self.cap[self.bent]
        chord = self.gain[self.bent] - self.loss_per_j[self.bent] * cap
        rows.add([(bent, chord), (self.at_z, -1.0)], np.zeros(cap.size))
        arc_lo = np.maximum(network.arc_lo[self.arc], -self.cap)
        most = (self.gain * self.cap - self.loss_per_j * self.cap**2)[self.bent]
        curve = Pieces(*(c[self.curved] for c in q))
        ends = np.stack([integral(curve, curve.lo), integral(curve, curve.hi), 0 * curve.lo])
        steepest = np.abs(marginal(curve, curve.lo)) + np.abs(marginal(curve, curve.hi))
        most_u = steepest * (curve.hi - curve.lo) / self.money
        none = np.zeros(network.nodes)
        self.low = np.concatenate(
            [
                q.lo / e,
                arc_lo / e,
                ends.min(axis=0) / self.money,
                0 * most,
                np.zeros(units.count),
                none,
                none,
            ]
        )
        self.high = np.concatenate(
            [q.hi / e, self.cap / e, most_u, most / e, np.ones(units.count), none, none]
        )
        price = network.price[network.arc_link[self.arc]]
        self.cost = np.concatenate(
            [
                -self.level / self.price,
                price / self.price,
                -np.ones(self.curved.size),
                0 * most,
                -units.worth / self.money,
                none,
                none,
            ]
        )

    def _first_tangents(self) -> None:
        q = self.pieces
        lo, hi = q.lo[self.curved], q.hi[self.curved]
        for share in FIRST:
            self._touch_curves(np.arange(self.curved.size), lo + share * (hi - lo))
            self._touch_links(np.arange(self.bent.size), share * self.cap[self.bent])

    def _touch_curves(self, which: Ints, x: Floats) -> None:
        """Tangents of these curves (positions in `curved`) at these x, J."""
        at = self.curved[which]
        piece = Pieces(*(c[at] for c in self.pieces))
        slope = marginal(piece, x)
        base = (integral(piece, x) - slope * x) / self.money
        u, pieces = (self.at_u[which], 1.0), (self.at_x[at], -slope / self.price)
        alone = self.unit[at] < 0
        mine = ~alone
        self.rows.add(
            [(u[0][alone], 1.0), (pieces[0][alone], pieces[1][alone])],
            base[alone],
        )
        y = self.at_y[self.unit[at][mine]]
        self.rows.add(
            [(u[0][mine], 1.0), (pieces[0][mine], pieces[1][mine]), (y, -base[mine])],
            np.zeros(int(mine.sum())),
        )

    def _touch_links(self, which: Ints, f: Floats) -> None:
        """Tangents of what these arcs (positions in `bent`) bring, at these flows, J."""
        at = self.bent[which]
        r = self.loss_per_j[at]
        slope = self.gain[at] - 2.0 * r * f
        self.rows.add([(self.at_z[which], 1.0), (self.at_f[at], -slope)], r * f * f / self.energy)

    def touch(self, x: Floats, f: Floats) -> None:
        """Add tangents at a point: x per divisible piece of the book, f per arc, J."""
        inside = np.clip(x[self.piece], self.pieces.lo, self.pieces.hi)
        self._touch_curves(np.arange(self.curved.size), inside[self.curved])
        sent = np.clip(f[self.arc], 0.0, self.cap)
        self._touch_links(np.arange(self.bent.size), sent[self.bent])

    def exclude(self, choice: Bools) -> None:
        """Never propose this choice again."""
        sign = np.where(choice, 1.0, -1.0)
        parts: list[tuple[Ints, Floats | float]] = [
            (self.at_y[i : i + 1], float(sign[i])) for i in range(choice.size)
        ]
        self.excluded.add(parts, np.array([float(choice.sum()) - 1.0]))

    def narrow(self, pieces: Bools, links: Bools) -> None:
        """Close some pieces (of the relaxation's columns) and links; nothing is excluded then.

        Of a copy: tangents are still shared.
        """
        self.low, self.high, self.excluded = self.low.copy(), self.high.copy(), _Rows()
        shut = self.at_x[pieces[self.piece]]
        arc = self.at_f[links[self.relaxation.network.arc_link[self.arc]]]
        for at in (shut, arc):
            self.low[at] = self.high[at] = 0.0

    def _refine(self, raw: Floats) -> bool:
        """Add tangents where a solution stands above a curve; whether there was any."""
        e = self.energy
        x, u = raw[self.at_x][self.curved] * e, raw[self.at_u]
        y = np.ones(self.curved.size)
        mine = self.unit[self.curved]
        y[mine >= 0] = raw[self.at_y][mine[mine >= 0]]
        piece = Pieces(*(c[self.curved] for c in self.pieces))
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = np.clip(np.where(y > 1e-9, x / y, 0.0), piece.lo, piece.hi)
        true = y * integral(piece, whole) / self.money
        above = np.flatnonzero(u - true > TOO_HIGH * (SIZE * COST + np.abs(u)))
        self._touch_curves(above, whole[above])
        f, z = raw[self.at_f][self.bent] * e, raw[self.at_z] * e
        brings = (self.gain[self.bent] - self.loss_per_j[self.bent] * f) * f
        over = np.flatnonzero(z - brings > TOO_HIGH * SIZE * e + TOO_HIGH * np.abs(z))
        self._touch_links(over, f[over])
        return bool(above.size or over.size)

    def _answer(self, raw: Floats, bound: float, duals: Floats, cost: Floats) -> Relaxed:
        x = np.zeros(self.relaxation.columns.offer.size)
        x[self.piece] = raw[self.at_x] * self.energy
        f = np.zeros(self.arc.size)
        f[self.arc] = raw[self.at_f] * self.energy
        lack = float(raw[self.at_more].sum() + raw[self.at_less].sum()) * self.energy
        value = -float(cost @ raw) * self.money
        share = np.clip(raw[self.at_y], 0.0, 1.0)
        return Relaxed(x, f, share, value, bound * self.money, duals, lack)

    def whole(self, fixed: Fixed) -> Relaxed | None:
        """The best choice that agrees with `fixed`, or None if there is none (or none found)."""
        (tangents, one), (cuts, two) = (
            rows.matrix(self.width) for rows in (self.rows, self.excluded)
        )
        limits, right = vstack([tangents, cuts], format="csr"), np.concatenate([one, two])
        low, high = self._fixed(fixed)
        whole = np.zeros(self.width)
        whole[self.at_y] = 1
        zero = np.zeros(self.balance.shape[0])
        found: Any = milp(
            self.cost,
            integrality=whole,
            bounds=Bounds(low, high),
            constraints=[
                LinearConstraint(self.balance, zero, zero),
                LinearConstraint(limits, -np.inf, right),
            ],
            options={"mip_rel_gap": 0.0, "node_limit": NODES},
        )
        if found.x is None:
            return None
        bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
        raw = np.asarray(found.x, np.float64)
        self._refine(raw)
        return self._answer(raw, -float(bound), np.zeros(0), self.cost)

    def shares(self, fixed: Fixed, dearest: float) -> Relaxed | None:
        """The relaxation: shares instead of yes and no, and nodal prices of at most `dearest`.

        Tangents are added where it stood above a curve, for the next call.
        """
        limits, right = self.rows.matrix(self.width)
        low, high = self._fixed(fixed)
        high[self.at_more] = high[self.at_less] = np.inf
        cost = self.cost.copy()
        cost[self.at_more] = cost[self.at_less] = dearest / self.price
        found: Any = linprog(
            cost, limits, right, self.balance, np.zeros(self.balance.shape[0]),
            np.stack([low, high], axis=1), method="highs-ds",
        )  # fmt: skip
        if found.x is None:
            return None
        raw = np.asarray(found.x, np.float64)
        self.grew = self._refine(raw)
        price = np.asarray(found.eqlin.marginals, np.float64)[self.row_of] * self.price
        network = self.relaxation.network
        return self._answer(raw, -float(found.fun), price[network.node_of], cost)

    def _fixed(self, fixed: Fixed) -> tuple[Floats, Floats]:
        low, high = self.low.copy(), self.high.copy()
        low[self.at_y] = np.where(fixed == 1, 1.0, 0.0)
        high[self.at_y] = np.where(fixed == 0, 0.0, 1.0)
        return low, high
