"""The mutual credit of a party, told apart by the bills that it comes from.

A clearing may take more off what a party is owed by a bill than off what it owes by it, or less.
What is more was *given*, what is less was *taken*. Given and taken are matched, the oldest first:
those of one clearing are bills set off against each other; what is left is a lot of mutual credit.
A lot ends when it is matched later (it is *used* for another bill), or when it is redeemed.

Without mutual credit nothing is ever left after a clearing (O4).

Spec: docs/spec/obligations.md, O25.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

What = Literal[
    "set off", "other bills", "credit", "paid", "paid late", "interest", "credit used", "redeemed"
]


class Side(IntEnum):
    """Of a bill: what a party owes, and what it is owed."""

    OWED = 0
    DUE = 1


class Told(NamedTuple):
    """What happened to a part of a bill: of which, what, on which side, nano-units."""

    bill: int
    what: What
    side: Side
    amount_nano: int


class _Lot(NamedTuple):
    bill: int
    amount_nano: int
    fresh: bool


class CreditLots:
    """Lots of mutual credit of one party, the oldest first; of one side only."""

    def __init__(self) -> None:
        self._lots: tuple[deque[_Lot], deque[_Lot]] = (deque(), deque())

    @property
    def balance_nano(self) -> int:
        """What the party gave less what it took, nano-units."""
        taken, given = (sum(lot.amount_nano for lot in lots) for lots in self._lots)
        return given - taken

    def clear(self, taken: Mapping[int, Sequence[int]]) -> Iterator[Told]:
        """Count a clearing.

        Parameters
        ----------
        taken
            By bill what was taken off what the party owes, and off what it is owed, nano-units.

        >>> lots = CreditLots()
        >>> [(told.what, told.side.name, told.amount_nano) for told in lots.clear({0: (3, 5)})]
        [('set off', 'OWED', 3), ('set off', 'DUE', 3), ('credit', 'DUE', 2)]
        >>> lots.balance_nano
        2
        """
        for bill, (owed, due) in sorted(taken.items()):
            within = min(owed, due)
            if within:
                yield Told(bill, "set off", Side.OWED, within)
                yield Told(bill, "set off", Side.DUE, within)
            for side, rest in ((Side.OWED, owed - within), (Side.DUE, due - within)):
                if rest:
                    self._lots[side].append(_Lot(bill, rest, True))
        yield from self._match()
        for side in Side:
            for at, lot in enumerate(self._lots[side]):
                if lot.fresh:
                    yield Told(lot.bill, "credit", side, lot.amount_nano)
                    self._lots[side][at] = lot._replace(fresh=False)

    def redeem(self) -> Iterator[Told]:
        """End all lots in cash."""
        for side in Side:
            while self._lots[side]:
                lot = self._lots[side].popleft()
                yield Told(lot.bill, "redeemed", side, lot.amount_nano)

    def _match(self) -> Iterator[Told]:
        """Match what was given with what was taken."""
        while all(self._lots):
            amount = min(lots[0].amount_nano for lots in self._lots)
            for side, lots in zip(Side, self._lots, strict=True):
                lot = lots.popleft()
                yield Told(lot.bill, "other bills" if lot.fresh else "credit used", side, amount)
                if lot.amount_nano > amount:
                    lots.appendleft(lot._replace(amount_nano=lot.amount_nano - amount))
