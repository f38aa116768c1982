"""Plain pandapower files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isojoule.apps.files.scenario_files import read_scenario
from isojoule.apps.importers.feeder import read_feeder
from isojoule.apps.importers.pandapower_net import import_pandapower
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH
from isojoule.microworld.scenario import DeviceKind, Scenario
from tests.conftest import need

# pandapower and pandas warn about themselves and each other
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(name="pp")
def pp_fixture() -> Any:
    need(find_spec("pandapower"), "pandapower")
    import pandapower
    import pandapower.networks

    return pandapower


def street(pp: Any) -> Any:
    """20 kV, a transformer, and two homes in a row."""
    net = pp.create_empty_network()
    buses = [pp.create_bus(net, 20.0, name="MV")]
    buses += [pp.create_bus(net, 0.4, name=f"Bus {i}") for i in (1, 2, 3)]
    pp.create_ext_grid(net, buses[0], vm_pu=1.01)
    pp.create_transformer(net, buses[0], buses[1], "0.25 MVA 20/0.4 kV")
    for start, end in ((1, 2), (3, 2)):  # the second is drawn against the flow
        pp.create_line(net, buses[start], buses[end], 0.1, "NAYY 4x50 SE")
    pp.create_load(net, buses[2], p_mw=0.004, q_mvar=0.003)
    pp.create_sgen(net, buses[3], p_mw=0.005, type="PV")
    pp.create_storage(net, buses[3], p_mw=0.0, max_e_mwh=0.01, max_p_mw=0.002, soc_percent=25)
    return net


def imported(pp: Any, net: Any, tmp_path: Path) -> tuple[Scenario, str]:
    file = tmp_path / "Street 1.json"
    pp.to_json(net, str(file))
    made = import_pandapower(file, tmp_path / "out")
    return read_scenario(made.folder), "\n".join(made.warnings)


def test_a_street(pp: Any, tmp_path: Path) -> None:
    scenario, warnings = imported(pp, street(pp), tmp_path)
    assert warnings == "the net has no time series: all runs at constant power for one day"
    assert "constant power for one day" in scenario.description
    assert scenario.name == "street-1"
    grid, devices = scenario.grid, scenario.devices
    assert grid.node_ids == ("utility", "n001", "n002", "n003")
    assert list(zip(grid.link_from.tolist(), grid.link_to.tolist(), strict=True)) == [
        (0, 1), (1, 2), (2, 3),
    ]  # fmt: skip
    assert grid.capacity_w[1] == pytest.approx(3**0.5 * 400 * 142)
    assert grid.resistance_ohm[1] == pytest.approx(0.0642)
    assert scenario.participants == ("h002", "h003")
    assert devices.ids == ("h002-load", "h003-pv", "h003-battery")
    assert devices.power_factor[0] == pytest.approx(0.8)
    assert devices.energy_j[2] == pytest.approx(2.5 * J_PER_KWH)
    assert devices.charge_power_w[2] == pytest.approx(2000)
    assert len(scenario.times_s) == 96
    assert (scenario.profiles == 1).all()


def test_the_losses_are_those_of_the_power_flow(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    net.sgen.in_service = False
    net.load.q_mvar = 0.0
    pp.runpp(net)
    scenario, _ = imported(pp, net, tmp_path)
    grid = scenario.grid
    power_w = net.res_line.p_from_mw.abs().max() * 1e6
    loss_w = grid.resistance_ohm[1] * power_w**2 / grid.voltage_v[1] ** 2
    assert loss_w == pytest.approx(net.res_line.pl_mw.max() * 1e6, rel=0.03)  # at 1.01 pu
    assert grid.standing_loss_w[0] == pytest.approx(800)


def test_what_is_open_or_out_of_service_is_left_out(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    pp.create_switch(net, bus=2, element=1, et="l", closed=False)
    pp.create_load(net, 1, p_mw=0.001, in_service=False)
    scenario, warnings = imported(pp, net, tmp_path)
    assert scenario.grid.node_ids == ("utility", "n001", "n002")
    assert scenario.grid.link_count == 2
    assert scenario.devices.ids == ("h002-load",)
    assert "1 buses are not connected" in warnings
    assert "1 of kind pv have no supply: left out" in warnings


def test_a_net_in_which_nothing_is_supplied_is_refused(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    net.trafo.in_service = False
    with pytest.raises(InputError, match="nothing to trade") as caught:
        imported(pp, net, tmp_path)
    assert "supply" in caught.value.remedy
    assert not list((tmp_path / "out").iterdir())


def test_a_closed_bus_switch_makes_one_node(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    extra = pp.create_bus(net, 0.4, name="Bus 4")
    pp.create_switch(net, bus=3, element=extra, et="b", closed=True)
    pp.create_load(net, extra, p_mw=0.001)
    scenario, _ = imported(pp, net, tmp_path)
    assert scenario.grid.node_count == 4
    assert scenario.devices.ids == ("h002-load", "h003-load", "h003-pv", "h003-battery")


def test_parallel_lines_and_derating(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    net.line.loc[0, ["parallel", "df"]] = [2, 0.5]
    scenario, _ = imported(pp, net, tmp_path)
    assert scenario.grid.capacity_w[1] == pytest.approx(3**0.5 * 400 * 142)
    assert scenario.grid.resistance_ohm[1] == pytest.approx(0.0642 / 2)


def test_the_tap_is_folded_into_the_voltage_at_the_utility(pp: Any) -> None:
    net = street(pp)
    assert read_feeder(net).slack_voltage_pu == pytest.approx(1.01)
    net.trafo.tap_pos = -2
    feeder = read_feeder(net)
    assert feeder.slack_voltage_pu == pytest.approx(1.01 / 0.95, abs=1e-6)
    assert feeder.nodes[0]["voltage_v"] == 400


def dcline(pp: Any, net: Any) -> None:
    pp.create_dcline(net, 1, 3, 0.001, 0, 0, 1, 1)


def second_grid(pp: Any, net: Any) -> None:
    pp.create_ext_grid(net, 3)


def no_grid(_: Any, net: Any) -> None:
    net.ext_grid.in_service = False


def impedance(pp: Any, net: Any) -> None:
    pp.create_impedance(net, 1, 3, 0.1, 0.1, 1)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (dcline, "1 elements of the kind 'dcline'"),
        (impedance, "1 elements of the kind 'impedance'"),
        (second_grid, "2 external grids in service"),
        (no_grid, "0 external grids in service"),
    ],
)
def test_what_cannot_be_modelled_is_refused(
    pp: Any, spoil: Callable[[Any, Any], None], says: str
) -> None:
    net = street(pp)
    spoil(pp, net)
    with pytest.raises(InputError, match=says) as caught:
        read_feeder(net)
    assert caught.value.remedy


def test_what_is_left_out_is_named(pp: Any, tmp_path: Path) -> None:
    net = street(pp)
    pp.create_gen(net, 3, p_mw=0.001)
    pp.create_ward(net, 2, 0.001, 0, 0, 0)
    pp.create_storage(net, 2, p_mw=0.0, max_e_mwh=0.0, name="empty")
    net.sgen.type = "CHP"
    scenario, warnings = imported(pp, net, tmp_path)
    assert "1 elements of the kind 'gen' are not modelled" in warnings
    assert "1 elements of the kind 'ward' are not modelled" in warnings
    assert "storage 'empty' has no capacity or power" in warnings
    assert "1 generators that are no PV are curtailable like PV" in warnings
    assert "are not modelled: left out" in scenario.description


def test_the_cigre_low_voltage_net(pp: Any, tmp_path: Path) -> None:
    net = pp.networks.create_cigre_network_lv()
    scenario, warnings = imported(pp, net, tmp_path)
    loads_w = net.load.p_mw.sum() * 1e6
    load = scenario.devices.kind == DeviceKind.LOAD
    assert scenario.devices.power_w[load].sum() == pytest.approx(loads_w)
    assert (np.array(scenario.grid.kind) == "transformer").sum() == 3
    assert scenario.grid.link_count == scenario.grid.node_count - 1
    assert "n-r1" in scenario.grid.node_ids
    assert "no time series" in warnings


def test_no_such_file_and_no_net(pp: Any, tmp_path: Path) -> None:
    assert pp is not None
    with pytest.raises(InputError, match="no such file"):
        import_pandapower(tmp_path / "none.json", tmp_path / "a")
    (tmp_path / "bad.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="not readable as a pandapower net"):
        import_pandapower(tmp_path / "bad.json", tmp_path / "b")


def test_without_the_extra_the_remedy_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandapower", None)
    with pytest.raises(InputError, match="'pandapower', which is not installed") as caught:
        import_pandapower(tmp_path / "net.json", tmp_path / "x")
    assert caught.value.remedy == "pip install 'isojoule[import]'"
