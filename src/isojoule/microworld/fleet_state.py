"""What a fleet carries from turn to turn, and what a turn tells: plain values, equal if the same.

See `isojoule.microworld.fleet` for the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from isojoule.core.hashlog import Tip
from isojoule.machine import Stage, Work


class Status(IntEnum):
    """What has become of an Order."""

    OPEN = 0
    DONE = 1
    GIVEN_UP = 2
    NOT_OURS = 3
    """Arrived before the first turn."""


class Progress(NamedTuple):
    """How far an Order is; `machine` is the row of the machine that holds it, or -1."""

    status: Status = Status.OPEN
    done: int = 0
    steps: int = 0
    machine: int = -1


class Memory(NamedTuple):
    """What a machine carries from turn to turn.

    Attributes
    ----------
    stage
        Of the turn before.
    sequence
        Checkpoints made so far.
    log
        Tip of its log.
    checkpoint, work
        What it wrote down when it last fell asleep; "" and nothing while awake.
    """

    stage: Stage
    sequence: int
    log: Tip
    checkpoint: str = ""
    work: tuple[Work, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetState:
    """All that a fleet carries from one turn to the next: plain values, equal if the same."""

    started: bool
    machines: tuple[Memory, ...]
    orders: tuple[Progress, ...]


class StepDone(NamedTuple):
    """One step of an Order, paid by its customer to the machine's owner.

    A hand-over is a step of 0 operations on the machine that is left.
    """

    order: str
    step: int
    machine: str
    customer: str
    operations: int
    moved_byte: int
    energy_uj: int
    price_nano: int


class Waits(NamedTuple):
    """An Order that got no step, and why; `given_up` if it never will."""

    order: str
    reason: str
    remedy: str
    given_up: bool


class Event(NamedTuple):
    """Something to tell: of a machine, or of an Order.

    Machines: "slows", "recovers", "sleeps", "dies", "revives"; the root of the checkpoint with the
    last three. Orders: "starts", "moves", "finishes", "is given up"; the root is "".
    """

    subject: str
    what: str
    root: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What machines did in an interval. Per machine in the fleet's order.

    Attributes
    ----------
    committed_uj
        To be held back from the market, microjoules.
    stage
        Of the interval.
    steps, waits, events
        In the order in which they came about.
    """

    state: FleetState
    committed_uj: tuple[int, ...]
    stage: tuple[Stage, ...]
    steps: tuple[StepDone, ...]
    waits: tuple[Waits, ...]
    events: tuple[Event, ...]

    @property
    def used_uj(self) -> tuple[int, ...]:
        """Drawn from the batteries after the clearing: just what was committed."""
        return self.committed_uj
