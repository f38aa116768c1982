"""Read a scenario folder: `scenario.yaml` and its tables, checked, with file, line and remedy.

This module is the door to scenarios on disk: read, write, start a new one, list the bundled ones.

The format is described in docs/scenario.md, the columns in `scenario_columns`.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.places import located
from isojoule.apps.files.quantities import parse_quantity, parse_share
from isojoule.apps.files.scenario_columns import OPTIONAL, TABLES
from isojoule.apps.files.scenario_devices import read_devices, some_index_of
from isojoule.apps.files.scenario_doc import TOLERANCE, ScenarioDoc, read_scenario_doc
from isojoule.apps.files.scenario_forecast import forecast_of
from isojoule.apps.files.scenario_machines import read_machines, read_orders
from isojoule.apps.files.scenario_new import new_scenario
from isojoule.apps.files.scenario_times import read_pauses, read_periods, read_times, steps
from isojoule.apps.files.scenario_write import write_scenario
from isojoule.apps.files.tables import Table, has_table, read_table
from isojoule.apps.files.times import local_text, zone
from isojoule.apps.files.yaml_lines import Lines
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH, PPB
from isojoule.grid import Grid
from isojoule.microworld.scenario import Forecast, Scenario

__all__ = ["bundled", "new_scenario", "read_scenario", "write_scenario"]

DOC_NAME = "scenario.yaml"
LOST_LOAD_PER_KWH = 5.0
UTILITY = "utility"


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
        if stem not in OPTIONAL or has_table(folder, stem)
    }
    participants = _participants(tables["participants"])
    grid = _grid(tables["nodes"], tables["links"], participants)
    utility_node = _utility_node(doc, lines, grid)
    profile_names = tuple(tables["profiles"].numbers)
    lost_load_per_j = _cost(doc, lines, "lost_load", LOST_LOAD_PER_KWH / J_PER_KWH)
    devices = read_devices(tables["devices"], participants, grid, profile_names, lost_load_per_j)
    times_s = read_times(tables["profiles"], tz, interval_s)
    periods = read_periods(doc, lines, tz, times_s, interval_s, tables["profiles"])
    machines, machine_device = read_machines(tables.get("machines"), doc, lines, devices)
    span_s = int(times_s[0]), int(times_s[-1]) + interval_s
    orders = read_orders(tables.get("orders"), tz, participants, grid, span_s, len(machines))
    prices = _prices(tables.get("prices"), doc, folder, tz, times_s)
    forecast = _forecast(doc, lines)
    pauses = read_pauses(doc, lines, tz, times_s, interval_s)
    at = {"": lines.place(), "forecast": lines.place("forecast")}
    at["network dc"] = lines.place("network")
    with located(at.get):
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
            utility_node=utility_node,
            network_fee_per_j=_cost(doc, lines, "network_fee", 0.0),
            periods=periods,
            cyclic_tolerance=_tolerance(doc, lines),
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
            sells_at_per_j=prices["sells_at_per_j"],
            buys_at_per_j=prices["buys_at_per_j"],
            carbon_kg_per_j=prices["carbon_kg_per_j"],
            slack_voltage_pu=doc.slack_voltage_pu,
            baseline=_baseline(doc, lines),
            unserved_cost_per_j=_cost(doc, lines, "unserved_cost", lost_load_per_j),
            stored_value_per_j=_stored_value(doc, lines),
            machines=machines,
            machine_device=machine_device,
            orders=orders,
            forecast=forecast,
            pauses=pauses,
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


def _utility_node(doc: ScenarioDoc, lines: Lines, grid: Grid) -> int:
    """Row of the utility's node, -1 off the grid."""
    if doc.utility is None:
        return -1
    if doc.utility not in grid.node_index:
        raise InputError(
            f"unknown node {doc.utility!r}",
            place=lines.place("utility"),
            remedy="name a node of the table nodes, where the utility's wires begin; off the grid "
            "leave the key out",
        )
    return grid.node_index[doc.utility]


def _baseline(doc: ScenarioDoc, lines: Lines) -> str:
    if doc.baseline == "utility-only" and doc.utility is None:
        raise InputError(
            "there is no utility to be alone with",
            place=lines.place("baseline"),
            remedy="use `baseline: autarky`, or name the utility's node",
        )
    return doc.baseline or ("autarky" if doc.utility is None else "utility-only")


def _tolerance(doc: ScenarioDoc, lines: Lines) -> float | None:
    """How near to its start each period must end, as a share of capacity."""
    if doc.cyclic is None:
        return None
    place = lines.place("cyclic", "tolerance")
    share = parse_share(doc.cyclic.tolerance, place=place)
    if not 0 < share < 1:
        raise InputError(
            f"tolerance: {doc.cyclic.tolerance} is no such share", place=place, remedy=TOLERANCE
        )
    return share


def _forecast(doc: ScenarioDoc, lines: Lines) -> Forecast | None:
    if doc.forecast is None:
        return None
    return forecast_of(doc.forecast, lambda key: lines.place("forecast", key))


def _cost(doc: ScenarioDoc, lines: Lines, key: str, default: float) -> float:
    """A key that holds a cost of 0 or more, money/J."""
    given = getattr(doc, key)
    if given is None:
        return default
    place = lines.place(key)
    value = parse_quantity(given, "money/J", place=place, currency=doc.currency)
    if value < 0:
        raise InputError(
            f"{key} is negative", place=place, remedy=f"give 0 or more, as '5 {doc.currency}/kWh'"
        )
    return value


def _stored_value(doc: ScenarioDoc, lines: Lines) -> float | None:
    if doc.stored_value is None:
        return None
    place = lines.place("stored_value")
    return parse_quantity(doc.stored_value, "money/J", place=place, currency=doc.currency)


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
    some_index_of(links, "owner", "participant", participants)
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
    table: Table | None, doc: ScenarioDoc, folder: Path, tz: ZoneInfo, times_s: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """The columns of the price table at each time; nan off the grid."""
    names = ("sells_at_per_j", "buys_at_per_j", "carbon_kg_per_j")
    if doc.utility is None:
        if table is not None:
            raise InputError(
                "there are prices, but no utility",
                place=table.place(),
                remedy="off the grid remove this table; else name the utility's node by the key "
                f"`utility` in {DOC_NAME}",
            )
        return {name: np.full(len(times_s), np.nan) for name in names}
    if table is None:
        raise InputError(
            "the table 'prices' is missing",
            place=str(folder),
            remedy="add prices.csv with the columns time, sells_at_per_j, buys_at_per_j; off the "
            f"grid leave `utility` out of {DOC_NAME}",
        )
    rows = steps(table, tz, times_s)
    held = {}
    for name in names:
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
    return {name: values[rows] for name, values in held.items()}
