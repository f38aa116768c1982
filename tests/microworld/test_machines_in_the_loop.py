"""Machines in the interval loop. Spec: docs/spec/run.md, R14."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isojoule.core.errors import InputError, InvariantError
from isojoule.machine import Machine, Order, Stage
from isojoule.market.mechanisms import get
from isojoule.microworld.scenario import Scenario
from isojoule.microworld.simulate import Record, conversion_loss_uj, simulate
from isojoule.microworld.world import State, World
from tests.microworld.test_world import off_grid
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV

WH_UJ = 3_600_000_000
STEP = 1e9 * 900  # operations of an interval


def two_servers(*, orders: int = 6, share: float = 0.9) -> Scenario:
    """Ada's server has sun beside it, Ben's is nearly full or empty: each 100 Wh, 1e9 op/s."""
    pack = {
        "kind": BATTERY, "capacity_j": 0.1 * KWH, "charge_efficiency": 0.95,
        "discharge_efficiency": 0.95, "reserve_j": 0.01 * KWH, "v_critical_per_j": 0.5 / KWH,
    }  # fmt: skip
    s = off_grid(
        [
            {"id": "a", "participant": 0, "node": 1, "energy_j": 0.05 * KWH, **pack},
            {"id": "b", "participant": 1, "node": 2, "energy_j": share * 0.1 * KWH, **pack},
            {"id": "sun", "participant": 0, "node": 1, "kind": PV, "power_w": 30.0, "profile": 0},
            {"id": "lamp", "participant": 1, "node": 2, "kind": LOAD, "power_w": 2.0},
        ],
        profiles=np.repeat([0.0, 0.0, 1.0, 1.0, 1.0, 0.0], 2)[:, None],
        capacity_w=20.0,
    )
    made = tuple(
        Machine(name, 1e9, 1e-8, 10**9, 1e-10, 1e-8, idle_w=1.0) for name in ("one", "two")
    )
    start = int(s.times_s[0])
    jobs = tuple(
        Order(
            name=f"job{i}", customer="home1", node="n1", at_s=start + 900 * i,
            deadline_s=start + 900 * 12, operations=int(2 * STEP), memory_byte=10**6,
            transfer_byte=10**6, value=0.05,
        )
        for i in range(orders)
    )  # fmt: skip
    return replace(s, machines=made, machine_device=np.array([0, 1], np.int32), orders=jobs)


def walk(s: Scenario, *, alone: bool = False) -> tuple[World, Record, State]:
    world = World.of(s, alone=alone)
    name = s.baseline if alone else "equilibrium"
    return world, *simulate(world, get(name), slice(0, len(s.times_s)), world.first())


@pytest.mark.parametrize("alone", [False, True])
def test_energy_is_conserved_with_machines(alone: bool) -> None:
    """R5: what batteries received is stored, lost in converters, decayed, or drawn by machines."""
    world, record, _ = walk(two_servers(), alone=alone)
    assert record.used_uj.sum() > 0
    assert (record.energy_uj.sum(1) + record.loss_uj.sum(1) == 0).all()
    before = np.vstack([record.start_uj, record.stored_uj[:-1]])
    loss = conversion_loss_uj(world.maker, record)
    received = record.energy_uj[:, world.maker.batteries]
    assert (received == record.stored_uj - before + record.decay_uj + record.used_uj + loss).all()
    wide = loss + np.abs(received) * 0.06 + 2
    assert (loss >= -2).all() and (wide >= loss).all()
    assert (record.committed_uj == record.used_uj).all()
    reserve = round(0.01 * KWH * 1e6)
    drew = record.used_uj > 0
    assert (record.stored_uj[drew] >= reserve - 2).all()


def test_what_is_promised_is_not_sold() -> None:
    """R14: the book of the interval holds back what Orders committed, and the price is higher."""
    busy, idle = World.of(two_servers()), World.of(two_servers(orders=0))
    wanted = busy.maker.energies_uj(slice(0, 1))[0]
    with_jobs, without = (w.open(0, wanted, w.first()) for w in (busy, idle))
    assert with_jobs.committed_uj.sum() > without.committed_uj.sum()
    for which in np.flatnonzero(with_jobs.committed_uj > without.committed_uj):
        piece = int(busy.maker.first_piece[busy.maker.batteries[which]])
        less = with_jobs.book.pieces.lo[piece] - without.book.pieces.lo[piece]
        promised = (with_jobs.committed_uj - without.committed_uj)[which] / 1e6
        assert less == pytest.approx(0.95 * promised)
        ask = [b.pieces.a[piece] + b.pieces.b[piece] * b.pieces.c0[piece]
               for b in (with_jobs.book, without.book)]  # fmt: skip
        assert ask[0] > ask[1]


def test_orders_go_where_energy_is_cheap_or_stay_at_home() -> None:
    """R14: in the market Ben's full server takes Ada's jobs; alone they stay with Ada's own."""
    _, market, _ = walk(two_servers(orders=8))
    _, alone, _ = walk(two_servers(orders=8), alone=True)
    where = [{step.machine for turn in r.turns for step in turn.steps} for r in (market, alone)]
    assert "two" in where[0] and where[1] == {"one"}
    done = [
        sum(step.operations for turn in r.turns for step in turn.steps) for r in (market, alone)
    ]
    assert done[0] > done[1]


def test_a_server_without_sun_falls_asleep_alone_and_lives_in_the_market() -> None:
    s = two_servers(share=0.18)
    _, market, _ = walk(s)
    _, alone, _ = walk(s, alone=True)
    asleep = [sum(turn.stage[1] >= Stage.SHUTDOWN for turn in r.turns) for r in (market, alone)]
    assert asleep[0] < asleep[1]
    assert any(e.subject == "two" and e.what == "sleeps" and e.root for t in alone.turns
               for e in t.events)  # fmt: skip


def test_two_halves_of_a_day_are_the_day() -> None:
    """The state holds everything: cut in two, the same record comes out."""
    s = two_servers()
    world, whole, end = walk(s)
    first, middle = simulate(world, get("equilibrium"), slice(0, 5), world.first())
    second, last = simulate(world, get("equilibrium"), slice(5, 12), middle)
    assert np.array_equal(np.vstack([first.energy_uj, second.energy_uj]), whole.energy_uj)
    assert [*first.turns, *second.turns] == whole.turns
    assert last.fleet == end.fleet and np.array_equal(last.stored_uj, end.stored_uj)


def test_machines_that_draw_more_than_there_is_break_the_run() -> None:
    world = World.of(two_servers())
    opened = world.open(0, world.maker.energies_uj(slice(0, 1))[0], world.first())
    broken = replace(opened, used_uj=opened.stored_uj + 1)
    with pytest.raises(InvariantError, match="more than their battery held"):
        world.close(broken, np.zeros(2, np.int64))


def test_scenarios_with_machines_that_cannot_be_are_refused() -> None:
    s = two_servers()
    for change, message in (
        ({"machine_device": np.array([0, 2], np.int32)}, "not fed by a battery"),
        ({"machine_device": np.array([0, 0], np.int32)}, "shares the battery"),
        ({"cyclic_tolerance": 0.01}, "cannot be cyclic"),
        ({"machines": (), "machine_device": np.zeros(0, np.int32)}, "but no machine"),
        ({"orders": (replace(s.orders[0], customer="nobody"),)}, "unknown participant 'nobody'"),
        ({"orders": (replace(s.orders[0], node="nowhere"),)}, "unknown node 'nowhere'"),
        ({"orders": (s.orders[0], s.orders[0])}, "'job0' stands twice"),
    ):
        with pytest.raises(InputError, match=message):
            replace(s, **change)  # type: ignore[arg-type]


def test_a_full_discharge_leaves_what_was_promised() -> None:
    """R3, R14: a battery rounded to its wall still holds what its machine draws, to the microjoule.

    With these numbers discharging rounds up by a microjoule at the very wall.
    """
    pack = {
        "id": "b", "participant": 0, "node": 1, "kind": BATTERY, "capacity_j": 2 * KWH,
        "energy_j": 3926265.280733025, "discharge_efficiency": 0.7, "discharge_power_w": 1e5,
    }  # fmt: skip
    lamp = {"id": "lamp", "participant": 0, "node": 1, "kind": LOAD, "power_w": 9e3}
    s = off_grid([pack, lamp], intervals=1)
    start = int(s.times_s[0])
    order = Order("o", "home1", "n1", start, start + 900, 49359989293, value=1e6, critical=True)
    s = replace(
        s, machines=(Machine("m", 1e12, 1e-6),), machine_device=np.array([0], np.int32),
        orders=(order,),
    )  # fmt: skip
    _, record, _ = walk(s)
    assert record.used_uj[0, 0] == 49359989293
    assert 0 <= record.stored_uj[0, 0] <= 2
