"""The table `devices` of a scenario: each kind has its columns, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import located
from isojoule.apps.files.scenario_columns import NEEDED_BY, TABLES, USED_BY
from isojoule.apps.files.tables import Table
from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.microworld.devices import KIND_NAMES, DeviceKind, Devices

_DEFAULTS = {"reserve_j": 0.0, "self_discharge_per_month": 0.0, "k": 1.0}


def read_devices(
    table: Table,
    participants: list[str],
    grid: Grid,
    profile_names: tuple[str, ...],
    lost_load_per_j: float,
) -> Devices:
    """The devices of a scenario, each row checked.

    Parameters
    ----------
    lost_load_per_j
        Worth of a Joule not served, where a load gives none, money/J.

    Raises
    ------
    InputError
        The first row that is wrong, with its line.
    """
    ids = table.unique("device", "device")
    kind = table.index_of("kind", "kind", KIND_NAMES).astype(np.uint8)
    _check_applies(table)
    load, pv, battery = (kind == code for code in DeviceKind)
    profile = some_index_of(table, "profile", "profile", profile_names)

    def number(name: str, rows: NDArray[np.bool_], default: float) -> NDArray[np.float64]:
        return np.where(rows, table.number(name, default), np.nan)

    battery_numbers = {
        column.name: number(column.name, battery, _DEFAULTS.get(column.name, np.nan))
        for column in TABLES["devices"]
        if column.name in USED_BY["battery"] and column.name != "v_critical_per_j"
    }
    critical = number("v_critical_per_j", battery, np.nan)
    unset = np.isnan(critical)
    critical[unset] = battery_numbers["v_max_per_j"][unset]
    at = {f"device {name!r}": table.place(row) for row, name in enumerate(ids)}
    with located(at.get):
        return Devices(
            ids=tuple(ids),
            participant=table.index_of("participant", "participant", participants),
            node=table.index_of("node", "node", grid.node_ids),
            kind=kind,
            profile=profile,
            power_w=number("power_w", ~battery, np.nan),
            power_factor=number("power_factor", ~battery, 1.0),
            lost_load_per_j=number("lost_load_per_j", load, lost_load_per_j),
            spill_value_per_j=number("spill_value_per_j", pv, 0.0),
            v_critical_per_j=critical,
            **battery_numbers,
        )


def _check_applies(table: Table) -> None:
    """Refuse a value that a device's kind has no use for, or lacks."""
    kinds = table.texts["kind"]
    filled = {name: ~np.isnan(values) for name, values in table.numbers.items()}
    filled["profile"] = np.array([bool(name) for name in table.text("profile")], dtype=np.bool_)
    for kind in KIND_NAMES:
        rows = np.array([value == kind for value in kinds], dtype=np.bool_)
        for name, there in filled.items():
            if name not in USED_BY[kind] and (rows & there).any():
                row = int(np.flatnonzero(rows & there)[0])
                raise InputError(
                    f"{name} does not apply to a {kind}",
                    place=table.place(row),
                    remedy=f"leave it empty; a {kind} has {', '.join(sorted(USED_BY[kind]))}",
                )
        for name in NEEDED_BY[kind]:
            lacking = rows & ~filled.get(name, np.zeros(table.rows, dtype=np.bool_))
            if lacking.any():
                raise InputError(
                    f"a {kind} without {name}",
                    place=table.place(int(np.flatnonzero(lacking)[0])),
                    remedy="fill it in",
                )
    none = np.zeros(table.rows, dtype=np.bool_)
    for alone in np.flatnonzero(filled.get("floor", none) & ~filled.get("tau_s", none)):
        raise InputError(
            "a floor without tau_s",
            place=table.place(int(alone)),
            remedy="give tau_s, the time in which idle energy perishes, or leave floor empty",
        )


def some_index_of(table: Table, name: str, what: str, known: Sequence[str]) -> NDArray[np.int32]:
    """As `Table.index_of`, with -1 where the cell is empty."""
    index = table.index_of(name, what, (*known, ""), of=table.text(name))
    return np.where(index == len(known), -1, index).astype(np.int32)
