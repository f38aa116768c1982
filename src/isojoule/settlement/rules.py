"""The rules of settlement: who pays for imbalance, losses and fees, and who gets what is left.

In SI and in memory; `isojoule.apps.files.settlement_rules` reads them from a file.
Spec: docs/spec/settlement.md, Y1 to Y9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from isojoule.core.errors import InputError
from isojoule.core.pause import Pause
from isojoule.core.transfer import Account, check_account
from isojoule.settlement.certificates.asked import CertificateRules
from isojoule.settlement.collateral.asked import BondRules
from isojoule.settlement.day_ahead.rules import DayAhead
from isojoule.settlement.payments.rules import Payment

Base = Literal["bought", "sold", "local", "imported", "exported", "days", "bill"]
BASES: tuple[Base, ...] = get_args(Base)
Price = Literal["tie", "dual", "fixed"]
PARAMETERS: dict[Price, tuple[str, ...]] = {
    "tie": (),
    "dual": ("short_factor", "long_factor"),
    "fixed": ("short_per_j", "long_per_j"),
}
"""The fields of `Imbalance` that each way of pricing uses."""


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What a Joule costs that was metered and not cleared. Spec: Y1 to Y3.

    Parameters
    ----------
    price
        `tie`: the utility's selling price while the meter at its node imports, its buying price
        while it exports, for too much and too little alike. `dual`: its selling price times
        `short_factor` for who took more or delivered less than cleared, its buying price times
        `long_factor` for the others. Where no utility reaches, the price of the clearing at the
        member's home stands for all of these. `fixed`: `short_per_j` and `long_per_j`, money/J.
    payer
        `cause`: each for its own. `members`: all together, by the energy of their meters.
    """

    price: Price = "tie"
    short_factor: float = 1.0
    long_factor: float = 1.0
    short_per_j: float = 0.0
    long_per_j: float = 0.0
    payer: Literal["cause", "members"] = "cause"

    def __post_init__(self) -> None:
        for name in ("short_factor", "long_factor", "short_per_j", "long_per_j"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"{name} is not finite", place="imbalance", remedy="give a number")
        for name in ("short_factor", "long_factor"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is below 0", place="imbalance", remedy="give 0 or more")
        for short, long in (PARAMETERS["dual"], PARAMETERS["fixed"]):
            if getattr(self, short) < getattr(self, long):
                raise InputError(
                    f"{short} is below {long}: missing what was promised would pay",
                    place="imbalance",
                    remedy="let a Joule too few cost no less than a Joule too many earns",
                )


def check_part(what: str, text: str, place: str) -> None:
    """Refuse a name that cannot be a part of the name of an account.

    Raises
    ------
    InputError
        Calls it `what`.
    """
    if "/" in text:
        raise InputError(
            f"the {what} {text!r} has a '/' in it: it parts the names of accounts",
            place=place,
            remedy="write it without",
        )
    try:
        check_account(Account(text, "EUR"))
    except InputError as error:
        raise InputError(
            f"the {what} {text!r} {error.message}", place=place, remedy=error.remedy
        ) from error


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee, tax or contribution; a negative rate is a subsidy. Spec: Y5, Y6.

    Parameters
    ----------
    name, to
        What it is called, and who receives it.
    on
        What it is charged on. Energy of the own meter, net per interval: `bought`, `sold`; `local`
        (bought from neighbours), `imported` (bought from outside), `exported` (sold to outside).
        `days`: time. `bill`: what the member pays for energy, imbalance and losses, and fees named
        before.
    rate
        Money/J on energy, money/s on `days`, a share from -1 to 1 on `bill`.
    """

    name: str
    on: Base
    rate: float
    to: str

    def __post_init__(self) -> None:
        place = f"fee {self.name!r}"
        if self.on not in BASES:
            raise InputError(
                f"cannot be charged on {self.on!r}",
                place=place,
                remedy=f"use one of {', '.join(BASES)}",
            )
        if not math.isfinite(self.rate):
            raise InputError("has no finite rate", place=place, remedy="give a number")
        if self.on == "bill" and abs(self.rate) > 1:
            raise InputError(
                f"is {self.rate:.0%} of the bill", place=place, remedy="give 100 % at most"
            )
        for what, text in (("name", self.name), ("payee", self.to)):
            check_part(what, text, place)
        check_account(Account(self.account, "EUR"))

    @property
    def account(self) -> str:
        """Name of the account that receives it."""
        return f"fee/{self.to}/{self.name}"


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of settlement.

    Parameters
    ----------
    imbalance
        See `Imbalance`.
    loss_payer
        Who pays for losses that were metered and not cleared, and is paid if they were less:
        the `operator`, or the `members` by the energy of their meters (Y4).
    fees
        In the order in which they are charged.
    surplus
        Name of the rule by which the operator's line is shared (Y7).
    permutations
        Of `shapley-sampled`.
    netting
        Whether the ledger has transfers for each `interval` or `day` (Y8).
    pauses
        In the order of time, disjoint (Y9).
    certificates
        How a run's certificates live; None: it carries none.
    day_ahead
        The market of contracts about tomorrow's energy; None: there is none.
    collateral
        Bonds behind what is cleared; None: there are none.
    payment
        How bills are paid; None: no bills are made (O15).
    """

    imbalance: Imbalance = field(default_factory=Imbalance)
    loss_payer: Literal["operator", "members"] = "operator"
    fees: tuple[Fee, ...] = ()
    surplus: str = "keep"
    permutations: int = 1000
    netting: Literal["interval", "day"] = "day"
    pauses: tuple[Pause, ...] = ()
    certificates: CertificateRules | None = None
    day_ahead: DayAhead | None = None
    collateral: BondRules | None = None
    payment: Payment | None = None

    def __post_init__(self) -> None:
        names = [fee.name for fee in self.fees]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise InputError(
                    f"two fees are called {name!r}",
                    place=f"fees[{at}]",
                    remedy="give each its own name",
                )
        if self.permutations < 4 or self.permutations % 2:
            raise InputError(
                f"{self.permutations} permutations",
                place="surplus",
                remedy="orders come in pairs: give an even number from 4",
            )
        for at, (before, after) in enumerate(pairwise(self.pauses), start=1):
            if after.start_s < before.end_s:
                raise InputError(
                    "a pause starts before the one before it ends",
                    place=f"pauses[{at}]",
                    remedy="list pauses that do not overlap, in the order of time",
                )
