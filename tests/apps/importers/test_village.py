"""The generated village: its rules, that it is reproducible, and that it tells its story."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from typer.testing import CliRunner

from isojoule.apps.cli.main import app
from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.apps.importers.households import HOUSES, Appliance, House, use_w
from isojoule.apps.importers.sunshine import clear_sky, clouds
from isojoule.apps.importers.village import generate_village, village
from isojoule.core.errors import InputError
from isojoule.grid.formulation import network_of
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import DeviceKind, Period, Scenario
from isojoule.microworld.simulate import simulate
from isojoule.microworld.world import World
from tools import build_scenarios

SEED = b"test"


@pytest.fixture(name="home", scope="module")
def home_fixture() -> Scenario:
    return read_scenario(bundled()["village"])


def test_the_bundled_scenarios_follow_from_their_seed(tmp_path: Path) -> None:
    build_scenarios.generate(tmp_path)
    for name in ("village", "machines"):
        old = bundled()[name]
        assert {f.name for f in old.iterdir()} == {f.name for f in (tmp_path / name).iterdir()}
        for file in old.iterdir():
            new = tmp_path / name / file.name
            if file.suffix == ".parquet":
                assert polars.read_parquet(file).equals(polars.read_parquet(new)), file.name
            else:
                assert file.read_text() == new.read_text(), file.name


def test_another_seed_is_another_village() -> None:
    one, two = village(homes=10, days=1), village(homes=10, days=1, seed=2)
    assert one.tables["devices"] != two.tables["devices"]
    assert one.tables["devices"] == village(homes=10, days=1).tables["devices"]


def test_the_sun_at_the_equator_at_the_equinox() -> None:
    """At noon it stands overhead: 0.8 * 1.098 * exp(-0.057); the day lasts twelve hours."""
    times = 1_774_051_200 + 900 * np.arange(96)  # 2026-03-21, 0:00 UTC
    power = clear_sky(times, 900, 0.0, 0.0)
    assert power.max() == pytest.approx(0.8 * 1.098 * np.exp(-0.057), abs=2e-3)
    assert np.abs(np.flatnonzero(power > 0)[[0, -1]] - np.array([24, 72])).max() <= 2
    assert clear_sky(times, 900, 80.0, 0.0).max() < 0.2


def test_clouds_have_the_mean_of_their_day_and_a_common_part() -> None:
    days = (0.9, 0.5, 0.3) * 20
    here, there = (clouds(SEED, "x", days, 96, place) for place in ("here", "there"))
    mean = here.reshape(-1, 96).mean(1)
    assert mean.reshape(-1, 3).mean(0) == pytest.approx([0.9, 0.5, 0.3], abs=0.06)
    assert np.all((here >= 0.02) & (here <= 1))
    away = np.tile(np.repeat([0.9, 0.5, 0.3], 96), 20)
    assert np.corrcoef(here - away, there - away)[0, 1] == pytest.approx(0.8, abs=0.1)  # 4 of 5


def test_energy_of_an_appliance_is_power_times_time() -> None:
    """Also where its hours end after the end of the last day."""
    fridge = House("h", 0.0, 100.0, (Appliance("fridge", 40, 0, 24),))
    assert use_w(SEED, "h", fridge, 2, 900).tolist() == [40.0] * 192
    late = House("h", 0.0, 100.0, (Appliance("light", 10, 23.5, 2),))
    draws = use_w(SEED, "h", late, 1, 900)
    assert 1.6 * 10 <= draws.sum() / 4 <= 2.4 * 10
    assert draws[:4].sum() > 0
    never = House("h", 0.0, 100.0, (Appliance("mill", 10, 9, 2, weekdays=True),))
    assert use_w(SEED, "h", never, 7, 900)[5 * 96 :].sum() == 0


def test_homes_lie_above_the_threshold_of_their_tier() -> None:
    least = {"tier 1": 12, "tier 2": 200, "tier 3": 1000, "tier 4": 3400}
    for house in HOUSES:
        if house.label in least:
            days = [use_w(bytes([s]), "h", house, 28, 900).sum() / 4 / 28 for s in range(4)]
            assert np.mean(days) >= least[house.label], house.label


def test_every_home_has_a_way_to_every_other(home: Scenario) -> None:
    assert set(network_of(home.grid, "transport", 900.0).part) == {0}
    assert home.grid.link_count == home.grid.node_count - 1 + 2  # a tree and two rings
    assert not home.has_utility
    assert home.baseline == "autarky"


def test_stored_energy_never_outbids_need_at_the_far_end(home: Scenario) -> None:
    """The last kWh above a reserve, carried through two converters, is cheaper than lost load."""
    d = home.devices
    battery, load = d.of_kind(DeviceKind.BATTERY), d.of_kind(DeviceKind.LOAD)
    asks = d.v_max_per_j[battery] / d.discharge_efficiency[battery] / (1 - 0.035) ** 2
    assert asks.max() < 0.9 * d.lost_load_per_j[load].min()
    assert d.v_critical_per_j[battery].max() < d.lost_load_per_j[load].min()


def run(scenario: Scenario, name: str) -> dict[str, float]:
    """A week of it, from the given batteries: shares of need unserved and of sun spilled."""
    world = World.of(scenario, alone=name == "autarky")
    period: Period = scenario.periods[0]
    record, _ = simulate(world, get(name), scenario.rows(period), world.first())
    d = scenario.devices
    load, sun = d.of_kind(DeviceKind.LOAD), d.of_kind(DeviceKind.PV)
    got, wanted = record.energy_uj, record.wanted_uj
    return {
        "unserved": 1 - got[:, load].sum() / wanted[:, load].sum(),
        "spilled": 1 - got[:, sun].sum() / wanted[:, sun].sum(),
        "full": float(record.full.any(1).mean()),
        "unproven": record.unproven,
    }


def test_the_story(home: Scenario) -> None:
    """Alone much goes unserved while much is spilled; the market serves most of it, not all."""
    alone, together = run(home, "autarky"), run(home, "equilibrium")
    assert 0.10 < alone["unserved"] < 0.25
    assert alone["spilled"] > 0.3
    assert 0.005 < together["unserved"] < 0.35 * alone["unserved"]
    assert together["full"] > 0.2
    assert together["unproven"] == 0


def test_free_energy_is_cleared_as_well(home: Scenario) -> None:
    """Unused sun worth nothing: prices of 0 at noon, on lossy lines."""
    free = replace(home.devices, spill_value_per_j=0 * home.devices.spill_value_per_j)
    days = replace(home.periods[0], end_s=home.periods[0].start_s + 86400)
    together = run(replace(home, devices=free, periods=(days,)), "equilibrium")
    assert together["unserved"] < 0.05


def cli(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_command_writes_a_scenario_that_reads(tmp_path: Path) -> None:
    target = str(tmp_path / "v")
    found = cli("generate", "village", target, "--homes", "9", "--days", "1", "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"scenario": target}
    scenario = read_scenario(tmp_path / "v")
    assert len(scenario.participants) == 9
    assert len(scenario.times_s) == 96
    again = cli("generate", "village", target)
    assert again.exit_code == 2
    assert "not empty" in again.stderr
    assert read_scenario(tmp_path / "v").times_s.size == 96


@pytest.mark.parametrize("option", [("--homes", "7"), ("--days", "0"), ("--seed", "-1")])
def test_what_is_out_of_range_is_refused_and_leaves_nothing(
    option: tuple[str, str], tmp_path: Path
) -> None:
    found = cli("generate", "village", str(tmp_path / "v"), *option, "--json")
    assert found.exit_code == 2
    assert json.loads(found.stdout)["error"]["kind"] == "input"
    assert not (tmp_path / "v").exists()


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle of writing leaves the folder as it was."""

    def fails(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isojoule.apps.importers.village.attribution", fails)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        assert cli("generate", "village", str(tmp_path / name), "--days", "1").exit_code == 2
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        generate_village(tmp_path, days=1)
    assert cli("generate", "village", str(tmp_path)).exit_code == 2
    assert (tmp_path / "mine").read_text() == "x"
