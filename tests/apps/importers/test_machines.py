"""The generated machines: their rules, and that the day tells its story."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from isojoule.apps.cli.main import app
from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.apps.importers.machines import STREAMS, machines
from isojoule.market.mechanisms import get
from isojoule.microworld.fleet import Status
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record, simulate
from isojoule.microworld.world import World


@pytest.fixture(name="day", scope="module")
def day_fixture() -> Scenario:
    return read_scenario(bundled()["machines"])


@pytest.fixture(name="worlds", scope="module")
def worlds_fixture(day: Scenario) -> dict[str, Record]:
    out = {}
    for name in ("autarky", "equilibrium"):
        world = World.of(day, alone=name == "autarky")
        out[name], _ = simulate(world, get(name), day.rows(day.periods[0]), world.first())
    return out


def hour_of(day: Scenario, at: int) -> float:
    """Hours since the midnight before the scenario begins at six."""
    return 6 + at * day.interval_s / 3600


def test_orders_arrive_in_their_hours_with_their_values() -> None:
    orders = machines().tables["orders"]
    assert 100 <= len(orders["order"]) <= 150
    assert orders["time"] == sorted(orders["time"])
    for time, deadline in zip(orders["time"], orders["deadline"], strict=True):
        assert deadline > time
    for name, value, operations in zip(
        orders["order"], orders["value"], orders["operations"], strict=True
    ):
        work = next(w for w in STREAMS if name.startswith(f"{w.customer}-{w.name}-"))
        assert abs(operations / work.operations - 1) <= work.spread + 1e-2
        cost = operations * 4.5e-10 / 3.6e6
        assert work.worth[0] * cost - 1e-9 <= value <= work.worth[1] * cost + 1e-9


def test_arrivals_are_poissons() -> None:
    """Mean and variance of their number over many seeds are rate times time: 16 builds."""
    count = [
        sum("-build-" in name for name in machines(seed=seed).tables["orders"]["order"])
        for seed in range(120)
    ]
    assert np.mean(count) == pytest.approx(16, abs=3 * np.sqrt(16 / 120))
    assert np.var(count) == pytest.approx(16, rel=0.4)


def test_who_owns_what(day: Scenario) -> None:
    assert day.participants == ("ada", "ben")
    assert [m.name for m in day.machines] == ["laptop", "phone", "server", "ben-server"]
    owners = dict(zip(day.grid.link_ids, day.grid.owner, strict=True))
    assert owners == {"charger": "ada", "usb-laptop": "ada", "usb-phone": "ada", "house-cable": ""}
    assert (len(day.times_s), day.interval_s, day.cyclic_tolerance) == (288, 300, None)


def test_alone_bens_server_falls_asleep_and_his_orders_are_given_up(
    day: Scenario, worlds: dict[str, Record]
) -> None:
    turns = worlds["autarky"].turns
    ben = [m.name for m in day.machines].index("ben-server")
    asleep = [not turn.stage[ben].awake for turn in turns]
    assert any(asleep)
    assert asleep[-1]
    given_up = [
        order.customer
        for order, progress in zip(day.orders, turns[-1].state.orders, strict=True)
        if progress.status is Status.GIVEN_UP
    ]
    assert given_up.count("ben") > 20
    assert worlds["autarky"].flow_uj[:, day.grid.link_ids.index("house-cable")].any() == 0


def test_together_nearly_all_is_done_and_work_moves_to_ben_at_night(
    day: Scenario, worlds: dict[str, Record]
) -> None:
    turns = worlds["equilibrium"].turns
    done = sum(p.status is Status.DONE for p in turns[-1].state.orders)
    alone = sum(p.status is Status.DONE for p in worlds["autarky"].turns[-1].state.orders)
    assert done > 0.9 * len(day.orders) > 0.7 * len(day.orders) > alone

    def share_of_ben(first_h: float, last_h: float) -> float:
        steps = [
            (step.machine == "ben-server", step.operations)
            for at, turn in enumerate(turns)
            if first_h <= hour_of(day, at) < last_h
            for step in turn.steps
        ]
        return sum(n for ben, n in steps if ben) / sum(n for _, n in steps)

    assert share_of_ben(9, 16) < 0.2
    assert share_of_ben(23, 30) > 0.6


def test_the_cable_fills_bens_battery_at_noon(day: Scenario, worlds: dict[str, Record]) -> None:
    record = worlds["equilibrium"]
    cable = day.grid.link_ids.index("house-cable")
    noon = slice(6 * 12, 8 * 12)  # 12:00 to 14:00
    assert record.full[noon, cable].any()
    assert record.flow_uj[noon, cable].min() > 0
    assert record.stored_uj[15 * 12, -1] > record.start_uj[-1]


def test_the_command(tmp_path: Path) -> None:
    target = tmp_path / "m"
    found = CliRunner().invoke(app, ["generate", "machines", str(target), "--seed", "7", "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"scenario": str(target)}
    assert read_scenario(target).machines
    assert CliRunner().invoke(app, ["generate", "machines", str(target)]).exit_code == 2
    bad = CliRunner().invoke(app, ["generate", "machines", str(tmp_path / "n"), "--seed", "-3"])
    assert bad.exit_code == 2
    assert not (tmp_path / "n").exists()
