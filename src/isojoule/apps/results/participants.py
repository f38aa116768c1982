"""Who paid, earned and went without what, in both worlds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.machine_tables import Work
from isojoule.apps.results.settlement import SettledRun
from isojoule.apps.results.tables import by_member, read_metered
from isojoule.apps.results.worlds import part_rows, parts_of
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.saving import Cost
from isojoule.microworld.scenario import DeviceKind, Scenario
from isojoule.settlement.settle import member
from isojoule.settlement.surplus import share_without_market

Ints = NDArray[np.int64]
Works = dict[tuple[str, str], Work]
"""What became of the Orders, by world and period."""
Starts = dict[tuple[str, str], list[int]]
"""Energy in the batteries at the start, microjoules, by world and period."""


def participants(
    folder: Path, scenario: Scenario, works: Works, start_uj: Starts, settled: SettledRun
) -> list[dict[str, Any]]:
    """Cost, energy bought and sold of every participant in every period and world.

    Cost is what is paid, less what is received: in the market by the ledger (energy, imbalance,
    links, compute, fees, dividends), in the baseline by the tables, with a share of the operator's
    line where the rules share it. And need that is not served, at the scenario's stated cost;
    Orders that are not finished, at their worth; less what its batteries hold more at the end
    (`isojoule.microworld.saving`).
    """
    sums = {
        (world, p.name): part
        for world in ("market", "baseline")
        for p, part in zip(scenario.periods, device_sums(folder / world, scenario), strict=True)
    }
    earned = _link_owners(folder, scenario)
    unserved = unserved_j(scenario, sums)
    kept = stored_worth(folder, scenario, start_uj)
    ledger = {p.name: p.paid_nano for p in settled.periods}
    lines = baseline_lines(folder)
    seed = settled.settling.seed.to_bytes(8, "big", signed=True)
    shared = [
        share_without_market(
            settled.rules.surplus, lines[p.name], scenario.participants,
            sums["baseline", p.name].moved_uj, seed,
        )
        for p in scenario.periods
    ]  # fmt: skip
    people = []
    for index, name in enumerate(scenario.participants):
        periods = {}
        for p, line in zip(scenario.periods, shared, strict=True):
            market_sums = sums["market", p.name]
            bills = {
                "market": ledger[p.name].get(member(name), 0),
                "baseline": int(sums["baseline", p.name].payment_nano[index])
                + earned.get((p.name, name), 0)
                + works["baseline", p.name].paid_nano.get(name, 0),
            }
            market, baseline = (
                Cost(
                    (bills[world] - gets) / NANO_PER_UNIT,
                    scenario.unserved_cost_per_j * unserved.get((world, p.name, name), 0.0),
                    works[world, p.name].undone.get(name, 0.0),
                    kept.get((world, p.name, name), 0.0),
                )
                for world, gets in (("market", 0), ("baseline", line[index]))
            )
            periods[p.name] = {
                "market_cost": market.total,
                "baseline_cost": baseline.total,
                "saving": baseline.total - market.total,
                "parts": {
                    "bill": (bills["baseline"] - bills["market"]) / NANO_PER_UNIT,
                    "operator": -line[index] / NANO_PER_UNIT,
                    "served": baseline.unserved - market.unserved,
                    "orders": baseline.undone - market.undone,
                    "storage": market.stored - baseline.stored,
                },
                "bought_uj": int(market_sums.bought_uj[index]),
                "sold_uj": int(market_sums.sold_uj[index]),
                "unserved_market_j": unserved.get(("market", p.name, name), 0.0),
                "unserved_baseline_j": unserved.get(("baseline", p.name, name), 0.0),
            }
        people.append({"participant": name, "periods": periods})
    return people


def baseline_lines(folder: Path) -> dict[str, int]:
    """What the operator is left with without a market, nano-units, by period."""
    table = pl.read_parquet(
        folder / "baseline" / "intervals" / "*.parquet", columns=["period", "operator_nano"]
    )
    return dict(table.group_by("period").agg(pl.col("operator_nano").sum()).iter_rows())


class DeviceSums(NamedTuple):
    """Sums over a period, per participant, and per device what it received in all, microjoules."""

    payment_nano: Ints
    bought_uj: Ints
    sold_uj: Ints
    served_uj: Ints

    @property
    def moved_uj(self) -> list[int]:
        """What each participant bought and sold."""
        moved: list[int] = (self.bought_uj + self.sold_uj).tolist()
        return moved


def device_sums(world: Path, scenario: Scenario) -> list[DeviceSums]:
    """What devices did in each period of a world, summed part by part.

    A participant buys or sells what its devices net in an interval.
    """
    d = scenario.devices
    people = len(scenario.participants)
    number, found = 0, []
    for period in scenario.periods:
        paid, bought, sold = np.zeros((3, people), np.int64)
        served = np.zeros(d.count, np.int64)
        for _ in range(parts_of(scenario, period)):
            path = world / "devices" / f"part-{number:05}.parquet"
            frame = read_metered(path, "payment_nano")
            shape = (-1, d.count + int(scenario.has_utility))
            energy = frame["metered_uj"].to_numpy().reshape(shape)[:, : d.count]
            payment = frame["payment_nano"].to_numpy().reshape(shape)[:, : d.count].sum(0)
            net = by_member(energy, d.participant, people)
            np.add.at(paid, d.participant, payment)
            bought += np.maximum(net, 0).sum(0)
            sold += np.maximum(-net, 0).sum(0)
            served += np.maximum(energy, 0).sum(0)
            number += 1
        found.append(DeviceSums(paid, bought, sold, served))
    return found


def _link_owners(folder: Path, scenario: Scenario) -> dict[tuple[str, str], int]:
    """What owners of links pay (negative: receive) in the baseline, by period and owner."""
    owners = {
        link: owner
        for link, owner in zip(scenario.grid.link_ids, scenario.grid.owner, strict=True)
        if owner
    }
    paid: dict[tuple[str, str], int] = {}
    if not owners:
        return paid
    frame = (
        pl.scan_parquet(folder / "baseline" / "links" / "*.parquet")
        .filter(pl.col("link").is_in(list(owners)))
        .group_by("period", "link")
        .agg(pl.col("owner_payment_nano").sum())
        .collect()
    )
    for period, link, nano in frame.iter_rows():
        key = (period, owners[link])
        paid[key] = paid.get(key, 0) + nano
    return paid


def stored_worth(
    folder: Path, scenario: Scenario, start_uj: Starts
) -> dict[tuple[str, str, str], float]:
    """Worth of what batteries hold more at the end, by world, period and participant, money.

    A Joule is worth the scenario's `stored_value`, or the utility's mean buying price of the
    period.
    """
    d = scenario.devices
    batteries = np.flatnonzero(d.kind == DeviceKind.BATTERY)
    worth: dict[tuple[str, str, str], float] = {}
    for (world, name), start in start_uj.items():
        period = next(p for p in scenario.periods if p.name == name)
        last = (
            pl.scan_parquet(folder / world / "devices" / "*.parquet")
            .filter(
                (pl.col("period") == name)
                & (pl.col("time_s") == period.end_s - scenario.interval_s)
                & pl.col("stored_uj").is_not_null()
            )
            .select("device", "stored_uj")
            .collect()
        )
        end = dict(last.iter_rows())
        per_j = scenario.stored_value_per_j
        if per_j is None:
            buys = scenario.buys_at_per_j[scenario.rows(period)]
            per_j = float(np.mean(buys)) if scenario.has_utility else 0.0
        for i, before in zip(batteries, start, strict=True):
            key = (world, name, scenario.participants[int(d.participant[i])])
            change = (end[d.ids[i]] - int(before)) / UJ_PER_J
            worth[key] = worth.get(key, 0.0) + change * per_j
    return worth


def unserved_j(
    scenario: Scenario, sums: Mapping[tuple[str, str], DeviceSums]
) -> dict[tuple[str, str, str], float]:
    """Need that was not served, J, by world, period and participant; what is 0 is left out."""
    maker = OfferMaker.of(scenario)
    d = scenario.devices
    short: dict[tuple[str, str, str], float] = {}
    for period in scenario.periods:
        wanted = np.zeros(d.count, np.int64)
        for number in range(parts_of(scenario, period)):
            rows = part_rows(scenario, period, number)
            wanted += np.maximum(maker.energies_uj(rows), 0).sum(0)
        for world in ("market", "baseline"):
            served = sums[world, period.name].served_uj
            for i in np.flatnonzero((d.kind == DeviceKind.LOAD) & (wanted > served)):
                key = (world, period.name, scenario.participants[int(d.participant[i])])
                missing = int(wanted[i]) - int(served[i])
                short[key] = short.get(key, 0.0) + missing / UJ_PER_J
    return short


def person_summary(scenario: Scenario, person: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """One participant in `summary.json`: the sums over the periods `names`, and what is owned."""
    d = scenario.devices
    index = scenario.participants.index(person["participant"])
    mine = d.participant == index
    nodes = sorted({scenario.grid.node_ids[int(n)] for n in d.node[mine]})
    rows = [person["periods"][n] for n in names]
    return {
        "participant": person["participant"],
        "label": scenario.labels[index],
        "node": ", ".join(nodes),
        "market_cost": sum(r["market_cost"] for r in rows),
        "baseline_cost": sum(r["baseline_cost"] for r in rows),
        "saving": sum(r["saving"] for r in rows),
        "bought_j": sum(r["bought_uj"] for r in rows) / UJ_PER_J,
        "sold_j": sum(r["sold_uj"] for r in rows) / UJ_PER_J,
        "unserved_market_j": sum(r["unserved_market_j"] for r in rows),
        "unserved_baseline_j": sum(r["unserved_baseline_j"] for r in rows),
        "pv_w": float(d.power_w[mine & (d.kind == DeviceKind.PV)].sum()),
        "battery_j": float(d.capacity_j[mine & (d.kind == DeviceKind.BATTERY)].sum()),
        "periods": [
            {"name": n, **{k: r[k] for k in ("market_cost", "baseline_cost", "saving", "parts")}}
            for n, r in zip(names, rows, strict=True)
        ],
    }
