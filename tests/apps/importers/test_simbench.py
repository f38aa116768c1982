"""The SimBench importer, and that the bundled scenarios are its work."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import yaml

from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.apps.importers import simbench_code
from isojoule.apps.importers.common import BatteryDefaults, Tariff
from isojoule.apps.importers.simbench_code import convert, import_simbench, load_net
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH
from isojoule.microworld.scenario import DeviceKind
from tests.conftest import need
from tools import build_scenarios

CODE = "1-LV-rural3--2-no_sw"
# pandapower and pandas warn about themselves and each other
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(name="net", scope="module")
def net_fixture() -> Any:
    need(find_spec("simbench"), "simbench")
    return load_net(CODE)


@pytest.fixture
def loaded(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The importer gets the net that is loaded already."""
    nets = {CODE: net}
    monkeypatch.setattr(simbench_code, "load_net", nets.__getitem__)


@pytest.fixture(name="made", scope="module")
def made_fixture(net: Any) -> Any:
    return convert(net, CODE, weeks=build_scenarios.WEEKS)


def test_the_bundled_scenarios_are_what_the_importer_makes(net: Any, tmp_path: Path) -> None:
    assert net is not None
    build_scenarios.build(tmp_path)
    for name, folder in bundled().items():
        new = tmp_path / name
        assert {f.name for f in new.iterdir()} == {f.name for f in folder.iterdir()}
        for file in sorted(folder.iterdir()):
            if file.suffix == ".parquet":
                left, right = polars.read_parquet(file), polars.read_parquet(new / file.name)
                assert left.equals(right), f"{name}/{file.name} differs"
            else:
                assert file.read_text() == (new / file.name).read_text(), f"{name}/{file.name}"


def test_a_storage_becomes_a_pv_and_a_battery_with_its_own_state(net: Any, made: Any) -> None:
    storage = net.storage.iloc[0]  # Storage_PV3_H0-G, 3.4 kW, 6.8 kWh, 0.13 % a day
    node = f"n{int(net.bus.name[storage.bus].split()[-1]):03d}"
    devices = polars.DataFrame(made.tables["devices"]).filter(node=node)
    sun, pack = (devices.filter(kind=kind).row(0, named=True) for kind in ("pv", "battery"))
    assert (sun["profile"], sun["power_w"]) == ("PV3", 3400)
    assert pack["capacity_j"] == 6.8 * J_PER_KWH
    assert pack["energy_j"] == 3.4 * J_PER_KWH
    assert pack["charge_power_w"] == pack["discharge_power_w"] == 3400
    assert pack["charge_efficiency"] == pack["discharge_efficiency"] == 0.95
    assert pack["self_discharge_per_month"] == pytest.approx(1 - 0.9987**30, abs=1e-9)
    assert pack["v_min_per_j"] * J_PER_KWH == pytest.approx(0.09)
    assert pack["v_max_per_j"] * J_PER_KWH == pytest.approx(0.27)
    assert pack["v_critical_per_j"] * J_PER_KWH == pytest.approx(0.32 / 0.95)


def test_wires(net: Any, made: Any) -> None:
    links = polars.DataFrame(made.tables["links"])
    trafo = links.filter(kind="transformer").row(0, named=True)
    assert (trafo["from"], trafo["capacity_w"], trafo["standing_loss_w"]) == ("utility", 4e5, 1200)
    assert trafo["resistance_ohm"] == pytest.approx(0.012 * 400**2 / 4e5)
    assert trafo["reactance_ohm"] == pytest.approx((0.06**2 - 0.012**2) ** 0.5 * 400**2 / 4e5)
    line = links.filter(link="l001").row(0, named=True)
    given = net.line[net.line.name == "LV3.101 Line 1"].iloc[0]
    assert line["capacity_w"] == pytest.approx(3**0.5 * 400 * 270)
    assert line["resistance_ohm"] == pytest.approx(given.r_ohm_per_km * given.length_km)
    assert made.doc["slack_voltage_pu"] == pytest.approx(1.025 / 0.975, abs=1e-6)


def test_every_load_is_there_with_its_energy_and_negative_ones_stay(net: Any) -> None:
    import simbench

    values = simbench.get_absolute_values(net, True)[("load", "p_mw")].to_numpy() * 1e6
    year = convert(net, CODE)
    devices = polars.DataFrame(year.tables["devices"]).filter(kind="load")
    ours = sum(
        power * year.tables["profiles"][profile]
        for power, profile in zip(devices["power_w"], devices["profile"], strict=True)
    )
    np.testing.assert_allclose(ours, values.sum(axis=1), rtol=1e-9)
    assert len(ours) == 35136
    negative = [
        name for name, v in year.tables["profiles"].items() if name != "time" and v.min() < 0
    ]
    assert bool(negative) == bool(values.min() < 0)


@pytest.mark.usefixtures("loaded")
def test_the_year_is_whole_and_in_local_time(tmp_path: Path) -> None:
    import_simbench(CODE, tmp_path / "year")
    scenario = read_scenario(tmp_path / "year")
    assert (np.diff(scenario.times_s) == 900).all()
    doc = yaml.safe_load((tmp_path / "year" / "scenario.yaml").read_text())
    assert len(doc["periods"]) == 1
    assert "cyclic" not in doc
    # the sun stands highest near 12:15 UTC+1 at 11.4 degrees east, summer and winter
    pv = scenario.profiles[:, scenario.profile_names.index("PV3")].reshape(-1, 96)
    quarter = np.arange(96) / 4
    for days in (slice(0, 60), slice(150, 210)):
        mean = pv[days].mean(axis=0)
        assert 11 < (mean * quarter).sum() / mean.sum() < 12.5


def test_a_week_starts_and_ends_at_local_midnight_over_a_change_of_clocks(net: Any) -> None:
    made = convert(net, CODE, weeks=["2016-03-21", "2016-10-24"])
    first, second = made.doc["periods"]
    assert (first["start"], first["end"]) == ("2016-03-21T00:00+01:00", "2016-03-28T00:00+02:00")
    assert (second["start"], second["end"]) == ("2016-10-24T00:00+02:00", "2016-10-31T00:00+01:00")
    assert len(made.tables["profiles"]["time"]) == 2 * 672 - 4 + 4


@pytest.mark.parametrize(
    ("weeks", "says"),
    [
        (["winter"], "is not a week"),
        (["winter=2017-01-02"], "is not in 2016"),
        (["a=2016-02-01", "b=2016-02-05"], "overlaps"),
    ],
)
def test_a_bad_week_is_refused(net: Any, weeks: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        convert(net, CODE, weeks=weeks)


def test_an_unknown_code_is_refused(net: Any, tmp_path: Path) -> None:
    assert net is not None
    with pytest.raises(InputError, match="unknown SimBench code") as caught:
        import_simbench("1-LV-rural9", tmp_path / "x")
    assert CODE in caught.value.remedy
    assert not (tmp_path / "x").exists()


def test_labels_that_mean_other_times_are_refused(net: Any) -> None:
    shifted = net.profiles["load"].copy()
    shifted["time"] = shifted["time"].shift(-1, fill_value="01.01.2017 00:00")
    profiles = dict(net.profiles)
    net.profiles["load"] = shifted
    try:
        with pytest.raises(InputError, match=r"row 0 is labelled '01\.01\.2016 00:15'"):
            convert(net, CODE)
    finally:
        net.profiles.update(profiles)


def test_without_the_extra_the_remedy_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(InputError, match="'simbench', which is not installed") as caught:
        import_simbench(CODE, tmp_path / "x")
    assert caught.value.remedy == "pip install 'isojoule[import]'"


def test_battery_values_fit_any_two_tariffs_far_enough_apart() -> None:
    for buys, sells in ((0.08, 0.30), (0.0, 0.5), (0.2, 0.3)):
        given = BatteryDefaults().values(Tariff(sells, buys))
        values = {name: value * J_PER_KWH for name, value in given.items()}
        assert values["v_min_per_j"] > buys / 0.95 or buys == 0
        assert values["v_max_per_j"] < sells * 0.95
        assert values["v_critical_per_j"] > sells / 0.95
    with pytest.raises(InputError, match="nothing to earn"):
        BatteryDefaults().values(Tariff(0.30, 0.29))


@pytest.mark.usefixtures("loaded")
def test_an_import_lands_in_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        import_simbench(CODE, tmp_path)
    shutil.rmtree(tmp_path)


def test_kinds(made: Any) -> None:
    kinds = polars.DataFrame(made.tables["devices"])["kind"].value_counts()
    names = ("load", "pv", "battery")
    assert dict(kinds.iter_rows()) == dict(zip(names, (153, 43, 16), strict=True))
    assert [kind.name.lower() for kind in DeviceKind] == list(names)
