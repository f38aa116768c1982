"""A machine with its battery in one interval: what it asks for a step, and what it takes on.

The rules:

- Free energy F is what the battery stores less reserve and committed energy; what an interval may
  still take (a negative inflow) counts, what it may bring does not.
- The price of a Joule is the worth v(F) of the battery, so compute, memory and bandwidth cost
  their Joules times v(F). A step of c Joules costs the integral of v from F - c to F: each Joule
  dearer than the one before. It is rounded up to a nano-unit once, so that what the customer pays
  is what the owner receives.
- To accept is to commit: the step's energy is held back at once, F falls and v rises before
  anybody else asks. More than F is never committed.
- Nothing is promised for a later interval: nobody can guarantee tomorrow's sun. Such a promise is
  financial, and made at the market.
- What does not go is answered by a `Refused`, with a reason and a remedy; a host that refuses is
  unchanged.

Spec: docs/spec/machine.md, X3 to X6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from isojoule.core.errors import InvariantError
from isojoule.core.units import NANO_PER_UNIT, money_text
from isojoule.machine.metabolism import Stage, next_stage, others_share
from isojoule.machine.model import Machine, Order, Refused, estimate_uj
from isojoule.valuation import Battery
from isojoule.valuation.battery import worth_at, worth_between

ASLEEP = Refused("the machine is asleep", "ask again when its battery is filled to 20 %")
DEAD = Refused("the machine has no free energy left", "ask again when its battery is filled")
FUTURE = Refused(
    "no energy is promised for a later interval: nobody can guarantee tomorrow's sun",
    "commit to money at the market, backed by collateral, and ask again when the time has come",
)
LATE = Refused("the deadline passes before the interval ends", "give a later deadline")
SLOW = Refused("too slow to finish by the deadline", "ask a faster machine, or split the work")
MEMORY = Refused("too little memory", "ask a larger machine, or split the work")
CRITICAL_ONLY = Refused("short of energy: critical Orders only", "wait, or ask another machine")
SAVES = Refused("saving energy: no more work of others", "wait, or ask another machine")
BUSY = Refused("no operations are left in this interval", "wait, or ask another machine")
OVER = Refused("more energy than is free", "ask for less, or wait for the sun")


@dataclass(frozen=True)
class Host:
    """A machine in one interval. A value: taking work gives another one.

    Parameters
    ----------
    machine, owner
        Who computes, and who is paid.
    battery
        What feeds it, with all that is committed so far.
    stage
        Of this interval.
    start_s, interval_s
        The interval.
    room
        Operations left in it.
    others_room
        Those of `room` that others than the owner may have, if their Order is not critical.
    """

    machine: Machine
    owner: str
    battery: Battery
    stage: Stage
    start_s: int
    interval_s: int
    room: int
    others_room: int

    @classmethod
    def begin(
        cls,
        machine: Machine,
        owner: str,
        battery: Battery,
        before: Stage,
        start_s: int,
        interval_s: int,
    ) -> Host:
        """Begin an interval: settle the stage, and commit the idle draw while awake."""
        free, f_max = free_uj(battery), f_max_uj(battery)
        idle = machine.idle_uj(interval_s)
        stage = next_stage(before, free, f_max, idle)
        capacity = machine.capacity(interval_s) if stage.awake else 0
        others = others_share(stage, free, f_max, capacity)
        if stage.awake:
            battery = replace(battery, committed_uj=battery.committed_uj + idle)
        return cls(machine, owner, battery, stage, start_s, interval_s, capacity, others)

    @cached_property
    def free_uj(self) -> int:
        """Free energy F, microjoules."""
        return free_uj(self.battery)

    @cached_property
    def _curve(self) -> tuple[int, float, float, float]:
        b, factor = self.battery, self.battery.factor
        return f_max_uj(b), b.v_min_per_j * factor, b.v_max_per_j * factor, b.k

    @property
    def price_per_j(self) -> float:
        """Price of the next Joule, money per J; inf where none is for sale."""
        return worth_at(self.free_uj, *self._curve)

    @property
    def price_per_operation(self) -> float:
        """Price of the next operation, money."""
        return self.machine.energy_per_operation_j * self.price_per_j

    @property
    def price_per_byte_second(self) -> float:
        """Price of holding the next byte for a second, money."""
        return self.machine.energy_per_byte_second_j * self.price_per_j

    @property
    def price_per_byte(self) -> float:
        """Price of moving the next byte in or out, money."""
        return self.machine.energy_per_byte_j * self.price_per_j

    def payment_nano(self, energy_uj: int) -> int:
        """Price of so much energy, nano-units, rounded up; no more than what is free."""
        if energy_uj == 0:
            return 0
        worth = worth_between(self.free_uj - energy_uj, self.free_uj, *self._curve)
        return math.ceil(worth * NANO_PER_UNIT)

    def commit(self, energy_uj: int, operations: int = 0, others: int = 0) -> Host:
        """Hold back energy and operations; `others` of them are for others than the owner.

        Raises
        ------
        InvariantError
            It is more than there is.
        """
        if not (0 <= energy_uj <= max(self.free_uj, 0) and 0 <= others <= operations <= self.room):
            raise InvariantError(f"{self.machine.name} commits more than it has")
        return replace(
            self,
            battery=replace(self.battery, committed_uj=self.battery.committed_uj + energy_uj),
            room=self.room - operations,
            others_room=max(self.others_room - others, 0),
        )


class Quote(NamedTuple):
    """What a machine asks for the next step of an Order.

    Attributes
    ----------
    operations
        Size of the step.
    moved_byte
        Carried in for it.
    energy_uj, price_nano
        What it takes and what it costs.
    others
        Operations that count against what others may have.
    """

    operations: int
    moved_byte: int
    energy_uj: int
    price_nano: int
    others: int

    def exceeds(self, order: Order, extra_nano: int = 0) -> bool:
        """Whether the step costs more than its share of the Order's value."""
        price_nano = self.price_nano + extra_nano
        return price_nano * order.operations > order.value_nano * self.operations


class Accepted(NamedTuple):
    """A step taken on: the host after it, and on what terms."""

    host: Host
    quote: Quote


def quote(host: Host, order: Order, done: int = 0, moved_byte: int = 0) -> Quote | Refused:
    """What the host asks for the next step of an Order.

    Parameters
    ----------
    done
        Operations that are done already.
    moved_byte
        To be carried in.
    """
    if not host.stage.awake:
        return DEAD if host.stage is Stage.DEAD else ASLEEP
    machine, left = host.machine, order.operations - done
    if order.at_s >= host.start_s + host.interval_s:
        return FUTURE
    turns = (order.deadline_s - host.start_s) // host.interval_s
    if turns < 1:
        return LATE
    if order.memory_byte > machine.memory_byte:
        return MEMORY
    if left > turns * machine.capacity(host.interval_s):
        return SLOW
    if host.stage is Stage.CRITICAL and not order.critical:
        return CRITICAL_ONLY
    limited = not order.critical and order.customer != host.owner
    operations = min(left, host.room, host.others_room if limited else left)
    if operations <= 0:
        return SAVES if host.room > 0 else BUSY
    duration_s = operations / machine.operations_per_s
    energy = estimate_uj(machine, operations, order.memory_byte, duration_s, moved_byte)
    if energy > host.free_uj:
        return OVER
    others = operations if limited else 0
    return Quote(operations, moved_byte, energy, host.payment_nano(energy), others)


def accept(host: Host, order: Order, done: int = 0, moved_byte: int = 0) -> Accepted | Refused:
    """Take on the next step of an Order, at the price asked, if it is worth that.

    Parameters
    ----------
    done, moved_byte
        As for `quote`.
    """
    asked = quote(host, order, done, moved_byte)
    if isinstance(asked, Refused):
        return asked
    if asked.exceeds(order):
        return too_dear(order, asked)
    return Accepted(host.commit(asked.energy_uj, asked.operations, asked.others), asked)


def too_dear(order: Order, asked: Quote, extra_nano: int = 0) -> Refused:
    """The customer's "no", with both numbers; `extra_nano` is paid besides."""
    worth = order.value_nano * asked.operations // order.operations
    price = money_text(asked.price_nano + extra_nano)
    return Refused(
        f"the step costs {price}, and is worth {money_text(worth)}",
        "wait until energy is cheaper, or value the Order higher",
    )


def promise_energy(
    battery: Battery, energy_uj: int, deliver_at_s: int, now_s: int, interval_s: int
) -> Battery | Refused:
    """Promise energy from a battery: within this interval, or not at all.

    Parameters
    ----------
    energy_uj
        To be delivered, battery side, 0 or more.
    deliver_at_s
        When; from the end of the interval on it is refused.
    now_s, interval_s
        Start and length of the interval.

    Returns
    -------
    Battery | Refused
        The battery with the energy committed.
    """
    if deliver_at_s >= now_s + interval_s:
        return FUTURE
    if deliver_at_s < now_s:
        return Refused("the time of delivery is past", "name a moment of this interval")
    if energy_uj < 0:
        return Refused("the energy is negative", "promise 0 or more")
    if energy_uj > free_uj(battery):
        return OVER
    return replace(battery, committed_uj=battery.committed_uj + energy_uj)


def free_uj(battery: Battery) -> int:
    """Free energy F that can be committed now, microjoules; may be below 0."""
    return battery.energy_uj + min(battery.inflow_uj, 0) - battery.reserve_uj - battery.committed_uj


def f_max_uj(battery: Battery) -> int:
    """Free energy of a full battery with nothing committed, microjoules."""
    return battery.capacity_uj - battery.reserve_uj
