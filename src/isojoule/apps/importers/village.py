"""Generate a village off the grid: homes with panels and batteries on a small DC network.

Everything follows from a seed by the rules of docs/scenario-village.md, which names the sources of
the figures; nothing is measured. In short:

- A home is one participant at one node: what it uses by its tier (or as shop, mill, clinic,
  school), a panel (or none), a battery.
- What a home needs in a day sizes its panel and battery, times factors drawn from the seed, so
  that some homes have far too little sun and some far too much.
- Lanes run from the middle; poles stand along them, two homes at each. The lanes carry 380 V DC,
  homes 48 V behind a converter of limited power. A few ring links join the ends of lanes.
- One week: clear days at both ends, overcast ones in the middle. There is no utility.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import cos, hypot, pi, sin
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.importers.common import columns
from isojoule.apps.importers.households import HOUSES, House, use_w
from isojoule.apps.importers.sunshine import DIGITS, clear_sky, clouds
from isojoule.core.chance import uniform
from isojoule.core.errors import InputError
from isojoule.core.units import J_PER_KWH

Row = dict[str, Any]
Floats = NDArray[np.float64]

ZONE = "Africa/Nairobi"
LATITUDE, LONGITUDE = -0.5, 36.9
START = datetime(2026, 3, 2, tzinfo=ZoneInfo(ZONE))
"""A Monday, near the equinox, in the drier weeks before the long rains."""
INTERVAL_S = 900
PER_DAY = 86400 // INTERVAL_S
SKY = (0.95, 0.90, 0.50, 0.25, 0.32, 0.85, 0.95)
"""Mean share of the clear sky on each day of the week."""

CAP_PER_KWH = 1.0
"""What a kWh not served is worth, USD: the stated cap."""
V_MIN, V_MAX, V_CRITICAL, K = 0.05, 0.60, 0.75, 1.5
"""The curve of a battery, USD/kWh. The reserve is worth less than served need, even far away."""
SPILL = 0.001
"""What a kWh of sun is worth unused, USD: next to nothing, but enough that none is sent in vain."""
KWH_PER_DAY = 4.3
"""What a kW of panel gives on a clear day, for sizing."""
SUN = ((0.20, 0.0, 0.0), (0.50, 0.4, 0.9), (0.80, 1.0, 1.8), (1.0, 2.0, 4.0))
"""Panels: up to this share of homes, the sun of a clear day over the need of a day, from, to."""
STORE = (0.6, 1.4)
"""Batteries: capacity over the need of a day, from, to."""

LANE_V, HOME_V = 380.0, 48.0
COPPER_OHM_MM2_PER_M = 0.0175
LANE_MM2, DROP_MM2 = 2.5, 10.0
CONVERTER_LOSS = 0.035
POLE_M = 35.0
LANE_W = (250.0, 150.0)
"""Most power of a lane's first section, and of its others."""
RING_W = 100.0


@dataclass(frozen=True, slots=True)
class Generated:
    """The parts of a scenario: the keys of `scenario.yaml`, and its tables as SI columns."""

    doc: dict[str, Any]
    tables: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Home:
    """One home: where it stands, who lives there, and what it has."""

    name: str
    house: House
    lane: int
    pole: int
    x: float
    y: float
    use_w: Floats
    panel_w: float
    capacity_kwh: float


def generate_village(
    folder: Path,
    *,
    homes: int = 40,
    days: int = 7,
    seed: int = 1,
    file_format: Literal["parquet", "csv"] = "parquet",
) -> Path:
    """Write a village into a new or empty folder. Returns the folder.

    Raises
    ------
    InputError
        Too few or too many homes or days, or a folder that holds something.
    """
    from isojoule.apps.files.scenario_write import empty_folder, write_scenario

    made = village(homes=homes, days=days, seed=seed)
    empty_folder(folder)
    write_scenario(folder, made.doc, made.tables, file_format=file_format)
    (folder / "ATTRIBUTION.md").write_text(attribution(homes, days, seed), encoding="utf-8")
    return folder


def village(*, homes: int = 40, days: int = 7, seed: int = 1) -> Generated:
    """The parts of the scenario. See docs/scenario-village.md.

    Raises
    ------
    InputError
        Fewer than 8 or more than 1000 homes, less than a day or more than a year.
    """
    _within("homes", homes, 8, 1000)
    _within("days", days, 1, 366)
    _within("seed", seed, 0, 2**63 - 1)
    chance = seed.to_bytes(8, "big")
    times = [
        START.astimezone(UTC) + timedelta(seconds=INTERVAL_S * i) for i in range(days * PER_DAY)
    ]
    times_s = np.array([round(t.timestamp()) for t in times], np.int64)
    people = list(_homes(chance, homes, days))
    lanes = 1 + max(home.lane for home in people)
    bright = clear_sky(times_s, INTERVAL_S, LATITUDE, LONGITUDE)
    sky = tuple(SKY[day % len(SKY)] for day in range(days))
    profiles: dict[str, Any] = {"time": times}
    for lane in range(lanes):
        share = clouds(chance, "village", sky, PER_DAY, f"lane {lane}")
        profiles[f"sun-{lane + 1}"] = np.round(bright * share, DIGITS)
    for home in people:
        profiles[home.name] = np.round(home.use_w / home.use_w.max(), DIGITS)
    tables = {
        "nodes": columns(list(_nodes(chance, people))),
        "links": columns(list(_links(chance, people))),
        "participants": columns([{"participant": h.name, "label": _label(h)} for h in people]),
        "devices": columns([row for home in people for row in _devices(home)]),
        "profiles": profiles,
    }
    return Generated(_doc(homes, days, seed), tables)


def _homes(chance: bytes, count: int, days: int) -> Iterator[Home]:
    lanes = max(2, round(count / 8))
    houses = _houses(chance, count)
    for i, house in enumerate(houses):
        lane, place = i % lanes, i // lanes
        x, y = _pole(chance, lanes, lane, place // 2)
        ahead = 2 * pi * lane / lanes
        side = (1 if place % 2 else -1) * (12 + 14 * uniform(chance, "village", "set back", i))
        along = 16 * (uniform(chance, "village", "along", i) - 0.5)
        name = f"home-{i + 1:0{len(str(count))}}"
        use = use_w(chance, name, house, days, INTERVAL_S)
        need_kwh = float(use.sum()) * INTERVAL_S / J_PER_KWH / days
        kind = uniform(chance, "village", "sun", i)
        low, high = house.sun or next((a, b) for share, a, b in SUN if kind < share)
        factor = low + (high - low) * uniform(chance, "village", "panel", i)
        panel_w = house.panel_w or 10.0 * round(100 * factor * need_kwh / KWH_PER_DAY)
        store = STORE[0] + (STORE[1] - STORE[0]) * uniform(chance, "village", "battery", i)
        yield Home(
            name=name,
            house=house,
            lane=lane,
            pole=place // 2,
            x=round(x + along * cos(ahead) - side * sin(ahead), 1),
            y=round(y + along * sin(ahead) + side * cos(ahead), 1),
            use_w=use,
            panel_w=panel_w,
            capacity_kwh=max(0.05, 0.05 * round(20 * store * need_kwh)),
        )


def _houses(chance: bytes, count: int) -> list[House]:
    """Who lives where: the special houses nearest to the middle, tiers by their shares."""
    special = [house for house in HOUSES if not house.share]
    tiers = [house for house in HOUSES if house.share]
    ends = np.cumsum([house.share for house in tiers])
    ordinary = count - len(special)
    by_share = [
        tiers[int(np.searchsorted(ends, (i + 0.5) / ordinary * ends[-1]))] for i in range(ordinary)
    ]
    order = sorted(range(ordinary), key=lambda i: uniform(chance, "village", "who", i))
    return special + [by_share[i] for i in order]


def _pole(chance: bytes, lanes: int, lane: int, pole: int) -> tuple[float, float]:
    """Where a pole stands, m from the middle: lanes bend a little."""
    x = y = 0.0
    for step in range(pole + 1):
        bend = 0.5 * (uniform(chance, "village", "bend", lane, step) - 0.5)
        angle = 2 * pi * lane / lanes + bend
        x, y = x + POLE_M * cos(angle), y + POLE_M * sin(angle)
    return round(x, 1), round(y, 1)


def _nodes(chance: bytes, people: list[Home]) -> Iterator[Row]:
    lanes = 1 + max(home.lane for home in people)
    yield {"node": "middle", "voltage_v": LANE_V, "x": 0.0, "y": 0.0}
    for lane, pole in sorted({(h.lane, h.pole) for h in people}):
        x, y = _pole(chance, lanes, lane, pole)
        yield {"node": _name(lane, pole), "voltage_v": LANE_V, "x": x, "y": y}
    for home in people:
        yield {"node": home.name, "voltage_v": HOME_V, "x": home.x, "y": home.y}


def _links(chance: bytes, people: list[Home]) -> Iterator[Row]:
    lanes = 1 + max(home.lane for home in people)
    poles = sorted({(h.lane, h.pole) for h in people})
    where = {at: _pole(chance, lanes, *at) for at in poles} | {(-1, -1): (0.0, 0.0)}

    def cable(name: str, one: tuple[int, int], two: tuple[int, int], most_w: float) -> Row:
        (x, y), (u, v) = where[one], where[two]
        return {
            "link": name,
            "from": _name(*one),
            "to": _name(*two),
            "kind": "line",
            "capacity_w": most_w,
            "loss": 0.0,
            "resistance_ohm": _loop_ohm(hypot(x - u, y - v), LANE_MM2),
            "voltage_v": LANE_V,
        }

    for lane, pole in poles:
        before = (lane, pole - 1) if pole else (-1, -1)
        yield cable(f"lane-{lane + 1}.{pole + 1}", before, (lane, pole), LANE_W[min(pole, 1)])
    for lane in range(0, lanes - 1, 2):
        ends = [max(at for at in poles if at[0] == side) for side in (lane, lane + 1)]
        yield cable(f"ring-{lane + 1}-{lane + 2}", ends[0], ends[1], RING_W)
    for home in people:
        x, y = where[home.lane, home.pole]
        yield {
            "link": f"drop-{home.name}",
            "from": _name(home.lane, home.pole),
            "to": home.name,
            "kind": "link",
            "capacity_w": home.house.converter_w,
            "loss": CONVERTER_LOSS,
            "resistance_ohm": _loop_ohm(hypot(x - home.x, y - home.y), DROP_MM2),
            "voltage_v": HOME_V,
        }


def _loop_ohm(length_m: float, mm2: float) -> float:
    """Resistance there and back."""
    return round(2 * COPPER_OHM_MM2_PER_M * length_m / mm2, DIGITS)


def _name(lane: int, pole: int) -> str:
    return "middle" if lane < 0 else f"pole-{lane + 1}.{pole + 1}"


def _label(home: Home) -> str:
    number = int(home.name.rpartition("-")[2])
    return home.house.label if not home.house.share else f"Home {number} ({home.house.label})"


def _devices(home: Home) -> Iterator[Row]:
    own = {"participant": home.name, "node": home.name}
    yield {
        "device": f"{home.name}-use",
        **own,
        "kind": "load",
        "profile": home.name,
        "power_w": round(float(home.use_w.max()), 2),
        "lost_load_per_j": CAP_PER_KWH / J_PER_KWH,
    }
    if home.panel_w:
        yield {
            "device": f"{home.name}-panel",
            **own,
            "kind": "pv",
            "profile": f"sun-{home.lane + 1}",
            "power_w": home.panel_w,
            "spill_value_per_j": SPILL / J_PER_KWH,
        }
    capacity_j = round(home.capacity_kwh * J_PER_KWH)
    most_w = max(50.0, 0.5 * capacity_j / 3600)
    yield {
        "device": f"{home.name}-battery",
        **own,
        "kind": "battery",
        "capacity_j": float(capacity_j),
        "energy_j": 0.5 * capacity_j,
        "reserve_j": 0.1 * capacity_j,
        "charge_power_w": max(most_w, home.panel_w),
        "discharge_power_w": max(most_w, home.house.converter_w),
        "charge_efficiency": 0.96,
        "discharge_efficiency": 0.96,
        "self_discharge_per_month": 0.02,
        "v_min_per_j": V_MIN / J_PER_KWH,
        "v_max_per_j": V_MAX / J_PER_KWH,
        "v_critical_per_j": V_CRITICAL / J_PER_KWH,
        "k": K,
    }


def _doc(homes: int, days: int, seed: int) -> dict[str, Any]:
    end = START + timedelta(days=days)
    return {
        "isojoule": 1,
        "name": "village",
        "title": "A village off the grid, on a small DC network",
        "description": (
            f"{homes} homes with panels and batteries of very different sizes, on lanes of 380 V "
            "direct current. Nobody sells energy from outside. From the third day to the fifth "
            "of a week the sky is overcast. Alone, homes with little sun go dark while others "
            "spill; with a market, neighbours share over converters and cables of limited power. "
            "Invented by rule (see docs/scenario-village.md), not measured."
        ),
        "attribution": f"generated by Isojoule: village, {homes} homes, {days} days, seed {seed}",
        "currency": "USD",
        "timezone": ZONE,
        "interval": "15 min",
        "network": "transport",
        "mechanism": "equilibrium",
        "baseline": "autarky",
        "lost_load": f"{CAP_PER_KWH:g} USD/kWh",
        "unserved_cost": f"{CAP_PER_KWH:g} USD/kWh",
        "stored_value": "0.10 USD/kWh",
        "periods": [
            {
                "name": "week" if days == 7 else "days",
                "start": START.isoformat(timespec="minutes"),
                "end": end.isoformat(timespec="minutes"),
            }
        ],
        "cyclic": {"tolerance": 0.001, "max_rounds": 30},
    }


def attribution(homes: int, days: int, seed: int) -> str:
    """The file ATTRIBUTION.md beside the data."""
    return (
        "# Where the data come from\n\n"
        "Invented by rule, from a seed; nothing is measured and nobody's data are in here:\n\n"
        f"    isojoule generate village DIR --homes {homes} --days {days} --seed {seed}\n\n"
        "The rules and the sources of their figures: docs/scenario-village.md of Isojoule. The\n"
        "tables stand under the project's licence, Apache-2.0, and also under CC0-1.0: use them\n"
        "as you like.\n"
    )


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"{name} is {value}", remedy=f"give a whole number from {least} to {most}")
