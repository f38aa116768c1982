"""What a registry can be asked: values, each with an id that makes asking twice harmless.

Who asks is named by `by`; that it really is who it says is for the edge to know.
Spec: docs/spec/certificates.md, W5 to W16 and W18.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from isojoule.settlement.certificates.nouns import Device, Key


class Step(StrEnum):
    """What is done to a bundle."""

    TRANSFER = "transfer"
    RESERVE = "reserve"
    RELEASE = "release"
    CANCEL = "cancel"
    CLAIM = "claim"
    LOCK = "lock"
    UNLOCK = "unlock"
    WITHDRAW = "withdraw"
    SPLIT = "split"
    EXPIRE = "expire"


class OpenAccount(NamedTuple):
    """Open an account."""

    id: int
    account: str


class Allow(NamedTuple):
    """Let certificates come from an account (or no longer).

    Attributes
    ----------
    account
        That allows.
    source
        From which they may come.
    """

    id: int
    account: str
    source: str
    allowed: bool = True


class AddDevice(NamedTuple):
    """Register a device."""

    id: int
    device: Device


class Issue(NamedTuple):
    """Issue what a device was metered to produce.

    Attributes
    ----------
    start_s, end_s
        The interval, s since 1970; at most an hour.
    energy_uj
        What the meter showed.
    expires_s
        Of what is issued.
    """

    id: int
    device: str
    start_s: int
    end_s: int
    energy_uj: int
    expires_s: int


class Act(NamedTuple):
    """Do something to a bundle, or to its first certificates.

    Attributes
    ----------
    step
        What.
    by
        The account, or the issuing body, that asks.
    bundle
        To which.
    quantity
        To how many of it, from its first one on; 0: all. The rest becomes a bundle of its own.
    to
        `TRANSFER`: the account that receives.
    beneficiary
        `RESERVE`, `CANCEL`: in whose name; "": as reserved, else that of the account.
    """

    id: int
    step: Step
    by: str
    bundle: Key
    quantity: int = 0
    to: str = ""
    beneficiary: str = ""


class Charge(NamedTuple):
    """Cancel certificates into what a storage was metered to take.

    Attributes
    ----------
    start_s, end_s, energy_uj
        The interval, and what the meter showed.
    bundles
        Of the storage's account, produced in the hour in which the interval begins.
    left_uj
        What the storage can deliver afterwards, as far as it knows; -1: it does not.
    """

    id: int
    device: str
    start_s: int
    end_s: int
    energy_uj: int
    bundles: tuple[Key, ...] = ()
    left_uj: int = -1


class Discharge(NamedTuple):
    """Issue certificates for what a storage was metered to deliver.

    Attributes
    ----------
    start_s, end_s, energy_uj
        The interval, and what the meter showed.
    expires_s
        Of what is issued.
    left_uj
        See `Charge`.
    """

    id: int
    device: str
    start_s: int
    end_s: int
    energy_uj: int
    expires_s: int
    left_uj: int = -1


class Stocktake(NamedTuple):
    """Find a storage with energy of unknown origin in it: what its records say is gone.

    Attributes
    ----------
    at_s
        When, s since 1970.
    left_uj
        What it can deliver.
    """

    id: int
    device: str
    at_s: int
    left_uj: int


Operation = OpenAccount | Allow | AddDevice | Issue | Act | Charge | Discharge | Stocktake
