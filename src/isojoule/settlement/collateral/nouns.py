"""Promises, the bonds behind them, and what came of them."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

ESCROW, GUARANTEE = "collateral", "guarantee"
"""Accounts of every market with bonds: where they wait, and the fund that lends to the reliable."""


class Side(StrEnum):
    """What was promised: to deliver, or to take."""

    SELL = "sell"
    BUY = "buy"


class Code(IntEnum):
    """What a transfer is for; the number in its `code`, beside those of `settlement.settle`."""

    BOND = 20
    SLASH = 21
    HARM = 22
    FINE = 23


class Terms(NamedTuple):
    """What a market asks of those who promise.

    Attributes
    ----------
    currency
        Of all money.
    highest_per_j, lowest_per_j
        Between these the price of imbalance stays, money/J.
    fine_per_j
        Charged beyond the harm for each Joule that is not delivered, money/J.
    fines_to
        The account that receives fines.
    most_credit_nano
        The most that the guarantee fund stands in for one party; 0: for nobody.
    least_share
        Delivered share of what was promised below which it stands in for nothing, in [0, 1).
    prior_uj
        Energy that counts as promised and not delivered before anything was measured.
    """

    currency: str
    highest_per_j: float
    lowest_per_j: float = 0.0
    fine_per_j: float = 0.0
    fines_to: str = "operator"
    most_credit_nano: int = 0
    least_share: float = 0.9
    prior_uj: int = 0


class Promise(NamedTuple):
    """An accepted offer's promise for one interval.

    Attributes
    ----------
    market, offer
        Name the offer.
    start_s
        Start of the interval, s since 1970. Offer and interval have one bond.
    party
        The account that promises.
    side
        See `Side`.
    quantity_uj
        How much, positive.
    price_per_j
        At which price, money/J.
    """

    market: str
    offer: str
    start_s: int
    party: str
    side: Side
    quantity_uj: int
    price_per_j: float


class Outcome(NamedTuple):
    """What came of a promise.

    Attributes
    ----------
    delivered_uj
        Of what was promised, as metered, 0 or more.
    curtailed_uj
        What the network did not let happen, 0 or more.
    imbalance_per_j
        The price of imbalance in the interval, money/J.
    paid_nano
        What the party has already paid for its imbalance.
    harmed
        Accounts that bore the cost, each with a weight; not empty.
    """

    delivered_uj: int
    curtailed_uj: int
    imbalance_per_j: float
    harmed: tuple[tuple[str, int], ...]
    paid_nano: int = 0


class Penalty(NamedTuple):
    """How a bond is slashed, nano-units.

    Attributes
    ----------
    harm_nano
        For those who bore the cost.
    fine_nano
        What is left of the bond for the fine.
    """

    harm_nano: int
    fine_nano: int

    @property
    def total_nano(self) -> int:
        """All that is slashed."""
        return self.harm_nano + self.fine_nano


class Held(NamedTuple):
    """A bond.

    Attributes
    ----------
    promise
        What it stands for.
    own_nano, lent_nano
        Its parts: from the party, and from the guarantee fund.
    claims
        Disputes that are open: while there is one, nothing moves.
    ended
        Disputes that have ended; they do not begin again.
    outcome, penalty
        What came of it; None: not yet.
    """

    promise: Promise
    own_nano: int
    lent_nano: int
    claims: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    outcome: Outcome | None = None
    penalty: Penalty | None = None

    @property
    def bond_nano(self) -> int:
        """All of it."""
        return self.own_nano + self.lent_nano

    @property
    def returned_nano(self) -> int:
        """What went back, both parts."""
        return self.bond_nano - self.penalty.total_nano if self.penalty else 0

    @property
    def owed_nano(self) -> int:
        """What the party owes to the guarantee fund: slashed beyond its own part."""
        return max(0, self.penalty.total_nano - self.own_nano) if self.penalty else 0
