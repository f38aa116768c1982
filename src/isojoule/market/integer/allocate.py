"""The best choice of a book with indivisible offers, and its allocation in integers.

Theory of operation (outer approximation: Duran, Grossmann 1986, Math. Program. 36:307,
https://doi.org/10.1007/BF02592064):

1. The master program (`isojoule.market.integer.master`) proposes a choice, and a bound.
2. With the choice fixed the rest is a book of divisible offers. It is cleared as any other
   (`isojoule.market.allocation`), in whole microjoules: integers decide what is feasible.
3. Tangents at that point go to the master program, until bound and best choice meet. A choice
   that cannot be balanced, or that comes again, is excluded.
4. Of choices worth the same, one is taken by rule (`_by_rule`).
5. A tree of nodal prices proves the bound (`isojoule.market.integer.tree`).

Spec: docs/spec/market.md, M18 to M22.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.core.errors import InvariantError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.kernels.whole import on_links
from isojoule.market.allocation import Allocation, NotSolved, Support, allocate, columns_of
from isojoule.market.book import Book
from isojoule.market.integer.lagrangian import Fixed, Lagrangian, lagrangian_of
from isojoule.market.integer.master import SIZE, Master
from isojoule.market.integer.settled import settled
from isojoule.market.integer.tree import prove
from isojoule.market.integer.units import Legs, Units, rest_of, units_of
from isojoule.market.optimum import Optimum

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SAME = 1e-9
"""Choices whose welfare differs by less than this share of all worths are worth the same."""
RULED_OUT = 1e2
"""Prices that show that a unit cannot be taken are at most this many times the dearest."""
ROUNDS = 60
"""Most proposals of the master program."""
TRIES = 20
"""Most proposals per unit, where ties are broken."""
TANGENTS = 40
"""Most rounds of tangents where the interior point fails."""
BALANCED = 1e-9
"""What lacks at nodes, as a share of the largest quantity, counts as balanced."""


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """A choice, the allocation of the rest, and the welfare of both together, money.

    The welfare counts the standing losses that are served (`served`), as bounds do.
    """

    choice: Bools
    rest: Allocation
    value: float
    served: float
    scale: float


def allocate_integer(book: Book, grid: Grid, *, seed: bytes = b"") -> Allocation | NotSolved:
    """The welfare optimum of a book with indivisible offers, on copperplate or transport."""
    if book.network not in ("copperplate", "transport"):
        return NotSolved(
            f"indivisible offers, as {book.indivisible!r}, are not cleared on {book.network!r}",
            "use copperplate or transport, or make them divisible",
        )
    search = Search(book, grid, seed)
    found = search.best()
    if isinstance(found, NotSolved):
        return found
    return search.allocation(search.used(search.by_rule(found)))


class Search:
    """The search for the best choice of one book."""

    def __init__(self, book: Book, grid: Grid, seed: bytes) -> None:
        self.book, self.grid, self.seed = book, grid, seed
        self.units: Units = units_of(book, grid)
        self.relaxation: Lagrangian = lagrangian_of(book, grid, self.units)
        self.master = Master(grid, self.relaxation)
        self.known: dict[bytes, Chosen | NotSolved] = {}
        self.bound = math.inf

    def best(self, first: Bools | None = None, open_: Fixed | None = None) -> Chosen | NotSolved:
        """The best choice; `bound` is then what the master program says cannot be passed.

        Parameters
        ----------
        first
            A choice to begin with; none: nothing is taken.
        open_
            What is known of the units; none: `open`.
        """
        choice = np.zeros(self.units.count, bool) if first is None else first
        begun = self.clear(choice)
        best = begun if isinstance(begun, Chosen) else None
        failed = begun if isinstance(begun, NotSolved) else None
        spared = best.value if best else -math.inf
        open_ = self.open() if open_ is None else open_
        for _ in range(ROUNDS):
            proposed = self.master.whole(open_)
            if proposed is None:
                break
            self.bound = min(self.bound, max(proposed.bound, spared))
            if best and proposed.bound <= best.value + SAME * best.scale:
                break
            choice = proposed.share > 0.5
            again = choice.tobytes() in self.known
            found = self.clear(choice)
            if isinstance(found, Chosen):
                spared = max(spared, found.value)
                if best is None or found.value > best.value:
                    best = found
            else:
                failed = found
                spared = max(spared, proposed.value)
            if again or isinstance(found, NotSolved):
                self.master.exclude(choice)
        if best is None:
            return failed or NotSolved("no choice could be balanced", "")
        self.bound = max(self.bound, best.value)
        return best

    def by_rule(self, best: Chosen) -> Chosen:
        """Of all choices worth the same, the one that comes first by rule.

        The units are put in order: by time of arrival, then by the hash of (seed, id). The first
        is taken if any of the best choices takes it; given that, the second; and so on.
        """
        units, offers = self.units, self.book.offers
        order = sorted(
            range(units.count),
            key=lambda u: (
                offers[units.offer[u]].at_ns,
                rank(self.seed, "indivisible", offers[units.offer[u]].id),
            ),
        )
        least = best.value - SAME * best.scale
        fixed, now = self.open(), best
        shares = self.master.shares(fixed, RULED_OUT * self.master.dearest)
        if shares is not None:  # what prices rule out at once
            r = self.relaxation
            fixed = settled(r, r.gains(shares.duals), fixed, least - 1e-3 * SAME * best.scale)
        for unit in order:
            if not now.choice[unit] and fixed[unit] < 0:
                now = self._with(unit, fixed, best) or now
            fixed[unit] = now.choice[unit]
        return now

    def _with(self, unit: int, fixed: Fixed, best: Chosen) -> Chosen | None:
        """A choice as good as the best that agrees with `fixed` and takes this unit, or None."""
        asked = fixed.copy()
        asked[unit] = 1
        mine = self.units.group == self.units.group[unit]
        if self.units.group[unit] >= 0 and np.any(mine & (fixed == 1)):
            return None
        least = best.value - SAME * best.scale
        r = self.relaxation
        shares = self.master.shares(asked, RULED_OUT * self.master.dearest)
        if shares is not None and r.bound(r.gains(shares.duals), asked) < least:
            return None
        for _ in range(TRIES):
            proposed = self.master.whole(asked)
            if proposed is None or proposed.bound < least:
                return None
            choice = proposed.share > 0.5
            again = choice.tobytes() in self.known
            found = self.clear(choice)
            if isinstance(found, Chosen) and found.value >= least:
                return found
            if again or isinstance(found, NotSolved):
                self.master.exclude(choice)
        return None

    def used(self, best: Chosen) -> Chosen:
        """The same, with what is chosen of a group and then does not trade called not taken."""
        for _ in range(self.units.count):
            trades = self.units.whole | (best.rest.energy_uj[self.units.offer] != 0)
            if not np.any(best.choice & ~trades):
                break
            found = self.clear(best.choice & trades)
            if isinstance(found, NotSolved):
                break
            best = found
        return best

    def open(self) -> Fixed:
        """Every unit open, but what would be taken for nothing."""
        size = np.zeros(self.units.count)
        np.add.at(size, self.units.leg_unit, np.abs(self.units.legs.energy_uj) / UJ_PER_J)
        empty = self.units.whole & (size == 0) & (self.units.worth <= 0)
        return np.where(empty, 0, -1).astype(np.int8)

    def on(self, book: Book, grid: Grid, relaxation: Lagrangian, master: Master) -> Search:
        """A search of the same units in another book, with nothing known but its program."""
        out = copy.copy(self)
        out.book, out.grid, out.relaxation, out.master = book, grid, relaxation, master
        out.known, out.bound = {}, math.inf
        return out

    def clear(self, choice: Bools) -> Chosen | NotSolved:
        """The rest of the book with this choice; the master program gets tangents there."""
        key = choice.tobytes()
        if key not in self.known:
            self.known[key] = self._clear(choice)
        return self.known[key]

    def _clear(self, choice: Bools) -> Chosen | NotSolved:
        rest, legs = rest_of(self.book, self.units, choice)
        reach = self.relaxation.reach_j
        found: Allocation | NotSolved
        try:
            found = allocate(rest, self.grid, legs, reach)
        except InvariantError as error:
            found = NotSolved(str(error), "")
        if isinstance(found, NotSolved):
            linear = self._by_tangents(choice, legs)
            if linear is not None:
                try:
                    found = allocate(rest, self.grid, legs, reach, linear)
                except InvariantError as error:
                    found = NotSolved(str(error), "")
        if isinstance(found, NotSolved):
            return found
        self._touch(found)
        worth = self.units.worth[choice]
        served = self._served(found)
        given = math.fsum(worth) + served
        s = found.support
        # what the prices of the rest prove is exact to the second order, the solver's own value not
        value = (s.welfare + s.gap if s.closed else found.value) + given
        scale = math.fsum(np.abs(worth)) + math.fsum(np.abs(found.offer_value)) + served
        if s.welfare + given < value - 1e-6 * scale:  # the commit had to drop flows
            value = s.welfare + given
        return Chosen(choice, found, value, served, max(scale, 1e-300))

    def _touch(self, found: Allocation) -> None:
        """Tangents where the rest came to stand."""
        from isojoule.kernels.prices import fill

        p, columns = self.relaxation.columns.pieces, self.relaxation.columns
        energy = np.append(found.energy_uj, found.standing_uj[columns.standing_links]) / UJ_PER_J
        x = fill(columns.offer, p.lo, p.hi, energy)
        network = self.relaxation.network
        flow = found.flow_uj[network.arc_link] / UJ_PER_J
        self.master.touch(x, np.maximum(np.where(network.arc_back, -flow, flow), 0.0))

    def _by_tangents(self, choice: Bools, legs: Legs) -> Optimum | None:
        """The rest by linear programs alone, where it leaves the interior point no room."""
        fixed = choice.astype(np.int8)
        largest = self.master.energy * SIZE
        found = None
        for _ in range(TANGENTS):
            found = self.master.shares(fixed, 1e4 * self.master.dearest)
            if found is None or found.lack_j > BALANCED * largest:
                return None
            if not self.master.grew:
                break
        if found is None:
            return None
        rest, _ = rest_of(self.book, self.units, choice)
        network = self.relaxation.network
        columns = columns_of(rest, network)
        p = columns.pieces
        x = np.clip(found.x, p.lo, p.hi)
        near = 1e-12 * largest
        side = np.where(x <= p.lo + near, -1, np.where(x >= p.hi - near, 1, 0)).astype(np.int8)
        price = np.zeros(network.nodes)
        price[network.node_of] = found.duals
        count = columns.offer_node.size + legs.node.size
        flow, sent = on_links(network.arc_link, network.arc_back, found.f, network.tail.size)
        return Optimum(
            columns,
            x,
            side,
            np.bincount(columns.offer, x, count).astype(np.float64),
            flow,
            sent,
            found.f,
            price,
            (price, price),
            0.0,
            0,
        )

    def allocation(self, best: Chosen) -> Allocation:
        """The answer: integers of the rest and of what is taken whole, prices and bound."""
        book, units, choice = self.book, self.units, best.choice
        energy, offer_value = best.rest.energy_uj.copy(), best.rest.offer_value.copy()
        whole = units.whole & choice
        energy[units.offer[whole]] = units.net_uj()[whole]
        offer_value[units.offer[whole]] = units.worth[whole]
        taken = np.ones(book.offer_count, bool)
        taken[units.offer[units.whole]] = choice[units.whole]
        s = best.rest.support
        welfare = s.welfare + math.fsum(units.worth[choice].tolist())
        reached = max(welfare + best.served, best.value)
        proof = prove(self.relaxation, self.master, best.rest.duals, reached, best.scale)
        gap = max(proof.bound - best.served - welfare, 0.0)
        bound = min(max(self.bound, best.value) - best.served, welfare + gap)
        worths = best.rest.worths._replace(offer_value=offer_value)
        value = math.fsum(offer_value) - math.fsum(worths.link_cost)
        return replace(
            best.rest,
            energy_uj=energy,
            unrounded=lambda: worths,
            taken=taken,
            duals=proof.duals,
            leaves=proof.leaves,
            support=Support(
                s.lowest,
                s.highest,
                s.price,
                welfare,
                gap,
                False,
                best.scale,
                largest_trade_per_j=s.largest_trade_per_j,
            ),
            bound=max(bound, value),
        )

    def _served(self, rest: Allocation) -> float:
        """What the standing losses that are served count for in bounds, money."""
        columns = self.relaxation.columns
        mine = ~columns.counts
        energy = rest.standing_uj[columns.standing_links] / UJ_PER_J
        return math.fsum((columns.pieces.a[mine] * energy).tolist())
