"""The scenario of a run that no market made: a made-up tree of homes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

BATTERY = {
    "capacity [kWh]": 10.0,
    "energy [kWh]": 4.0,
    "charge_power [kW]": 4.0,
    "discharge_power [kW]": 4.0,
    "charge_efficiency": 0.95,
    "discharge_efficiency": 0.95,
    "v_min [EUR/kWh]": 0.09,
    "v_max [EUR/kWh]": 0.27,
}
Floats = NDArray[np.float64]
KWH = 3.6e6
INTERVAL_S = 900
SELLS, BUYS = 0.30 / KWH, 0.08 / KWH
STARTS = {
    "winter": 1452466800,
    "spring": 1460930400,
    "summer": 1468792800,
    "autumn": 1476655200,
}


@dataclass(frozen=True)
class Shape:
    """What the fake run looks like. `names` are put on the first participants, to test escapes."""

    nodes: int = 12
    strings: int = 3
    batteries: int = 2
    pv: int = 4
    periods: int = 2
    intervals: int = 96
    coordinates: bool = True
    violations: bool = True
    loses: bool = False
    ac: bool = True
    names: tuple[str, ...] = ()


def parents(shape: Shape, rng: np.random.Generator) -> NDArray[np.int64]:
    """Parent of each node but the first two (utility, busbar): a few long strings, some stubs."""
    out = [0, 0]
    heads = [1] * shape.strings
    for node in range(2, shape.nodes):
        string = int(rng.integers(shape.strings))
        out.append(heads[string])
        if rng.random() > 0.12:
            heads[string] = node
    return np.array(out)


def write_scenario(folder: Path, shape: Shape, parent: NDArray[np.int64], rated: Floats) -> None:
    """`scenario.yaml` and the tables of nodes, links, participants and devices."""
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(
        "isojoule: 1\nname: fake\ntitle: A made-up feeder\ntimezone: Europe/Berlin\n"
        "currency: EUR\ninterval: 15 min\nutility: Utility\nnetwork: transport\n"
        "attribution: Made by a seeded generator, for tests only.\n"
    )
    count = shape.nodes
    ids = node_names(shape)
    nodes: dict[str, Any] = {"node": ids}
    if shape.coordinates:
        rng = np.random.default_rng(5)
        x, y = np.zeros(count), np.zeros(count)
        heading = rng.uniform(0, 6.3, count)
        for i in range(2, count):
            heading[i] = heading[parent[i]] + rng.normal(0, 0.3) if parent[i] > 1 else heading[i]
            x[i] = x[parent[i]] + 0.0002 * np.cos(heading[i])
            y[i] = y[parent[i]] + 0.0001 * np.sin(heading[i])
        nodes |= {"x": 11.41 + x, "y": 53.65 + y}
    pl.DataFrame(nodes).write_csv(folder / "nodes.csv")
    pl.DataFrame(
        {
            "link": [f"Line {i}" for i in range(1, count)],
            "from": [ids[p] for p in parent[1:]],
            "to": ids[1:],
            "kind": ["transformer"] + ["line"] * (count - 2),
            "capacity [kW]": rated[1:] / 1e3,
        }
    ).write_csv(folder / "links.csv")
    people = participant_names(shape)
    pl.DataFrame({"participant": people, "label": people}).write_csv(folder / "participants.csv")
    solar, stores = list(zip(people, ids[2:], strict=True))[: shape.pv], shape.batteries
    columns = ["device", "participant", "node", "kind", "power [kW]", *BATTERY]
    none = [None] * len(BATTERY)
    rows = [
        *([f"{p} load", p, n, "load", 1.0, *none] for p, n in zip(people, ids[2:], strict=True)),
        *([f"{p} roof", p, n, "pv", 8.0, *none] for p, n in solar),
        *(
            [f"{people[i]} pack", people[i], ids[i + 2], "battery", None, *BATTERY.values()]
            for i in range(stores)
        ),
    ]
    devices = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    devices.write_parquet(folder / "devices.parquet")
    times = [datetime.fromtimestamp(STARTS["winter"] + i * INTERVAL_S, UTC) for i in range(2)]
    profiles = {"time": [t.isoformat() for t in times], "flat": [1.0, 1.0]}
    pl.DataFrame(profiles).write_csv(folder / "profiles.csv")
    prices = {
        "time": profiles["time"][:1],
        "sells_at [EUR/kWh]": [0.3],
        "buys_at [EUR/kWh]": [0.08],
    }
    pl.DataFrame(prices).write_csv(folder / "prices.csv")


def node_names(shape: Shape) -> list[str]:
    """Names of the nodes."""
    return ["Utility", "Busbar"] + [f"Bus {i}" for i in range(2, shape.nodes)]


def participant_names(shape: Shape) -> list[str]:
    """Names of the participants, one a node from the third node on."""
    names = [f"Household {i}" for i in range(2, shape.nodes)]
    names[: len(shape.names)] = shape.names
    return names
