"""Pivots: everyone pays what its being there costs all others.

    pivot of i = W*(-i) - (W*(N) - v_i(x*))

W*(N) is the greatest welfare of all, W*(-i) that without participant i
(`isojoule.market.pivots.absent`), v_i(x*) what i's offers are worth to it at the optimum, less what
its links cost it. A pivot below 0 is received. So i gains W*(N) - W*(-i), whatever it says, which
is what makes the truth best.

In general each pivot takes one more optimum. Far less does where it can:

- who trades nothing has no pivot;
- a copperplate with step offers is done by one sort (`isojoule.market.pivots.merit_order`);
- without rings, what the others would pay for i's energy is read off at its node
  (`isojoule.market.pivots.rerooted`), or, whatever the curves and losses, only what moves is
  solved (`isojoule.market.pivots.pruned`);
- where everyone wants one lot at most, payments are the least prices that support the assignment
  (`isojoule.market.pivots.assigned`);
- on meshes only what moves is settled again (`isojoule.market.pivots.nearby`);
- with limits, and with what is taken whole, a small program goes on from the optimum
  (`isojoule.market.pivots.warm`).

The operator is no participant, but its standing losses draw energy: what that costs all others is
their pivot, too.

Sources: Vickrey 1961 (J. Finance 16:8, https://doi.org/10.1111/j.1540-6261.1961.tb02789.x);
Clarke 1971 (Public Choice 11:17, https://doi.org/10.1007/BF01726210); Groves 1973 (Econometrica
41:617, https://doi.org/10.2307/1914085). Spec: docs/spec/vcg.md, P1 to P6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.kernels.money import LARGEST
from isojoule.market.allocation import Allocation, NotSolved, allocate, columns_of
from isojoule.market.best import best
from isojoule.market.book import Book
from isojoule.market.pivots.absent import without
from isojoule.market.pivots.assigned import assigned
from isojoule.market.pivots.merit_order import paid_by_all, steps_of
from isojoule.market.pivots.nearby import is_mesh, nearby
from isojoule.market.pivots.parties import Parties, parties_of
from isojoule.market.pivots.pruned import pruned
from isojoule.market.pivots.rerooted import rerooted
from isojoule.market.pivots.warm import warm_of
from isojoule.market.settle import MOST_MONEY, Flows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LAST_DIGIT = 1e-15
"""Share of an amount that the doubles of its prices leave open."""
DIGITS = 1e-12
"""Share of the worths involved within which an optimum in floats is known."""


@dataclass(frozen=True, eq=False, slots=True)
class Optimal:
    """An optimum as pivots see it, money: worth per offer, cost per link, and the operator's.

    `operator` is the worth of the standing losses that are served (G6), `slack` what the solver's
    floats lack.
    """

    offers: Floats
    links: Floats
    operator: float
    slack: float = 0.0

    @property
    def total(self) -> float:
        """The welfare, standing losses that are served included."""
        return math.fsum([*self.terms(), self.operator, self.slack])

    def terms(self, offers: Bools | None = None, links: Bools | None = None) -> list[float]:
        """Everything that adds up to the welfare; of some offers and links, if they are given."""
        mine = self.offers if offers is None else self.offers[offers]
        cost = self.links if links is None else self.links[links]
        return [*mine.tolist(), *(-cost).tolist()]


@dataclass(frozen=True, slots=True)
class Pivot:
    """What one participant pays (negative: is paid).

    Attributes
    ----------
    money
        As computed, money.
    nano
        Rounded up, nano-units.
    unsure
        Money by which `money` may be off, for lack of digits.
    """

    money: Fraction
    nano: int
    unsure: float


NONE = Pivot(Fraction(0), 0, 0.0)


@dataclass(frozen=True, eq=False)
class Pivots:
    """The pivots of one book, of every participant asked for, and of the standing losses.

    Attributes
    ----------
    parties, number
        Who is who, and the numbers of those that were asked for.
    money, nano, unsure
        As in `Pivot`, one each. Nano-units that pass 64 bits are cut there (see `too_much_money`).
    operator
        Of the standing losses.
    """

    parties: Parties
    number: Ints
    money: Floats
    nano: Ints
    unsure: Floats
    operator: Pivot = NONE

    @cached_property
    def of(self) -> dict[str, Pivot]:
        """By name."""
        columns = zip(self.money.tolist(), self.nano.tolist(), self.unsure.tolist(), strict=True)
        rows = (Pivot(Fraction(money), nano, unsure) for money, nano, unsure in columns)
        return dict(zip(map(self.parties.name, self.number.tolist()), rows, strict=True))


def optimal(book: Book, grid: Grid, found: Allocation) -> Optimal:
    """The optimum in money."""
    standing = _standing_worth(book, grid, found)
    return Optimal(found.offer_value, found.link_cost, standing, found.slack_value)


def _standing_worth(book: Book, grid: Grid, flows: Flows) -> float:
    columns = columns_of(book, network_of(grid, book.network, book.interval.duration_s))
    worth = columns.pieces.a[~columns.counts]
    return math.fsum((worth * flows.standing_uj[columns.standing_links] / UJ_PER_J).tolist())


def pivots(
    book: Book, grid: Grid, found: Allocation, among: Sequence[str], seed: bytes = b""
) -> Pivots | NotSolved:
    """The pivots of these participants, and of the operator's standing losses.

    Who trades nothing pays nothing. `NotSolved` names whose absence leaves no optimum.
    """
    parties = parties_of(book, grid)
    return pivots_of(book, grid, found, parties, parties.numbers(among), seed)


def pivots_of(
    book: Book, grid: Grid, found: Allocation, parties: Parties, at: Ints, seed: bytes = b""
) -> Pivots | NotSolved:
    """See `pivots`; `at` are numbers of parties."""
    count = parties.count
    busy = np.zeros(count, bool)
    busy[at] = ~parties.silent(book, found, found.taken)[at]
    money, nano, unsure = np.zeros(count), np.zeros(count, np.int64), np.zeros(count)
    operator = NONE
    steps = steps_of(book, found.energy_uj)
    if steps is not None:  # no links, so no standing losses
        paid = paid_by_all(steps, count, LAST_DIGIT)
        money[busy] = paid.money_nano[busy] / NANO_PER_UNIT
        nano[busy] = paid.nano[busy]
        unsure = LAST_DIGIT * np.abs(money)
        return Pivots(parties, at, money[at], nano[at], unsure[at])
    local = rerooted(book, grid, found, parties, busy)
    local = pruned(book, grid, found, parties, busy, local)
    stands = whole = optimal(book, grid, found)
    local = assigned(book, grid, found, parties, busy, stands.total, local)
    solve = worth_of
    if np.any(busy & ~local.known) and is_mesh(book, grid):
        again = allocate(book, grid)  # to the last digits, which steps on flows do not give
        if isinstance(again, Allocation) and again.support.closed:
            moved = nearby(book, grid, found, again, parties, busy, local)
            if moved is not None:
                local, whole, solve = moved, optimal(book, grid, again), exactly
    money[local.known] = local.money[local.known]
    unsure = DIGITS * local.size + local.unsure
    nano = all_rounded(money, unsure)
    left = np.flatnonzero(busy & ~local.known)
    warm = warm_of(book, grid, found, parties, stands.total, seed, left) if left.size else None
    for i in left.tolist():
        changed = warm.change(i) if warm is not None else None
        own = (parties.offer == i, parties.link == i)
        mine = stands.terms(*own)
        if changed is not None:
            digits = DIGITS * (changed.size + _size(mine))
            total = Fraction(math.fsum([changed.money, *mine]))
            pivot = _rounded(total, changed.unsure + digits)
        else:
            name = parties.name(i)
            rest = solve(*without(book, grid, name), seed)
            if isinstance(rest, NotSolved):
                return rest._replace(reason=f"without {name!r}, {rest.reason}")
            pivot = _pivot(rest, whole, mine)
        money[i], nano[i], unsure[i] = float(pivot.money), _in_64_bits(pivot.nano), pivot.unsure
    if found.standing_uj.any():
        calm = replace(grid, standing_loss_w=np.zeros(grid.link_count))
        rest = worth_of(book, calm, seed)
        if isinstance(rest, NotSolved):
            return rest._replace(reason=f"without standing losses, {rest.reason}")
        operator = _pivot(rest, stands, [stands.operator])
    return Pivots(parties, at, money[at], nano[at], unsure[at], operator)


def exactly(book: Book, grid: Grid, seed: bytes) -> Optimal | NotSolved:
    """As `worth_of`, by the interior point wherever it comes to an end."""
    found = allocate(book, grid)
    if isinstance(found, Allocation) and found.support.closed:
        return optimal(book, grid, found)
    return worth_of(book, grid, seed)


def _size(terms: list[float]) -> float:
    return math.fsum(map(abs, terms))


def _in_64_bits(nano: int) -> int:
    return max(-LARGEST, min(LARGEST, nano))


def worth_of(book: Book, grid: Grid, seed: bytes) -> Optimal | NotSolved:
    """The greatest welfare, in its parts."""
    found = best(book, grid, seed=seed)
    return found if isinstance(found, NotSolved) else optimal(book, grid, found)


def _pivot(rest: Optimal, whole: Optimal, mine: list[float]) -> Pivot:
    """From both optima; `mine` is what of the second is the participant's."""
    less = [*rest.terms(), rest.operator, rest.slack]
    more = [*whole.terms(), whole.operator, whole.slack]
    terms = [*less, *(-v for v in more), *mine]
    return _rounded(Fraction(math.fsum(terms)), DIGITS * math.fsum(map(abs, terms)))


def _rounded(money: Fraction, unsure: float) -> Pivot:
    """Up to whole nano-units; what is one but for digits that are not known stays that one."""
    nano = money * NANO_PER_UNIT
    near = round(nano)
    if abs(nano - near) <= unsure * NANO_PER_UNIT:
        return Pivot(money, near, unsure)
    return Pivot(money, math.ceil(nano), unsure)


def all_rounded(money: Floats, unsure: Floats) -> Ints:
    """As `_rounded`, of many; beyond 64 bits they are cut there."""
    exact = np.clip(money * NANO_PER_UNIT, -9e18, 9e18)
    near = np.rint(exact)
    stays = np.abs(exact - near) <= unsure * NANO_PER_UNIT
    out: Ints = np.where(stays, near, np.ceil(exact)).astype(np.int64)
    return out


def too_much_money(found: Pivots) -> str:
    """Why these payments cannot be told in 64 bits, or ""."""
    sizes = np.abs(found.money)
    if float(sizes.sum()) + abs(float(found.operator.money)) < MOST_MONEY:
        return ""
    largest = "the operator"
    if sizes.size:
        largest = found.parties.name(int(found.number[sizes.argmax()]))
    return f"the payments pass {MOST_MONEY:.0e} units of money, most of it by {largest!r}"


def split(
    total_nano: int, names: Sequence[str], base: Sequence[float], size: Sequence[int]
) -> list[int]:
    """A participant's payment over its offers and links, nano-units; the parts add up exactly.

    Each pays its base, and what these have too much or too little in all is shared in proportion
    to the energy at each. Nano-units that are left over go to the largest fractions, then by name.
    What moves no energy pays nothing.

    Parameters
    ----------
    total_nano
        The participant's payment.
    names, base, size
        Of its offers and links: name, what it would pay at the prices of its nodes, money, and
        energy without sign, microjoules.
    """
    weight = sum(size)
    busy = [i for i, s in enumerate(size) if s]
    out = [0] * len(names)
    if len(busy) == 1:
        out[busy[0]] = total_nano
    if len(busy) < 2:
        return out
    bases = {i: Fraction(base[i]) * NANO_PER_UNIT for i in busy}
    beyond = sum(bases.values()) - total_nano
    wanted = {i: bases[i] - beyond * size[i] / weight for i in busy}
    for i in busy:
        out[i] = math.floor(wanted[i])
    left = total_nano - sum(out)
    busy.sort(key=lambda i: (out[i] - wanted[i], names[i]))
    for i in busy[:left]:
        out[i] += 1
    return out
