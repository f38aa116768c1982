"""Random book folders of tables: every form, units in the headers, gaps in every column."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import polars as pl

HEAD = """
isojoule: 1
currency: EUR
interval: {start: 2026-06-21T12:00:00Z, duration: 15 min}
network: transport
"""


def write_folder(folder: Path, seed: int, nodes: int = 30, *, calm: bool = False) -> Path:
    """A connected grid with some links more, and one or two offers at most nodes.

    `calm`: nothing is worth less than 0, and sizes are those of homes.
    """
    rnd = Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.yaml").write_text(HEAD)
    ids = [f"{rnd.choice(('n', 'näh ', 'a'))}{i}" for i in range(nodes)]
    rnd.shuffle(ids)
    frame([_node(rnd, own) for own in ids]).write_parquet(folder / "nodes.parquet")
    ends = [(ids[rnd.randrange(i)], ids[i]) for i in range(1, nodes)]
    ends += [tuple(rnd.sample(ids, 2)) for _ in range(nodes // 3)]  # type: ignore[misc]
    rnd.shuffle(ends)
    links = [_link(rnd, f"l{i}", *pair) for i, pair in enumerate(ends)]
    frame(links).write_parquet(folder / "links.parquet")
    offers = [_offer(rnd, node, str(i)) for i, node in enumerate(ids) if rnd.random() < 0.9]
    offers += [_offer(rnd, rnd.choice(ids), f"x{i}") for i in range(nodes // 3)]
    offers.append(
        {"id": "utility", "participant": "utility", "node": ids[0], "form": "utility",
         "sells_at [EUR/kWh]": 0.3, "buys_at [EUR/kWh]": 0.07}
    )  # fmt: skip
    rnd.shuffle(offers)
    if calm:
        offers = [row for row in offers if row.get("capacity [kWh]") != 4e3]
        for row in offers:
            row.update({k: max(0.0, v) for k, v in row.items() if k.startswith("spill")})
    frame(offers).write_parquet(folder / "offers.parquet")
    return folder


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)


def _node(rnd: Random, own: str) -> dict[str, Any]:
    return {
        "id": own,
        **({"x": rnd.random(), "y": rnd.random()} if rnd.random() < 0.8 else {}),
        **({"voltage [kV]": 0.4} if rnd.random() < 0.5 else {}),
        **({"min_voltage_pu": 0.9, "max_voltage_pu": 1.1} if rnd.random() < 0.5 else {}),
    }


def _link(rnd: Random, own: str, start: str, end: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": own, "from": start, "to": end}
    if rnd.random() < 0.7:
        row["capacity [kW]"] = rnd.choice((0.0, 0.7, rnd.uniform(1, 20)))
    if rnd.random() < 0.7:
        row["loss [%]"] = rnd.choice((0.0, 2.0, rnd.randrange(10**8) / 1e7))
    if rnd.random() < 0.3:
        row.update({"resistance_ohm": rnd.random(), "voltage_v": 400.0})
    if rnd.random() < 0.2:
        row["reactance_ohm"] = -rnd.random()
    if rnd.random() < 0.1:
        row["standing_loss_w"] = rnd.choice((0.0, 30.0))
    if rnd.random() < 0.2:
        row["price [ct/kWh]"] = rnd.choice((0.0, 0.3))
    if rnd.random() < 0.2:
        row["owner"] = rnd.choice(("ada", "wires"))
    if rnd.random() < 0.5:
        row["kind"] = rnd.choice(("line", "transformer", "link"))
    return row


def _offer(rnd: Random, node: str, own: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": own, "participant": rnd.choice(("ada", "bo", f"p{own}", "éa"))}
    row["node"] = node
    form = rnd.choice(("steps", "steps", "load", "battery", "battery", "battery"))
    row["form"] = form
    if rnd.random() < 0.3:
        row["power_factor"] = rnd.choice((1.0, 0.9))
    if rnd.random() < 0.3:
        row["at"] = rnd.choice(("2026-06-21T11:00:00Z", "2026-06-21T13:30:00.25+02:00"))
    energy, price = "energy [kWh]", "price [EUR/kWh]"
    amount = rnd.choice((0.1, rnd.random(), 1.0, 0.0, 1e-10 / 3, 7.000000000000139e-13))
    if form == "steps":
        row.update({"side": rnd.choice(("sell", "buy")), energy: amount, price: rnd.random()})
        if rnd.random() < 0.4:
            change = rnd.choice((0.0, 0.05))
            row["end_price [EUR/kWh]"] = row[price] + (change if row["side"] == "sell" else -change)
        if row["side"] == "sell" and rnd.random() < 0.4:
            row["spill_value [EUR/kWh]"] = rnd.choice((0.0, -0.01))
    elif form == "load":
        row.update({energy: amount, "lost_load [EUR/kWh]": 5.0})
    else:
        row.update(_battery(rnd))
    return row


def _battery(rnd: Random) -> dict[str, Any]:
    capacity = rnd.choice((5.0, 13.5, rnd.uniform(1, 20), 4e3))
    row: dict[str, Any] = {
        "energy [kWh]": capacity * rnd.choice((0.0, 1.0, rnd.random())),
        "capacity [kWh]": capacity,
        "v_min [EUR/kWh]": 0.09,
        "v_max [EUR/kWh]": rnd.choice((0.09, 0.27)),
    }
    for key, share, values in (
        ("reserve [kWh]", 0.4, (0.0, capacity / 10)),
        ("committed [kWh]", 0.2, (0.0, capacity / 20)),
        ("inflow [kWh]", 0.5, (-capacity / 3, 0.3 * capacity, -1.1 * capacity)),
        ("k", 0.7, (0.5, 1.0, 2.0)),
        ("v_critical [EUR/kWh]", 0.3, (0.27, 0.5)),
        ("lost_load [EUR/kWh]", 0.3, (1.0, 5.0)),
        ("spill_value [EUR/kWh]", 0.3, (0.0, 0.01, -0.05)),
        ("charge_power [kW]", 0.4, (0.0, 3.0)),
        ("discharge_power [kW]", 0.4, (0.0, 2.0)),
        ("charge_efficiency", 0.4, (0.95, 1.0)),
        ("discharge_efficiency", 0.4, (0.93, 1.0)),
    ):
        if rnd.random() < share:
            row[key] = rnd.choice(values)
    if rnd.random() < 0.3:
        row.update({"idle [d]": rnd.choice((0.0, 2.0)), "tau [d]": 5.0, "floor": 0.5})
    return row
