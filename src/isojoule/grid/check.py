"""What no grid may be: refused with the node or link that is wrong, and a remedy.

Everything is looked at as arrays, so that thirty million links are checked in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.names import Names, first_repeat
from isojoule.core.units import PPB

if TYPE_CHECKING:
    from isojoule.grid.network import Grid

Bools = NDArray[np.bool_]

FILLERS: dict[str, str | int | float] = {
    "capacity_w": np.inf,
    "loss_ppb": 0,
    "resistance_ohm": 0.0,
    "reactance_ohm": 0.0,
    "voltage_v": np.nan,
    "standing_loss_w": 0.0,
    "price_per_j": 0.0,
    "owner": "",
    "kind": "link",
}
"""What stands in the columns of links that are not given."""
PER_NODE = ("node_voltage_v", "min_voltage_pu", "max_voltage_pu", "x", "y")


def check_grid(grid: Grid) -> None:
    """Refuse a grid that cannot exist; fill in the columns that are not given.

    Raises
    ------
    InputError
        Duplicate names, unknown ends, negative or missing numbers; names the node or link.
    """
    for what, names in (("node", grid.node_ids), ("link", grid.link_ids)):
        twice = first_repeat(names)
        if twice >= 0:
            raise InputError(
                f"{what} {names[twice]!r} stands twice", remedy=f"give each {what} one name"
            )
    _nodes(grid)
    for name, value in FILLERS.items():
        if not len(getattr(grid, name)) and grid.link_count:
            object.__setattr__(grid, name, _filler(value, grid.link_count))
        _sized(getattr(grid, name), name, grid.link_count, "link")
    for end in ("link_from", "link_to"):
        _sized(getattr(grid, end), end, grid.link_count, "link")
    if grid.link_count:
        _links(grid)


def refuse(bad: Bools, names: Sequence[str], what: str, message: str, remedy: str) -> None:
    """Refuse the first that is bad.

    Raises
    ------
    InputError
        Names it.
    """
    if bad.any():
        raise InputError(message, place=f"{what} {names[int(np.argmax(bad))]!r}", remedy=remedy)


def _filler(value: str | float, count: int) -> Names | NDArray[Any]:
    """A column of one value that takes no memory; zeros are the system's, until written."""
    if isinstance(value, str):
        return Names.repeated(value, count)
    dtype = np.int64 if isinstance(value, int) else np.float64
    return np.zeros(count, dtype) if value == 0 else np.broadcast_to(dtype(value), (count,))


def _sized(column: Any, name: str, count: int, what: str) -> None:
    given = len(column)
    if given != count:
        raise InputError(
            f"{name} has {given} entries for {count} {what}s", remedy=f"give one for each {what}"
        )


def _nodes(grid: Grid) -> None:
    def check(bad: Bools, message: str, remedy: str) -> None:
        refuse(bad, grid.node_ids, "node", message, remedy)

    given = {name: getattr(grid, name) for name in PER_NODE if getattr(grid, name) is not None}
    for name, column in given.items():
        _sized(column, name, grid.node_count, "node")
        if name in ("x", "y"):
            check(np.isinf(column), f"{name} is not finite", "give a coordinate, or nan for none")
            continue
        what = name.removesuffix("_v").removesuffix("_pu").replace("_", " ")
        what = what.removeprefix("node ")
        check(
            ~(np.isnan(column) | ((column > 0) & (column < np.inf))),
            f"{what} is not above 0 and finite",
            "give a voltage above 0, or nan for none",
        )
    if "min_voltage_pu" in given and "max_voltage_pu" in given:
        check(
            given["min_voltage_pu"] > given["max_voltage_pu"],
            "min_voltage_pu is above max_voltage_pu",
            "exchange or correct them",
        )


def _links(grid: Grid) -> None:
    def check(bad: Bools, message: str, remedy: str) -> None:
        refuse(bad, grid.link_ids, "link", message, remedy)

    nodes = grid.node_count
    for ends in (grid.link_from, grid.link_to):
        if not np.issubdtype(ends.dtype, np.integer):
            raise InputError(
                "the ends of links are not whole numbers", remedy="give positions of nodes"
            )
        check((ends < 0) | (ends >= nodes), "an end is not a node", "name an existing node")
    check(grid.link_from == grid.link_to, "both ends are one node", "connect two nodes")
    check(~(grid.capacity_w >= 0), "capacity is negative or not a number", "give W of 0 or more")
    check(
        ~((grid.loss_ppb >= 0) & (grid.loss_ppb < PPB)),
        "loss is outside 0 <= loss < 1",
        "give the share of the energy that is lost, as 0.02",
    )
    if not np.issubdtype(grid.loss_ppb.dtype, np.integer):
        raise InputError(
            "losses are not whole parts of 1e-9", remedy="give loss_ppb as int64, 2 % as 20_000_000"
        )
    for name, what, unit in (
        ("resistance_ohm", "resistance", "ohm"),
        ("standing_loss_w", "standing loss", "W"),
        ("price_per_j", "price", ""),
    ):
        column = getattr(grid, name)
        check(
            ~((column >= 0) & (column < np.inf)),
            f"{what} is negative or not a finite number",
            f"give {unit} of 0 or more" if unit else "give a price of 0 or more",
        )
    check(
        ~np.isfinite(grid.reactance_ohm),
        "reactance is not a finite number",
        "give ohm, or 0 for none",
    )
    check(
        (grid.resistance_ohm > 0) & ~(grid.voltage_v > 0),
        "resistance without a voltage",
        "give the link's voltage, as '400 V'",
    )
    check(
        (grid.voltage_v <= 0) | np.isinf(grid.voltage_v),
        "voltage is not above 0 and finite",
        "give the link's voltage, as '400 V', or nan for none",
    )
