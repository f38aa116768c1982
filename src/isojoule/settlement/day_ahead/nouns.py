"""What comes of a day-ahead market: contracts with their ends, and the transfers behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.transfer import Account, Transfer
from isojoule.settlement.collateral.nouns import ESCROW
from isojoule.settlement.commitments.nouns import Position
from isojoule.settlement.day_ahead.blocks import Blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Code(IntEnum):
    """What a transfer is for, besides those of commitments; the number in its `code`."""

    REST = 27


class Desk(NamedTuple):
    """Where contracts are made.

    Attributes
    ----------
    market
        Sets its contracts apart from those of others in one ledger, as the id of a run.
    currency
        Of all money.
    highest_per_j
        What the price of imbalance does not exceed, money/J.
    seed
        What chance follows from.
    """

    market: str
    currency: str
    highest_per_j: float
    seed: bytes = b""


class Deal(NamedTuple):
    """A contract, from beginning to end.

    Attributes
    ----------
    block
        Its number among the blocks.
    seller, buyer
        Places among the members.
    lots
        Whole Wh.
    position
        As it ended.
    due_nano
        What the seller pays to the buyer in all; below 0: the buyer pays.
    calls
        How often a margin was called.
    delivered_uj, curtailed_uj
        Of it, as metered, and what the network did not take; 0 if it ended by default.
    """

    block: int
    seller: int
    buyer: int
    lots: int
    position: Position
    due_nano: int = 0
    calls: int = 0
    delivered_uj: int = 0
    curtailed_uj: int = 0

    @property
    def why(self) -> str:
        """`delivery` or `default`; empty while it is open."""
        return self.position.ended.why if self.position.ended else ""

    @property
    def rest_nano(self) -> int:
        """What the margins of whoever owed did not cover."""
        return self.position.ended.owed_nano if self.position.ended else 0


@dataclass(frozen=True, eq=False)
class Held:
    """All that came of it.

    Attributes
    ----------
    members
        Names of accounts, (P,).
    blocks
        What contracts were about.
    deals
        In the order in which they were made.
    chains
        Transfers, each with the time at which they are written, s since 1970. A chain stands whole
        or not at all.
    sell_lots, buy_lots
        What each member could commit, (B, P).
    sell_short, buy_short
        Expected shortfall, in lots, of what each member did commit, (B, P).
    mean_short
        The same over all cases, not the worst alone, of sellers, (B, P).
    unbacked
        Contracts that were not made since a side had not enough for its margin.
    most_nano
        The most that lay in escrow at once.
    """

    members: tuple[str, ...]
    blocks: Blocks
    deals: tuple[Deal, ...]
    chains: tuple[tuple[int, tuple[Transfer, ...]], ...]
    sell_lots: Ints
    buy_lots: Ints
    sell_short: Floats
    buy_short: Floats
    mean_short: Floats
    unbacked: int
    most_nano: int

    def accounts(self, currency: str) -> tuple[Account, ...]:
        """Accounts that the transfers need."""
        used = {at for deal in self.deals for at in (deal.seller, deal.buyer)}
        names = [ESCROW] * bool(used) + [self.members[at] for at in sorted(used)]
        return tuple(Account(name, currency) for name in names)
