"""Runs of small worlds without a utility: a village, and a household of machines.

The scenarios are built in memory and truly simulated, so what the report says can be held against
what happened.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.report.read import RunFiles, open_run
from isojoule.apps.results.asked import as_settled
from isojoule.apps.results.settlement import settle_run
from isojoule.apps.results.summary import write_summary
from isojoule.apps.results.worlds import Job, run_job
from isojoule.core.units import J_PER_KWH
from isojoule.grid import Grid
from isojoule.machine import Machine, Order
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.rules import Rules
from tests.microworld.worlds import BATTERY, LOAD, PV, devices

KWH = J_PER_KWH
START_S = 1_718_575_200 // 86400 * 86400  # a midnight in June, UTC
Floats = NDArray[np.float64]


def sun(times: int, interval_s: int, clouds: Floats) -> Floats:
    """A bell from 6 to 18 o'clock, lower where the day is cloudy."""
    hour = np.arange(times) * interval_s / 3600
    bell = np.clip(np.sin((hour % 24 - 6) / 12 * np.pi), 0, None)
    return bell * clouds[(hour // 24).astype(int) % len(clouds)]


def village(homes: int = 6, days: int = 2, *, seed: int = 1, cost_per_kwh: float = 1.0) -> Scenario:
    """Homes along a few streets, half of them without panels, one battery in three homes."""
    rng = np.random.default_rng(seed)
    interval_s, times = 900, days * 96
    clouds = rng.uniform(0.25, 1.0, days)
    hour = np.arange(times) * interval_s / 3600 % 24
    evening = 0.3 + np.exp(-((hour - 19.5) ** 2) / 5) + 0.4 * np.exp(-((hour - 7) ** 2) / 2)
    profiles = np.stack([sun(times, interval_s, clouds), evening], axis=1)
    rows: list[dict[str, object]] = []
    for i in range(homes):
        here = {"participant": i, "node": i}
        use = {"kind": LOAD, "power_w": float(rng.uniform(60, 160)), "profile": 1}
        rows.append({"id": f"home {i + 1} use", **here, **use, "lost_load_per_j": 1.0 / KWH})
        if i % 2 == 0:
            power = {"kind": PV, "power_w": float(rng.uniform(250, 700)), "profile": 0}
            rows.append({"id": f"home {i + 1} roof", **here, **power})
        if i % 3 == 0:
            size = float(rng.uniform(0.6, 2.0)) * KWH
            pack = {"kind": BATTERY, "capacity_j": size, "energy_j": size / 2}
            rows.append({"id": f"home {i + 1} pack", **here, **pack})
    before = np.array([max(i - 1, 0) if i % 7 else max(i - 7, 0) for i in range(1, homes)])
    grid = Grid(
        node_ids=tuple(f"Home {i + 1}" for i in range(homes)),
        link_ids=tuple(f"Wire {i}" for i in range(1, homes)),
        link_from=before.astype(np.int32),
        link_to=np.arange(1, homes, dtype=np.int32),
        capacity_w=np.full(homes - 1, 150.0),
        resistance_ohm=np.full(homes - 1, 0.05),
        voltage_v=np.full(homes - 1, 48.0),
        x=np.arange(homes) % 7 * 30.0 + rng.uniform(-8, 8, homes),
        y=np.arange(homes) // 7 * 28.0 + rng.uniform(-8, 8, homes),
    )
    none = np.full(times, np.nan)
    start = np.arange(times, dtype=np.int64) * interval_s + START_S
    return Scenario(
        name="hamlet", title="A hamlet off the grid", description="",
        attribution="Made by a seeded generator, for tests only.", currency="USD",
        timezone="UTC", network="transport", mechanism="equilibrium", interval_s=interval_s,
        utility_node=-1, network_fee_per_j=0.0,
        periods=(Period("days", START_S, START_S + times * interval_s),),
        cyclic_tolerance=None, max_rounds=1, grid=grid,
        participants=tuple(f"home{i + 1}" for i in range(homes)),
        labels=tuple(f"Home {i + 1}" for i in range(homes)), devices=devices(rows),
        times_s=start, profile_names=("sun", "use"), profiles=profiles, sells_at_per_j=none,
        buys_at_per_j=none, baseline="autarky", unserved_cost_per_j=cost_per_kwh / KWH,
    )  # fmt: skip


def household(orders: int = 40, *, seed: int = 2, lamp_w: float = 0.0) -> Scenario:
    """Ada's panel, laptop, phone and small server; Ben's server next door. One day of 5 minutes."""
    rng = np.random.default_rng(seed)
    interval_s, times = 300, 288
    profiles = np.stack([sun(times, interval_s, np.ones(1)), np.ones(times)], axis=1)

    def pack(name: str, who: int, node: int, wh: float, share: float) -> dict[str, object]:
        size = wh * 3600.0
        return {
            "id": f"{name} battery", "participant": who, "node": node, "kind": BATTERY,
            "capacity_j": size, "energy_j": share * size, "charge_power_w": 60.0,
            "discharge_power_w": 60.0, "v_min_per_j": 0.05 / KWH, "v_max_per_j": 0.4 / KWH,
        }  # fmt: skip

    rows: list[dict[str, object]] = [
        {"id": "panel", "participant": 0, "node": 0, "kind": PV, "power_w": 60.0, "profile": 0},
        pack("laptop", 0, 1, 60.0, 0.6), pack("phone", 0, 2, 15.0, 0.4),
        pack("server", 0, 3, 80.0, 0.3), pack("ben", 1, 4, 400.0, 0.8),
    ]  # fmt: skip
    if lamp_w:
        lamp = {"kind": LOAD, "power_w": lamp_w, "profile": 1, "lost_load_per_j": 1.0 / KWH}
        rows.append({"id": "lamp", "participant": 0, "node": 0, **lamp})
    machines = (
        Machine("laptop", 20e9, 0.5e-9, 8 << 30, 0.0, 1e-9, 2.0),
        Machine("phone", 6e9, 0.3e-9, 4 << 30, 0.0, 1e-9, 0.4),
        Machine("server", 80e9, 0.9e-9, 32 << 30, 0.0, 1e-9, 6.0),
        Machine("ben's server", 80e9, 0.7e-9, 32 << 30, 0.0, 1e-9, 8.0),
    )
    grid = Grid(
        node_ids=("panel", "desk", "table", "cellar", "ben"),
        link_ids=("to desk", "to table", "to cellar", "to ben"),
        link_from=np.zeros(4, np.int32),
        link_to=np.arange(1, 5, dtype=np.int32),
        capacity_w=np.array([60.0, 20.0, 60.0, 40.0]),
        loss_ppb=np.array([0, 0, 0, 20_000_000]),
        x=np.array([0.0, -4.0, 0.0, 4.0, 16.0]),
        y=np.array([0.0, 4.0, 6.0, 4.0, 0.0]),
    )
    at = np.sort(rng.integers(0, times - 24, orders)) * interval_s + START_S
    jobs = tuple(
        Order(
            name=f"job {i + 1}", customer="ada" if i % 5 else "ben",
            node="desk" if i % 5 else "ben", at_s=int(at[i]),
            deadline_s=int(at[i]) + int(rng.integers(12, 72)) * interval_s,
            operations=int(rng.uniform(2e12, 6e13)), memory_byte=1 << 28,
            transfer_byte=int(rng.uniform(1e6, 1e9)), value=float(rng.uniform(0.002, 0.03)),
            critical=i % 11 == 0,
        )
        for i in range(orders)
    )  # fmt: skip
    none = np.full(times, np.nan)
    start = np.arange(times, dtype=np.int64) * interval_s + START_S
    return Scenario(
        name="household", title="A household of machines", description="",
        attribution="Made by a seeded generator, for tests only.", currency="EUR",
        timezone="Europe/Berlin", network="transport", mechanism="equilibrium",
        interval_s=interval_s, utility_node=-1, network_fee_per_j=0.0,
        periods=(Period("day", START_S, START_S + times * interval_s),),
        cyclic_tolerance=None, max_rounds=1, grid=grid, participants=("ada", "ben"),
        labels=("Ada", "Ben"), devices=devices(rows), times_s=start,
        profile_names=("sun", "on"), profiles=profiles, sells_at_per_j=none, buys_at_per_j=none,
        baseline="autarky", unserved_cost_per_j=1.0 / KWH, stored_value_per_j=0.1 / KWH,
        machines=machines, machine_device=np.arange(1, 5, dtype=np.int32), orders=jobs,
    )  # fmt: skip


def simulated(folder: Path, scenario: Scenario) -> RunFiles:
    """Run both worlds of a scenario and sum them up; the folder has no copy of the scenario."""
    folder.mkdir(parents=True)
    (folder / "scenario").mkdir()
    jobs = [
        Job(world, rule, {}, 0, 0, folder / world, 0)
        for world, rule in (("market", scenario.mechanism), ("baseline", scenario.baseline))
    ]
    outcomes = [run_job(scenario, job, None) for job in jobs]
    identity = {"mechanism": scenario.mechanism, "versions": {"isojoule": "0.1.0"}, "seed": 0}
    command = f"isojoule run {scenario.name} --seed 0"
    settled = settle_run(folder, scenario, as_settled(scenario, Rules()).rules, folder.name, 0)
    write_summary(folder, scenario, folder.name, outcomes, identity, command, settled)
    return open_run(folder, scenario)
