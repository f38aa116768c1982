"""Whom prices tell: participants whose absence moves only what is strictly inside its bounds.

A small program has one matrix at its optimum, which says what everyone inside does, and what prices
do, when somebody goes, as long as nobody comes to a bound or leaves one, and no further limit is
passed: then the optimum without a participant is known without a program of its own (ranging, or
sensitivity analysis: Gal 1995, Postoptimal Analyses, Parametric Programming, and Related Topics,
https://doi.org/10.1515/9783110871203). Where the marginal piece is flat no price moves, and a
participant is paid the price. For others the set of those inside changes on the way, one by one
(`isojoule.kernels.taken_out`). All are told in one call of compiled code.

Nothing is believed: each point is weighed against its prices (`isojoule.kernels.weigh`), which are
duals of the whole without the participant, and must be within all limits of the network. Whom this
does not tell has a program of its own.

Spec: docs/spec/vcg.md, P20.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.kernels.border import Bordered
from isojoule.kernels.bordered import Point
from isojoule.kernels.ldl import Pattern
from isojoule.kernels.taken_out import without_each
from isojoule.kernels.weigh import weigh
from isojoule.market.pivots.warm import Change

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLOSED = 1e-10
"""What prices may leave open, as a share of what changes,"""
DIGITS = 1e-12
"""or of all worths."""
ASTRAY = 1e-12
"""What lacks at a node, or a row is passed by, is no more than this share of the largest."""
NOBODY = -2
"""Without it, everyone is there. -1 has what belongs to nobody."""
MANY = 3
"""Fewer participants are not worth a common matrix."""
MOST_NUMBERS = 4_000_000
"""So many are taken out at once that their points have no more numbers."""


class Left(NamedTuple):
    """Optima without each of some parties; the first is that of all.

    Attributes
    ----------
    y, node
        Pieces and arcs, and prices of nodes, scaled; a row for each.
    value, size, unsure
        Of each: its welfare, the sum of its worths without sign, and what prices leave open, money.
    proved
        Where the point is an optimum: nothing lacks, and prices prove it, to the digits there are.
    """

    y: Floats
    node: Floats
    value: Floats
    size: Floats
    unsure: Floats
    proved: Bools

    def change(self, at: int, value: float, size: float) -> Change:
        """What the others have at one of them, less `value`."""
        unsure = float(self.unsure[at] + self.unsure[0])
        return Change(float(self.value[at] - value), float(self.size[at] + size), unsure)


def left_without(
    program: Bordered, pattern: Pattern, point: Point, owner: Ints, who: Ints, reach: float,
    unit: float,
) -> Left:  # fmt: skip
    """Optima without some parties, one after the other, from that of all.

    Parameters
    ----------
    program, pattern, point
        As in `isojoule.kernels.bordered`, with the optimum.
    owner, who
        The party of each piece, and who is taken out.
    reach
        Bounds count as no more than this, scaled.
    unit
        Money of a scaled worth of 1.
    """
    who = np.append(NOBODY, who)
    y, node, row, rests = without_each(program, pattern, point, owner, who)
    w = weigh(program, owner, who, reach, y, node, row)
    largest = np.max(np.abs(y), axis=1, initial=1.0)
    proved = rests & (w.astray <= ASTRAY * largest) & (largest <= reach)
    with np.errstate(over="ignore", invalid="ignore"):  # of what did not come to rest
        value, size = (w.worth + w.lacking + 0.5 * w.gap) * unit, w.size * unit
        unsure = (w.gap + w.open) * unit
        least = np.maximum(CLOSED * np.abs(value - value[0]), DIGITS * size)
        proved &= unsure + unsure[0] <= least
    return Left(y, node, value, size, unsure, proved)


def in_parts(who: Ints, width: int) -> list[Ints]:
    """Parties in parts whose points have no more than `MOST_NUMBERS` numbers."""
    parts = -(-who.size * max(width, 1) // MOST_NUMBERS)
    return np.array_split(who, max(parts, 1))
