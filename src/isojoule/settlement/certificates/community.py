"""From a community's meters to certificates: issued, stored, traded, claimed hour by hour.

    desk = Desk("village", members, devices)
    hours = desk.certify(flows)

A `Desk` asks a registry; it has no say in what is allowed. Spec: docs/spec/certificates.md, W18 to
W21.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import stable_id
from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.nouns import HOUR_S, WH_UJ, Device, Key
from isojoule.settlement.certificates.operations import (
    Act,
    AddDevice,
    Allow,
    Charge,
    Discharge,
    Issue,
    OpenAccount,
    Operation,
    Step,
    Stocktake,
)

Ints = NDArray[np.int64]
EXPIRES_AFTER_S = 2 * 365 * 86_400
"""Certificates last for two years."""
SOURCES = ("self", "local", "storage")
"""What a certificate is to who claims it, in the order in which they are claimed."""
_TIES = b"isojoule.certificates.share"
_OWN, _LOCAL, _STORED = range(3)


class Hours(NamedTuple):
    """What was claimed, hour by hour: H hours, P members.

    Attributes
    ----------
    time_s
        Starts of the hours, s since 1970, (H,).
    consumed_uj
        By each member, (H, P).
    claimed_wh
        By each member, by `SOURCES`, (H, P, 3).
    """

    time_s: Ints
    consumed_uj: Ints
    claimed_wh: Ints


class _Lot(NamedTuple):
    """Certificates in hand: a bundle, and what it is to its owner."""

    key: Key
    source: int


class Desk:
    """Where a community's certificates are handled.

    Parameters
    ----------
    name
        Of the community: the ids of its requests follow from it.
    members, devices
        Who takes part.
    """

    def __init__(self, name: str, members: Sequence[str], devices: Sequence[Device]) -> None:
        self.registry = MemoryRegistry()
        self.name, self.members, self.devices = name, tuple(members), tuple(devices)
        self.count = 0
        self.now_s = 0
        self.trusted: set[tuple[str, str]] = set()
        place = {member: at for at, member in enumerate(self.members)}
        self.owner = [place[device.account] for device in self.devices]
        by_rank = sorted(range(len(self.members)), key=lambda at: rank(_TIES, self.members[at]))
        self.rank = [by_rank.index(at) for at in range(len(self.members))]
        for member in self.members:
            self.ask(OpenAccount(self.id(), member))
        for device in self.devices:
            self.ask(AddDevice(self.id(), device))

    def certify(self, flows: Flows) -> Hours:
        """Handle a stretch of intervals.

        Raises
        ------
        InputError
            The flows are of others.
        InvariantError
            The registry refused something. A bug.
        """
        if (flows.members, flows.devices) != (self.members, self.devices):
            raise InputError("the flows are of other members or devices than the desk")
        for at, device in enumerate(self.devices):
            if device.is_storage:
                begun = int(flows.begun_uj[at])
                self.ask(Stocktake(self.id(), device.id, int(flows.time_s[0]), begun))
        hours = flows.time_s // HOUR_S
        firsts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
        bounds = [*firsts.tolist(), hours.size]
        consumed = np.add.reduceat(flows.consumed_uj, firsts, axis=0)
        claimed = np.zeros((*consumed.shape, len(SOURCES)), np.int64)
        for at, (first, last) in enumerate(pairwise(bounds)):
            held = self.hour(flows, first, last)
            for member, lots in enumerate(held):
                wanted = int(consumed[at, member]) // WH_UJ
                claimed[at, member] = self.claim(self.members[member], lots, wanted)
        return Hours(hours[firsts] * HOUR_S, consumed, claimed)

    def hour(self, flows: Flows, first: int, last: int) -> list[list[_Lot]]:
        """The intervals of one hour; what each member holds at its end."""
        held: list[list[_Lot]] = [[] for _ in self.members]
        whole = flows.consumed_uj[first:last].cumsum(axis=0) // WH_UJ
        loads = np.diff(whole, axis=0, prepend=np.zeros((1, len(self.members)), np.int64)).tolist()
        for at in range(first, last):
            turn = _Interval(self, flows, at, loads[at - first])
            for mine, more in zip(held, turn.run(), strict=True):
                mine += more
        return held

    def claim(self, member: str, lots: list[_Lot], wanted: int) -> list[int]:
        """Cancel and claim up to what was consumed; how much, by source."""
        claimed = [0] * len(SOURCES)
        for lot in sorted(lots, key=lambda lot: (lot.source, lot.key)):
            count = min(wanted, lot.key.quantity)
            if not count:
                continue
            key = self.act(Step.CANCEL, member, lot.key, count)[0]
            self.act(Step.CLAIM, member, key)
            claimed[lot.source] += count
            wanted -= count
        return claimed

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
        (answer,) = self.registry.ask([operation], self.now_s)
        if not answer.done:
            raise InvariantError(f"the registry refused {operation}: {answer.reason}")
        return answer.bundles

    def id(self) -> int:
        """The id of the next request."""
        self.count += 1
        return stable_id("isojoule.certificates.1", self.name, self.count)


class _Interval:
    """One interval: who has which certificates in hand, and what they are for."""

    def __init__(self, desk: Desk, flows: Flows, at: int, loads: list[int]) -> None:
        self.desk, self.flows, self.at = desk, flows, at
        self.start_s = int(flows.time_s[at])
        self.end_s = self.start_s + flows.interval_s
        desk.now_s = self.end_s
        self.energy: list[int] = flows.energy_uj[at].tolist()
        self.loads = loads
        """What each member still consumes, Wh."""
        self.free: list[list[_Lot]] = [[] for _ in desk.members]
        """In hand, not yet spoken for."""
        self.kept: list[list[_Lot]] = [[] for _ in desk.members]
        """For what is consumed."""
        self.charging = {
            device: [uj // WH_UJ] for device, uj in enumerate(self.energy)
            if uj > 0 and desk.devices[device].is_storage
        }  # fmt: skip
        """Storage that is charging: what it still takes, Wh."""
        self.stored: dict[int, list[Key]] = {device: [] for device in self.charging}

    def run(self) -> list[list[_Lot]]:
        """All of W19; what each member holds then."""
        self.issue()
        for member in range(len(self.desk.members)):
            self.use(member)
        self.trade()
        self.charge()
        return [kept + free for kept, free in zip(self.kept, self.free, strict=True)]

    def issue(self) -> None:
        desk, expires = self.desk, self.end_s + EXPIRES_AFTER_S
        span = (self.start_s, self.end_s)
        for stored in (False, True):  # production stands before storage
            for at, (device, uj) in enumerate(zip(desk.devices, self.energy, strict=True)):
                if device.is_storage is not stored or not uj or (stored and uj > 0):
                    continue
                if stored:
                    left = int(self.flows.left_uj[self.at, at])
                    o: Operation = Discharge(desk.id(), device.id, *span, -uj, expires, left)
                else:
                    o = Issue(desk.id(), device.id, *span, uj, expires)
                source = _STORED if stored else _OWN
                self.free[desk.owner[at]] += [_Lot(key, source) for key in desk.ask(o)]

    def use(self, member: int) -> None:
        """What a member has in hand serves what it consumes, then what it charges."""
        taken = list(self.take(member, self.loads[member]))
        self.kept[member] += taken
        self.loads[member] -= sum(lot.key.quantity for lot in taken)
        for device, room in self.charging.items():
            if self.desk.owner[device] == member:
                taken = list(self.take(member, room[0]))
                self.stored[device] += [lot.key for lot in taken]
                room[0] -= sum(lot.key.quantity for lot in taken)

    def take(self, member: int, count: int) -> Iterator[_Lot]:
        """So many of what a member has in hand, or all; a bundle is split where need be."""
        free = self.free[member]
        while count and free:
            lot = free.pop(0)
            if lot.key.quantity > count:
                name = self.desk.members[member]
                key, rest = self.desk.act(Step.SPLIT, name, lot.key, count)
                free.insert(0, lot._replace(key=rest))
                lot = lot._replace(key=key)
            count -= lot.key.quantity
            yield lot

    def trade(self) -> None:
        """What is left goes to neighbours."""
        desk = self.desk
        received: list[int] = self.flows.received_uj[self.at].tolist()
        room = [0] * len(desk.members)
        for device, (wh,) in self.charging.items():
            room[desk.owner[device]] += wh
        supply, demand = [], []
        for member, uj in enumerate(received):
            free = sum(lot.key.quantity for lot in self.free[member])
            supply.append(min(free, max(-uj, 0) // WH_UJ))
            demand.append(min(self.loads[member] + room[member], max(uj, 0) // WH_UJ))
        traded = min(sum(supply), sum(demand))
        if not traded:
            return
        gives = portions(traded, supply, desk.rank)
        gets = portions(traded, demand, desk.rank)
        taker = 0
        for giver, count in enumerate(gives):
            while count:
                while not gets[taker]:
                    taker += 1
                part = min(count, gets[taker])
                self.give(giver, taker, part)
                gets[taker] -= part
                count -= part
        for member, uj in enumerate(received):
            if uj > 0:
                self.use(member)

    def give(self, giver: int, taker: int, count: int) -> None:
        """Hand certificates over."""
        source, target = self.desk.members[giver], self.desk.members[taker]
        self.desk.trust(target, source)
        while count:
            lot = self.free[giver].pop(0)
            part = min(count, lot.key.quantity)
            key, *rest = self.desk.act(Step.TRANSFER, source, lot.key, part, target)
            if rest:
                self.free[giver].insert(0, lot._replace(key=rest[0]))
            self.free[taker].append(_Lot(key, max(lot.source, _LOCAL)))
            count -= part

    def charge(self) -> None:
        """Tell the registry what went into storage."""
        for at, keys in self.stored.items():
            left = int(self.flows.left_uj[self.at, at])
            self.desk.ask(
                Charge(
                    self.desk.id(), self.desk.devices[at].id, self.start_s, self.end_s,
                    self.energy[at], tuple(keys), left,
                )
            )  # fmt: skip


def portions(total: int, weights: Sequence[int], places: Sequence[int]) -> list[int]:
    """Share a whole number in proportion, by largest remainder; ties by place.

    No one gets more than its weight where the total is at most their sum.

    >>> portions(10, [6, 6, 0], [1, 0, 2]), portions(5, [2, 6], [0, 1])
    ([5, 5, 0], [1, 4])
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    rests = [total * weight % whole for weight in weights]
    order = sorted(range(len(parts)), key=lambda at: (-rests[at], places[at]))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts
