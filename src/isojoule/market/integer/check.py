"""The check of a clearing of indivisible offers, from stored facts by arithmetic alone.

What is checked beside all that is checked of divisible offers:

1. what is called taken has its whole energy, what is not has none; a group has at most one;
2. the rest, with what is taken whole as given, balances and has the stored prices;
3. the leaves of the certificate cover every choice, and the greatest of their bounds is the
   welfare reached plus the stated gap.

Spec: docs/spec/certificate.md, C10.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import UJ_PER_J
from isojoule.grid import Grid
from isojoule.grid.formulation import network_of
from isojoule.market.allocation import Support, supporting_prices
from isojoule.market.book import Book
from isojoule.market.contract import Clearing
from isojoule.market.integer.lagrangian import Fixed, lagrangian_of, reach_with
from isojoule.market.integer.units import (
    Leaf,
    Legs,
    Units,
    choice_from,
    crowded,
    rest_of,
    units_of,
)

Ints = NDArray[np.int64]


class Rest(NamedTuple):
    """The divisible rest of a clearing: its book, what is given, energies, and welfare given."""

    book: Book
    legs: Legs
    energy_uj: Ints
    worth: float


def rest_in(book: Book, grid: Grid, clearing: Clearing) -> Rest:
    """What is divisible in a clearing of indivisible offers.

    Raises
    ------
    VerificationError
        An energy that is not the whole of a taken offer, or not 0; two offers of one group.
    """
    units = units_of(book, grid)
    taken = clearing.taken
    if taken is None or taken.shape != (book.offer_count,):
        raise VerificationError(f"taken has not {book.offer_count} entries", place="taken")
    choice = choice_from(units, clearing.energy_uj, taken)
    divisible = np.ones(book.offer_count, bool)
    divisible[units.offer[units.whole]] = False
    wrong = divisible & ~taken
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise VerificationError(
            "is divisible, and called not taken", place=f"offer {book.offer_ids[at]!r}"
        )
    for unit in np.flatnonzero(units.whole):
        at = int(units.offer[unit])
        whole = int(units.net_uj()[unit]) if choice[unit] else 0
        if clearing.energy_uj[at] != whole:
            what = "taken" if choice[unit] else "not taken"
            raise VerificationError(
                f"is {what} with {clearing.energy_uj[at]} uJ instead of {whole}",
                place=f"offer {book.offer_ids[at]!r}",
            )
    second = crowded(units, choice)
    if second >= 0:
        raise VerificationError(
            "is taken beside another of its group", place=f"offer {book.offer_ids[second]!r}"
        )
    rest, legs = rest_of(book, units, choice)
    energy = np.where(divisible, clearing.energy_uj, 0)
    return Rest(rest, legs, energy, math.fsum(units.worth[choice].tolist()))


def proved(book: Book, grid: Grid, clearing: Clearing) -> Support:
    """Prices that support the rest, welfare, and the gap that the certificate proves.

    Raises
    ------
    VerificationError
        Leaves that do not cover every choice, or are not of this book.
    """
    rest = rest_in(book, grid, clearing)
    units = units_of(book, grid)
    network = network_of(grid, book.network, book.interval.duration_s)
    reach = reach_with(book, network, units)
    cert = clearing.certificate
    s = supporting_prices(
        rest.book, grid, rest.energy_uj, clearing.flow_uj, clearing.loss_uj,
        clearing.standing_uj, cert.duals, reach,
    )  # fmt: skip
    relaxation = lagrangian_of(book, grid, units)
    leaves = cert.leaves or (Leaf((), (), cert.duals),)
    fixed = [_fixed(units, leaf, number) for number, leaf in enumerate(leaves)]
    _check_cover(book, units, fixed)
    bounds = []
    for number, leaf in enumerate(leaves):
        if leaf.duals.shape != (grid.node_count,) or not np.all(np.isfinite(leaf.duals)):
            raise VerificationError("a dual price is missing or not finite", place=_name(number))
        bounds.append(relaxation.bound(relaxation.gains(leaf.duals), fixed[number]))
    columns = relaxation.columns
    standing = clearing.standing_uj[columns.standing_links] / UJ_PER_J
    served = math.fsum((columns.pieces.a[~columns.counts] * standing).tolist())
    welfare = s.welfare + rest.worth
    gap = max(max(bounds) - served - welfare, 0.0)
    size = s.size + math.fsum(np.abs(units.worth).tolist())
    trade = s.largest_trade_per_j
    return Support(
        s.lowest, s.highest, s.price, welfare, gap, False, size, largest_trade_per_j=trade
    )


def _fixed(units: Units, leaf: Leaf, number: int) -> Fixed:
    """The leaf as a row over the units."""
    fixed = np.full(units.count, -1, np.int8)
    for offers, value in ((leaf.taken, 1), (leaf.left, 0)):
        for at in offers:
            unit = units.unit_of[at] if 0 <= at < units.unit_of.size else -1
            if unit < 0 or fixed[unit] >= 0:
                raise VerificationError(
                    "names an offer twice, or one that is no choice", place=_name(number)
                )
            fixed[unit] = value
    return fixed


def _check_cover(book: Book, units: Units, leaves: list[Fixed]) -> None:
    """Every choice agrees with a leaf: some unit splits the leaves in two, and so on."""
    table = np.array(leaves, np.int8).reshape(len(leaves), units.count)
    start = np.full(units.count, -1, np.int8)
    stack = [(np.arange(len(leaves)), start)]
    while stack:
        rows, part = stack.pop()
        known = part >= 0
        agrees = (table[rows] < 0) | ~known | (table[rows] == part)
        rows = rows[agrees.all(axis=1)]
        if not rows.size:
            names = [book.offer_ids[i] for i in units.offer[part == 1]]
            raise VerificationError(
                f"no leaf covers the choice of {', '.join(names) or 'nothing'}",
                place="certificate.leaves",
            )
        told = (table[rows] >= 0) & ~known
        if not told.any(axis=1).all():
            continue  # a leaf that says no more covers all of this part
        common = np.flatnonzero(told.all(axis=0))
        if not common.size:
            raise VerificationError("the leaves are no tree", place="certificate.leaves")
        at = int(common[0])
        for value in (0, 1):
            half = part.copy()
            half[at] = value
            if value and units.group[at] >= 0:
                half[(units.group == units.group[at]) & (half < 0)] = 0
            stack.append((rows, half))


def _name(number: int) -> str:
    return f"certificate.leaves[{number}]"
