"""Read a scenario folder: `scenario.yaml` and its tables, checked, with file, line and remedy.

This module is the door to scenarios on disk: read, write, start a new one, list the bundled ones.

The format is described in docs/scenario.md, the columns in `scenario_columns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import parse_quantity
from isojoule.apps.files.scenario_columns import NEEDED_BY, TABLES, USED_BY
from isojoule.apps.files.scenario_doc import ScenarioDoc, read_scenario_doc
from isojoule.apps.files.scenario_new import new_scenario
from isojoule.apps.files.scenario_times import read_periods, read_times, steps
from isojoule.apps.files.scenario_write import write_scenario
from isojoule.apps.files.tables import Table, read_table
from isojoule.apps.files.times import local_text, zone
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH, PPB
from isojoule.grid import Grid
from isojoule.microworld.devices import KIND_NAMES, DeviceKind
from isojoule.microworld.scenario import Devices, Scenario

__all__ = ["bundled", "new_scenario", "read_scenario", "write_scenario"]

DOC_NAME = "scenario.yaml"
LOST_LOAD_PER_KWH = 5.0
UTILITY = "utility"
_DEFAULTS = {"reserve_j": 0.0, "self_discharge_per_month": 0.0, "k": 1.0}


def bundled() -> dict[str, Path]:
    """The scenarios that come with Isojoule: name to folder, sorted."""
    import isojoule

    root = Path(isojoule.__file__).parent / "scenarios"
    return {file.parent.name: file.parent for file in sorted(root.glob(f"*/{DOC_NAME}"))}


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from its folder (or from the path of its `scenario.yaml`).

    Raises
    ------
    InputError
        The first thing that is wrong, with file, line and remedy.
    """
    folder = path.parent if path.name == DOC_NAME else path
    if not (folder / DOC_NAME).is_file():
        raise InputError(
            f"there is no {DOC_NAME}",
            place=str(folder),
            remedy="give a scenario's folder; `isojoule new DIR` makes one to edit, "
            "`isojoule scenarios` lists those that come along",
        )
    doc, lines = read_scenario_doc(folder / DOC_NAME)
    tz = zone(doc.timezone, place=lines.place("timezone"))
    interval_s = _interval_s(doc, lines)
    tables = {
        stem: read_table(
            folder, stem, columns, currency=doc.currency, open_numbers=stem == "profiles"
        )
        for stem, columns in TABLES.items()
    }
    participants = _participants(tables["participants"])
    grid = _grid(tables["nodes"], tables["links"], participants)
    if doc.utility not in grid.node_index:
        raise InputError(
            f"unknown node {doc.utility!r}",
            place=lines.place("utility"),
            remedy="name a node of the table nodes, where the utility's wires begin",
        )
    profile_names = tuple(tables["profiles"].numbers)
    devices = _devices(tables["devices"], participants, grid, profile_names, _lost_load(doc, lines))
    times_s = read_times(tables["profiles"], tz, interval_s)
    periods = read_periods(doc, lines, tz, times_s, interval_s, tables["profiles"])
    rows, held = _prices(tables["prices"], tz, times_s)
    scenario_lines = {"": lines.place()}
    with located(scenario_lines.get):
        return Scenario(
            name=doc.name,
            title=doc.title or doc.name,
            description=doc.description,
            attribution=doc.attribution,
            currency=doc.currency,
            timezone=doc.timezone,
            network=doc.network,
            mechanism=doc.mechanism,
            interval_s=interval_s,
            utility_node=grid.node_index[doc.utility],
            network_fee_per_j=parse_quantity(
                doc.network_fee,
                "money/J",
                place=lines.place("network_fee"),
                currency=doc.currency,
            ),
            periods=periods,
            cyclic_tolerance=doc.cyclic.tolerance if doc.cyclic else None,
            max_rounds=doc.cyclic.max_rounds if doc.cyclic else 1,
            grid=grid,
            participants=tuple(participants),
            labels=tuple(
                label or name
                for label, name in zip(
                    tables["participants"].text("label"), participants, strict=True
                )
            ),
            devices=devices,
            times_s=times_s,
            profile_names=profile_names,
            profiles=_profiles(tables["profiles"], profile_names, times_s, tz),
            sells_at_per_j=held["sells_at_per_j"][rows],
            buys_at_per_j=held["buys_at_per_j"][rows],
            carbon_kg_per_j=held["carbon_kg_per_j"][rows],
            slack_voltage_pu=doc.slack_voltage_pu,
        )


def _interval_s(doc: ScenarioDoc, lines: Lines) -> int:
    seconds = parse_quantity(doc.interval, "s", place=lines.place("interval"))
    if seconds <= 0 or seconds != round(seconds):
        raise InputError(
            f"an interval of {doc.interval} is not a positive number of whole seconds",
            place=lines.place("interval"),
            remedy="write it as '15 min'",
        )
    return round(seconds)


def _lost_load(doc: ScenarioDoc, lines: Lines) -> float:
    if doc.lost_load is None:
        return LOST_LOAD_PER_KWH / J_PER_KWH
    place = lines.place("lost_load")
    value = parse_quantity(doc.lost_load, "money/J", place=place, currency=doc.currency)
    if value < 0:
        raise InputError("lost_load is negative", place=place, remedy="give it as '5 EUR/kWh'")
    return value


def _participants(table: Table) -> list[str]:
    names = table.unique("participant", "participant")
    if UTILITY in names:
        raise InputError(
            f"the name {UTILITY!r} is reserved",
            place=table.place(names.index(UTILITY)),
            remedy="the utility is there already; rename this participant",
        )
    return names


def _grid(nodes: Table, links: Table, participants: list[str]) -> Grid:
    node_ids = nodes.unique("node", "node")
    link_ids = links.unique("link", "link")
    owners = links.text("owner")
    _optional(links, "owner", "participant", participants)
    at = {f"link {name!r}": links.place(row) for row, name in enumerate(link_ids)}
    loss = links.number("loss", 0.0)
    for bad in np.flatnonzero(~((loss >= 0) & (loss < 1))):
        raise InputError(
            f"loss of {loss[bad]:g} is outside 0 <= loss < 1",
            place=links.place(int(bad)),
            remedy="give the share of the energy that is lost, as 0.02",
        )
    with located(at.get):
        return Grid(
            node_ids=tuple(node_ids),
            link_ids=tuple(link_ids),
            link_from=links.index_of("from", "node", node_ids),
            link_to=links.index_of("to", "node", node_ids),
            capacity_w=links.number("capacity_w", np.inf),
            loss_ppb=np.round(loss * PPB).astype(np.int64),
            resistance_ohm=links.number("resistance_ohm", 0.0),
            reactance_ohm=links.number("reactance_ohm", 0.0),
            voltage_v=links.number("voltage_v"),
            standing_loss_w=links.number("standing_loss_w", 0.0),
            price_per_j=links.number("price_per_j", 0.0),
            owner=tuple(owners),
            kind=tuple(links.text("kind", "link")),
            node_voltage_v=nodes.number("voltage_v"),
            min_voltage_pu=nodes.number("min_voltage_pu"),
            max_voltage_pu=nodes.number("max_voltage_pu"),
            x=nodes.number("x"),
            y=nodes.number("y"),
        )


def _optional(table: Table, name: str, what: str, known: Sequence[str]) -> NDArray[np.int32]:
    """As `Table.index_of`, with -1 where the cell is empty."""
    index = table.index_of(name, what, (*known, ""), of=table.text(name))
    return np.where(index == len(known), -1, index).astype(np.int32)


def _devices(
    table: Table,
    participants: list[str],
    grid: Grid,
    profile_names: tuple[str, ...],
    lost_load_per_j: float,
) -> Devices:
    ids = table.unique("device", "device")
    kind = table.index_of("kind", "kind", KIND_NAMES).astype(np.uint8)
    _check_applies(table)
    load, pv, battery = (kind == code for code in DeviceKind)
    profile = _optional(table, "profile", "profile", profile_names)

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


def _profiles(
    table: Table, names: tuple[str, ...], times_s: NDArray[np.int64], tz: ZoneInfo
) -> NDArray[np.float64]:
    profiles = np.empty((table.rows, len(names)))
    for column, name in enumerate(names):
        profiles[:, column] = table.numbers[name]
    gaps = np.argwhere(np.isnan(profiles))
    if len(gaps):
        row, column = (int(i) for i in gaps[0])
        raise InputError(
            f"gap in profile {names[column]!r} at {local_text(int(times_s[row]), tz)}",
            place=table.place(row),
            remedy="fill in the value; 0 if nothing was used",
        )
    return profiles


def _prices(
    table: Table, tz: ZoneInfo, times_s: NDArray[np.int64]
) -> tuple[NDArray[np.intp], dict[str, NDArray[np.float64]]]:
    """Row of the price table that holds at each time, and its columns."""
    rows = steps(table, tz, times_s)
    held = {}
    for name in ("sells_at_per_j", "buys_at_per_j", "carbon_kg_per_j"):
        held[name] = values = table.number(name)
        for row in np.flatnonzero(np.isnan(values)) if name in table.numbers else ():
            raise InputError(
                f"gap in {name}", place=table.place(int(row)), remedy="fill in the value"
            )
    for row in np.flatnonzero(held["buys_at_per_j"] > held["sells_at_per_j"]):
        raise InputError(
            "the utility buys dearer than it sells",
            place=table.place(int(row)),
            remedy="lower buys_at or raise sells_at: else energy would run in circles for money",
        )
    return rows, held
