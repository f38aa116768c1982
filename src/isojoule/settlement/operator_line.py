"""The operator's line of a stretch, shared among its members by the rule of surplus.

    shares = share_line(stretch, settled, rules, seed)

It follows from readings and settled lines alone. So late readings give other shares, and the
difference is booked beside what was shared before. Spec: docs/spec/settlement.md, Y7 and Y27.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isojoule.core.units import money_text
from isojoule.settlement.line_sums import Bools, paid_in_all
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import OPERATOR, Code, Settled, member
from isojoule.settlement.shares import RULES
from isojoule.settlement.stretch import Stretch, at_rest
from isojoule.settlement.surplus import Shares, share_surplus


def share_line(stretch: Stretch, settled: Settled, rules: Rules, seed: int) -> Shares | Refused:
    """Share the operator's line. Fees are others' money: they are left out.

    A game is of the intervals in which the market did not rest; what the line has of others, in
    which each stands alone with the utility, is shared equally (Z8).

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
    rests = at_rest(stretch, rules.pauses).paused
    if not (RULES[rules.surplus].compares and rests.any()):
        return _share(rules.surplus, stretch, settled, rules, seed, np.ones_like(rests))
    game = _share(rules.surplus, stretch, settled, rules, seed, ~rests)
    rest = _share("equal", stretch, settled, rules, seed, rests)
    if isinstance(game, Refused) or isinstance(rest, Refused):
        return game if isinstance(game, Refused) else rest
    told = ""
    if rest.surplus_nano:
        amount = money_text(rest.surplus_nano)
        told = f" What is left of pauses, {amount} {stretch.currency}, is shared equally."
    pairs = zip(game.amount_nano, rest.amount_nano, strict=True)
    return replace(
        game,
        surplus_nano=game.surplus_nano + rest.surplus_nano,
        amount_nano=tuple(one + other for one, other in pairs),
        why=tuple(why + told for why in game.why),
    )


def _share(
    rule: str, stretch: Stretch, settled: Settled, rules: Rules, seed: int, rows: Bools
) -> Shares | Refused:
    """Share what the line has of some intervals."""
    paid = paid_in_all((line for line in settled.lines if line.code is not Code.FEE), rows)
    return share_surplus(
        rule,
        -paid.get(OPERATOR, 0),
        stretch.members,
        stretch.metered_uj[rows],
        np.nan_to_num(stretch.sells_at_per_j[rows]),
        np.nan_to_num(stretch.buys_at_per_j[rows]),
        stretch.metered_loss_uj[rows],
        [paid.get(member(name), 0) for name in stretch.members],
        seed.to_bytes(8, "big", signed=True),
        permutations=rules.permutations,
        currency=stretch.currency,
    )


def changed(before: Shares, after: Shares) -> tuple[int, ...]:
    """What each member gets more by other shares of the same period, nano-units."""
    pairs = zip(before.amount_nano, after.amount_nano, strict=True)
    return tuple(new - old for old, new in pairs)
