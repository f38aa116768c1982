"""Contracts about a later interval, and what lies behind them."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from isojoule.settlement.collateral.nouns import Side

__all__ = ["Call", "Code", "Contract", "Delivery", "Ended", "Margin", "Margins", "Position", "Side"]


class Code(IntEnum):
    """What a transfer is for; the number in its `code`."""

    MARGIN = 24
    MARGIN_END = 25
    DIFFERENCE = 26


class Margins(NamedTuple):
    """What a market asks of those who commit themselves.

    Attributes
    ----------
    currency
        Of all money.
    move_per_j
        How far the price may move between two markings and still be covered, money/J.
    highest_per_j
        What the price of imbalance does not exceed, money/J.
    firm_s
        From so long before the interval on, the seller's margin covers that price, s.
    grace_s
        How long a call may stay unmet, s.
    """

    currency: str
    move_per_j: float
    highest_per_j: float
    firm_s: int = 7200
    grace_s: int = 3600


class Contract(NamedTuple):
    """Energy of a later interval, at a price of today.

    Attributes
    ----------
    market, id
        Its name.
    start_s
        Start of the interval, s since 1970.
    seller, buyer
        Accounts: who commits itself to deliver, and who to take.
    quantity_uj
        Positive.
    price_per_j
        Agreed, money/J.
    """

    market: str
    id: str
    start_s: int
    seller: str
    buyer: str
    quantity_uj: int
    price_per_j: float

    def party(self, side: Side) -> str:
        """The account on a side."""
        return self.seller if side is Side.SELL else self.buyer


class Margin(NamedTuple):
    """Money of one side that waits in escrow: one pending transfer.

    Attributes
    ----------
    side, number
        Whose, and which of the contract's: 1, 2, 3, ...
    amount_nano
        How much.
    """

    side: Side
    number: int
    amount_nano: int


class Call(NamedTuple):
    """A margin that is asked for.

    Attributes
    ----------
    side, amount_nano
        Of whom, and how much.
    due_s
        Until when, s since 1970.
    """

    side: Side
    amount_nano: int
    due_s: int


class Delivery(NamedTuple):
    """What came of a contract.

    Attributes
    ----------
    delivered_uj, curtailed_uj
        As metered, and what the network did not let happen; 0 or more.
    reference_per_j
        What energy cost in the market of the interval, money/J.
    imbalance_per_j
        What it cost to make up for what was missing, money/J.
    """

    delivered_uj: int
    curtailed_uj: int
    reference_per_j: float
    imbalance_per_j: float


class Ended(NamedTuple):
    """How a contract ended.

    Attributes
    ----------
    why
        `delivery`, or `default` of a call.
    payer
        The side that pays; None: nobody.
    due_nano, paid_nano
        What it owes, and what its margins paid of it.
    """

    why: str
    payer: Side | None
    due_nano: int
    paid_nano: int

    @property
    def owed_nano(self) -> int:
        """What is left to be paid."""
        return self.due_nano - self.paid_nano


class Position(NamedTuple):
    """A contract as it stands.

    Attributes
    ----------
    contract
        What was agreed.
    marked_per_j
        The price it was last marked at.
    margins
        In escrow, oldest first.
    calls
        Open, at most one a side.
    made
        How many margins so far, also those that were returned.
    ended
        How it ended; None: it has not.
    """

    contract: Contract
    marked_per_j: float
    margins: tuple[Margin, ...] = ()
    calls: tuple[Call, ...] = ()
    made: int = 0
    ended: Ended | None = None

    def held_nano(self, side: Side) -> int:
        """In escrow for a side."""
        return sum(m.amount_nano for m in self.margins if m.side is side)
