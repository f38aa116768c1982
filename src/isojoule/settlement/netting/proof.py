"""Whether set-offs are right, and the best there are, without clearing anything.

Spec: docs/spec/obligations.md, O6 and O7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import VerificationError
from isojoule.core.units import money_text
from isojoule.kernels.obligations import CASH, OPEN
from isojoule.settlement.obligations import Ints, Liquidity, Netted, Obligations


def check(obligations: Obligations, liquidity: Liquidity | None, netted: Netted) -> None:
    """Check bounds, conservation and optimality, in integers. O(N + P).

    A circle of changes that would clear more, or use less cash, would have a negative cost. The
    costs of a circle sum to the same with potentials added at one end and taken off at the other,
    and with these none of them is negative.

    Raises
    ------
    VerificationError
        The first that does not hold; the place is a party or `obligations[i]`.
    """
    o, n = obligations, netted
    parties = len(o.parties)
    cash = (liquidity or Liquidity.none(parties)).usable(o)
    if n.set_off_nano.shape != o.amount_nano.shape or any(
        part.shape != (parties,) for part in (n.spent_nano, n.received_nano, n.potential)
    ):
        raise VerificationError("set-offs or potentials are of another list of obligations")
    low, high = n.set_off_nano < 0, n.set_off_nano > o.amount_nano
    _refuse(low, _row, "the set-off is below 0")
    _refuse(high, _row, "more is set off than is owed")
    for used, most, words in (
        (n.spent_nano, cash.can_spend_nano, "spends"),
        (n.received_nano, cash.accepts_nano, "receives"),
    ):
        _refuse((used < 0) | (used > most), o.parties.__getitem__, f"{words} more cash than it may")
    let_off, lets_off = np.zeros(parties, np.int64), np.zeros(parties, np.int64)
    np.add.at(let_off, o.debtor, n.set_off_nano)
    np.add.at(lets_off, o.creditor, n.set_off_nano)
    lacks = (let_off + n.received_nano) - (lets_off + n.spent_nano)
    worst = money_text(int(lacks[np.argmax(lacks != 0)])) if lacks.any() else ""
    _refuse(lacks != 0, o.parties.__getitem__, f"is let off {worst} more than it lets others off")

    if np.abs(n.potential.astype(np.float64)).max(initial=0.0) >= 2**61:
        raise VerificationError("a potential is beyond 2**61")
    falls = n.potential[o.debtor] - n.potential[o.creditor]
    more = "more could be cleared: the potentials do not prove the optimum"
    _refuse((n.set_off_nano < o.amount_nano) & (falls < OPEN), _row, more)
    _refuse((n.set_off_nano > 0) & (falls > OPEN), _row, more)
    less = "less cash would do, or more could be cleared: the potentials do not prove the optimum"
    for used, most, height in (
        (n.spent_nano, cash.can_spend_nano, n.potential),
        (n.received_nano, cash.accepts_nano, -n.potential),
    ):
        _refuse((used < most) & (height > CASH), o.parties.__getitem__, less)
        _refuse((used > 0) & (height < CASH), o.parties.__getitem__, less)


def left_over(obligations: Obligations, netted: Netted) -> Obligations:
    """What is still owed afterwards, obligation by obligation."""
    o = obligations
    return Obligations(o.parties, o.debtor, o.creditor, o.amount_nano - netted.set_off_nano)


def remaining(liquidity: Liquidity, netted: Netted) -> Liquidity:
    """What can still be spent and taken afterwards.

    Cash that was received is not counted among what can be spent.
    """
    return Liquidity(
        liquidity.can_spend_nano - netted.spent_nano,
        liquidity.accepts_nano - netted.received_nano,
    )


def _refuse(bad: NDArray[np.bool_], place: object, words: str) -> None:
    if bad.any():
        assert callable(place)
        raise VerificationError(words, place=str(place(int(np.argmax(bad)))))


def _row(row: int) -> str:
    return f"obligations[{row}]"


__all__ = ["Ints", "check", "left_over", "remaining"]
