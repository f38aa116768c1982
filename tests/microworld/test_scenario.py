"""A scenario holds its rules however it was made."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isojoule.apps.files.scenario_files import new_scenario, read_scenario
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import DeviceKind, Period, Scenario


@pytest.fixture(name="street")
def street_fixture(tmp_path: Path) -> Scenario:
    return read_scenario(new_scenario(tmp_path / "street"))


def changed(street: Scenario, column: str, row: int, value: float) -> Scenario:
    """The scenario with one number of one device changed."""
    values = getattr(street.devices, column).copy()
    values[row] = value
    return replace(street, devices=replace(street.devices, **{column: values}))


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("capacity_j", 0, "capacity_j: is not above 0"),
        ("energy_j", -1, "energy_j: is negative"),
        ("energy_j", 1e9, "energy above capacity"),
        ("reserve_j", 3.6e7, "reserve is not below capacity"),
        ("charge_power_w", -1, "charge_power_w: is negative"),
        ("discharge_power_w", -1, "discharge_power_w: is negative"),
        ("charge_efficiency", 1.1, "charge_efficiency: is outside"),
        ("discharge_efficiency", 0, "discharge_efficiency: is outside"),
        ("self_discharge_per_month", 1, "self_discharge_per_month: is outside"),
        ("v_min_per_j", 1, "v_min is above v_max"),
        ("v_critical_per_j", 0, "v_max is above v_critical"),
        ("k", 0, "k: is not above 0"),
        ("k", np.nan, "no k"),
    ],
)
def test_a_battery_that_cannot_exist_is_refused(
    street: Scenario, column: str, value: float, says: str
) -> None:
    row = street.devices.ids.index("ada-battery")
    with pytest.raises(InputError) as caught:
        changed(street, column, row, value)
    assert says in caught.value.message
    assert caught.value.place == "device 'ada-battery'"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("device", "column", "value", "says"),
    [
        ("bo-pv", "power_w", -1, "power is negative"),
        ("bo-pv", "power_w", np.nan, "no power"),
        ("bo-home", "power_factor", 0, "power factor outside"),
        ("bo-home", "lost_load_per_j", np.nan, "no worth of lost load"),
        ("bo-home", "participant", 6, "unknown participant"),
        ("bo-home", "node", 8, "unknown node"),
        ("bo-home", "profile", 3, "unknown profile"),
        ("bo-home", "profile", -2, "unknown profile"),
    ],
)
def test_a_device_that_cannot_exist_is_refused(
    street: Scenario, device: str, column: str, value: float, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        changed(street, column, street.devices.ids.index(device), value)
    assert caught.value.place == f"device {device!r}"


def test_a_load_may_be_negative(street: Scenario) -> None:
    row = street.devices.ids.index("bo-home")
    assert changed(street, "power_w", row, -100).devices.power_w[row] == -100


START = 1781992800


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"interval_s": 0}, "interval is not positive"),
        ({"utility_node": 8}, "utility's node"),
        ({"network_fee_per_j": -1.0}, "network fee is negative"),
        ({"slack_voltage_pu": 0.0}, "slack voltage"),
        ({"cyclic_tolerance": 0.0}, "cyclic tolerance"),
        ({"max_rounds": 0}, "max_rounds"),
        ({"labels": ("one",)}, "labels and participants"),
        ({"participants": ("ada",) * 6}, "participant 'ada' stands twice"),
        ({"periods": ()}, "no time to run over"),
        ({"periods": (Period("a", START, START + 90000),)}, "gap in the profiles"),
        ({"periods": (Period("a", START + 1, START + 901),)}, "gap in the profiles"),
        ({"periods": (Period("a", START, START + 1800), Period("b", START + 900, START + 2700))},
         "overlap"),
        ({"periods": (Period("a", START, START + 900), Period("a", START + 900, START + 1800))},
         "period 'a' stands twice"),
        ({"buys_at_per_j": np.full(96, 1.0)}, "buys dearer than it sells"),
        ({"sells_at_per_j": np.full(96, np.nan)}, "has gaps"),
        ({"profiles": np.full((96, 3), np.nan)}, "gap in profile 'home'"),
        ({"times_s": np.full(96, START)}, "times do not rise"),
    ],
)  # fmt: skip
def test_a_scenario_that_breaks_a_rule_is_refused(
    street: Scenario, change: dict[str, Any], says: str
) -> None:
    assert set(change) <= {field.name for field in fields(street)}
    with pytest.raises(InputError) as caught:
        replace(street, **change)
    assert says in caught.value.message


def test_a_period_ends_after_it_starts() -> None:
    with pytest.raises(InputError, match="ends before it starts"):
        Period("a", 900, 900)


def test_rows_of_a_period(street: Scenario) -> None:
    two = replace(
        street, periods=(Period("a", START, START + 900), Period("b", START + 1800, START + 4500))
    )
    assert [two.rows(p) for p in two.periods] == [slice(0, 1), slice(2, 5)]


def test_power_follows_the_profile_and_batteries_have_none(street: Scenario) -> None:
    power_w = street.device_power_w(slice(40, 42))
    kinds = street.devices.kind
    assert power_w.shape == (2, street.devices.count)
    assert (power_w[:, kinds == DeviceKind.BATTERY] == 0).all()
    at = street.devices.ids.index("ada-pv")
    sun = street.profiles[40:42, street.profile_names.index("sun")]
    np.testing.assert_array_equal(power_w[:, at], 8000 * sun)
