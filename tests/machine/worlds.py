"""Small machines, batteries and Orders for tests."""

from __future__ import annotations

from typing import Any

from isojoule.core.units import UJ_PER_J
from isojoule.machine import Host, Machine, Order, Stage
from isojoule.valuation import Battery

DT = 100
"""Length of an interval, s."""


def machine(name: str = "m", **changes: Any) -> Machine:
    """1 J an operation, 10 operations a second, nothing else costs anything."""
    given: dict[str, Any] = {"operations_per_s": 10.0, "energy_per_operation_j": 1.0}
    return Machine(name, **{**given, "memory_byte": 1000, **changes})


def battery(level: float, capacity_j: float = 1e6, **changes: Any) -> Battery:
    """Filled to `level`; v runs from 0.1 (full) to 1.1 (empty) along a line."""
    capacity = round(capacity_j * UJ_PER_J)
    given: dict[str, Any] = {"v_min_per_j": 0.1, "v_max_per_j": 1.1}
    return Battery(round(level * capacity), capacity, **{**given, **changes})


def order(name: str = "o", **changes: Any) -> Order:
    """500 operations, worth more than anything costs."""
    given: dict[str, Any] = {
        "customer": "ada",
        "node": "home",
        "at_s": 0,
        "deadline_s": 10_000,
        "operations": 500,
        "value": 1e9,
    }
    return Order(name, **{**given, **changes})


def host(
    level: float = 1.0, owner: str = "bo", before: Stage = Stage.NORMAL, **changes: Any
) -> Host:
    """A machine at the start of an interval; `changes` are of the machine."""
    return Host.begin(machine(**changes), owner, battery(level), before, 0, DT)
