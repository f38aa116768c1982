"""A registry in memory: it keeps what the rules decide, and a log that proves it."""

from __future__ import annotations

import heapq
import json
import json.encoder
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from isojoule.core.frontier import Frontier, leaf_hash
from isojoule.settlement.certificates.answers import Answer
from isojoule.settlement.certificates.nouns import (
    Bundle,
    ChargeRecord,
    Device,
    DischargeRecord,
    Key,
    Standing,
    State,
)
from isojoule.settlement.certificates.operations import Act, Charge, Discharge, Issue, Operation
from isojoule.settlement.certificates.rules import apply_operations
from isojoule.settlement.certificates.steps import MORTAL
from isojoule.settlement.certificates.view import Effects
from isojoule.settlement.ledger.port import Head

ENDED = frozenset({State.CLAIMED, State.EXPIRED, State.WITHDRAWN, State.SPLIT})
"""States that nothing leaves."""


class Released(NamedTuple):
    """What has ended, and left a registry: nothing can happen to it any more. W24.

    Attributes
    ----------
    bundles
        Claimed, expired, withdrawn, split, or cancelled into storage; in the order in which they
        were made.
    charges, discharges
        Records of storage that no rule reads any more.
    """

    bundles: list[Bundle]
    charges: list[ChargeRecord]
    discharges: list[DischargeRecord]


class MemoryRegistry:
    """A registry in memory; implements what `view.View` reads.

    Examples
    --------
    >>> from isojoule.settlement.certificates.operations import AddDevice, Issue, OpenAccount
    >>> registry = MemoryRegistry()
    >>> roof = Device("roof", "ada", "solar", issuing_body="grid")
    >>> _ = registry.ask([OpenAccount(1, "ada"), AddDevice(2, roof)], 0)
    >>> registry.ask([Issue(3, "roof", 0, 900, 5 * 3_600_000_000, 10**9)], 900)[0].bundles
    (Key(device='roof', first=1, last=5),)
    """

    def __init__(self) -> None:
        self._accounts: dict[str, frozenset[str]] = {}
        self._devices: dict[str, tuple[Device, Standing]] = {}
        self._bundles: dict[Key, Bundle] = {}
        self._charges: list[ChargeRecord] = []
        self._discharges: dict[str, DischargeRecord] = {}
        self._done: dict[int, tuple[Operation, Answer]] = {}
        self._timed: list[tuple[int, Key]] = []
        self._frontier = Frontier()
        self._leaves: list[bytes] = []
        """Of entries that the frontier does not stand for yet: many are hashed faster than one."""
        self._clock_s = 0

    def ask(self, operations: Sequence[Operation], now_s: int) -> list[Answer]:
        """Ask for something; see `rules.apply_operations`."""
        effects = apply_operations(self, operations, now_s)
        self.keep(effects)
        return effects.answers

    def keep(self, effects: Effects) -> None:
        """Keep what the rules decided."""
        for key, bundle in effects.bundles.items():
            if bundle.state in MORTAL and key not in self._bundles:
                heapq.heappush(self._timed, (bundle.expires_s, key))
        self._accounts.update(effects.accounts)
        self._devices.update(effects.devices)
        self._bundles.update(effects.bundles)
        self._charges += effects.charges
        self._discharges.update(effects.discharges)
        for operation, answer in effects.written:
            if operation.id:  # expiries have none
                self._done[operation.id] = (operation, answer)
        self._leaves += [
            leaf_hash(entry_bytes(operation, effects.clock_s)) for operation, _ in effects.written
        ]
        self._clock_s = effects.clock_s
        while self._timed and self._timed[0][0] <= self._clock_s:
            heapq.heappop(self._timed)

    @property
    def size(self) -> int:
        """How many bundles it holds."""
        return len(self._bundles)

    def release(self) -> Released:
        """Let go of what has ended. It is the caller's to keep; the log goes on.

        Requests are remembered as long as what they were about is there: asked again later, they
        are refused, since meters go forward and ranges are never given twice.
        """
        ended = [b for b in self._bundles.values() if b.state in ENDED or b.charge]
        for bundle in ended:
            del self._bundles[bundle.key]
        named = {bundle.discharge for bundle in self._bundles.values()}
        gone = [record for record in self._discharges.values() if record.id not in named]
        for record in gone:
            del self._discharges[record.id]
        charges, self._charges = self._charges, []
        self._done = {
            name: (operation, answer) for name, (operation, answer) in self._done.items()
            if (operation.bundle in self._bundles if isinstance(operation, Act)
                else not isinstance(operation, Issue | Charge | Discharge))
        }  # fmt: skip
        self._timed = [entry for entry in self._timed if entry[1] in self._bundles]
        heapq.heapify(self._timed)
        self._extend()
        return Released(ended, charges, gone)

    # what the rules read

    @property
    def clock_s(self) -> int:
        """See `View.clock_s`."""
        return self._clock_s

    def account(self, name: str) -> frozenset[str] | None:
        """See `View.account`."""
        return self._accounts.get(name)

    def device(self, name: str) -> tuple[Device, Standing] | None:
        """See `View.device`."""
        return self._devices.get(name)

    def bundle(self, key: Key) -> Bundle | None:
        """See `View.bundle`."""
        return self._bundles.get(key)

    def discharge(self, name: str) -> DischargeRecord | None:
        """See `View.discharge`."""
        return self._discharges.get(name)

    def done(self, operation_id: int) -> tuple[Operation, Answer] | None:
        """See `View.done`."""
        return self._done.get(operation_id)

    def due(self, now_s: int) -> Sequence[Key]:
        """See `View.due`."""
        found, look = [], [0]
        while look:  # what is below an entry of a heap is not before it
            at = look.pop()
            if at < len(self._timed) and self._timed[at][0] <= now_s:
                found.append(self._timed[at])
                look += (2 * at + 1, 2 * at + 2)
        return [key for _, key in sorted(found) if self._bundles[key].state in MORTAL]

    # what others read

    def accounts(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Accounts, each with those that may send to it, in the order of their opening."""
        yield from self._accounts.items()

    def devices(self) -> Iterator[tuple[Device, Standing]]:
        """Devices in the order of their registration."""
        yield from self._devices.values()

    def bundles(self) -> Iterator[Bundle]:
        """Bundles, also those that were split, in the order in which they were made."""
        yield from self._bundles.values()

    def charges(self) -> Iterator[ChargeRecord]:
        """Charge records, in the order of their writing."""
        yield from self._charges

    def discharges(self) -> Iterator[DischargeRecord]:
        """Discharge records, in the order of their writing."""
        yield from self._discharges.values()

    @property
    def head(self) -> Head:
        """How many entries the log has, and the root of its tree."""
        self._extend()
        return Head(self._frontier.size, self._frontier.root())

    def _extend(self) -> None:
        self._frontier = self._frontier.extend(self._leaves)
        self._leaves.clear()


def entry_bytes(operation: Operation, at_s: int) -> bytes:
    """The bytes of an entry of the log: JSON of its kind, its time, and its fields in order.

    >>> from isojoule.settlement.certificates.operations import OpenAccount
    >>> entry_bytes(OpenAccount(7, "ada"), 900)
    b'["OpenAccount",900,[7,"ada"]]'
    """
    if type(operation) is Act:  # most of a log, and ten times as fast as the encoder
        id_, step, by, (device, first, last), quantity, to, beneficiary = operation
        return (
            f'["Act",{at_s},[{id_:d},{_TEXT(step)},{_TEXT(by)},[{_TEXT(device)},{first:d},{last:d}'
            f"],{quantity:d},{_TEXT(to)},{_TEXT(beneficiary)}]]"
        ).encode()
    return plain_entry_bytes(operation, at_s)


def plain_entry_bytes(operation: Operation, at_s: int) -> bytes:
    """What `entry_bytes` gives, by the encoder of the library."""
    return _ENCODE((type(operation).__name__, at_s, operation)).encode()


_TEXT = json.encoder.encode_basestring
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
