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
from isojoule.kernels.weigh import Weighed, weigh

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ASTRAY = 1e-13
"""What lacks at a node, or a row is passed by, is no more than this share of the largest."""
NOBODY = -2
"""Without it, everyone is there. -1 has what belongs to nobody."""
MOST_NUMBERS = 4_000_000
"""So many are taken out at once that their points have no more numbers."""


class Left(NamedTuple):
    """What is left without each of some parties: points, their prices, and their weights.

    A row for each party, scaled. The first is that of all; `rests` says where something was found.
    """

    y: Floats
    node: Floats
    row: Floats
    rests: Bools
    weight: Weighed


def left_without(
    program: Bordered, pattern: Pattern, point: Point, owner: Ints, who: Ints, reach: float
) -> Left:
    """Optima without some parties, one after the other, from that of all.

    Parameters
    ----------
    program, pattern, point
        As in `isojoule.kernels.bordered`, with the optimum.
    owner, who
        The party of each piece, and who is taken out.
    reach
        Bounds count as no more than this, scaled.
    """
    who = np.append(NOBODY, who)
    y, node, row, rests = without_each(program, pattern, point, owner, who)
    weight = weigh(program, owner, who, reach, y, node, row)
    largest = np.maximum(1.0, np.max(np.abs(y), axis=1, initial=0.0))
    return Left(y, node, row, rests & (weight.astray <= ASTRAY * largest) & (largest <= reach), weight)


def in_parts(who: Ints, width: int) -> list[Ints]:
    """Parties in parts whose points have no more than `MOST_NUMBERS` numbers."""
    parts = -(-who.size * max(width, 1) // MOST_NUMBERS)
    return np.array_split(who, max(parts, 1))
