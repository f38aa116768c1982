"""Random ways through a registry, step by step beside the model, with every invariant checked.

`pick(n)` gives a number below n: from a seeded generator, or drawn by Hypothesis.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from isojoule.settlement.certificates import Device, MemoryRegistry, State
from isojoule.settlement.certificates.check import Snapshot, check_registry
from isojoule.settlement.certificates.nouns import WH_UJ, Key
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
from tests.settlement.certificates.model import Model

Pick = Callable[[int], int]
QUARTER = 900
NAMES = ("ada", "bo", "cy")
DEVICES = (
    Device("roof", "ada", "solar", issuing_body="grid"),
    Device("mill", "bo", "wind", issuing_body="grid", emissions_kg_per_mwh=11.0),
    Device("pack", "ada", "storage", is_storage=True, efficiency_ppb=850_000_000,
           issuing_body="grid"),
)  # fmt: skip


class Asked(NamedTuple):
    """Requests, and when."""

    operations: tuple[Operation, ...]
    now: int


class Walk:
    """A registry and its model, asked the same."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()
        self.model = Model()
        self.history: list[Asked] = []
        self.now = 1_000_000 * QUARTER
        self.next = 1
        self.metered: dict[str, int] = defaultdict(int)

    def begin(self) -> None:
        """Accounts, devices, and some that trust each other."""
        opened = [OpenAccount(self.id(), name) for name in NAMES]
        devices = [AddDevice(self.id(), device) for device in DEVICES]
        trusts = [Allow(self.id(), "bo", "ada"), Allow(self.id(), "ada", "bo")]
        self.run((*opened, *devices, *trusts))

    def id(self) -> int:
        self.next += 1
        return self.next

    def step(self, pick: Pick) -> None:
        """Something random happens."""
        what = pick(16)
        if what == 0:
            self.now += (pick(8) - 1) * QUARTER
        elif what == 1:
            self.again(pick)
        elif what == 2:
            self.run((self.register(pick),))
        elif what < 7:
            self.run((self.meter(pick),))
        else:
            some = any(True for _ in self.registry.bundles())
            self.run(
                tuple(
                    self.act(pick) if some or pick(9) == 0 else self.meter(pick)
                    for _ in range(1 + pick(2))
                )
            )

    def register(self, pick: Pick) -> Operation:
        """Somebody new, or known, or a trust given or taken."""
        names = (*NAMES, "")
        device = DEVICES[pick(3)]._replace(account=names[pick(3)])
        return (
            OpenAccount(self.id(), names[pick(4)]),
            Allow(self.id(), names[pick(3)], names[pick(4)], pick(3) > 0),
            AddDevice(self.id(), device._replace(efficiency_ppb=pick(3) * 10**9)),
        )[pick(3)]

    def meter(self, pick: Pick) -> Operation:
        """A meter is read; mostly in order."""
        name = ("roof", "mill", "pack", "pack", "none")[pick(4 + (pick(8) == 0))]
        start = self.now - (pick(6) == 0) * QUARTER * pick(3)
        found = self.registry.device(name)
        if found and pick(6):  # where its meter has got to
            start = max(start, found[1].until_s)
        end = start + (QUARTER, QUARTER, 3600, 0, 3601)[pick(2 + (pick(6) == 0) * 3)]
        energy = pick(7) * WH_UJ + (0, 1, WH_UJ - 1, WH_UJ // 2, WH_UJ // 3, 17)[pick(6)]
        if pick(40) == 0:
            energy = (-1, 2**62)[pick(2)]
        expires = self.now + (pick(12) if pick(3) == 0 else 40) * QUARTER
        left = -1 if pick(3) else pick(5) * WH_UJ + pick(2)
        self.now += (pick(4) == 0) * QUARTER
        if name not in ("pack", "none") or pick(12) == 0:
            if pick(12):
                return Issue(self.id(), name, start, end, energy, expires)
            return Discharge(self.id(), name, start, end, energy, expires, left)
        if pick(12) == 0:
            return Stocktake(self.id(), name, start, pick(4) * WH_UJ - (pick(8) == 0))
        if pick(5) < 2:
            return Discharge(self.id(), name, start, end, energy, expires, left)
        chosen = [self.bundle(pick) for _ in range(pick(3))]
        mine = [b.key for b in self.registry.bundles() if self.fits(b.key, start)]
        if mine and pick(4):
            chosen = list(dict.fromkeys(mine[pick(len(mine))] for _ in range(1 + pick(2))))
        if pick(3):
            energy = max(energy, sum(key.quantity for key in chosen) * WH_UJ)
        return Charge(self.id(), name, start, end, energy, tuple(chosen), left)

    def fits(self, key: Key, start: int) -> bool:
        found = self.registry.bundle(key)
        return (
            found is not None
            and found.account == "ada"
            and found.state in (State.ACTIVE, State.RESERVED)
            and found.start_s // 3600 == start // 3600
        )

    def bundle(self, pick: Pick) -> Key:
        """A bundle that is there, more often than not."""
        there = list(self.registry.bundles())
        if not there or pick(20) == 0:
            return Key(("roof", "none")[pick(2)], pick(3), 1 + pick(4))
        whole = [b for b in there if b.state is not State.SPLIT] if pick(8) else there
        return whole[-1 - pick(min(len(whole), 12))].key

    def act(self, pick: Pick) -> Operation:
        """A step of a bundle that means something, more often than not."""
        key = self.bundle(pick)
        found = self.registry.bundle(key)
        owner = found.account if found and pick(8) else NAMES[pick(3)]
        step = list(Step)[pick(10)]
        by = "grid" if step in (Step.LOCK, Step.UNLOCK, Step.WITHDRAW) and pick(8) else owner
        if step is Step.CLAIM and found and pick(2):
            by = found.beneficiary
        quantity = pick(4) if pick(2) else 0
        return Act(
            self.id(), step, by, key, quantity if pick(30) else -1,
            to=(*NAMES, "none")[pick(4)], beneficiary=("", "dee")[pick(2)],
        )  # fmt: skip

    def again(self, pick: Pick) -> None:
        """Ask something again, as it was or altered."""
        if not self.history:
            return
        operations = list(self.history[pick(len(self.history))].operations)
        at = pick(len(operations))
        if pick(2):
            other = self.meter(pick)
            operations[at] = other._replace(id=operations[at].id)
        if pick(12) == 0:
            operations[at] = operations[at]._replace(id=(0, 2**128)[pick(2)])
        self.run(tuple(operations))

    def run(self, operations: tuple[Operation, ...]) -> None:
        """Ask both, and check everything."""
        answers = self.registry.ask(operations, self.now)
        for operation, answer in zip(operations, answers, strict=True):
            expected = self.model.ask(operation, self.now)
            assert answer.status is expected, (operation, answer, expected)
            if expected == "written" and isinstance(operation, Issue | Discharge):
                self.metered[operation.device] += operation.energy_uj
        self.history.append(Asked(operations, self.now))
        self.check()

    def check(self) -> None:
        """W17: the registry is what the single certificates say, and keeps every invariant."""
        bundles = list(self.registry.bundles())
        devices = list(self.registry.devices())
        check_registry(
            Snapshot(
                [(d, at.metered_uj) for d, at in devices], bundles,
                list(self.registry.charges()), list(self.registry.discharges()),
            )
        )  # fmt: skip
        whole: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for bundle in bundles:
            if bundle.state is State.SPLIT:
                continue
            whole[bundle.device].append((bundle.first, bundle.last))
            for c in self.model.of(bundle.key):
                assert (c.state, c.account, c.origin, c.start_s, c.beneficiary, c.stored) == (
                    bundle.state, bundle.account, bundle.origin, bundle.start_s,
                    bundle.beneficiary, bool(bundle.charge),
                )  # fmt: skip
        for device, at in devices:
            machine = self.model.machines[device.id]
            assert sorted(whole[device.id]) == sorted(machine.ends)
            assert at.next - 1 == len(machine.certificates)
            assert at.carry_uj == machine.carry < WH_UJ
            assert at.metered_uj == self.metered[device.id] >= (at.next - 1) * WH_UJ
            left = [layer.left for layer in machine.layers if layer.left]
            assert [layer.left_uj for layer in at.layers.open] == left
            assert at.layers.left_uj == sum(left)

    def check_log(self) -> None:
        """The same requests give the same registry and the same root."""
        other = MemoryRegistry()
        for asked in self.history:
            other.ask(asked.operations, asked.now)
        assert other.head == self.registry.head
        assert list(other.bundles()) == list(self.registry.bundles())
