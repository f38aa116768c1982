"""A small world off the grid, with two machines and their Orders, as data for the writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from isojoule.apps.files.scenario_files import read_scenario, write_scenario
from isojoule.microworld.scenario import Scenario

START = datetime(2016, 7, 11, tzinfo=UTC)
DOC: dict[str, Any] = {
    "isojoule": 1,
    "name": "servers",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "interval": "15 min",
    "lost_load": "2 EUR/kWh",
}


def at(minutes: float) -> datetime:
    """A moment of that day."""
    return START + timedelta(minutes=minutes)


def tables() -> dict[str, dict[str, Any]]:
    """Two homes, each with a battery; farmer has a load, too."""
    return {
        "nodes": {"node": ["barn", "mill"]},
        "links": {"link": ["w"], "from": ["barn"], "to": ["mill"]},
        "participants": {"participant": ["farmer", "miller"]},
        "devices": {
            "device": ["milk", "barn-battery", "mill-battery"],
            "participant": ["farmer", "farmer", "miller"],
            "node": ["barn", "barn", "mill"],
            "kind": ["load", "battery", "battery"],
            "power_w": [1000.0, None, None],
            "capacity_j": [None, 3.6e7, 7.2e7],
            "energy_j": [None, 1.8e7, 1.8e7],
            "charge_power_w": [None, 5e3, 5e3],
            "discharge_power_w": [None, 5e3, 5e3],
            "charge_efficiency": [None, 0.95, 0.95],
            "discharge_efficiency": [None, 0.95, 0.95],
            "v_min_per_j": [None, 2.5e-8, 2.5e-8],
            "v_max_per_j": [None, 7.5e-8, 7.5e-8],
            "tau_s": [None, None, 86400.0],
            "floor": [None, None, 0.25],
        },
        "profiles": {"time": [at(15 * i) for i in range(8)]},
        "machines": {
            "machine": ["m1", "m2"],
            "device": ["mill-battery", "barn-battery"],
            "operations_per_s": [2e9, 1e9],
            "energy_per_operation_j": [1e-9, 3e-9],
            "memory_byte": [16e9, None],
            "energy_per_byte_second_j": [1e-13, None],
            "energy_per_byte_j": [None, 1e-8],
            "idle_w": [5.0, None],
        },
        "orders": {
            "order": ["late", "early"],
            "time": [at(32.5), at(0)],
            "deadline": [at(600), at(30)],
            "participant": ["miller", "farmer"],
            "node": ["barn", "mill"],
            "operations": [3e12, 1.0],
            "memory_byte": [2e9, None],
            "transfer_byte": [None, 5e8],
            "value": [0.02, 0.0],
            "critical": [True, False],
        },
    }


def made(
    folder: Path,
    parts: dict[str, dict[str, Any]] | None = None,
    *,
    file_format: Literal["csv", "parquet"] = "csv",
    **keys: Any,
) -> Scenario:
    """The world, with other tables or further keys, written to `folder/world` and read."""
    doc = {**DOC, **keys}
    return read_scenario(
        write_scenario(folder / "world", doc, parts or tables(), file_format=file_format)
    )
