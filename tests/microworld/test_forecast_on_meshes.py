"""Forecast errors on `dc`, where flows follow from what is fed in. Spec: run.md, R19, R25."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.apps.results.tables import part_frames
from isojoule.grid import Grid
from isojoule.grid.dc import LinearFlow, linear_flow_of
from isojoule.microworld.scenario import Scenario
from tests.microworld.test_delivery import Times, kwh, run
from tests.microworld.worlds import BATTERY, KWH, LOAD, PV, street

Row = dict[str, object]


def ring(s: Scenario, capacity_kwh: float, ends: tuple[tuple[int, int], ...]) -> Scenario:
    """The scenario on links of one reactance; what they may carry in a quarter of an hour."""
    count = len(ends)
    grid = Grid(
        node_ids=s.grid.node_ids,
        link_ids=tuple(f"{a}{b}" for a, b in ends),
        link_from=np.array([a for a, _ in ends], np.int32),
        link_to=np.array([b for _, b in ends], np.int32),
        capacity_w=np.full(count, capacity_kwh * 4000.0),
        reactance_ohm=np.full(count, 0.2),
        voltage_v=np.full(count, 400.0),
    )
    return replace(s, grid=grid, network="dc", mechanism="lmp")


TRIANGLE = (0, 1), (1, 2), (0, 2)


def test_what_comes_instead_splits_over_the_mesh() -> None:
    """R19: of each kWh from node 0 to node 2 two thirds run straight, one third over node 1."""
    rows: list[Row] = [
        {"id": "a", "participant": 0, "node": 1, "kind": LOAD, "power_w": 0.0},
        {"id": "b", "participant": 1, "node": 2, "kind": LOAD, "power_w": 6000.0},
    ]
    s = ring(street(rows, intervals=1), 0.8, TRIANGLE)
    world, r = run(replace(s, forecast=Times((1.0, 0.6))), "lmp")
    assert kwh(r.energy_uj) == [0.0, 0.9, -0.9]
    assert kwh(r.flow_uj) == [0.3, 0.3, 0.6]
    assert kwh(r.metered_uj) == [0.0, 1.5, -1.5]
    assert kwh(r.delivered_flow_uj) == [0.5, 0.5, 1.0]
    frames = part_frames(world.maker, r, "all", prices=True)
    assert frames["links"]["overloaded"].to_list() == [False, False, True]
    assert kwh(frames["intervals"]["imbalance_uj"].to_numpy()) == [0.6]


def test_off_the_grid_limits_hold_and_the_law_of_the_mesh_too() -> None:
    """R25: at most 0.8 kWh over the straight way let 1.2 kWh through; the rest goes without."""
    rows: list[Row] = [
        {"id": "pack", "participant": 0, "node": 0, "kind": BATTERY, "capacity_j": 10 * KWH,
         "energy_j": 9 * KWH},
        {"id": "a", "participant": 1, "node": 1, "kind": LOAD, "power_w": 0.0},
        {"id": "b", "participant": 2, "node": 2, "kind": LOAD, "power_w": 6000.0},
    ]  # fmt: skip
    s = street(rows, intervals=1)
    none = np.full(1, np.nan)
    s = ring(s, 0.8, TRIANGLE)
    s = replace(s, utility_node=-1, baseline="autarky", sells_at_per_j=none, buys_at_per_j=none)
    _, r = run(replace(s, forecast=Times((1.0, 1.0, 0.6))), "lmp")
    assert kwh(r.energy_uj) == [-0.9, 0.0, 0.9]
    assert np.allclose(r.metered_uj / 3.6e12, [-1.2, 0.0, 1.2], atol=1e-9)
    assert np.allclose(r.delivered_flow_uj / 3.6e12, [0.4, 0.4, 0.8], atol=1e-9)
    assert (np.abs(r.delivered_flow_uj) <= 0.8 * 3.6e12).all()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.booleans())
def test_every_node_balances_and_flows_keep_the_law(seed: int, grid_tied: bool) -> None:
    """R5, R19, G10, G12: to 2 microjoules of the power flow of what meters show."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for h in range(4):
        at = {"participant": h, "node": h + 1}
        rows += [
            {"id": f"l{h}", "kind": LOAD, "power_w": float(rng.uniform(0, 5e3)), "profile": 0,
             **at},
            {"id": f"p{h}", "kind": PV, "power_w": float(rng.uniform(0, 8e3)), "profile": 1, **at},
            {"id": f"b{h}", "kind": BATTERY, "capacity_j": 5 * KWH,
             "energy_j": rng.uniform(0, 5) * KWH, **at},
        ]  # fmt: skip
    profiles = np.stack([rng.uniform(-0.3, 1, 4), rng.uniform(0, 1, 4)], axis=1)
    ends = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3))
    s = ring(street(rows, profiles=profiles), float(rng.choice([0.6, 2.0, 50.0])), ends)
    if not grid_tied:
        none = np.full(4, np.nan)
        s = replace(s, utility_node=-1, baseline="autarky", sells_at_per_j=none, buys_at_per_j=none)
    world, r = run(replace(s, forecast=Times(tuple(rng.uniform(0, 2.5, len(rows))))), "lmp")
    linear = linear_flow_of(s.grid, 900.0)
    assert isinstance(linear, LinearFlow)
    nodes = world.maker.template.offer_node
    for got, flow in zip(r.metered_uj, r.delivered_flow_uj, strict=True):
        at = np.zeros(5, np.int64)
        np.add.at(at, nodes, got)
        brought = np.zeros(5, np.int64)
        np.add.at(brought, s.grid.link_to, flow)
        np.subtract.at(brought, s.grid.link_from, flow)
        assert np.array_equal(at, brought)
        assert np.abs(linear.astray(flow.astype(np.float64))).max() <= 2.0
    if not grid_tied:
        assert (np.abs(r.delivered_flow_uj) <= s.grid.limits(900.0).capacity_uj).all()
    assert not r.delivered_loss_uj.any()
