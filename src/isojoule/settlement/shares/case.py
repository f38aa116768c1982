"""What a rule is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from isojoule.core.units import money_text
from isojoule.settlement.refused import Refused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """A stretch of a community's market; members in an order that no input chose.

    Attributes
    ----------
    surplus_nano
        What there is to share; negative: to be collected.
    members
        Names, at least one, in the order of their rank for the seed.
    net_uj
        (intervals, members), received positive.
    sells_at_per_j, buys_at_per_j
        (intervals,) the utility's prices.
    loss_uj
        (intervals,) losses of the wires; below 0 where readings say that more came than went.
    paid_nano
        What each member paid in the market.
    seed
        Recorded with the stretch.
    permutations
        How many orders a sampled rule draws.
    currency
        Of all money, for sentences.
    """

    surplus_nano: int
    members: tuple[str, ...]
    net_uj: Ints
    sells_at_per_j: Floats
    buys_at_per_j: Floats
    loss_uj: Ints
    paid_nano: tuple[int, ...]
    seed: bytes
    permutations: int
    currency: str = ""

    def told(self, money_nano: float) -> str:
        """Money in a sentence, to a ten-thousandth."""
        amount = money_text(round(money_nano / 100_000) * 100_000)
        return f"{amount} {self.currency}".rstrip()


@dataclass(frozen=True, slots=True)
class Split:
    """A rule's answer, before amounts are whole.

    Attributes
    ----------
    quota
        What each member should get, nano-units. They sum to the surplus, but for what floats and
        roundings leave.
    why
        One plain sentence for each member.
    error_nano
        Standard error of each quota; empty where the rule draws nothing.
    kept_nano
        What the operator keeps.
    """

    quota: Sequence[Fraction]
    why: tuple[str, ...]
    error_nano: tuple[float, ...] = ()
    kept_nano: int = 0


Rule = Callable[[Case], Split | Refused]


def in_text(kwh_uj: int) -> str:
    """Energy in a sentence, kWh to a thousandth.

    >>> in_text(1_234_567_890_123)
    '0.343 kWh'
    """
    return f"{kwh_uj / 3.6e12:.3f} kWh"
