"""How often bills are made, when they are due, who pays late, and who has mutual credit.

Spec: docs/spec/obligations.md, O15, O17 and O19.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from isojoule.core.chance import rank
from isojoule.core.errors import InputError

Every = Literal["period", "month", "week", "day"]
EVERY: tuple[Every, ...] = get_args(Every)
Matched = Literal["bill", "day", "interval"]
MATCHED: tuple[Matched, ...] = get_args(Matched)
Way = Literal["none", "clearing", "credit"]
"""How bills are settled: each by its own payment, cleared first, cleared with mutual credit."""
WAYS: tuple[Way, ...] = get_args(Way)
DAY_S = 86400
MOST_S = 100 * 366 * DAY_S
"""The latest that a bill may be due, or late."""
PARTS = 10**9
"""Interest is a whole number of parts of this."""
_LATE = "late"


@dataclass(frozen=True, slots=True)
class Late:
    """Members who pay late: named ones, or a share that is drawn. Spec: O17.

    Parameters
    ----------
    by_s
        So long after the bill is due, s.
    members
        Names; empty: they are drawn.
    share
        Of all members, from 0 to 1, drawn among those whom no other entry names.
    """

    by_s: int
    members: tuple[str, ...] = ()
    share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.by_s <= MOST_S:
            raise InputError(
                f"late by {self.by_s / DAY_S:g} days",
                place="by",
                remedy="give 0 s to 100 years, as 30 d",
            )
        if not 0 <= self.share <= 1:
            raise InputError(
                f"a share of {self.share:.0%}", place="share", remedy="give 0 % to 100 %"
            )
        if self.members and self.share:
            raise InputError(
                "has both members and a share",
                place="share",
                remedy="name members in one entry, and draw others in another",
            )


@dataclass(frozen=True, slots=True)
class Credit:
    """Mutual credit: what a member may owe its community, and how much of others' it takes.

    Parameters
    ----------
    limit_nano
        How far its balance of credit may go below 0.
    accepts_nano
        How far it may go above 0.
    members
        Whose; empty: of all whom no other entry names.
    """

    limit_nano: int
    accepts_nano: int
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, nano in (("limit", self.limit_nano), ("accepts", self.accepts_nano)):
            if not 0 <= nano < 2**62:
                raise InputError(
                    f"{name} is below 0 or too large", place=name, remedy="give an amount from 0"
                )


@dataclass(frozen=True, slots=True)
class Payment:
    """How bills are paid.

    Parameters
    ----------
    every
        What one bill adds up.
    matched
        Whose balances say who owes whom: those of the whole bill, or of each day or interval in it.
    due_s
        So long after its date it is due, s.
    late
        Who pays late.
    interest_ppb
        On what is open after it was due, a year, in parts of 1e-9.
    clear
        Whether what is open is cleared at each bill date.
    credit
        Mutual credit, used when clearing.
    """

    every: Every = "period"
    matched: Matched = "interval"
    due_s: int = 14 * DAY_S
    late: tuple[Late, ...] = ()
    interest_ppb: int = 0
    clear: bool = True
    credit: tuple[Credit, ...] = ()

    def __post_init__(self) -> None:
        if self.every not in EVERY:
            raise InputError(
                f"bills cannot be made every {self.every!r}",
                place="every",
                remedy=f"use one of {', '.join(EVERY)}",
            )
        if self.matched not in MATCHED:
            raise InputError(
                f"who owes whom cannot be matched by {self.matched!r}",
                place="matched",
                remedy=f"use one of {', '.join(MATCHED)}",
            )
        if not 0 <= self.due_s <= MOST_S:
            raise InputError(
                f"due after {self.due_s / DAY_S:g} days",
                place="due",
                remedy="give 0 s to 100 years, as 14 d",
            )
        if not 0 <= self.interest_ppb <= PARTS:
            raise InputError(
                f"interest of {self.interest_ppb / PARTS:.0%} a year",
                place="interest",
                remedy="give 0 % to 100 %",
            )
        if self.credit and not self.clear:
            raise InputError(
                "mutual credit is used when clearing, and nothing is cleared",
                place="credit",
                remedy="write clear: true, or leave credit out",
            )
        for what, groups in self._named:
            named = [name for names in groups for name in names]
            for at, names in enumerate(groups):
                twice = [name for name in names if named.count(name) > 1]
                if twice:
                    raise InputError(
                        f"{twice[0]!r} is named twice",
                        place=f"{what}[{at}]",
                        remedy="name each member once",
                    )
        if sum(not entry.members for entry in self.credit) > 1:
            at = [n for n, entry in enumerate(self.credit) if not entry.members][1]
            raise InputError(
                "is a second entry for all others",
                place=f"credit[{at}]",
                remedy="name the members of all entries but one",
            )
        if sum(entry.share for entry in self.late) > 1 + 1e-12:
            raise InputError(
                "shares sum to more than 100 %", place="late", remedy="give less in all"
            )

    @property
    def way(self) -> Way:
        """What these rules ask for."""
        return "credit" if self.credit else "clearing" if self.clear else "none"

    def check_names(self, members: Sequence[str]) -> None:
        """Refuse names that nobody has.

        Raises
        ------
        InputError
            The place is `late[i]` or `credit[i]`.
        """
        known = set(members)
        for what, groups in self._named:
            for at, names in enumerate(groups):
                for name in names:
                    if name not in known:
                        raise InputError(
                            f"there is no member {name!r}",
                            place=f"{what}[{at}]",
                            remedy="name members of the scenario, as "
                            + ", ".join(sorted(known)[:8]),
                        )

    @property
    def _named(self) -> tuple[tuple[str, list[tuple[str, ...]]], ...]:
        """The names of each entry of both lists."""
        return (
            ("late", [entry.members for entry in self.late]),
            ("credit", [entry.members for entry in self.credit]),
        )


def delays(payment: Payment, members: Sequence[str], seed: bytes) -> dict[str, int]:
    """By how many seconds each late member pays late. Spec: O17.

    A share is drawn among those whom no entry names: members with the lowest hashes first, as many
    as the share of all members, rounded half up, entry by entry.

    >>> rules = Payment(late=(Late(9, ("ada",)), Late(5, share=0.5)))
    >>> sorted(delays(rules, ["ada", "bo", "cy"], b"seed").values())
    [5, 5, 9]
    """
    found = {name: entry.by_s for entry in payment.late for name in entry.members}
    free = sorted(set(members) - set(found), key=lambda name: rank(seed, _LATE, name))
    for entry in payment.late:
        if entry.members:
            continue
        many = math.floor(entry.share * len(members) + 0.5)
        found |= dict.fromkeys(free[:many], entry.by_s)
        free = free[many:]
    return {name: by_s for name, by_s in found.items() if by_s}


def credits_of(payment: Payment, members: Sequence[str]) -> dict[str, Credit]:
    """The mutual credit of each member. Spec: O19."""
    named = {name: entry for entry in payment.credit for name in entry.members}
    others = next((entry for entry in payment.credit if not entry.members), None)
    found = {name: named.get(name, others) for name in members}
    return {name: entry for name, entry in found.items() if entry is not None}
