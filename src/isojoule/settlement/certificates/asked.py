"""What the rules of settlement ask of certificates.

Spec: docs/spec/certificates.md, W25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from isojoule.core.errors import InputError
from isojoule.settlement.certificates.hours import EXPIRES_AFTER_S
from isojoule.settlement.certificates.nouns import HOUR_S

MOST_S = 100 * 365 * 86_400


class Withdrawal(NamedTuple):
    """The issuing body takes back what is left of certificates, as of a meter that was wrong.

    Attributes
    ----------
    device
        That produced.
    start_s, end_s
        In which time; of intervals that begin in it.
    at_s
        When it is done: at the beginning of the first hour that is metered from then on.
    """

    device: str
    start_s: int
    end_s: int
    at_s: int


@dataclass(frozen=True, slots=True)
class CertificateRules:
    """How certificates live.

    Parameters
    ----------
    expires_after_s
        How long they last from the end of their interval of production, s; of storage from the end
        of the discharge. An hour or more: they are claimed at the end of their hour.
    withdrawals
        What the issuing body takes back.

    Raises
    ------
    InputError
        They would expire before they can be claimed; or a withdrawal is done before its time ends.
    """

    expires_after_s: int = EXPIRES_AFTER_S
    withdrawals: tuple[Withdrawal, ...] = ()

    def __post_init__(self) -> None:
        if not HOUR_S <= self.expires_after_s <= MOST_S:
            raise InputError(
                f"certificates last for {self.expires_after_s} s",
                place="expires_after",
                remedy="give an hour at least, since they are claimed hour by hour, "
                "and 100 years at most",
            )
        for at, one in enumerate(self.withdrawals):
            if not 0 <= one.start_s < one.end_s <= one.at_s:
                raise InputError(
                    "ends before it starts, or is done before it ends",
                    place=f"withdraw[{at}]",
                    remedy="give from, to and at in the order of time",
                )
