"""Worlds without a utility, and batteries whose curve perishes. Spec: docs/spec/run.md, R2."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from isojoule.core.errors import InputError
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import simulate
from isojoule.microworld.world import World
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

HOUR_S = 3600.0


def off_grid(rows: list[dict[str, object]], **options: object) -> Scenario:
    """A street whose utility is gone; its node stays, empty."""
    s = street(rows, **options)  # type: ignore[arg-type]
    none = np.full(s.times_s.size, np.nan)
    grid = replace(s.grid, standing_loss_w=np.zeros(s.grid.link_count))
    return replace(
        s, grid=grid, utility_node=-1, baseline="autarky", sells_at_per_j=none, buys_at_per_j=none
    )


def test_off_the_grid_the_book_holds_the_devices_alone() -> None:
    """R2: no utility, no offer of one; what nobody has is not served."""
    s = off_grid([
        {"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 1000.0},
        {"id": "lamp", "participant": 1, "node": 2, "kind": LOAD, "power_w": 3000.0},
    ])  # fmt: skip
    world = World.of(s)
    assert world.maker.template.offer_ids == ("sun", "lamp")
    record, _ = simulate(world, get("equilibrium"), slice(0, 4), world.first())
    got = record.energy_uj[:, 1] / 1e6
    assert np.all(got < 900e3)  # no more than the sun gives in a quarter of an hour
    assert got == pytest.approx(np.full(4, 900e3), rel=1e-2)  # less what the line loses
    assert (record.energy_uj.sum(1) + record.loss_uj.sum(1) == 0).all()
    assert (record.payment_nano.sum(1) == record.operator_nano).all()


def test_a_world_without_a_utility_needs_a_baseline_without_one() -> None:
    s = off_grid([{"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 1.0}])
    with pytest.raises(InputError, match="no utility"):
        replace(s, baseline="utility-only")
    with pytest.raises(InputError, match="unknown baseline"):
        replace(s, baseline="nothing")
    with pytest.raises(InputError, match="has gaps"):
        replace(s, sells_at_per_j=np.zeros(s.times_s.size))


def perishing(**more: object) -> Scenario:
    """A battery that perishes within hours, and a neighbour that needs nothing at first."""
    use = np.concatenate([np.zeros((8, 1)), np.ones((4, 1))])
    pack = {
        "id": "b", "participant": 0, "node": 1, "kind": BATTERY, "capacity_j": 10 * KWH,
        "energy_j": 5 * KWH, "charge_efficiency": 1.0, "discharge_efficiency": 1.0,
    }  # fmt: skip
    pack.update(more)
    lamp = {"id": "l", "participant": 1, "node": 2, "kind": LOAD, "power_w": 2000.0, "profile": 0}
    s = off_grid([pack, lamp], profiles=use, resistance_ohm=0.0)
    tau = np.array([2 * HOUR_S, np.nan])
    return replace(s, devices=replace(s.devices, tau_s=tau, floor=np.array([0.5, np.nan])))


def test_an_idle_battery_gets_cheaper_and_a_sale_sets_its_clock_back() -> None:
    """R2: after q out of F idle is (idle + dt)(1 - q/F); price = curve times the decay."""
    s = perishing()
    world = World.of(s)
    record, end = simulate(world, get("equilibrium"), slice(0, 12), world.first())
    full = 0.09 + (0.25 - 0.09) * 0.5  # at 5 of 10 kWh
    hours = 0.25 * np.arange(12)
    decayed = full * (0.5 + 0.5 * np.exp(-hours / 2))
    assert record.price_per_j[:8, 1] * KWH == pytest.approx(decayed[:8], rel=1e-9)
    idle_s, free = 8 * 900.0, 5.0
    for at in range(8, 12):
        fresh = 0.5 + 0.5 * math.exp(-idle_s / (2 * HOUR_S))
        worth = (0.25 - 0.16 * (free - 0.5) / 10) * fresh
        assert record.price_per_j[at, 1] * KWH == pytest.approx(worth, rel=1e-9)
        idle_s = (idle_s + 900.0) * (1 - 0.5 / free)
        free -= 0.5
    assert end.idle_s[0] == pytest.approx(idle_s, rel=1e-9)


def test_perishing_never_touches_an_empty_battery() -> None:
    s = perishing(energy_j=1 * KWH, reserve_j=1 * KWH)
    world = World.of(s)
    wanted = world.maker.energies_uj(slice(0, 12))
    state = world.first()
    for row in range(3):
        opened = world.open(row, wanted[row], state)
        pieces = opened.book.pieces
        assert pieces.a[4] + pieces.b[4] == pytest.approx(0.25 / KWH)  # the bid above the reserve
        state = world.close(opened, np.zeros(1, np.int64))
        assert state.idle_s[0] == 900.0 * (row + 1)


def test_perishing_is_off_unless_asked_for() -> None:
    s = perishing()
    s = replace(s, devices=replace(s.devices, tau_s=np.zeros(0), floor=np.zeros(0)))
    assert np.isinf(s.devices.tau_s[0])
    world = World.of(s)
    record, _ = simulate(world, get("equilibrium"), slice(0, 8), world.first())
    assert record.price_per_j[:, 1] * KWH == pytest.approx(np.full(8, 0.17), rel=1e-9)
