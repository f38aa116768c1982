"""Pivots where limits bind beside the balances: one small program, solved again from its optimum.

On `dc` and `lindistflow` few limits bind, and only these are rows of the program, with a node for
all that is balanced together (`isojoule.market.pivots.warm_limits`). The optimum of all is found
once. Without a participant the program is solved from there, with its offers closed; a limit
that is passed becomes a row, and stays one for all who follow. Who owns a link is not told: behind
it another would hold the voltage.

Each optimum is proved before it counts: by weak duality nobody's prices let the others have more
than what all take at these prices, alone, and they have what the program says. Rows that are no
part of it have a price of 0, so what is proved holds for the whole. Where these two bounds do not
meet, or energy would be burned on the way there and back, nothing is told, and the caller solves
the whole.

Spec: docs/spec/vcg.md, P17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isojoule.grid.formulation import Network
from isojoule.kernels.bordered import Bordered, Point, maximise_bordered
from isojoule.kernels.pieces import typical
from isojoule.kernels.prices import welfare_gap
from isojoule.market.columns import Columns, reach_of
from isojoule.market.pivots.parties import Parties
from isojoule.market.pivots.ranging import CLOSED, DIGITS, MANY, in_parts, left_without
from isojoule.market.pivots.warm import Change
from isojoule.valuation.curve import Pieces, integral

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-13
"""Scaled residual at which the solver stops; it mostly stops earlier, for lack of digits."""
SOLVED = 1e-9
"""Scaled residual above which a solution does not count."""
MOST_ROWS = 60
"""With more limits the whole is solved."""
ROUNDS = 12
"""So often at most limits are added."""
BOTH_WAYS = 1e-9
"""A link runs both ways if the smaller way carries more than this share of the largest flow,"""
NO_PRICE = 1e-9
"""and one of its ends has less than this price, scaled: elsewhere what is lost costs."""


class Limit(NamedTuple):
    """One limit: low <= on_pieces @ x + on_arcs @ f <= high; `name` tells limits apart."""

    name: tuple[str, int, int]
    on_pieces: Floats
    on_arcs: Floats
    low: float
    high: float


class Limits(Protocol):
    """What binds in a network beside its balances and the bounds of its arcs.

    Attributes
    ----------
    network, columns
        Whose nodes are balanced, and the pieces at them.
    first
        Limits that bind at the optimum that is paid for.
    """

    network: Network
    columns: Columns
    first: list[Limit]

    def passed(self, x: Floats, f: Floats) -> list[Limit]:
        """The limits that pieces and arcs pass, J."""
        ...

    def keeps(self, x: Floats, f: Floats) -> Bools:
        """Whether points keep all limits; pieces and arcs, J, (points, P) and (points, A)."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class _Solved:
    """A proved optimum: its welfare is `value`, but for `gap`; `size` is that of its worths."""

    point: Point
    value: float
    gap: float
    size: float


class WarmRows:
    """The program of a book, and its optimum, from which participants are taken out."""

    def __init__(self, limits: Limits, parties: Parties) -> None:
        self.limits, self.parties = limits, parties
        n, c = limits.network, limits.columns
        p = c.pieces
        self.pieces, self.arcs = p.lo.size, n.arc_link.size
        owner = np.full(int(np.max(c.offer, initial=-1)) + 1, -1, np.int64)
        count = min(owner.size, parties.offer.size)
        owner[:count] = parties.offer[:count]
        self.owner = owner[c.offer]
        worth = np.abs(p.a) + p.b
        self.energy = float(typical(p.lo, p.hi, 1e-6))
        money = typical(np.zeros(worth.size), np.where(p.hi > p.lo, worth, 0.0), 1e-15)
        self.price = float(money)
        self.reach_j = reach_of(p, n.capacity_j)
        self.names: list[tuple[str, int, int]] = []
        self.rows = np.zeros((0, self.pieces + self.arcs))
        self.row_lo, self.row_hi = np.zeros(0), np.zeros(0)
        self._add(limits.first)
        self.least_size = 0.0
        self.whole = self._solve(np.zeros(self.pieces, bool), None)
        self.least_size = self.size  # the worths by which digits are measured, of who is left, too
        self.known: dict[int, Change] = {}

    @property
    def value(self) -> float | None:
        """The welfare of all, money, standing losses that are served included; None: not proved."""
        return None if self.whole is None else self.whole.value

    @property
    def size(self) -> float:
        """Of the worths at the optimum."""
        return 0.0 if self.whole is None else self.whole.size

    def change(self, number: int) -> Change | None:
        """What the others' welfare is without a party, less that of all; None if not proved."""
        # without a link, others hold the voltages behind it, and limits are not the same
        if self.whole is None or np.any(self.parties.link == number):
            return None
        if number in self.known:
            return self.known[number]
        rest = self._solve(self.owner == number, self.whole.point)
        if rest is None:
            return None
        money, size = rest.value - self.whole.value, rest.size + self.whole.size
        unsure = rest.gap + self.whole.gap
        if not unsure <= max(CLOSED * abs(money), DIGITS * size):
            return None
        return Change(money, size, unsure)

    def foresee(self, numbers: Ints) -> None:
        """Tell of these parties at once, as far as that goes (P20)."""
        if self.whole is None:
            return
        many = numbers[~np.isin(numbers, self.parties.link)]
        if many.size < MANY:
            return
        for part in in_parts(many, self.pieces + self.arcs):
            for _ in range(ROUNDS):
                part = self._foreseen(part)
                if not part.size or self.row_lo.size > MOST_ROWS:
                    break

    def _foreseen(self, who: Ints) -> Ints:
        """The same with the rows there are; those who would pass limits, which become rows."""
        assert self.whole is not None
        lo, hi = self._bounds(np.zeros(self.pieces, bool))
        e = self.energy
        left = left_without(
            self._program(lo, hi), self.limits.network.pattern, self._started(self.whole.point),
            self.owner, who, self.reach_j / e, e * self.price,
        )  # fmt: skip
        told = left.proved & ~self._burns(left.y[:, self.pieces :], left.node)
        at = np.flatnonzero(told)
        x, f = left.y[at, : self.pieces] * e, left.y[at, self.pieces :] * e
        keeps = self.limits.keeps(x, f)
        if not (at.size and at[0] == 0 and keeps[0]):  # the optimum of all
            return who[:0]
        for j in at[keeps][1:].tolist():
            self.known[int(who[j - 1])] = left.change(j, left.value[0], left.size[0])
        more = [self.limits.passed(*point) for point in zip(x[~keeps], f[~keeps], strict=True)]
        new = [self._add(limits) for limits in more]
        return who[at[~keeps] - 1] if any(new) else who[:0]

    def _add(self, limits: list[Limit]) -> bool:
        """Add rows, scaled; whether any was new."""
        new = [one for one in limits if one.name not in self.names]
        rows = []
        for one in new:
            row = np.concatenate([one.on_pieces, one.on_arcs]) * self.energy
            largest = float(np.max(np.abs(row), initial=0.0))
            if largest > 0.0:
                rows.append((one, row / largest, one.low / largest, one.high / largest))
        if rows:
            self.names += [one.name for one, _, _, _ in rows]
            self.rows = np.vstack([self.rows, *(row for _, row, _, _ in rows)])
            self.row_lo = np.append(self.row_lo, [low for _, _, low, _ in rows])
            self.row_hi = np.append(self.row_hi, [high for _, _, _, high in rows])
        return bool(rows)

    def _bounds(self, own: Bools) -> tuple[Floats, Floats]:
        """Bounds of pieces and arcs, J, without some pieces, and what has only one answer."""
        n, c = self.limits.network, self.limits.columns
        lo, hi = np.where(own, 0.0, c.pieces.lo), np.where(own, 0.0, c.pieces.hi)
        sells, buys = np.zeros((2, n.nodes), bool)
        sells[n.part[c.node[lo < 0.0]]] = True
        buys[n.part[c.node[hi > 0.0]]] = True
        alive = (sells & buys)[n.part]
        at, at_arc = alive[c.node], alive[n.arc_tail]
        lo, hi = np.where(at, lo, 0.0), np.where(at, hi, 0.0)
        arc_lo, arc_hi = np.where(at_arc, n.arc_lo, 0.0), np.where(at_arc, n.arc_hi, 0.0)
        return np.concatenate([lo, arc_lo]), np.concatenate([hi, arc_hi])

    def _solve(self, own: Bools, start: Point | None) -> _Solved | None:
        """The optimum without some pieces, from a start, within all limits."""
        lo, hi = self._bounds(own)
        for _ in range(ROUNDS):
            if self.row_lo.size > MOST_ROWS:
                return None
            program = self._program(lo, hi)
            pattern = self.limits.network.pattern
            warm = None if start is None else self._started(start)
            found = maximise_bordered(
                program, pattern, warm or self._nothing(), warm is not None, TOLERANCE
            )
            u, row = self._at_bounds(found, lo, hi)
            passed = self.limits.passed(u[: self.pieces], u[self.pieces :])
            if self._add(passed):
                start = found
                continue
            proved = self._proved(found, u, row, lo, hi)
            if proved is None and warm is not None:  # once more, from nothing
                start = None
                continue
            return proved
        return None

    def _program(self, lo: Floats, hi: Floats) -> Bordered:
        n, c, e = self.limits.network, self.limits.columns, self.energy
        p, link = c.pieces, n.arc_link
        return Bordered(
            c.node, p.a / self.price, p.b / self.price, np.ascontiguousarray(p.c0), p.c1 * e,
            np.ascontiguousarray(p.k), n.arc_tail, n.arc_head, n.pattern.edge_slot, n.gain[link],
            n.limits.loss_per_j[link] * e, n.price[link] / self.price, np.zeros(n.nodes),
            self.rows, np.concatenate([lo / e, self.row_lo]), np.concatenate([hi / e, self.row_hi]),
        )  # fmt: skip

    def _nothing(self) -> Point:
        size = self.pieces + self.arcs + self.row_lo.size
        none = np.zeros(self.row_lo.size)
        nodes = np.ones(self.limits.network.nodes)
        return Point(np.zeros(size), nodes, none, np.zeros(size, np.int8), 0, np.inf)

    def _started(self, start: Point) -> Point:
        """A known point, with rows that have come since."""
        more = self.row_lo.size - start.row.size
        if more == 0:
            return start
        u = start.y[: self.pieces + self.arcs]
        y = np.concatenate([start.y, self.rows[start.row.size :] @ u])
        return start._replace(
            y=y,
            row=np.append(start.row, np.zeros(more)),
            side=np.append(start.side, np.zeros(more, np.int8)),
        )

    def _at_bounds(self, found: Point, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
        """Pieces and arcs, J, exactly at the bounds where they stand; prices of rows."""
        side = found.side[: lo.size]
        u = np.where(side < 0, lo, np.where(side > 0, hi, found.y[: lo.size] * self.energy))
        row = np.where(found.row > 0.0, np.where(np.isfinite(self.row_hi), found.row, 0.0), 0.0)
        row += np.where(found.row < 0.0, np.where(np.isfinite(self.row_lo), found.row, 0.0), 0.0)
        return u, row

    def _proved(
        self, found: Point, u: Floats, row: Floats, lo: Floats, hi: Floats
    ) -> _Solved | None:
        """What the program reaches and what the prices prove, if both meet."""
        n, c, e = self.limits.network, self.limits.columns, self.energy
        x, f = u[: self.pieces], u[self.pieces :]
        if not found.residual < SOLVED or np.max(np.abs(u), initial=0.0) > self.reach_j:
            return None
        if self._burns(f, found.node):
            return None
        dual = found.node * self.price
        toll = (row @ self.rows) * self.price  # what rows take, per J
        at = dual[c.node] + toll[: self.pieces]
        every = np.arange(self.pieces)
        least, most = np.maximum(lo, -self.reach_j), np.minimum(hi, self.reach_j)
        p = Pieces(least[: self.pieces], most[: self.pieces], *c.pieces[2:])
        none, nobody = np.zeros(0), np.zeros(0, np.int64)
        worth, gap, _ = welfare_gap(
            every, *p, x, np.ones(self.pieces, bool), nobody, nobody, none, none, none, none,
            none, none, at,
        )  # fmt: skip
        link = n.arc_link
        loss, price = n.limits.loss_per_j[link], n.price[link]
        slope = n.gain[link] * dual[n.arc_head] - dual[n.arc_tail] - price - toll[self.pieces :]
        bend = loss * dual[n.arc_head]
        ends = least[self.pieces :], most[self.pieces :]
        with np.errstate(divide="ignore", invalid="ignore"):
            peak = np.where(bend > 0.0, np.clip(slope / (2.0 * bend), *ends), f)
        profit = (slope - bend * f) * f
        best = np.maximum.reduce([(slope - bend * g) * g for g in (*ends, peak)])
        gap += float(np.maximum(best - profit, 0.0).sum())
        # rows stand where the solver has them; what lacks there counts as at nodes, at its price
        first = self.pieces + self.arcs
        side, unit = found.side[first:], e * self.price
        stands = np.where(side < 0, self.row_lo, np.where(side > 0, self.row_hi, found.y[first:]))
        limit = np.where(row > 0.0, self.row_hi, np.where(row < 0.0, self.row_lo, stands))
        gap += float(np.maximum(row * (limit - stands), 0.0).sum()) * unit
        beside = float((row * (stands - (self.rows @ u) / e)).sum()) * unit
        over = np.bincount(n.arc_head, (n.gain[link] - loss * f) * f, n.nodes)
        over = over - np.bincount(n.arc_tail, f, n.nodes) - np.bincount(c.node, x, n.nodes)
        carried = float((price * np.abs(f)).sum())
        lacking = float((dual * over).sum()) + beside
        size = float(np.abs(integral(c.pieces, x)).sum()) + carried
        if not gap <= max(CLOSED * abs(worth - carried), DIGITS * max(size, self.least_size)):
            return None
        return _Solved(found, worth - carried + lacking + 0.5 * gap, gap, size)

    def _burns(self, f: Floats, price: Floats) -> Bools:
        """Whether a link runs both ways, to lose energy on the way; at one point, or many."""
        n = self.limits.network
        back = np.flatnonzero(n.arc_back)
        if not back.size:
            return np.zeros(f.shape[:-1], bool)
        there = np.empty(n.tail.size, np.int64)
        there[n.arc_link[~n.arc_back]] = np.flatnonzero(~n.arc_back)
        least = np.minimum(f[..., back], f[..., there[n.arc_link[back]]])
        ends = np.minimum(price[..., n.arc_tail[back]], price[..., n.arc_head[back]])
        both = least > BOTH_WAYS * np.max(np.abs(f), axis=-1, initial=0.0, keepdims=True)
        burns: Bools = np.any(both & (ends < NO_PRICE), axis=-1)
        return burns
