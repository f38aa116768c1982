"""Generate two neighbours' machines: one has the sun, the other the big battery.

Everything follows from a seed by the rules of docs/scenario-machines.md, which names the sources of
the figures; nothing is measured. In short:

- Ada owns a panel, a laptop, a phone and a home server, each with its battery, joined by
  USB-C cables and a charger. Ben, next door, owns a server with a bigger battery and no sun. A
  cable of 20 m joins the houses.
- Orders arrive by chance over one day, from six in the morning: builds, photos, films, mail,
  signs of life, backups at night. Each is worth something, and has a deadline.
- Machines draw power while awake, and sleep when their battery is nearly empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.importers.common import columns
from isojoule.apps.importers.sunshine import DIGITS, clear_sky, clouds
from isojoule.apps.importers.village import Generated
from isojoule.core.chance import uniform
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH

Row = dict[str, Any]

ZONE = "Europe/Berlin"
LATITUDE, LONGITUDE = 51.3, 9.5
START = datetime(2026, 6, 20, 6, tzinfo=ZoneInfo(ZONE))
INTERVAL_S = 300
INTERVALS = 288
SKY = 0.85
PANEL_W = 180.0
V_MIN, V_MAX, V_CRITICAL = 0.05, 0.60, 0.70
SPILL = 0.001
"""What a kWh of sun is worth unused, EUR: next to nothing, but enough that none is sent in vain."""
LAMP_W = 10.0
MB, GB = 10**6, 10**9


@dataclass(frozen=True, slots=True)
class Kind:
    """A machine: where it stands and what it is.

    Parameters
    ----------
    capacity_wh, filled
        Of its battery, and the share stored at the start.
    power_w
        Limit of its battery either way.
    """

    name: str
    owner: str
    capacity_wh: float
    filled: float
    power_w: float
    operations_per_s: float
    energy_per_operation_j: float
    memory_byte: int
    energy_per_byte_j: float
    idle_w: float


MACHINES = (
    Kind("laptop", "ada", 60.0, 0.50, 60.0, 4e10, 4.0e-10, 16 * GB, 5e-8, 5.0),
    Kind("phone", "ada", 15.0, 0.50, 15.0, 1e10, 3.5e-10, 2 * GB, 1e-7, 0.4),
    Kind("server", "ada", 500.0, 0.40, 180.0, 4e10, 4.5e-10, 16 * GB, 2e-8, 6.0),
    Kind("ben-server", "ben", 1200.0, 0.28, 150.0, 6e10, 4.5e-10, 32 * GB, 2e-8, 9.0),
)
ENERGY_PER_BYTE_SECOND_J = 4e-11


@dataclass(frozen=True, slots=True)
class Work:
    """A stream of Orders of one customer.

    Parameters
    ----------
    first_h, last_h, per_hour
        They arrive between these hours of local time (past 24: after midnight), so many an hour
        on average, at random.
    spread
        Operations lie between 1 - spread and 1 + spread times `operations`.
    worth
        Value, over what the work would cost on Ada's server at 1 EUR/kWh, from, to.
    """

    name: str
    customer: str
    node: str
    first_h: float
    last_h: float
    per_hour: float
    operations: float
    memory_byte: int
    transfer_byte: int
    patience_h: float
    worth: tuple[float, float]
    spread: float = 0.5
    critical: bool = False


STREAMS = (
    Work("build", "ada", "laptop", 9, 19, 1.6, 2.0e13, 2 * GB, 200 * MB, 2.0, (0.6, 1.6)),
    Work("photos", "ada", "phone", 8, 25, 1.0, 6.0e12, GB, 300 * MB, 8.0, (0.3, 0.9)),
    Work("alive", "ada", "server", 6, 30, 0.7, 2.0e11, 50 * MB, MB, 0.5, (4.0, 4.0), critical=True),
    Work("mail", "ben", "ben-server", 6, 30, 0.8, 3.0e12, GB, 50 * MB, 3.0, (0.6, 1.6)),
    Work("film", "ben", "ben-server", 16, 28, 1.4, 1.0e14, GB, GB, 6.0, (0.4, 1.6)),
    Work(
        "alive", "ben", "ben-server", 6, 30, 0.7, 2e11, 50 * MB, MB, 0.5, (4.0, 4.0), critical=True
    ),
    Work("backup", "ada", "server", 25, 28, 0.9, 8e12, GB, 2 * GB, 2.0, (1.5, 3.0), critical=True),
    Work(
        "backup", "ben", "ben-server", 25, 28, 0.9, 8e12, GB, 2 * GB, 2.0, (1.5, 3.0), critical=True
    ),
)


def generate_machines(
    folder: Path, *, seed: int = 1, file_format: Literal["parquet", "csv"] = "parquet"
) -> Path:
    """Write the two neighbours into a new or empty folder. Returns the folder.

    Raises
    ------
    InputError
        A folder that holds something, or a seed below 0.
    """
    from isojoule.apps.files.scenario_write import empty_folder, write_scenario

    made = machines(seed=seed)
    empty_folder(folder)
    write_scenario(folder, made.doc, made.tables, file_format=file_format)
    (folder / "ATTRIBUTION.md").write_text(attribution(seed), encoding="utf-8")
    return folder


def machines(*, seed: int = 1) -> Generated:
    """The parts of the scenario. See docs/scenario-machines.md.

    Raises
    ------
    InputError
        A seed below 0 or of more than 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed}", remedy="give a whole number of 0 or more")
    chance = seed.to_bytes(8, "big")
    times = [START.astimezone(UTC) + timedelta(seconds=INTERVAL_S * i) for i in range(INTERVALS)]
    times_s = np.array([round(t.timestamp()) for t in times], np.int64)
    sky = clouds(chance, "machines", (SKY,), INTERVALS, "roof")
    hours = (START.hour + np.arange(INTERVALS) * (INTERVAL_S / 3600)) % 24
    tables: dict[str, dict[str, Any]] = {
        "nodes": columns(list(_nodes())),
        "links": columns(list(_links())),
        "participants": {"participant": ["ada", "ben"], "label": ["Ada", "Ben"]},
        "devices": columns(list(_devices())),
        "profiles": {
            "time": times,
            "sun": np.round(clear_sky(times_s, INTERVAL_S, LATITUDE, LONGITUDE) * sky, DIGITS),
            "evening": ((hours >= 21) & (hours < 24)).astype(np.float64),
        },
        "machines": columns(list(_machines())),
        "orders": columns(sorted(_orders(chance), key=lambda row: (row["time"], row["order"]))),
    }
    return Generated(_doc(seed), tables)


def _nodes() -> Iterator[Row]:
    for name, x, y in (
        ("panel", 0.0, 6.0),
        ("laptop", -4.0, 1.0),
        ("phone", -3.0, -3.0),
        ("server", 0.0, 0.0),
        ("ben-server", 20.0, 0.0),
    ):
        yield {"node": name, "x": x, "y": y}


def _links() -> Iterator[Row]:
    for name, ends, most_w, loss, owner in (
        ("charger", ("panel", "server"), 180.0, 0.05, "ada"),
        ("usb-laptop", ("server", "laptop"), 60.0, 0.08, "ada"),
        ("usb-phone", ("server", "phone"), 15.0, 0.10, "ada"),
        ("house-cable", ("server", "ben-server"), 60.0, 0.07, None),
    ):
        wire = name == "house-cable"
        yield {
            "link": name,
            "from": ends[0],
            "to": ends[1],
            "kind": "line" if wire else "link",
            "capacity_w": most_w,
            "loss": loss,
            # 20 m of 2.5 mm2 copper, there and back
            "resistance_ohm": 0.28 if wire else None,
            "voltage_v": 48.0 if wire else None,
            "owner": owner,
        }


def _devices() -> Iterator[Row]:
    yield {
        "device": "panel",
        "participant": "ada",
        "node": "panel",
        "kind": "pv",
        "profile": "sun",
        "power_w": PANEL_W,
        "spill_value_per_j": SPILL / J_PER_KWH,
    }
    for who, node in (("ada", "server"), ("ben", "ben-server")):
        yield {
            "device": f"{who}-lamp",
            "participant": who,
            "node": node,
            "kind": "load",
            "profile": "evening",
            "power_w": LAMP_W,
        }
    for kind in MACHINES:
        capacity_j = 3600 * kind.capacity_wh
        yield {
            "device": f"{kind.name}-battery",
            "participant": kind.owner,
            "node": kind.name,
            "kind": "battery",
            "capacity_j": capacity_j,
            "energy_j": round(kind.filled * capacity_j),
            "reserve_j": 0.1 * capacity_j,
            "charge_power_w": kind.power_w,
            "discharge_power_w": kind.power_w,
            "charge_efficiency": 0.96,
            "discharge_efficiency": 0.96,
            "self_discharge_per_month": 0.02,
            "v_min_per_j": V_MIN / J_PER_KWH,
            "v_max_per_j": V_MAX / J_PER_KWH,
            "v_critical_per_j": V_CRITICAL / J_PER_KWH,
            "k": 1.0,
        }


def _machines() -> Iterator[Row]:
    for kind in MACHINES:
        yield {
            "machine": kind.name,
            "device": f"{kind.name}-battery",
            "operations_per_s": kind.operations_per_s,
            "energy_per_operation_j": kind.energy_per_operation_j,
            "memory_byte": kind.memory_byte,
            "energy_per_byte_second_j": ENERGY_PER_BYTE_SECOND_J,
            "energy_per_byte_j": kind.energy_per_byte_j,
            "idle_w": kind.idle_w,
        }


def _orders(chance: bytes) -> Iterator[Row]:
    midnight = START.replace(hour=0).astimezone(UTC)
    server = next(kind for kind in MACHINES if kind.name == "server")
    for work in STREAMS:
        hour, number = work.first_h, 0
        while True:
            draw = [
                uniform(chance, "machines", work.customer, work.name, what, number)
                for what in ("gap", "size", "worth")
            ]
            hour -= log(1.0 - draw[0]) / work.per_hour  # times between arrivals are exponential
            if hour >= work.last_h:
                break
            number += 1
            time = midnight + timedelta(seconds=round(3600 * hour))
            operations = round(work.operations * (1 + work.spread * (2 * draw[1] - 1)), -9)
            low, high = work.worth
            kwh = operations * server.energy_per_operation_j / J_PER_KWH
            yield {
                "order": f"{work.customer}-{work.name}-{number}",
                "time": time,
                "deadline": time + timedelta(hours=work.patience_h),
                "participant": work.customer,
                "node": work.node,
                "operations": int(operations),
                "memory_byte": work.memory_byte,
                "transfer_byte": work.transfer_byte,
                "value": round((low + (high - low) * draw[2]) * kwh, 9),
                "critical": work.critical,
            }


def _doc(seed: int) -> dict[str, Any]:
    end = START.astimezone(UTC) + timedelta(seconds=INTERVAL_S * INTERVALS)
    return {
        "isojoule": 1,
        "name": "machines",
        "title": "Two neighbours' machines: sun next door",
        "description": (
            "Ada has a panel, a laptop, a phone and a home server; Ben a server with a big "
            "battery and no sun; a cable joins the houses. Orders for compute arrive over a day "
            "in June. At noon Ada's machines take them; at night they move to Ben's battery, which "
            "Ada's panel filled. Alone, Ben's server runs down and goes to sleep. Invented by rule "
            "(see docs/scenario-machines.md), not measured."
        ),
        "attribution": f"generated by Isojoule: machines, seed {seed}",
        "currency": "EUR",
        "timezone": ZONE,
        "interval": "5 min",
        "network": "transport",
        "mechanism": "equilibrium",
        "baseline": "autarky",
        "lost_load": "1 EUR/kWh",
        "unserved_cost": "1 EUR/kWh",
        "stored_value": "0.30 EUR/kWh",
        "periods": [
            {
                "name": "day",
                "start": START.isoformat(timespec="minutes"),
                "end": end.astimezone(ZoneInfo(ZONE)).isoformat(timespec="minutes"),
            }
        ],
    }


def attribution(seed: int) -> str:
    """The file ATTRIBUTION.md beside the data."""
    return (
        "# Where the data come from\n\n"
        "Invented by rule, from a seed; nothing is measured and nobody's data are in here:\n\n"
        f"    isojoule generate machines DIR --seed {seed}\n\n"
        "The rules and the sources of their figures: docs/scenario-machines.md of Isojoule. The\n"
        "tables stand under the project's licence, Apache-2.0, and also under CC0-1.0: use them\n"
        "as you like.\n"
    )
