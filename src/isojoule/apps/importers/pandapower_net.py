"""A pandapower net, as a file, to a scenario.

Such a net is one moment, without time series: every load and generator runs at its given power all
day. A household is a bus: participant `h...` owns all loads, generators and batteries there.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from isojoule.apps.files.scenario_write import empty_folder, write_scenario
from isojoule.apps.importers.common import (
    LOST_LOAD,
    BatteryDefaults,
    Imported,
    Tariff,
    columns,
    heavy,
)
from isojoule.apps.importers.feeder import Feeder, read_feeder
from isojoule.core.errors import InputError

DAY = datetime(2026, 6, 21, tzinfo=UTC)


def import_pandapower(
    file: Path,
    folder: Path,
    *,
    tariff: Tariff | None = None,
    batteries: BatteryDefaults | None = None,
) -> Imported:
    """Turn a pandapower file (JSON) into a scenario folder.

    Parameters
    ----------
    file
        Written by `pandapower.to_json`. Read only files that you trust: the format can name
        Python classes.
    folder
        New or empty.

    Raises
    ------
    InputError
        pandapower is missing, the file is not readable, or holds what is not modelled.
    """
    pandapower = heavy("pandapower")
    if not file.is_file():
        raise InputError("there is no such file", place=str(file), remedy="check the path")
    empty_folder(folder)
    try:
        net = pandapower.from_json(str(file))
        if not isinstance(net, pandapower.pandapowerNet):
            raise TypeError("it holds no net")
    except Exception as error:
        raise InputError(
            f"not readable as a pandapower net: {error}",
            place=str(file),
            remedy="write it with pandapower.to_json(net, file)",
        ) from error
    feeder = read_feeder(net)
    rows, warnings = net_devices(net, feeder, tariff or Tariff(), batteries or BatteryDefaults())
    warnings = [
        *feeder.warnings,
        *warnings,
        "the net has no time series: all runs at constant power for one day",
    ]
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in file.stem.lower()).strip("-")
    doc = {
        "isojoule": 1,
        "name": name or "imported",
        "title": f"Imported from {file.name}",
        "description": "A pandapower net. It has no time series: every load and generator runs at "
        "constant power for one day. " + " ".join(f"{w[0].upper()}{w[1:]}." for w in warnings),
        "attribution": f"imported from {file.name}; see its source for the licence",
        "currency": "EUR",
        "timezone": "UTC",
        "interval": "15 min",
        "network": "transport",
        "mechanism": "equilibrium",
        "utility": "utility",
        "lost_load": LOST_LOAD,
        "network_fee": "0 EUR/kWh",
        "slack_voltage_pu": feeder.slack_voltage_pu,
    }
    times = [DAY + timedelta(minutes=15 * i) for i in range(96)]
    tables: dict[str, dict[str, Any]] = {
        "nodes": columns(feeder.nodes),
        "links": columns(feeder.links),
        "participants": participants(rows, {}),
        "devices": columns(rows),
        "profiles": {"time": times, "constant": [1.0] * len(times)},
        "prices": (tariff or Tariff()).prices(DAY),
    }
    return Imported(write_scenario(folder, doc, tables), tuple(warnings))


def net_devices(
    net: Any, feeder: Feeder, tariff: Tariff, batteries: BatteryDefaults
) -> tuple[list[dict[str, Any]], list[str]]:
    """Loads, generators and storages as rows of the table `devices`, at constant power."""
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for kind, table in (("load", net.load), ("pv", net.sgen)):
        for element in supplied(table, feeder, kind, warnings):
            power_w = round(element.p_mw * element.scaling * 1e6, 6)
            if kind == "pv" and power_w < 0:
                warnings.append(f"static generator {element.name!r} draws power: left out")
                continue
            reactive_w = element.q_mvar * element.scaling * 1e6
            factor = power_factor(power_w, reactive_w)
            row = {"profile": "constant", "power_w": power_w, "power_factor": factor}
            rows.append({**head(feeder, int(element.bus), kind, kind), **row})
    others = net.sgen[net.sgen.in_service & (net.sgen.type != "PV")] if len(net.sgen) else []
    if len(others):
        warnings.append(f"{len(others)} generators that are no PV are curtailable like PV")
    for element in supplied(net.storage, feeder, "battery", warnings):
        powers = [element.p_mw * element.scaling]
        powers += [getattr(element, name, math.nan) for name in ("max_p_mw", "min_p_mw", "sn_mva")]
        power_w = max((abs(p) for p in powers if math.isfinite(p)), default=0.0) * 1e6
        capacity_j = element.max_e_mwh * 3.6e9
        if not (capacity_j > 0 and power_w > 0):
            warnings.append(f"storage {element.name!r} has no capacity or power: left out")
            continue
        row = batteries.row(capacity_j, power_w, tariff)
        charge = getattr(element, "soc_percent", math.nan)
        if 0 < charge <= 100:
            row["energy_j"] = charge / 100 * capacity_j
        rows.append({**head(feeder, int(element.bus), "battery", "battery"), **row})
    number_doubles(rows)
    some_devices(rows)
    return rows, warnings


def some_devices(rows: list[dict[str, Any]]) -> None:
    """Refuse a net that leaves nobody to trade.

    Raises
    ------
    InputError
        There are no devices.
    """
    if not rows:
        raise InputError(
            "there is nothing to trade: no load, generator or storage that is supplied",
            place="net",
            remedy="put elements in service, and close the switches between them and the supply",
        )


def supplied(table: Any, feeder: Feeder, kind: str, warnings: list[str]) -> list[Any]:
    """Rows of an element table that are in service at a bus with supply."""
    live = [row for row in table.itertuples() if row.in_service]
    kept = [row for row in live if int(row.bus) in feeder.node_of]
    if len(kept) < len(live):
        warnings.append(f"{len(live) - len(kept)} of kind {kind} have no supply: left out")
    return kept


def head(feeder: Feeder, bus: int, kind: str, word: str) -> dict[str, Any]:
    """The first columns of a device at a bus: `h023-pv` of household `h023` at node `n023`."""
    node = feeder.node_of[bus]
    owner = f"h{feeder.tag_of.get(node, '-' + node)}"
    return {"device": f"{owner}-{word}", "participant": owner, "node": node, "kind": kind}


def power_factor(power_w: float, reactive_w: float) -> float:
    """P/S for a lagging load, 1 where there is no reactive power or it leads."""
    apparent = math.hypot(power_w, reactive_w)
    if apparent == 0 or power_w == 0 or reactive_w * power_w <= 0:
        return 1.0
    return round(abs(power_w) / apparent, 6)


def number_doubles(rows: list[dict[str, Any]]) -> None:
    """Sort devices by owner and kind, and number those of one name: h023-car, h023-car2."""
    order = {"load": 0, "pv": 1, "battery": 2}
    rows.sort(key=lambda row: (row["participant"], order[row["kind"]]))
    seen: dict[str, int] = {}
    for row in rows:
        name = row["device"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            row["device"] = f"{name}{seen[name]}"


def participants(rows: list[dict[str, Any]], labels: dict[str, str]) -> dict[str, list[str]]:
    """The table `participants`: all owners of devices, sorted."""
    names = sorted({row["participant"] for row in rows})
    return {"participant": names, "label": [labels.get(name, name) for name in names]}
