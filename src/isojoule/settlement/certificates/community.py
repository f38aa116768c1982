"""From a community's meters to certificates: issued, stored, traded, claimed hour by hour.

    desk = Desk("village", members, devices)
    hours = desk.certify(flows)

A `Desk` asks a registry; it has no say in what is allowed. Who wants the Watt-hours alone, and not
who holds which, asks `tally.Tally`, which is faster and says the same. Spec:
docs/spec/certificates.md, W18 to W21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import stable_id
from isojoule.settlement.certificates.answers import DONE
from isojoule.settlement.certificates.asked import CertificateRules
from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.hours import SOURCES, Hours, owners, places
from isojoule.settlement.certificates.interval import Lot, Turn
from isojoule.settlement.certificates.memory import MemoryRegistry, Released
from isojoule.settlement.certificates.nouns import WH_UJ, Device, Key
from isojoule.settlement.certificates.operations import (
    Act,
    AddDevice,
    Allow,
    OpenAccount,
    Operation,
    Step,
    Stocktake,
)
from isojoule.settlement.certificates.steps import STEPS

BATCH = 20_000
"""So many bundles more than were left the last time are looked through for those that ended."""
GROWS = 8
"""Or an eighth of what was left, if that is more: all are looked through each time, so the work
grows with the bundles, and not with their square."""
Shelf = Callable[[Released], None]
"""Takes what has ended, and left the registry."""


class Desk:
    """Where a community's certificates are handled.

    Parameters
    ----------
    name
        Of the community: the ids of its requests follow from it.
    members, devices
        Who takes part.
    rules
        How long certificates last, and what is taken back.
    shelf
        Where what has ended goes; if there is none, the registry keeps it.
    batch
        See `BATCH`.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[str],
        devices: Sequence[Device],
        *,
        rules: CertificateRules | None = None,
        shelf: Shelf | None = None,
        batch: int = BATCH,
    ) -> None:
        self.registry = MemoryRegistry()
        self.name, self.members, self.devices = name, tuple(members), tuple(devices)
        rules = rules or CertificateRules()
        self.expires_after_s = rules.expires_after_s
        self.due = sorted(
            rules.withdrawals, key=lambda w: (w.at_s, w.start_s, w.device), reverse=True
        )
        self.shelf, self.batch = shelf, batch
        self.left = 0
        """Bundles that were left in the registry when what had ended was taken out of it."""
        self.count = 0
        self.now_s = 0
        self.fate_wh = [0, 0, 0]
        self.trusted: set[tuple[str, str]] = set()
        self.owner = owners(self.members, self.devices)
        self.place = places(self.members)
        for member in self.members:
            self.ask(OpenAccount(self.id(), member))
        for device in self.devices:
            self.ask(AddDevice(self.id(), device))

    def certify(self, flows: Flows) -> Hours:
        """Handle a stretch of intervals: whole hours of the clock, or nothing follows in its last.

        Raises
        ------
        InputError
            The flows are of others.
        InvariantError
            The registry refused something. A bug.
        """
        if (flows.members, flows.devices) != (self.members, self.devices):
            raise InputError("the flows are of other members or devices than the desk")
        if flows.begun_uj is not None:
            for at, device in enumerate(self.devices):
                if device.is_storage:
                    begun = int(flows.begun_uj[at])
                    self.ask(Stocktake(self.id(), device.id, int(flows.time_s[0]), begun))
        time_s, firsts = flows.hours()
        bounds = [*firsts.tolist(), flows.time_s.size]
        consumed = np.add.reduceat(flows.consumed_uj, firsts, axis=0)
        claimed = np.zeros((*consumed.shape, len(SOURCES)), np.int64)
        fates = np.zeros((firsts.size, 3), np.int64)
        loads = flows.loads_wh().tolist()
        for at, (first, last) in enumerate(pairwise(bounds)):
            self.fate_wh = [0, 0, 0]
            self.withdraw(int(flows.time_s[first]))
            held: list[list[Lot]] = [[] for _ in self.members]
            for row in range(first, last):
                self.now_s = int(flows.time_s[row]) + flows.interval_s
                turn = Turn(self, flows, row, loads[row])
                for mine, more in zip(held, turn.run(), strict=True):
                    mine += more
            claimed[at] = self.claim(held, (consumed[at] // WH_UJ).tolist())
            fates[at] = self.fate_wh
            self.shelve()
        return Hours(time_s, consumed, claimed, fates)

    def shelve(self) -> None:
        """Let go of what has ended, where there is a shelf and enough has come since."""
        more = self.registry.size - self.left
        if self.shelf is not None and more >= max(self.batch, self.left // GROWS):
            self.shelf(self.registry.release())
            self.left = self.registry.size

    def claim(self, held: list[list[Lot]], wanted: list[int]) -> list[list[int]]:
        """Cancel and claim up to what was consumed; how much, by member and source."""
        claimed = [[0] * len(SOURCES) for _ in held]
        asked: list[Operation] = []
        for at, (member, lots, count) in enumerate(zip(self.members, held, wanted, strict=True)):
            for lot in sorted(lots, key=lambda lot: (lot.source, lot.key)):
                part = min(count, lot.key.quantity)
                if not part:
                    break
                device, first, _ = lot.key
                key = Key(device, first, first + part - 1)  # the first of them, W9
                asked.append(Act(self.id(), Step.CANCEL, member, lot.key, part))
                asked.append(Act(self.id(), Step.CLAIM, member, key))
                claimed[at][lot.source] += part
                count -= part
        self.ask_all(asked)
        return claimed

    def withdraw(self, now_s: int) -> None:
        """Take back what is due."""
        while self.due and self.due[-1].at_s <= now_s:
            asked = self.due.pop()
            self.now_s = max(self.now_s, now_s)
            issuer = {d.id: d.issuing_body for d in self.devices}
            found = [
                bundle.key for bundle in self.registry.bundles()
                if bundle.origin == asked.device
                and asked.start_s <= bundle.start_s < asked.end_s
                and bundle.state in STEPS[Step.WITHDRAW].before
                and bundle.expires_s > self.now_s
            ]  # fmt: skip
            for key in sorted(found):
                self.act(Step.WITHDRAW, issuer[key.device], key)

    def act(self, step: Step, by: str, key: Key, count: int = 0, to: str = "") -> tuple[Key, ...]:
        """Take a step; the bundle acted upon, and the rest if there is one."""
        return self.ask(Act(self.id(), step, by, key, count, to))

    def trust(self, account: str, source: str) -> None:
        """Let neighbours send certificates, once they trade."""
        if (account, source) not in self.trusted:
            self.trusted.add((account, source))
            self.ask(Allow(self.id(), account, source))

    def ask(self, operation: Operation) -> tuple[Key, ...]:
        """Ask the registry for what must be right."""
        return self.ask_all([operation])[0]

    def ask_all(self, operations: list[Operation]) -> list[tuple[Key, ...]]:
        """Ask for several things, one after the other."""
        answers = self.registry.ask(operations, self.now_s)
        for operation, answer in zip(operations, answers, strict=True):
            if answer.status not in DONE:
                raise InvariantError(f"the registry refused {operation}: {answer.reason}")
        return [answer.bundles for answer in answers]

    def id(self) -> int:
        """The id of the next request."""
        self.count += 1
        return stable_id("isojoule.certificates.1", self.name, self.count)
