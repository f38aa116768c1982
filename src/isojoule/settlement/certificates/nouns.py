"""Devices, bundles of certificates, and what storage keeps of them.

The rules:

- A certificate stands for 1 Wh that one device produced in one interval of at most an hour. A
  device's certificates are numbered from 1 on, in the order of their issue.
- A bundle is a range of them, both ends included, that were issued together, lie in one account
  and share one fate. Its device and its range are its name, for ever: a bundle that is split stays
  as a record, and its children are bundles of their own.
- Energy is counted in microjoules, and 1 Wh is 3600 J.

Spec: docs/spec/certificates.md, W1 to W4.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

WH_UJ = 3_600_000_000
"""Microjoules in a Watt-hour."""
FACE_VALUE_WH = 1
"""What each certificate stands for, Wh."""
LONGEST_S = 3600
"""Longest interval of production, s."""
HOUR_S = 3600
"""Energy is matched within an hour of the clock, UTC, s."""


class State(StrEnum):
    """What may happen to a bundle; the words of EnergyTag."""

    ACTIVE = "Active"
    RESERVED = "Reserved"
    LOCKED = "Locked"
    CANCELLED = "Cancelled"
    CLAIMED = "Claimed"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"
    SPLIT = "Bundle Split"


class Key(NamedTuple):
    """The name of a bundle.

    Attributes
    ----------
    device
        That issued it.
    first, last
        Its range, both included.
    """

    device: str
    first: int
    last: int

    @property
    def quantity(self) -> int:
        """Certificates in the range.

        >>> Key("roof", 11, 15).quantity
        5
        """
        return self.last - self.first + 1


class Device(NamedTuple):
    """What produces, or stores.

    Attributes
    ----------
    id
        Its name.
    account
        Where its certificates are issued to.
    energy_source, energy_carrier
        As `solar`, `electricity`. Certificates of storage have those of what was stored.
    is_storage
        Whether it only gives back what it was charged with.
    efficiency_ppb
        Storage: of what it was charged with, the part that it can deliver, in parts of 1e-9.
    emissions_kg_per_mwh
        CO2 equivalent of what it produces, kg/MWh.
    country, grid, issuing_body, market_zone
        Where it stands, and who issues and may lock and withdraw.
    """

    id: str
    account: str
    energy_source: str
    energy_carrier: str = "electricity"
    is_storage: bool = False
    efficiency_ppb: int = 0
    emissions_kg_per_mwh: float = 0.0
    country: str = ""
    grid: str = ""
    issuing_body: str = ""
    market_zone: str = ""


class Bundle(NamedTuple):
    """A range of certificates that share one fate.

    Attributes
    ----------
    device, first, last
        See `Key`.
    issuance
        What was issued together has one, `<device>/<start of the interval or of the discharge>`.
    state, account
        Its fate, and where it lies.
    origin
        The device that produced the energy; of storage the one behind what was stored.
    start_s, end_s
        The interval of its production, s since 1970; of storage that of what was stored.
    expires_s
        From then on it is worth nothing, s since 1970.
    discharge
        Storage: the record of the discharge that it was issued for; else "".
    beneficiary
        In whose name it is reserved, cancelled or claimed.
    charge
        The record of storage that it was cancelled into; else "".
    """

    device: str
    first: int
    last: int
    issuance: str
    state: State
    account: str
    origin: str
    start_s: int
    end_s: int
    expires_s: int
    discharge: str = ""
    beneficiary: str = ""
    charge: str = ""

    @property
    def key(self) -> Key:
        """Its name."""
        return Key(self.device, self.first, self.last)

    @property
    def quantity(self) -> int:
        """Certificates in it."""
        return self.last - self.first + 1


class ChargeRecord(NamedTuple):
    """A part of what went into storage: all with one certificate's origin, or with none.

    Attributes
    ----------
    id
        `charge/<device>/<start>/<number>`.
    device
        The storage.
    start_s, end_s
        When it was charged.
    bundle
        What was cancelled for it; None: energy without a certificate.
    energy_uj
        Charged, as metered.
    deliverable_uj
        What its efficiency leaves of that.
    origin, produced_start_s, produced_end_s
        Of the bundle; "" and 0 without one.
    """

    id: str
    device: str
    start_s: int
    end_s: int
    bundle: Key | None
    energy_uj: int
    deliverable_uj: int
    origin: str = ""
    produced_start_s: int = 0
    produced_end_s: int = 0


class DischargeRecord(NamedTuple):
    """What came out of storage of one charge record in one interval.

    Attributes
    ----------
    id
        `discharge/<device>/<start>/<number>`.
    device, charge
        The storage, and the record that it came from.
    start_s, end_s
        When it was discharged.
    energy_uj
        Delivered of that record.
    bundle
        What was issued for it; None where it did not come to a whole Watt-hour.
    """

    id: str
    device: str
    charge: str
    start_s: int
    end_s: int
    energy_uj: int
    bundle: Key | None


class Layer(NamedTuple):
    """A charge record that is still in storage.

    Attributes
    ----------
    charge
        The record.
    given_uj
        What was delivered of it.
    lost_uj
        What was lost of it beyond its efficiency.
    """

    charge: ChargeRecord
    given_uj: int = 0
    lost_uj: int = 0

    @property
    def left_uj(self) -> int:
        """What it can still deliver."""
        return self.charge.deliverable_uj - self.given_uj - self.lost_uj


class Layers(NamedTuple):
    """What is in storage.

    Attributes
    ----------
    open
        Layers that can still give, the oldest first.
    left_uj
        What they can deliver in all: a battery may hold many hundreds, and is asked often.
    """

    open: tuple[Layer, ...] = ()
    left_uj: int = 0


class Standing(NamedTuple):
    """Where a device stands.

    Attributes
    ----------
    next
        Number of its next certificate.
    metered_uj
        What its meter has shown, produced or discharged.
    carry_uj
        What was left of its last interval, below 1 Wh.
    from_s
        Start of its last interval.
    until_s, discharged_until_s
        End of its last interval of production or charging, and of discharging.
    layers
        Storage: what is in it.
    """

    next: int = 1
    metered_uj: int = 0
    carry_uj: int = 0
    from_s: int = 0
    until_s: int = 0
    discharged_until_s: int = 0
    layers: Layers = Layers()
