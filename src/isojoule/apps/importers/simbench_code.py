"""A SimBench grid, by its code, to a scenario with its year of profiles.

SimBench (Meinecke et al., Energies 13(12), 3290, 2020, doi:10.3390/en13123290) holds grids and
15-minute profiles of 2016. How they are read here, and why:

- **Times.** Row i starts at 2016-01-01T00:00+01:00 + i * 15 min: 366 days without a jump. The
  texts beside the rows are German local times: they skip an hour in March and hold one twice in
  October, which is checked.
- **Storages.** A storage's profile is PV *plus* battery output and never charges, so it is no use
  to a market. `Storage_PV3_H0-A` becomes a PV with the profile PV3 at |p_mw|, and a battery of
  `max_e_mwh` and |p_mw|. `max_p_mw` and `soc_percent` are 0 in the data and not used; efficiencies
  are those of `BatteryDefaults`; self-discharge a day is compounded over 30 days.
- **Power factor.** P and Q of a load have profiles of their own. The device has one factor: that
  of the year's energies, P/S with P and Q summed over the year.
- **Negative loads** stay: they feed in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

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
from isojoule.apps.importers.pandapower_net import (
    head,
    number_doubles,
    participants,
    power_factor,
    some_devices,
    supplied,
)
from isojoule.core.errors import InputError

START = datetime(2015, 12, 31, 23, tzinfo=UTC)
STEP = timedelta(minutes=15)
ZONE = "Europe/Berlin"
ATTRIBUTION = (
    "Contains data of SimBench (www.simbench.net), (c) the SimBench authors (University of Kassel, "
    "Fraunhofer IEE, RWTH Aachen University, TU Dortmund University), made available under the "
    "Open Database License (ODbL) 1.0, opendatacommons.org/licenses/odbl/1-0"
)
_WORDS = (
    ("H", "home", "home"),
    ("HLS", "car", "electric car"),
    ("APLS", "car", "electric car"),
    ("Air", "heatpump", "heat pump"),
    ("Soil", "heatpump", "heat pump"),
    ("G", "business", "business"),
    ("L", "farm", "farm"),
)


@dataclass(frozen=True)
class Converted:
    """A scenario about to be written: `scenario.yaml`, tables, and what was left out."""

    doc: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]


def import_simbench(
    code: str,
    folder: Path,
    *,
    weeks: Sequence[str] | None = None,
    tariff: Tariff | None = None,
    batteries: BatteryDefaults | None = None,
) -> Imported:
    """Turn a SimBench grid and its profiles into a scenario folder.

    Parameters
    ----------
    code
        As "1-LV-rural3--2-no_sw".
    folder
        New or empty.
    weeks
        Weeks to take, "winter=2016-01-11" or only the date, each from 0:00 German local time for
        seven days, in order. None: the whole year 2016, in one period.
    tariff, batteries
        What SimBench does not say.

    Raises
    ------
    InputError
        simbench is missing, an unknown code, or a bad week.
    """
    made = convert(load_net(code), code, weeks=weeks, tariff=tariff, batteries=batteries)
    empty_folder(folder)
    write_scenario(folder, made.doc, made.tables)
    (folder / "ATTRIBUTION.md").write_text(attribution_text(code), encoding="utf-8")
    return Imported(folder, made.warnings)


def load_net(code: str) -> Any:
    """The pandapower net of a SimBench code, with profiles.

    Raises
    ------
    InputError
        simbench is missing, or the code is unknown.
    """
    simbench = heavy("simbench")
    if code not in simbench.collect_all_simbench_codes():
        raise InputError(
            f"unknown SimBench code {code!r}",
            remedy="use a code as 1-LV-rural3--2-no_sw; simbench.collect_all_simbench_codes() "
            "lists them",
        )
    return simbench.get_simbench_net(code)


def convert(
    net: Any,
    code: str,
    *,
    weeks: Sequence[str] | None = None,
    tariff: Tariff | None = None,
    batteries: BatteryDefaults | None = None,
) -> Converted:
    """Turn a net with profiles into the parts of a scenario. `net` is only read."""
    tariff, batteries = tariff or Tariff(), batteries or BatteryDefaults()
    feeder = read_feeder(net)
    warnings = list(feeder.warnings)
    series = _series(net)
    rows, labels = _devices(net, feeder, series, tariff, batteries, warnings)
    length = _check_labels(net)
    periods = _periods(weeks, length)
    kept = np.concatenate([np.arange(first, last) for _, first, last in periods])
    used = sorted({row["profile"] for row in rows if row.get("profile")})
    profiles: dict[str, Any] = {"time": [START + int(i) * STEP for i in kept]}
    profiles.update({name: series[name][kept] for name in used})
    doc: dict[str, Any] = {
        "isojoule": 1,
        "name": re.sub(r"[^a-z0-9_.-]", "-", code.lower()),
        "title": f"SimBench {code}",
        "description": f"The grid {code} of SimBench with its profiles of 2016. A household is a "
        "bus. Storages are PV plus a battery with its own state.",
        "attribution": ATTRIBUTION,
        "currency": "EUR",
        "timezone": ZONE,
        "interval": "15 min",
        "network": "transport",
        "mechanism": "equilibrium",
        "utility": "utility",
        "lost_load": LOST_LOAD,
        "network_fee": "0 EUR/kWh",
        "slack_voltage_pu": feeder.slack_voltage_pu,
        "periods": [
            {"name": name, "start": _local(first), "end": _local(last)}
            for name, first, last in periods
        ],
    }
    if weeks:
        doc["cyclic"] = {"tolerance": 0.001, "max_rounds": 30}
    tables: dict[str, dict[str, Any]] = {
        "nodes": columns(feeder.nodes),
        "links": columns(feeder.links),
        "participants": participants(rows, labels),
        "devices": columns(rows),
        "profiles": profiles,
        "prices": tariff.prices(START),
    }
    return Converted(doc, tables, tuple(warnings))


def attribution_text(code: str) -> str:
    """The file ATTRIBUTION.md beside the data."""
    return (
        f"# Where the data come from\n\n{ATTRIBUTION}.\n\n"
        f"Grid and profiles: `{code}`. Changed: converted to the tables here by Isojoule's "
        "importer; weeks\nselected; each storage replaced by a PV and a battery with its own "
        "state; "
        "tariffs, battery values\nand carbon intensity added. The tables are a derivative database "
        "and stand under the ODbL 1.0, too.\n\n"
        "S. Meinecke et al., SimBench - A Benchmark Dataset of Electric Power Systems to Compare "
        "Innovative\nSolutions Based on Power Flow Analysis, Energies 13(12), 3290, 2020, "
        "doi:10.3390/en13123290.\n"
    )


def _local(index: int) -> str:
    moment = (START + index * STEP).astimezone(ZoneInfo(ZONE))
    return moment.isoformat(timespec="minutes")


def _periods(weeks: Sequence[str] | None, length: int) -> list[tuple[str, int, int]]:
    """(name, first row, row after the last) of each period."""
    if not weeks:
        return [("year", 0, length)]
    periods: list[tuple[str, int, int]] = []
    for week in weeks:
        name, _, date = week.rpartition("=")
        try:
            midnight = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(ZONE))
        except ValueError as error:
            raise InputError(
                f"{week!r} is not a week", remedy="write it as winter=2016-01-11"
            ) from error
        end = midnight + timedelta(days=7)  # on the wall clock, so local midnight again
        first, last = ((at.astimezone(UTC) - START) // STEP for at in (midnight, end))
        if first < 0 or last > length:
            raise InputError(
                f"the week {week!r} is not in 2016", remedy="SimBench holds the year 2016 only"
            )
        if periods and first < periods[-1][2]:
            raise InputError(f"the week {week!r} overlaps the one before", remedy="sort the weeks")
        periods.append((name or date, first, last))
    return periods


def _check_labels(net: Any) -> int:
    """Number of rows, after a check that the texts beside them mean what this module says."""
    labels = list(net.profiles["load"]["time"])
    zone = ZoneInfo(ZONE)
    for i, label in enumerate(labels):
        if (START + i * STEP).astimezone(zone).strftime("%d.%m.%Y %H:%M") != label:
            raise InputError(
                f"the profiles' row {i} is labelled {label!r}, not {_local(i)}",
                remedy="this version of simbench stores times in another way; use simbench 1.6",
            )
    return len(labels)


def _series(net: Any) -> dict[str, NDArray[np.float64]]:
    """Profiles by name: "H0-A" (P), "H0-A/q" (Q), "PV3"."""
    series = {}
    for column in net.profiles["load"].columns[1:]:
        name = column.removesuffix("_pload")
        if column.endswith("_qload"):
            name = column.removesuffix("_qload") + "/q"
        series[name] = net.profiles["load"][column].to_numpy(np.float64)
    for column in net.profiles["renewables"].columns[1:]:
        series[column] = net.profiles["renewables"][column].to_numpy(np.float64)
    return series


def _devices(
    net: Any,
    feeder: Feeder,
    series: dict[str, NDArray[np.float64]],
    tariff: Tariff,
    batteries: BatteryDefaults,
    warnings: list[str],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    rows: list[dict[str, Any]] = []
    has: dict[str, list[str]] = {}

    def add(bus: int, kind: str, word: str, text: str, row: dict[str, Any]) -> None:
        first = head(feeder, bus, kind, word)
        rows.append({**first, **row})
        texts = has.setdefault(first["participant"], [])
        if text not in texts:
            texts.append(text)

    def profile(name: str) -> str:
        if name not in series:
            raise InputError(f"the net has no profile {name!r}", remedy="use a net with profiles")
        return name

    for load in supplied(net.load, feeder, "load", warnings):
        power_w = _watts(load.p_mw * load.scaling)
        p = power_w * series[profile(load.profile)].sum()
        q = load.q_mvar * load.scaling * 1e6 * series.get(load.profile + "/q", np.zeros(1)).sum()
        word, text = _word(load.profile)
        row = {"profile": load.profile, "power_w": power_w, "power_factor": power_factor(p, q)}
        add(int(load.bus), "load", word, text, row)
    for sgen in supplied(net.sgen, feeder, "pv", warnings):
        row = {"profile": profile(sgen.profile), "power_w": _watts(sgen.p_mw * sgen.scaling)}
        add(int(sgen.bus), "pv", "pv", "solar", {**row, "power_factor": 1.0})
    for storage in supplied(net.storage, feeder, "battery", warnings):
        named = re.fullmatch(r"Storage_(PV\d+)_.*", str(storage.profile))
        if not named:
            warnings.append(f"storage {storage.name!r} names no PV profile: left out")
            continue
        power_w = abs(_watts(storage.p_mw * storage.scaling))
        sun = {"profile": profile(named[1]), "power_w": power_w, "power_factor": 1.0}
        add(int(storage.bus), "pv", "pv", "solar", sun)
        daily = net.storage.at[storage.Index, "self-discharge_percent_per_day"] / 100
        row = batteries.row(
            round(storage.max_e_mwh * 3.6e9, 3),
            power_w,
            tariff,
            self_discharge_per_month=round(1 - (1 - daily) ** 30, 9),
        )
        add(int(storage.bus), "battery", "battery", "battery", row)
    number_doubles(rows)
    some_devices(rows)
    return rows, {name: _label(name, texts) for name, texts in has.items()}


def _watts(power_mw: float) -> float:
    return round(float(power_mw) * 1e6, 3)


def _word(profile: str) -> tuple[str, str]:
    stem = re.match(r"[A-Za-z]*", profile)
    known = {prefix: (word, text) for prefix, word, text in _WORDS}
    return known.get(stem[0] if stem else "", ("load", "load"))


def _label(name: str, texts: list[str]) -> str:
    """What people read: "Home 23 (heat pump, solar)"."""
    first = next((t for t in ("home", "farm", "business") if t in texts), texts[0])
    rest = [text for text in texts if text != first]
    number = name[1:].lstrip("0-") or "0"
    return f"{first.capitalize()} {number}" + (f" ({', '.join(rest)})" if rest else "")
