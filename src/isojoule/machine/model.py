"""Machines, Orders, and what a piece of work costs in Joules.

The rules:

- A machine is its measured constants: Joules per operation, per byte held for a second, per byte
  moved in or out, and what it draws while awake. The energy of work is linear in them, rounded up.
- It is fed straight from its battery: a Joule used is a Joule less in the battery.
- Machines that differ in kind are compared by operations, so an operation must mean the same on
  all machines of a grid: the same benchmark, measured on each.
- An Order is a job with a deadline and a worth. It is not bought whole but in steps, each no more
  than a machine can do in one interval; each step is estimated, funded and paid by itself, so what
  is done is paid and nothing else is owed.

Spec: docs/spec/machine.md, X1 to X3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from isojoule.core.errors import InputError
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J

MOST = {
    "operations_per_s": 1e24,
    "energy_per_operation_j": 1e12,
    "energy_per_byte_second_j": 1e12,
    "energy_per_byte_j": 1e12,
    "idle_w": 1e12,
}
"""Greater constants are mistakes, and their sums would pass 64 bits."""
MOST_VALUE = 1e9
MOST_COUNT = 1e30


class Refused(NamedTuple):
    """A machine's "no": why, and what would help."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.remedy})"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine by its measured constants.

    Parameters
    ----------
    name
        Unique among the machines of a grid.
    operations_per_s
        What it computes, above 0.
    energy_per_operation_j
        Above its idle draw.
    memory_byte
        What it can hold for one step.
    energy_per_byte_second_j
        To hold a byte for a second.
    energy_per_byte_j
        To move a byte in or out.
    idle_w
        Drawn while awake, whatever it does.

    Raises
    ------
    InputError
        A constant is negative or not finite, or the machine computes nothing.
    """

    name: str
    operations_per_s: float
    energy_per_operation_j: float
    memory_byte: int = 0
    energy_per_byte_second_j: float = 0.0
    energy_per_byte_j: float = 0.0
    idle_w: float = 0.0

    def __post_init__(self) -> None:
        place = f"machine {self.name!r}"
        _need(self.name != "", "the machine has no name", "give it a name of its own", place)
        for column in (
            "operations_per_s",
            "energy_per_operation_j",
            "energy_per_byte_second_j",
            "energy_per_byte_j",
            "idle_w",
        ):
            value = getattr(self, column)
            good = isinstance(value, int | float) and 0 <= value <= MOST[column]
            remedy = f"give a number of 0 or more, at most {MOST[column]:g}"
            _need(good, f"{column} is {value}", remedy, place)
        _need(
            self.operations_per_s > 0,
            "the machine computes nothing",
            "give the operations per second that it was measured at",
            place,
        )
        object.__setattr__(self, "memory_byte", _whole(self.memory_byte, "memory_byte", place))

    def capacity(self, interval_s: int) -> int:
        """Whole operations that it can do in an interval."""
        return int(self.operations_per_s * interval_s)

    def idle_uj(self, interval_s: int) -> int:
        """What an interval awake draws, microjoules, rounded up."""
        return math.ceil(self.idle_w * interval_s * UJ_PER_J)


@dataclass(frozen=True, slots=True)
class Order:
    """A job that pays machines for compute.

    Parameters
    ----------
    name
        Unique among the Orders of a grid.
    customer
        The participant who pays.
    node
        Where it arrives.
    at_s, deadline_s
        When it arrives and when it must be done, epoch seconds UTC.
    operations
        In all, 1 or more.
    memory_byte
        Held while it computes, and carried along when it moves to another machine.
    transfer_byte
        Input and results, carried once if it first runs at another node than it arrived at.
    value
        What it is worth to the customer when all of it is done, money.
    critical
        Whether a machine short of energy still takes it.

    Raises
    ------
    InputError
        Nothing to do, no time to do it in, or a size below 0.
    """

    name: str
    customer: str
    node: str
    at_s: int
    deadline_s: int
    operations: int
    memory_byte: int = 0
    transfer_byte: int = 0
    value: float = 0.0
    critical: bool = False

    def __post_init__(self) -> None:
        place = f"order {self.name!r}"
        _need(self.name != "", "the Order has no name", "give it a name of its own", place)
        for column in ("operations", "memory_byte", "transfer_byte"):
            object.__setattr__(self, column, _whole(getattr(self, column), column, place))
        _need(self.operations > 0, "nothing to do", "give 1 operation or more", place)
        _need(
            self.deadline_s > self.at_s,
            "the deadline is not after the arrival",
            "give a later deadline",
            place,
        )
        _need(
            isinstance(self.value, int | float) and 0 <= self.value <= MOST_VALUE,
            f"value is {self.value}",
            f"give what the finished work is worth, 0 or more, at most {MOST_VALUE:g}",
            place,
        )

    @property
    def value_nano(self) -> int:
        """`value` to the nearest nano-unit."""
        return round(self.value * NANO_PER_UNIT)


def estimate_uj(
    machine: Machine,
    operations: int,
    memory_byte: int = 0,
    duration_s: float = 0.0,
    moved_byte: int = 0,
) -> int:
    """Energy of a piece of work, microjoules, rounded up once.

    Parameters
    ----------
    machine
        Who does it.
    operations
        How many.
    memory_byte, duration_s
        Bytes held, and for how long.
    moved_byte
        Bytes carried in or out.

    Examples
    --------
    >>> estimate_uj(Machine("m", 1e9, 1e-9), 2_000_000_000)
    2000000
    """
    energy_j = (
        operations * machine.energy_per_operation_j
        + memory_byte * duration_s * machine.energy_per_byte_second_j
        + moved_byte * machine.energy_per_byte_j
    )
    return math.ceil(energy_j * UJ_PER_J)


def _need(holds: bool, message: str, remedy: str, place: str) -> None:
    if not holds:
        raise InputError(message, place=place, remedy=remedy)


def _whole(value: float, column: str, place: str) -> int:
    """A count of 0 or more; a table may give it as a float."""
    good = isinstance(value, int | float) and 0 <= value <= MOST_COUNT and value == int(value)
    _need(good, f"{column} is {value}", "give a whole number of 0 or more", place)
    return int(value)
