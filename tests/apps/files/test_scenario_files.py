"""Scenarios on disk: written, read, started anew, bundled."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from isojoule.apps.files.scenario_columns import TABLES
from isojoule.apps.files.scenario_doc import scenario_schema
from isojoule.apps.files.scenario_files import (
    bundled,
    new_scenario,
    read_scenario,
    write_scenario,
)
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH
from isojoule.grid import Grid
from isojoule.microworld.scenario import DeviceKind, Devices, Scenario

DOC = {
    "isojoule": 1,
    "name": "two",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "interval": "15 min",
    "utility": "utility",
}


def tables(times: list[object]) -> dict[str, dict[str, object]]:
    """Two meters of one participant on one line."""
    return {
        "nodes": {"node": ["utility", "barn", "house"], "x": [0.0, 1.0, None]},
        "links": {
            "link": ["w", "s"],
            "from": ["utility", "barn"],
            "to": ["barn", "house"],
            "capacity_w": [5000.0, None],
            "loss": [0.02, None],
            "owner": [None, "farmer"],
        },
        "participants": {"participant": ["farmer"]},
        "devices": {
            "device": ["milk", "roof", "pack"],
            "participant": ["farmer"] * 3,
            "node": ["barn", "house", "house"],
            "kind": ["load", "pv", "battery"],
            "profile": ["steady", None, None],
            "power_w": [1000.0, 3000.0, None],
            "lost_load_per_j": [2 / J_PER_KWH, None, None],
            "capacity_j": [None, None, 3.6e7],
            "energy_j": [None, None, 1.8e7],
            "charge_power_w": [None, None, 5e3],
            "discharge_power_w": [None, None, 5e3],
            "charge_efficiency": [None, None, 0.95],
            "discharge_efficiency": [None, None, 0.95],
            "v_min_per_j": [None, None, 2.5e-8],
            "v_max_per_j": [None, None, 7.5e-8],
        },
        "profiles": {"time": times, "steady": [0.1 * i for i in range(len(times))]},
        "prices": {
            "time": times[:1],
            "sells_at_per_j": [0.3 / J_PER_KWH],
            "buys_at_per_j": [0.08 / J_PER_KWH],
        },
    }


def day(count: int) -> list[object]:
    return [datetime(2016, 7, 11, tzinfo=UTC) + timedelta(minutes=15 * i) for i in range(count)]


def equal(a: object, b: object) -> bool:
    """Deep equality of scenarios, nan equal to nan."""
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, Scenario | Devices | Grid):
        return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def test_csv_and_parquet_read_back_the_same(tmp_path: Path) -> None:
    made = [
        read_scenario(write_scenario(tmp_path / kind, DOC, tables(day(8)), file_format=kind))
        for kind in ("csv", "parquet")
    ]
    assert equal(*made)
    assert not equal(made[0], read_scenario(new_scenario(tmp_path / "street")))


def test_defaults_and_what_does_not_apply(tmp_path: Path) -> None:
    scenario = read_scenario(write_scenario(tmp_path / "two", DOC, tables(day(8))))
    devices = scenario.devices
    assert devices.participant.tolist() == [0, 0, 0]  # one owner
    assert devices.node.tolist() == [1, 2, 2]  # two meters
    assert devices.profile.tolist() == [0, -1, -1]
    assert devices.of_kind(DeviceKind.BATTERY).tolist() == [2]
    np.testing.assert_array_equal(devices.power_factor, [1, 1, np.nan])
    np.testing.assert_array_equal(devices.spill_value_per_j, [np.nan, 0, np.nan])
    assert devices.v_critical_per_j[2] == devices.v_max_per_j[2]
    assert (devices.reserve_j[2], devices.k[2]) == (0, 1)
    assert scenario.grid.capacity_w.tolist() == [5000, np.inf]
    assert scenario.grid.loss_ppb.tolist() == [20_000_000, 0]
    assert scenario.grid.owner == ("", "farmer")
    assert scenario.labels == ("farmer",)
    assert [p.name for p in scenario.periods] == ["all"]
    assert np.isnan(scenario.carbon_kg_per_j).all()
    power_w = scenario.device_power_w(slice(0, 3))
    np.testing.assert_allclose(power_w, [[0, 3000, 0], [100, 3000, 0], [200, 3000, 0]])


def test_prices_hold_until_the_next_row(tmp_path: Path) -> None:
    parts = tables(day(8))
    parts["prices"] = {
        "time": [day(8)[0], day(8)[5]],
        "sells_at_per_j": [3e-8, 9e-8],
        "buys_at_per_j": [2e-8, 2e-8],
    }
    scenario = read_scenario(write_scenario(tmp_path / "two", DOC, parts))
    assert scenario.sells_at_per_j.tolist() == [3e-8] * 5 + [9e-8] * 3


@pytest.mark.parametrize(("date", "intervals"), [("2016-03-27", 92), ("2016-10-30", 100)])
def test_a_day_of_the_clock_change_is_whole(tmp_path: Path, date: str, intervals: int) -> None:
    midnight = datetime.fromisoformat(date).replace(tzinfo=UTC)
    offset = timedelta(hours=1 if date < "2016-06" else 2)
    times = [midnight - offset + timedelta(minutes=15 * i) for i in range(intervals)]
    after = (midnight + timedelta(days=1)).date().isoformat()
    doc = {**DOC, "periods": [{"name": "day", "start": date, "end": after}]}
    scenario = read_scenario(write_scenario(tmp_path / "day", doc, tables(list(times))))
    rows = scenario.rows(scenario.periods[0])
    assert (rows.start, rows.stop) == (0, intervals)


def test_a_naive_day_of_the_clock_change_needs_offsets(tmp_path: Path) -> None:
    times = [f"2016-10-30T0{h}:{m:02d}" for h in range(4) for m in (0, 15, 30, 45)]
    folder = write_scenario(tmp_path / "day", DOC, tables(list(times)), file_format="csv")
    with pytest.raises(InputError, match="exists twice") as caught:
        read_scenario(folder)
    assert caught.value.place == f"{folder / 'profiles.csv'}:10"
    once = [time for time in times if "T02:" not in time]
    summer, winter = ([f"{t}+0{h}:00" for t in times if "T02:" in t] for h in (2, 1))
    whole = tables(once[:8] + summer + winter + once[8:])
    write_scenario(tmp_path / "whole", DOC, whole, file_format="csv")
    scenario = read_scenario(tmp_path / "whole")
    assert len(scenario.times_s) == 20
    assert (np.diff(scenario.times_s) == 900).all()


def test_a_new_scenario_reads_back_clean_and_is_commented(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "My Street")
    scenario = read_scenario(folder)
    assert scenario.name == "mystreet"
    assert len(scenario.participants) == 6
    assert len(scenario.times_s) == 96
    assert (scenario.grid.resistance_ohm > 0).all()
    assert {DeviceKind(k) for k in scenario.devices.kind} == set(DeviceKind)
    for file in folder.iterdir():
        assert file.read_text().startswith("# "), f"{file.name} says nothing about itself"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for write in (new_scenario, lambda folder: write_scenario(folder, DOC, tables(day(4)))):
        with pytest.raises(InputError, match=r"not empty \(mine.txt\)"):
            write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_schema_knows_every_key_and_refuses_others() -> None:
    schema = json.loads(json.dumps(scenario_schema()))
    assert schema["additionalProperties"] is False
    assert set(DOC) <= set(schema["properties"])
    assert all("description" in key for key in schema["properties"].values())


def test_columns_say_what_they_hold() -> None:
    for columns in TABLES.values():
        assert all(column.text for column in columns)
        names = [column.name for column in columns]
        assert len(set(names)) == len(names)


def test_the_bundled_scenarios_read_and_are_small() -> None:
    found = bundled()
    assert list(found) == ["machines", "rural", "strained", "village"]
    size = sum(file.stat().st_size for folder in found.values() for file in folder.iterdir())
    assert size <= 5_000_000
    for name, folder in found.items():
        assert read_scenario(folder).name == name
        assert (folder / "ATTRIBUTION.md").is_file()
    for name in ("rural", "strained"):
        folder = found[name]
        scenario = read_scenario(folder)
        assert [p.name for p in scenario.periods] == ["winter", "spring", "summer", "autumn"]
        assert all(p.end_s - p.start_s == 7 * 86400 for p in scenario.periods)
        assert scenario.cyclic_tolerance == 0.001
        assert "ODbL" in scenario.attribution
        assert "Open Database License" in (folder / "ATTRIBUTION.md").read_text()


def test_rural_is_the_feeder_of_the_data_set() -> None:
    scenario = read_scenario(bundled()["rural"])
    count = {kind: len(scenario.devices.of_kind(kind)) for kind in DeviceKind}
    assert scenario.grid.node_count == 129
    assert len(scenario.participants) == 118
    assert count == {DeviceKind.LOAD: 153, DeviceKind.PV: 27 + 16, DeviceKind.BATTERY: 16}
    battery = scenario.devices.of_kind(DeviceKind.BATTERY)
    critical = scenario.devices.v_critical_per_j[battery] * J_PER_KWH
    assert (critical > 0.30 / 0.95).all()


def test_links_of_strained_would_be_overloaded_in_some_intervals_and_those_of_rural_never() -> None:
    share = {}
    for name in ("rural", "strained"):
        scenario = read_scenario(bundled()[name])
        over = np.abs(tree_flow_w(scenario)) > scenario.grid.capacity_w
        share[name] = {link: float(over[:, i].mean()) for i, link in
                       enumerate(scenario.grid.link_ids) if over[:, i].any()}  # fmt: skip
    assert share["rural"] == {}
    assert set(share["strained"]) == {"t1", "l064"}
    assert 0.03 < share["strained"]["t1"] < 0.15
    assert 0.01 < share["strained"]["l064"] < 0.15


def tree_flow_w(scenario: Scenario) -> np.ndarray:
    """Flow on each link of a tree with no market, no battery and no losses, W."""
    grid, devices = scenario.grid, scenario.devices
    sign = np.where(devices.kind == DeviceKind.LOAD, 1.0, -1.0)
    drawn = scenario.device_power_w(slice(None)) * sign
    behind = np.zeros((grid.node_count, len(scenario.times_s)))
    np.add.at(behind, devices.node, drawn.T)
    link_to = {int(end): link for link, end in enumerate(grid.link_to)}
    hops = {scenario.utility_node: 0}
    while len(hops) < grid.node_count:
        for start, end in zip(grid.link_from.tolist(), grid.link_to.tolist(), strict=True):
            if start in hops:
                hops[end] = hops[start] + 1
    flow = np.empty((len(scenario.times_s), grid.link_count))
    for node in sorted(link_to, key=lambda n: -hops[n]):
        flow[:, link_to[node]] = behind[node]
        behind[grid.link_from[link_to[node]]] += behind[node]
    return flow
