"""The tables `machines` and `orders` of a scenario: who computes, fed by what, and for whom.

Both may be missing. Machines and Orders check themselves; here their errors get file and line, and
names are matched with the other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import located
from isojoule.apps.files.scenario_columns import TABLES
from isojoule.apps.files.scenario_doc import ScenarioDoc
from isojoule.apps.files.scenario_times import epochs
from isojoule.apps.files.tables import Table
from isojoule.apps.files.times import local_text
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.grid import Grid
from isojoule.machine import Machine, Order
from isojoule.microworld.devices import DeviceKind, Devices

_FLAGS = {
    **dict.fromkeys(("true", "1", "1.0"), True),
    **dict.fromkeys(("false", "0", "0.0", "", "nan"), False),  # nan: an empty cell of numbers
}


def read_machines(
    table: Table | None, doc: ScenarioDoc, lines: Lines, devices: Devices
) -> tuple[tuple[Machine, ...], NDArray[np.int32]]:
    """The machines, and the row of the battery that feeds each.

    Raises
    ------
    InputError
        A machine that cannot be, or no battery of its own, with its line; a cyclic scenario.
    """
    if table is None or table.rows == 0:
        return (), np.zeros(0, np.int32)
    names = table.unique("machine", "machine")
    device = table.index_of("device", "device", devices.ids)
    first: dict[int, int] = {}
    for row, fed_by in enumerate(device.tolist()):
        if devices.kind[fed_by] != DeviceKind.BATTERY:
            raise InputError(
                f"machine {names[row]!r} is not fed by a battery: {devices.ids[fed_by]!r} is none",
                place=table.place(row),
                remedy="name a device of kind battery",
            )
        if fed_by in first:
            raise InputError(
                f"machine {names[row]!r} shares the battery {devices.ids[fed_by]!r} with "
                f"{names[first[fed_by]]!r}",
                place=table.place(row),
                remedy="give each machine a battery of its own",
            )
        first[fed_by] = row
    if doc.cyclic is not None:
        raise InputError(
            "a world with machines cannot be cyclic: Orders come once",
            place=lines.place("cyclic"),
            remedy="remove `cyclic`, or the table machines",
        )
    number = {name: _numbers(table, "machines", name) for name in _number_columns("machines")}
    with located({f"machine {name!r}": table.place(row) for row, name in enumerate(names)}.get):
        machines = tuple(
            Machine(
                name=name,
                operations_per_s=float(number["operations_per_s"][row]),
                energy_per_operation_j=float(number["energy_per_operation_j"][row]),
                memory_byte=number["memory_byte"][row],
                energy_per_byte_second_j=float(number["energy_per_byte_second_j"][row]),
                energy_per_byte_j=float(number["energy_per_byte_j"][row]),
                idle_w=float(number["idle_w"][row]),
            )
            for row, name in enumerate(names)
        )
    return machines, device


def read_orders(
    table: Table | None,
    tz: ZoneInfo,
    participants: Sequence[str],
    grid: Grid,
    span_s: tuple[int, int],
    machines: int,
) -> tuple[Order, ...]:
    """The Orders, in the table's order.

    Parameters
    ----------
    span_s
        First moment of the profiles and the moment after their last, epoch seconds.
    machines
        How many there are.

    Raises
    ------
    InputError
        An Order that cannot be, or that nobody could take, with its line.
    """
    if table is None or table.rows == 0:
        return ()
    if not machines:
        raise InputError(
            "there are Orders, but no machine",
            place=table.place(0),
            remedy="add the table machines, or remove this one",
        )
    names = table.unique("order", "order")
    table.index_of("participant", "participant", participants)
    table.index_of("node", "node", grid.node_ids)
    at_s, deadline_s = epochs(table, tz), epochs(table, tz, "deadline")
    for row in np.flatnonzero((at_s < span_s[0]) | (at_s >= span_s[1])):
        arrival = local_text(int(at_s[row]), tz)
        raise InputError(
            f"order {names[row]!r} arrives at {arrival}, outside the profiles",
            place=table.place(int(row)),
            remedy=f"give a time from {local_text(span_s[0], tz)} to before "
            f"{local_text(span_s[1], tz)}",
        )
    number = {name: _numbers(table, "orders", name) for name in _number_columns("orders")}
    critical = [_flag(table, row, cell) for row, cell in enumerate(table.text("critical"))]
    with located({f"order {name!r}": table.place(row) for row, name in enumerate(names)}.get):
        return tuple(
            Order(
                name=name,
                customer=table.texts["participant"][row],
                node=table.texts["node"][row],
                at_s=int(at_s[row]),
                deadline_s=int(deadline_s[row]),
                operations=number["operations"][row],
                memory_byte=number["memory_byte"][row],
                transfer_byte=number["transfer_byte"][row],
                value=float(number["value"][row]),
                critical=critical[row],
            )
            for row, name in enumerate(names)
        )


def _number_columns(stem: str) -> list[str]:
    return [column.name for column in TABLES[stem] if column.kind not in ("text", "time")]


def _numbers(table: Table, stem: str, name: str) -> NDArray[np.float64]:
    """A column of numbers, 0 where it may be empty and is; counts are made whole.

    A count that a unit has moved off a whole number by the last place of a float ("0.3 GB") is
    that whole number; any other fraction stays, and is refused by what takes it.
    """
    column = next(column for column in TABLES[stem] if column.name == name)
    values = table.number(name)
    for row in np.flatnonzero(np.isnan(values)) if column.required else ():
        raise InputError(f"no {name}", place=table.place(int(row)), remedy="fill it in")
    values = np.nan_to_num(values, nan=0.0)
    if column.kind == "byte" or name == "operations":
        whole = np.rint(values)
        values = np.where(np.abs(values - whole) <= 1e-12 * np.abs(whole), whole, values)
    return values


def _flag(table: Table, row: int, cell: str) -> bool:
    if cell.lower() not in _FLAGS:
        raise InputError(
            f"critical is {cell!r}", place=table.place(row), remedy="write true or false"
        )
    return _FLAGS[cell.lower()]
