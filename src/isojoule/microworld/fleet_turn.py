"""One turn of a fleet in the making: machines begin, Orders look, steps are taken.

See `isojoule.microworld.fleet` for the rules, and docs/spec/machine.md, X14 to X17.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from isojoule.core.chance import rank
from isojoule.core.errors import VerificationError
from isojoule.core.hashlog import append
from isojoule.core.units import joules_text, money_text
from isojoule.machine import (
    Host,
    MachineState,
    Quote,
    Refused,
    Stage,
    Work,
    estimate_uj,
    quote,
    revive,
)
from isojoule.machine.host import LATE, too_dear
from isojoule.machine.state import check_work, work_root
from isojoule.microworld.fleet_state import Event, FleetState, Progress, Status, StepDone, Waits
from isojoule.valuation import Battery

if TYPE_CHECKING:
    from isojoule.microworld.fleet import Fleet

ALONE = Refused("no machine is in reach", "connect the node, or wait until it is")
STRANDED = Refused(
    "its machine sleeps, and its memory with it", "wait until the machine's battery is filled"
)
NO_HANDOVER = Refused("its machine lacks the energy to hand it over", "wait for the sun")


class _Option(NamedTuple):
    """A step that an Order could take: on which machine, and what leaving its own costs."""

    machine: int
    quote: Quote
    handover_uj: int
    handover_nano: int

    @property
    def price_nano(self) -> int:
        return self.quote.price_nano + self.handover_nano


class Play:
    """One turn in the making; nothing of it outlives the turn but what it collected."""

    def __init__(
        self, fleet: Fleet, state: FleetState, time_s: int, batteries: Sequence[Battery]
    ) -> None:
        self.fleet, self.before, self.time_s = fleet, state, time_s
        self.memories = list(state.machines)
        self.orders = list(state.orders)
        self.hosts = [
            Host.begin(machine, owner, battery, memory.stage, time_s, fleet.interval_s)
            for machine, owner, battery, memory in zip(
                fleet.machines, fleet.owners, batteries, state.machines, strict=True
            )
        ]
        self.steps: list[StepDone] = []
        self.waits: list[Waits] = []
        self.events: list[Event] = []

    def begin(self, m: int) -> None:
        """Settle the change of a machine's stage: checkpoint, revival, what is told."""
        old, new = self.memories[m].stage, self.hosts[m].stage
        what, root = _change(old, new), ""
        if new.awake and not old.awake:
            root = self._revive(m)
        if what and (old.awake or new.awake):  # who sleeps writes nothing
            self._log(m, {"time_s": self.time_s, "what": what})
        if old.awake and not new.awake:
            root = self._persist(m)
        elif what == "dies":  # in its sleep
            root = revive(self.memories[m].checkpoint).root
        self.memories[m] = self.memories[m]._replace(stage=new)
        if what:
            self.events.append(Event(self.fleet.machines[m].name, what, root))

    def look(self, i: int) -> None:
        """Let an Order look around, and take its cheapest step if it is worth it."""
        order, progress = self.fleet.orders[i], self.orders[i]
        if not self.before.started and order.at_s < self.time_s:
            self.orders[i] = progress._replace(status=Status.NOT_OURS)
        elif order.deadline_s < self.time_s + self.fleet.interval_s:
            self.orders[i] = progress._replace(status=Status.GIVEN_UP)
            self.waits.append(Waits(order.name, *LATE, given_up=True))
            self.events.append(Event(order.name, "is given up", ""))
        else:
            best = self._best(i)
            if isinstance(best, Refused):
                self.waits.append(Waits(order.name, *best, given_up=False))
            elif best.quote.exceeds(order, best.handover_nano):
                dear = too_dear(order, best.quote, best.handover_nano)
                self.waits.append(Waits(order.name, *dear, given_up=False))
            else:
                self._take(i, best)

    def _best(self, i: int) -> _Option | Refused:
        """The cheapest step per operation, or why there is none."""
        order, at = self.fleet.orders[i], self.orders[i].machine
        if not self.fleet.reach[i]:
            return ALONE
        if at >= 0 and not self.hosts[at].stage.awake:
            return STRANDED
        options: list[_Option] = []
        refused: set[Refused] = set()
        for m in self.fleet.reach[i]:
            found = self._option(i, m)
            if isinstance(found, Refused):
                refused.add(found)
            else:
                options.append(found)
        if not options:
            listed = sorted(refused)
            return Refused(*("; ".join(dict.fromkeys(r[c] for r in listed)) for c in (0, 1)))
        price = [o.price_nano / o.quote.operations for o in options]
        cheapest = [o for o, p in zip(options, price, strict=True) if p == min(price)]
        if len(cheapest) == 1:
            return cheapest[0]
        names = [m.name for m in self.fleet.machines]
        return min(cheapest, key=lambda o: rank(self.fleet.seed, order.name, names[o.machine]))

    def _option(self, i: int, m: int) -> _Option | Refused:
        order, progress = self.fleet.orders[i], self.orders[i]
        at = progress.machine
        if at == m:
            moved, energy, price = 0, 0, 0
        elif at < 0:
            away = self.fleet.order_nodes[i] != self.fleet.nodes[m]
            moved, energy, price = order.transfer_byte if away else 0, 0, 0
        else:
            moved, left = order.memory_byte, self.hosts[at]
            energy = estimate_uj(left.machine, 0, moved_byte=moved)
            if energy > left.free_uj:
                return NO_HANDOVER
            price = left.payment_nano(energy)
        asked = quote(self.hosts[m], order, progress.done, moved)
        return asked if isinstance(asked, Refused) else _Option(m, asked, energy, price)

    def _take(self, i: int, option: _Option) -> None:
        order, progress, m = self.fleet.orders[i], self.orders[i], option.machine
        at, asked = progress.machine, option.quote
        if at not in (-1, m):
            self.hosts[at] = self.hosts[at].commit(option.handover_uj)
            moved = Quote(0, order.memory_byte, option.handover_uj, option.handover_nano, 0)
            progress = self._step(i, at, progress, moved)
        if at != m:
            self.events.append(Event(order.name, "starts" if at < 0 else "moves", ""))
        self.hosts[m] = self.hosts[m].commit(asked.energy_uj, asked.operations, asked.others)
        progress = self._step(i, m, progress, asked)
        if progress.done == order.operations:
            progress = progress._replace(status=Status.DONE)
            self.events.append(Event(order.name, "finishes", ""))
        self.orders[i] = progress

    def _step(self, i: int, m: int, progress: Progress, asked: Quote) -> Progress:
        """Record a step, in the turn and in the machine's log."""
        order, machine = self.fleet.orders[i], self.fleet.machines[m]
        step = StepDone(
            order=order.name,
            step=progress.steps + 1,
            machine=machine.name,
            customer=order.customer,
            operations=asked.operations,
            moved_byte=asked.moved_byte,
            energy_uj=asked.energy_uj,
            price_nano=asked.price_nano,
        )
        self.steps.append(step)
        entry: dict[str, str | int] = {
            "time_s": self.time_s,
            "order": step.order,
            "step": step.step,
            "operations": str(step.operations),
            "moved_byte": str(step.moved_byte),
            "energy_j": joules_text(step.energy_uj),
            "price": money_text(step.price_nano),
        }
        self._log(m, entry)
        return Progress(progress.status, progress.done + step.operations, step.step, m)

    def _log(self, m: int, entry: dict[str, str | int]) -> None:
        memory = self.memories[m]
        self.memories[m] = memory._replace(log=append(memory.log, entry).tip)

    def _work(self, m: int) -> tuple[Work, ...]:
        """Unfinished Orders that a machine holds, by name."""
        held = (
            Work(order.name, p.done, p.steps)
            for order, p in zip(self.fleet.orders, self.orders, strict=True)
            if p.machine == m and p.status is Status.OPEN
        )
        return tuple(sorted(held))

    def _persist(self, m: int) -> str:
        """Write down the checkpoint of a machine that falls asleep; return its root."""
        host, memory, work = self.hosts[m], self.memories[m], self._work(m)
        saved = MachineState(
            machine=host.machine.name,
            sequence=memory.sequence + 1,
            time_s=self.time_s,
            energy_uj=host.battery.energy_uj,
            committed_uj=host.battery.committed_uj,
            stage=host.stage,
            work_root=work_root(work),
            log=memory.log,
        )
        self.memories[m] = memory._replace(
            sequence=saved.sequence, checkpoint=saved.text(), work=work
        )
        return saved.root

    def _revive(self, m: int) -> str:
        """Load the checkpoint and check it: O(1) in the log, O(work) in what is unfinished."""
        memory, place = self.memories[m], self.fleet.machines[m].name
        saved = revive(memory.checkpoint, place=place)
        check_work(saved, memory.work, place=place)
        # what is still open goes on where it was; what was given up meanwhile is dropped
        same = set(self._work(m)) <= set(memory.work)
        if saved.log != memory.log or saved.sequence != memory.sequence or not same:
            raise VerificationError("the checkpoint is not the last one", place=place)
        self.memories[m] = memory._replace(checkpoint="", work=())
        return saved.root


def _change(old: Stage, new: Stage) -> str:
    """What is told of a change of stage, "" if nothing."""
    if old.awake and new.awake:
        return "" if old == new else ("slows" if new > old else "recovers")
    if new is Stage.DEAD:
        return "dies" if old is not Stage.DEAD else ""
    if not new.awake:
        return "sleeps" if old.awake else ""
    return "revives"
