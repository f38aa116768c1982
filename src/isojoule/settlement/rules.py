"""The rules of settlement: who pays for imbalance, losses and fees, and who gets what is left.

In SI and in memory; `isojoule.apps.files.settlement_rules` reads them from a file.
Spec: docs/spec/settlement.md, Y1 to Y9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from isojoule.core.errors import InputError

Base = Literal["bought", "sold", "local", "imported", "exported", "days", "bill"]
BASES: tuple[Base, ...] = ("bought", "sold", "local", "imported", "exported", "days", "bill")


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What a Joule costs that was metered and not cleared.

    Parameters
    ----------
    price
        `tie`: the utility's selling price while the meter at its node imports, its buying price
        while it exports, for too much and too little alike. `dual`: its selling price times
        `short_factor` for who took more or delivered less than cleared, its buying price times
        `long_factor` for the others. `fixed`: `short_per_j` and `long_per_j`, money/J.
    payer
        `cause`: each for its own. `members`: all together, by the energy of their meters.
    """

    price: Literal["tie", "dual", "fixed"] = "tie"
    short_factor: float = 1.0
    long_factor: float = 1.0
    short_per_j: float = 0.0
    long_per_j: float = 0.0
    payer: Literal["cause", "members"] = "cause"


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee, tax or contribution; a negative rate is a subsidy.

    Parameters
    ----------
    name, to
        What it is called, and who receives it.
    on
        What it is charged on. Energy of the own meter, net per interval: `bought`, `sold`; `local`
        (bought from neighbours), `imported` (bought from outside), `exported` (sold to outside).
        `days`: time. `bill`: what the member pays for energy and imbalance, and fees named before.
    rate
        Money/J on energy, money/s on `days`, a share on `bill`.
    """

    name: str
    on: Base
    rate: float
    to: str

    def __post_init__(self) -> None:
        if self.on not in BASES:
            raise InputError(
                f"a fee cannot be charged on {self.on!r}", remedy=f"use one of {', '.join(BASES)}"
            )
        if not abs(self.rate) < float("inf"):
            raise InputError(f"fee {self.name!r} has no finite rate", remedy="give a number")


@dataclass(frozen=True, slots=True)
class Pause:
    """A time, half-open, in which the market rests and the utility's tariff holds.

    Parameters
    ----------
    start_s, end_s
        s since 1970.
    reason
        For statements.
    """

    start_s: int
    end_s: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of settlement.

    Parameters
    ----------
    imbalance
        See `Imbalance`.
    loss_payer
        Who pays for losses that were metered and not cleared, and is paid if they were less:
        the `operator`, or the `members` by the energy of their meters.
    fees
        In the order in which they are charged.
    surplus
        Name of the rule by which the operator's line is shared (see `settlement.surplus`).
    permutations
        Of `shapley-sampled`.
    netting
        Whether the ledger has transfers for each `interval` or `day`.
    pauses
        In the order of time.
    """

    imbalance: Imbalance = field(default_factory=Imbalance)
    loss_payer: Literal["operator", "members"] = "operator"
    fees: tuple[Fee, ...] = ()
    surplus: str = "keep"
    permutations: int = 1000
    netting: Literal["interval", "day"] = "day"
    pauses: tuple[Pause, ...] = ()

    def __post_init__(self) -> None:
        names = [fee.name for fee in self.fees]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"two fees are called {twice[0]!r}", remedy="give each its own name")
