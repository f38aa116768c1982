"""What a world carries, stored and read again. Spec: docs/spec/run.md, R16."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from isojoule.apps.files.scenario_files import bundled, read_scenario
from isojoule.market.mechanisms import get
from isojoule.microworld.carried import as_stored, state_document, state_from
from isojoule.microworld.simulate import simulate
from isojoule.microworld.world import State, World


def same(one: State, other: State) -> bool:
    return (
        np.array_equal(one.stored_uj, other.stored_uj)
        and one.idle_s.tobytes() == other.idle_s.tobytes()
        and one.fleet == other.fleet
        and one.market == other.market
    )


def test_machines_and_orders_come_back_as_they_were() -> None:
    """Over half a day: asleep and awake, Orders under way, given up and done."""
    scenario = read_scenario(Path(bundled()["machines"]))
    world = World.of(scenario, seed=b"x")
    state, seen = world.first(), set()
    for row in range(0, 144, 6):
        _, state = simulate(world, get("equilibrium"), slice(row, row + 6), state, seed=b"x")
        back = state_from(json.loads(json.dumps(state_document(state))))
        assert same(state, back)
        assert back.fleet is not None
        seen |= {m.stage.name for m in back.fleet.machines}
        seen |= {order.status.name for order in back.fleet.orders}
    assert len(seen) > 3  # not one stage and one status all day


def test_floats_keep_every_digit_and_tuples_become_lists() -> None:
    state = State(
        np.array([2**62, -1]), np.array([0.1, 1e300]), None, {"sold": (1, 2), "at": 0.1 + 0.2}
    )
    back = as_stored(state)
    assert back.idle_s.tobytes() == state.idle_s.tobytes()
    assert back.stored_uj.tolist() == [2**62, -1]
    assert back.market == {"sold": [1, 2], "at": 0.1 + 0.2}
    assert same(as_stored(back), back)
