"""Worlds off the grid, and the tables machines and orders: read, defaults, refusals."""

from __future__ import annotations

import re
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.cli.files import check_path
from isojoule.apps.files.scenario_files import new_scenario, read_scenario, write_scenario
from isojoule.core.units import J_PER_KWH
from isojoule.machine import Machine, Order
from tests.apps.files.worlds import DOC, START, made, tables

PAGE = Path(__file__).resolve().parents[3] / "docs/scenario.md"
START_S = int(START.timestamp())
Format = Literal["csv", "parquet"]
Parts = dict[str, dict[str, Any]]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_machines_and_orders_read_back_as_they_are(tmp_path: Path, file_format: Format) -> None:
    scenario = made(tmp_path, file_format=file_format)
    assert scenario.machines == (
        Machine("m1", 2e9, 1e-9, 16_000_000_000, energy_per_byte_second_j=1e-13, idle_w=5.0),
        Machine("m2", 1e9, 3e-9, energy_per_byte_j=1e-8),
    )
    assert scenario.machine_device.tolist() == [2, 1]
    assert scenario.machine_device.dtype == np.int32
    assert scenario.orders == (
        Order(
            "late", "miller", "barn", START_S + 1950, START_S + 36000, 3_000_000_000_000,
            memory_byte=2_000_000_000, value=0.02, critical=True,
        ),
        Order("early", "farmer", "mill", START_S, START_S + 1800, 1, transfer_byte=500_000_000),
    )  # fmt: skip


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_perishable_batteries(tmp_path: Path, file_format: Format) -> None:
    devices = made(tmp_path, file_format=file_format).devices
    np.testing.assert_array_equal(devices.tau_s, [np.nan, np.inf, 86400])
    np.testing.assert_array_equal(devices.floor, [np.nan, 0, 0.25])


def test_defaults_off_the_grid(tmp_path: Path) -> None:
    """docs/spec/audit.md, A1 and A2."""
    scenario = made(tmp_path, utility=None)
    assert scenario.utility_node == -1
    assert not scenario.has_utility
    assert scenario.baseline == "autarky"
    assert scenario.unserved_cost_per_j == 2 / J_PER_KWH  # the scenario's lost_load
    assert scenario.stored_value_per_j is None
    assert np.isnan([scenario.sells_at_per_j, scenario.buys_at_per_j]).all()
    assert np.isnan(scenario.carbon_kg_per_j).all()
    assert scenario.sells_at_per_j.shape == (8,)


def test_defaults_with_a_utility(tmp_path: Path) -> None:
    scenario = read_scenario(new_scenario(tmp_path / "street"))
    assert scenario.baseline == "utility-only"
    assert scenario.unserved_cost_per_j == 5 / J_PER_KWH  # the lost load, if none is stated
    assert scenario.stored_value_per_j is None
    assert (scenario.machines, scenario.orders) == ((), ())
    assert scenario.machine_device.shape == (0,)


def test_given_keys_replace_the_defaults(tmp_path: Path) -> None:
    """docs/spec/audit.md, A1 and A2."""
    alone = made(tmp_path / "off", unserved_cost="36 ct/kWh", stored_value="-0.36 EUR/kWh")
    assert alone.unserved_cost_per_j == pytest.approx(1e-7, rel=1e-15)
    assert alone.stored_value_per_j == pytest.approx(-1e-7, rel=1e-15)
    prices = {"time": [START], "sells_at_per_j": [8e-8], "buys_at_per_j": [2e-8]}
    parts: Parts = {**tables(), "prices": prices}
    (tmp_path / "on").mkdir()
    both = made(tmp_path / "on", parts, utility="mill", baseline="autarky", unserved_cost=3e-7)
    assert (both.utility_node, both.baseline, both.unserved_cost_per_j) == (1, "autarky", 3e-7)
    assert both.sells_at_per_j.tolist() == [8e-8] * 8


def test_a_world_without_machines_needs_neither_table(tmp_path: Path) -> None:
    parts = {stem: data for stem, data in tables().items() if stem not in ("machines", "orders")}
    assert made(tmp_path / "a", parts).machines == ()
    none: Parts = {**parts, "machines": {}, "orders": {}}
    assert made(tmp_path / "b", none, file_format="parquet").orders == ()


UNITS = """\
# units stand in the header
machine,device,operations [GHz],energy_per_operation [nJ],memory [GiB],energy_per_byte [uJ],idle [W]
m1,mill-battery,2.5,1.5,1,2,5
"""
MORE_UNITS = """\
order,time,deadline,participant,node,operations,memory [GB],transfer [MB],value [ct],critical
o1,2016-07-11T02:00,2016-07-11T03:00+02:00,farmer,barn,1e12,0.3,1.1,12,1
o2,2016-07-11T00:15Z,2016-07-11T09:00,farmer,barn,5,,,0.5,FALSE
"""


def test_units_in_headers_and_local_times(tmp_path: Path) -> None:
    parts = {stem: data for stem, data in tables().items() if stem not in ("machines", "orders")}
    folder = write_scenario(tmp_path / "world", DOC, parts, file_format="csv")
    (folder / "machines.csv").write_text(UNITS)
    (folder / "orders.csv").write_text(MORE_UNITS)
    scenario = read_scenario(folder)
    assert scenario.machines == (
        Machine("m1", 2.5e9, 1.5e-9, 2**30, energy_per_byte_j=2e-6, idle_w=5.0),
    )
    assert scenario.orders == (
        Order("o1", "farmer", "barn", START_S, START_S + 3600, 10**12, 300_000_000, 1_100_000, 0.12,
              critical=True),
        Order("o2", "farmer", "barn", START_S + 900, START_S + 25200, 5, value=0.005),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "flags"),
    [
        ([True, None], [True, False]),
        ([0, 1], [False, True]),
        ([None, 1], [False, True]),
        ([1.0, 0.0], [True, False]),
        (["True", ""], [True, False]),
        (["0", "1"], [False, True]),
    ],
)
@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_ways_to_write_critical(
    tmp_path: Path, cells: list[Any], flags: list[bool], file_format: Format
) -> None:
    parts = tables()
    parts["orders"]["critical"] = cells
    scenario = made(tmp_path, parts, file_format=file_format)
    assert [order.critical for order in scenario.orders] == flags


NAMES = st.text("abcxyz019-_ ,'\"é", min_size=1, max_size=8).filter(lambda s: s == s.strip())
POSITIVE = st.floats(1e-12, 1e12)
BYTES = st.integers(0, 2**50)


@st.composite
def orders(draw: st.DrawFn) -> list[Order]:
    found = []
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=4)):
        at_s = START_S + draw(st.integers(0, 8 * 900 - 1))
        found.append(
            Order(
                name,
                draw(st.sampled_from(["farmer", "miller"])),
                draw(st.sampled_from(["barn", "mill"])),
                at_s,
                at_s + draw(st.integers(1, 10**7)),
                draw(st.integers(1, 2**53)),
                draw(BYTES),
                draw(BYTES),
                draw(st.floats(0, 1e6)),
                draw(st.booleans()),
            )
        )
    return found


@st.composite
def machines(draw: st.DrawFn) -> list[Machine]:
    numbers = (POSITIVE, POSITIVE, BYTES, POSITIVE, POSITIVE, POSITIVE)
    return [
        Machine(name, *(draw(number) for number in numbers))
        for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=2))
    ]


def columns(rows: list[Any], names: dict[str, str]) -> dict[str, list[Any]]:
    """Columns of a table from rows of dataclasses."""
    return {name: [getattr(row, attribute) for row in rows] for name, attribute in names.items()}


MACHINE_NAMES = {"machine": "name"} | {
    name: name for name in Machine.__slots__ if name not in ("name",)
}
ORDER_NAMES = {"order": "name", "participant": "customer"} | {
    name: name for name in Order.__slots__ if name not in ("name", "customer", "at_s", "deadline_s")
}


@settings(max_examples=25, deadline=None)
@given(machines(), orders(), st.sampled_from(["csv", "parquet"]))
def test_any_machines_and_orders_survive_the_files(
    some: list[Machine], jobs: list[Order], file_format: Format
) -> None:
    parts = tables()
    fed_by = ["barn-battery", "mill-battery"][: len(some)]
    parts["machines"] = {**columns(some, MACHINE_NAMES), "device": fed_by}
    parts["orders"] = {
        **columns(jobs, ORDER_NAMES),
        "time": [START + timedelta(seconds=job.at_s - START_S) for job in jobs],
        "deadline": [START + timedelta(seconds=job.deadline_s - START_S) for job in jobs],
    }
    with tempfile.TemporaryDirectory() as folder:
        scenario = made(Path(folder), parts, file_format=file_format)
    assert scenario.machines == tuple(some)
    assert scenario.orders == tuple(jobs)
    assert scenario.machine_device.tolist() == [1, 2][: len(some)]


def test_the_world_on_the_page_reads(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8").partition("## Machines and Orders")[2]
    shown = re.findall(r"^```(?:yaml|csv)\n(.*?)^```$", page, re.M | re.S)
    parts = {stem: data for stem, data in tables().items() if stem not in ("machines", "orders")}
    start = START.replace(year=2026, month=6, day=21)
    parts["profiles"] = {"time": [start + timedelta(minutes=15 * i) for i in range(48)]}
    folder = write_scenario(tmp_path / "world", DOC, parts, file_format="csv")
    for name, text in zip(("scenario.yaml", "machines.csv", "orders.csv"), shown, strict=True):
        (folder / name).write_text(text)
    scenario = read_scenario(folder)
    assert scenario.name == "two-servers"
    assert scenario.machines[0] == Machine("m1", 2e10, 1.5e-9, 16 * 10**9, idle_w=5.0)
    assert [order.critical for order in scenario.orders] == [False, True]
    assert check_path(folder)["holds"]["machines"] == 2
    assert check_path(folder)["holds"]["orders"] == 2


def test_a_world_without_machines_does_not_count_them(tmp_path: Path) -> None:
    assert "machines" not in check_path(new_scenario(tmp_path / "street"))["holds"]
