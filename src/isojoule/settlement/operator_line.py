"""The operator's line of a stretch, shared among its members by the rule of surplus.

    shares = share_line(stretch, settled, rules, seed)

It follows from readings and settled lines alone. So late readings give other shares, and the
difference is booked beside what was shared before. Spec: docs/spec/settlement.md, Y7 and Y27.
"""

from __future__ import annotations

import numpy as np

from isojoule.settlement.line_sums import paid_in_all
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import OPERATOR, Code, Settled, member
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares, share_surplus


def share_line(stretch: Stretch, settled: Settled, rules: Rules, seed: int) -> Shares | Refused:
    """Share the operator's line. Fees are others' money: they are left out.

    Parameters
    ----------
    settled
        The stretch settled by these rules.
    seed
        Of the run.

    Raises
    ------
    InputError
        The energies or the money are too large to be shared.
    """
    paid = paid_in_all(line for line in settled.lines if line.code is not Code.FEE)
    return share_surplus(
        rules.surplus,
        -paid.get(OPERATOR, 0),
        stretch.members,
        stretch.metered_uj,
        np.nan_to_num(stretch.sells_at_per_j),
        np.nan_to_num(stretch.buys_at_per_j),
        stretch.metered_loss_uj,
        [paid.get(member(name), 0) for name in stretch.members],
        seed.to_bytes(8, "big", signed=True),
        permutations=rules.permutations,
        currency=stretch.currency,
    )


def changed(before: Shares, after: Shares) -> tuple[int, ...]:
    """What each member gets more by other shares of the same period, nano-units."""
    pairs = zip(before.amount_nano, after.amount_nano, strict=True)
    return tuple(new - old for old, new in pairs)
