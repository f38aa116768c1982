"""One interval of a community: who has which certificates in hand, and what they are for.

A part of `community.Desk`. Spec: docs/spec/certificates.md, W19.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from isojoule.settlement.certificates.flows import Flows
from isojoule.settlement.certificates.hours import LOCAL, OWN, STORED
from isojoule.settlement.certificates.nouns import WH_UJ, Device, Key
from isojoule.settlement.certificates.operations import (
    Charge,
    Discharge,
    Issue,
    Operation,
    Step,
)


class Lot(NamedTuple):
    """Certificates in hand: a bundle, and what it is to its owner."""

    key: Key
    source: int


class Asks(Protocol):
    """What an interval needs of a desk."""

    members: tuple[str, ...]
    devices: tuple[Device, ...]
    owner: list[int]
    place: list[int]
    expires_after_s: int
    fate_wh: list[int]

    def id(self) -> int:
        """The id of the next request."""
        ...

    def ask(self, operation: Operation) -> tuple[Key, ...]:
        """Ask the registry."""
        ...

    def act(self, step: Step, by: str, key: Key, count: int = 0, to: str = "") -> tuple[Key, ...]:
        """Take a step."""
        ...

    def trust(self, account: str, source: str) -> None:
        """Let certificates come."""
        ...


class Turn:
    """One interval."""

    def __init__(self, desk: Asks, flows: Flows, at: int, loads: list[int]) -> None:
        self.desk, self.flows, self.at = desk, flows, at
        self.start_s = int(flows.time_s[at])
        self.end_s = self.start_s + flows.interval_s
        self.energy: list[int] = flows.energy_uj[at].tolist()
        self.drawn: list[int] = flows.drawn_uj[at].tolist()
        self.loads = loads
        """What each member still consumes, Wh."""
        self.free: list[list[Lot]] = [[] for _ in desk.members]
        """In hand, not yet spoken for."""
        self.kept: list[list[Lot]] = [[] for _ in desk.members]
        """For what is consumed."""
        self.charging = {
            device: [uj // WH_UJ] for device, uj in enumerate(self.energy)
            if uj > 0 and desk.devices[device].is_storage
        }  # fmt: skip
        """Storage that is charging: what it still takes, Wh."""
        self.stored: dict[int, list[Key]] = {device: [] for device in self.charging}

    def run(self) -> list[list[Lot]]:
        """All of W19; what each member holds then."""
        self.issue()
        for member in range(len(self.desk.members)):
            self.use(member)
        self.trade()
        self.charge()
        return [kept + free for kept, free in zip(self.kept, self.free, strict=True)]

    def issue(self) -> None:
        """Issue for what was produced, then for what came out of storage that did not charge."""
        desk, expires = self.desk, self.end_s + self.desk.expires_after_s
        span = (self.start_s, self.end_s)
        for at, (device, uj) in enumerate(zip(desk.devices, self.energy, strict=True)):
            if not device.is_storage and uj:
                keys = desk.ask(Issue(desk.id(), device.id, *span, uj, expires))
                self.free[desk.owner[at]] += [Lot(key, OWN) for key in keys]
                desk.fate_wh[0] += sum(key.quantity for key in keys)
        for at, (device, uj) in enumerate(zip(desk.devices, self.energy, strict=True)):
            if device.is_storage and uj <= 0 and self.drawn[at] - uj:
                self.free[desk.owner[at]] += self.discharge(at, self.drawn[at] - uj)

    def discharge(self, at: int, energy_uj: int) -> list[Lot]:
        """Issue for what came out of storage."""
        desk = self.desk
        keys = desk.ask(
            Discharge(
                desk.id(), desk.devices[at].id, self.start_s, self.end_s, energy_uj,
                self.end_s + desk.expires_after_s, int(self.flows.left_uj[self.at, at]),
            )
        )  # fmt: skip
        desk.fate_wh[1] += sum(key.quantity for key in keys)
        return [Lot(key, STORED) for key in keys]

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

    def take(self, member: int, count: int) -> Iterator[Lot]:
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
        gives = portions(traded, supply, desk.place)
        gets = portions(traded, demand, desk.place)
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
            self.free[taker].append(Lot(key, max(lot.source, LOCAL)))
            count -= part

    def charge(self) -> None:
        """Tell the registry what went into storage, and what was drawn from it meanwhile."""
        desk = self.desk
        for at, keys in self.stored.items():
            left = int(self.flows.left_uj[self.at, at]) + self.drawn[at]
            desk.ask(
                Charge(
                    desk.id(), desk.devices[at].id, self.start_s, self.end_s,
                    self.energy[at], tuple(keys), left,
                )
            )  # fmt: skip
            desk.fate_wh[2] += sum(key.quantity for key in keys)
            if self.drawn[at]:
                self.kept[desk.owner[at]] += self.discharge(at, self.drawn[at])


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
