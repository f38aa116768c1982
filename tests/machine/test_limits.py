"""Constants and Orders that no sum could hold are refused. Spec: docs/spec/machine.md, X1 to X3."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isojoule.core.errors import InputError
from isojoule.machine import Machine, Order


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("operations_per_s", 1e308),
        ("operations_per_s", "5"),
        ("energy_per_operation_j", 1e305),
        ("energy_per_byte_second_j", float("nan")),
        ("energy_per_byte_j", float("inf")),
        ("idle_w", 1e305),
        ("memory_byte", 1e300),
    ],
)
def test_a_machine_beyond_all_measure_is_refused(column: str, value: Any) -> None:
    constants: dict[str, Any] = {"operations_per_s": 1e9, "energy_per_operation_j": 1e-9}
    with pytest.raises(InputError, match=re.escape(f"{column} is {value}")):
        Machine("m", **{**constants, column: value})


@pytest.mark.parametrize(("column", "value"), [("value", 1e300), ("operations", "5")])
def test_an_order_beyond_all_measure_is_refused(column: str, value: Any) -> None:
    given: dict[str, Any] = {"operations": 5, "value": 1.0, column: value}
    with pytest.raises(InputError, match=re.escape(f"{column} is {value}")):
        Order("o", "c", "n", 0, 900, **given)
