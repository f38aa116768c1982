"""Fines of bonds that the operator has are shared, as all else that it is left with.

Spec: docs/spec/collateral.md, B35.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import Account, Transfer, stable_id
from isojoule.settlement.collateral.corrected import Move
from isojoule.settlement.collateral.folded import Code
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import OPERATOR, member
from isojoule.settlement.shares import RULES
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import share_surplus


def shares_of_fines(fines_nano: int, stretch: Stretch, rules: Rules, seed: int) -> dict[str, int]:
    """What each member gets of the fines of a period, nano-units, by account.

    Parameters
    ----------
    fines_nano
        That the operator got in the period.
    stretch, rules
        The period, and by which rules it was settled.
    seed
        Of the run.

    Returns
    -------
    Nothing where the operator keeps what is left; else the amounts sum to the fines.
    """
    if rules.surplus == "keep" or not fines_nano:
        return {}
    # a game shares what came about together; to a fine nobody contributes more than another
    rule = "equal" if RULES[rules.surplus].compares else rules.surplus
    found = share_surplus(
        rule, fines_nano, stretch.members, stretch.metered_uj, stretch.sells_at_per_j,
        stretch.buys_at_per_j, stretch.metered_loss_uj, [0] * len(stretch.members),
        seed.to_bytes(8, "big", signed=True),
    )  # fmt: skip
    if isinstance(found, Refused):
        raise InvariantError(f"fines cannot be shared: {found.reason}")
    names = map(member, stretch.members)
    return {name: nano for name, nano in zip(names, found.amount_nano, strict=True) if nano}


def sharing(
    amounts: dict[str, int], currency: str, market: str, start_s: int
) -> tuple[Transfer, ...]:
    """The transfers that share the fines of a period, one chain.

    Parameters
    ----------
    start_s
        When the period begins, s since 1970: what they are for.
    """
    operator = Account(OPERATOR, currency).id
    last = len(amounts) - 1
    return tuple(
        Transfer(
            stable_id("isojoule.fines.1", market, start_s, name), operator,
            Account(name, currency).id, nano,
            code=Code.FINES_SHARED, for_s=start_s, linked=at < last,
        )
        for at, (name, nano) in enumerate(amounts.items())
    )  # fmt: skip


def fine_moves(before: Mapping[str, int], after: Mapping[str, int], start_s: int) -> Iterator[Move]:
    """What turns one sharing of the fines of a period into another.

    Parameters
    ----------
    before, after
        What each member gets, nano-units, by account.
    start_s
        When the period begins, s since 1970.
    """
    for name in dict.fromkeys((*before, *after)):
        more = after.get(name, 0) - before.get(name, 0)
        if more:
            ends = (OPERATOR, name) if more > 0 else (name, OPERATOR)
            yield Move(start_s, Code.FINES_SHARED, *ends, abs(more))
