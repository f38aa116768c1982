"""Small scenarios built in memory."""

from __future__ import annotations

import numpy as np

from isojoule.core.units import J_PER_KWH
from isojoule.grid import Grid
from isojoule.microworld.scenario import DeviceKind, Devices, Period, Scenario

KWH = J_PER_KWH
NAN = float("nan")


def devices(rows: list[dict[str, object]]) -> Devices:
    """Devices from one mapping each; what is left out does not apply."""
    defaults: dict[str, float] = {
        "power_factor": 1.0, "lost_load_per_j": 5.0 / KWH, "spill_value_per_j": 0.0,
        "charge_efficiency": 0.9, "discharge_efficiency": 0.9, "self_discharge_per_month": 0.0,
        "v_min_per_j": 0.09 / KWH, "v_max_per_j": 0.25 / KWH, "v_critical_per_j": 0.4 / KWH,
        "k": 1.0, "reserve_j": 0.0, "energy_j": 0.0, "charge_power_w": 1e4,
        "discharge_power_w": 1e4,
    }  # fmt: skip

    def column(name: str) -> np.ndarray:
        return np.array([float(r.get(name, defaults.get(name, NAN))) for r in rows])  # type: ignore[arg-type]

    def index(name: str, default: int = 0) -> np.ndarray:
        return np.array([int(r.get(name, default)) for r in rows], np.int32)  # type: ignore[call-overload]

    names = (
        "power_w", "power_factor", "lost_load_per_j", "spill_value_per_j", "capacity_j",
        "energy_j", "reserve_j", "charge_power_w", "discharge_power_w", "charge_efficiency",
        "discharge_efficiency", "self_discharge_per_month", "v_min_per_j", "v_max_per_j",
        "v_critical_per_j", "k",
    )  # fmt: skip
    return Devices(
        ids=tuple(str(r["id"]) for r in rows),
        participant=index("participant"),
        node=index("node"),
        kind=np.array([int(r["kind"]) for r in rows], np.uint8),  # type: ignore[call-overload]
        profile=index("profile", -1),
        **{name: column(name) for name in names},
    )


def street(
    rows: list[dict[str, object]],
    *,
    intervals: int = 4,
    profiles: np.ndarray | None = None,
    capacity_w: float = 1e5,
    resistance_ohm: float = 0.05,
    cyclic: float | None = None,
    fee: float = 0.0,
) -> Scenario:
    """A utility, and homes in a row behind it: node i hangs on node i - 1."""
    homes = 1 + max(int(r["participant"]) for r in rows)  # type: ignore[call-overload]
    grid = Grid(
        node_ids=("utility", *(f"n{i}" for i in range(1, homes + 1))),
        link_ids=tuple(f"l{i}" for i in range(1, homes + 1)),
        link_from=np.arange(homes, dtype=np.int32),
        link_to=np.arange(1, homes + 1, dtype=np.int32),
        capacity_w=np.full(homes, capacity_w),
        resistance_ohm=np.full(homes, resistance_ohm),
        voltage_v=np.full(homes, 400.0),
        standing_loss_w=np.array([50.0, *[0.0] * (homes - 1)]),
    )
    columns = np.ones((intervals, 1)) if profiles is None else profiles
    times = 1_700_000_000 // 900 * 900 + 900 * np.arange(len(columns))
    names = tuple(f"home{i}" for i in range(1, homes + 1))
    return Scenario(
        name="street",
        title="A street",
        description="",
        attribution="",
        currency="EUR",
        timezone="UTC",
        network="transport",
        mechanism="equilibrium",
        interval_s=900,
        utility_node=0,
        network_fee_per_j=fee,
        periods=(Period("all", int(times[0]), int(times[-1]) + 900),),
        cyclic_tolerance=cyclic,
        max_rounds=20,
        grid=grid,
        participants=names,
        labels=names,
        devices=devices(rows),
        times_s=times.astype(np.int64),
        profile_names=tuple(f"p{i}" for i in range(columns.shape[1])),
        profiles=columns,
        sells_at_per_j=np.full(len(columns), 0.30 / KWH),
        buys_at_per_j=np.full(len(columns), 0.08 / KWH),
    )


LOAD, PV, BATTERY = int(DeviceKind.LOAD), int(DeviceKind.PV), int(DeviceKind.BATTERY)
