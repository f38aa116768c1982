"""What the rules of a registry read, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from isojoule.settlement.certificates.answers import Answer
from isojoule.settlement.certificates.nouns import (
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    Key,
    Standing,
)
from isojoule.settlement.certificates.operations import Operation


class View(Protocol):
    """What the rules read."""

    @property
    def clock_s(self) -> int:
        """The registry's time."""
        ...

    def account(self, name: str) -> frozenset[str] | None:
        """The accounts from which this one lets certificates come; None: there is no such one."""
        ...

    def device(self, name: str) -> tuple[Device, Standing] | None:
        """A device and where it stands."""
        ...

    def bundle(self, key: Key) -> Bundle | None:
        """A bundle."""
        ...

    def discharge(self, name: str) -> DischargeRecord | None:
        """A discharge record."""
        ...

    def done(self, operation_id: int) -> tuple[Operation, Answer] | None:
        """What was written under an id, and how it was answered."""
        ...

    def due(self, now_s: int) -> Sequence[Key]:
        """Bundles in a state that ends with time, which have run out by then.

        In the order of their expiry, then of device and range.
        """
        ...


class Effects(NamedTuple):
    """What is to be kept, all of it or nothing.

    Attributes
    ----------
    answers
        One for each request, in order.
    written
        Entries of the log, in order: expiries, then requests; each with its answer.
    accounts, devices, bundles
        What changed, whole.
    charges, discharges
        New records of storage.
    clock_s
        The registry's time from now on.
    """

    answers: list[Answer]
    written: list[tuple[Operation, Answer]]
    accounts: dict[str, frozenset[str]]
    devices: dict[str, tuple[Device, Standing]]
    bundles: dict[Key, Bundle]
    charges: list[ChargeRecord]
    discharges: dict[str, DischargeRecord]
    clock_s: int
