"""Who paid, earned and went without what, in both worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from isojoule.apps.results.machine_tables import Work
from isojoule.core.units import NANO_PER_UNIT, UJ_PER_J
from isojoule.microworld.offers import UTILITY, OfferMaker
from isojoule.microworld.scenario import DeviceKind, Scenario

Works = dict[tuple[str, str], Work]
"""What became of the Orders, by world and period."""
Starts = dict[tuple[str, str], list[int]]
"""Energy in the batteries at the start, microjoules, by world and period."""


_NOTHING = {
    world: {"payment_nano": 0, "bought_uj": 0, "sold_uj": 0} for world in ("market", "baseline")
}


def participants(
    folder: Path, scenario: Scenario, works: Works, start_uj: Starts
) -> list[dict[str, Any]]:
    """Cost, energy bought and sold of every participant in every period and world.

    Cost is what is paid for energy and for compute, less what is earned; need that is not served,
    at the scenario's stated cost; Orders that are not finished, at their worth; less what its
    batteries hold more at the end; and the network fee, shared in proportion to the energy that a
    participant buys.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    local: dict[str, float] = {}
    for world in ("market", "baseline"):
        frame = _own_trade(folder / world / "devices")
        for row in frame.iter_rows(named=True):
            person = found.setdefault(row["participant"], {})
            person.setdefault(row["period"], {})[world] = row
    earned = _link_owners(folder, scenario)
    unserved = unserved_j(folder, scenario)
    kept = stored_worth(folder, scenario, start_uj)
    if scenario.network_fee_per_j > 0:
        local = _local_trade(folder)
    bought_all: dict[str, int] = {}
    for person in found.values():
        for period, worlds in person.items():
            bought_all[period] = bought_all.get(period, 0) + worlds["market"]["bought_uj"]
    people = []
    for name in scenario.participants:
        periods = {}
        for p in scenario.periods:
            # who owns no device may still own links, or order work
            worlds = found.get(name, {}).get(p.name, _NOTHING)
            share = worlds["market"]["bought_uj"] / max(bought_all[p.name], 1)
            fee = scenario.network_fee_per_j * local.get(p.name, 0.0) * share
            paid = {
                world: (
                    worlds[world]["payment_nano"]
                    + earned.get((world, p.name, name), 0)
                    + works[world, p.name].paid_nano.get(name, 0)
                )
                / NANO_PER_UNIT
                + scenario.unserved_cost_per_j * unserved.get((world, p.name, name), 0.0)
                + works[world, p.name].undone.get(name, 0.0)
                - kept.get((world, p.name, name), 0.0)
                for world in ("market", "baseline")
            }
            market, baseline = paid["market"] + fee, paid["baseline"]
            periods[p.name] = {
                "market_cost": market,
                "baseline_cost": baseline,
                "saving": baseline - market,
                "bought_uj": worlds["market"]["bought_uj"],
                "sold_uj": worlds["market"]["sold_uj"],
                "unserved_market_j": unserved.get(("market", p.name, name), 0.0),
                "unserved_baseline_j": unserved.get(("baseline", p.name, name), 0.0),
            }
        people.append({"participant": name, "periods": periods})
    return people


def _own_trade(devices: Path) -> pl.DataFrame:
    """What each participant paid, bought and sold in each period, by what it netted each interval.

    An interval lies in one part, so the parts are summed one by one.
    """
    parts = [
        pl.read_parquet(path, columns=["period", "time_s", "participant", "energy_uj",
                                       "payment_nano"])
        .filter(pl.col("participant") != UTILITY)
        .group_by("period", "time_s", "participant")
        .agg(pl.col("energy_uj").sum(), pl.col("payment_nano").sum())
        .group_by("period", "participant")
        .agg(
            pl.col("payment_nano").sum(),
            pl.col("energy_uj").clip(lower_bound=0).sum().alias("bought_uj"),
            (-pl.col("energy_uj").clip(upper_bound=0)).sum().alias("sold_uj"),
        )
        for path in sorted(devices.glob("*.parquet"))
    ]  # fmt: skip
    return pl.concat(parts).group_by("period", "participant").sum()


def _link_owners(folder: Path, scenario: Scenario) -> dict[tuple[str, str, str], int]:
    """What owners of links pay (negative: receive), by world, period and owner, nano-units."""
    owners = {
        link: owner
        for link, owner in zip(scenario.grid.link_ids, scenario.grid.owner, strict=True)
        if owner
    }
    paid: dict[tuple[str, str, str], int] = {}
    for world in ("market", "baseline") if owners else ():
        frame = (
            pl.scan_parquet(folder / world / "links" / "*.parquet")
            .filter(pl.col("link").is_in(list(owners)))
            .group_by("period", "link")
            .agg(pl.col("owner_payment_nano").sum())
            .collect()
        )
        for period, link, nano in frame.iter_rows():
            key = (world, period, owners[link])
            paid[key] = paid.get(key, 0) + nano
    return paid


def _local_trade(folder: Path) -> dict[str, float]:
    frame = (
        pl.scan_parquet(folder / "market" / "intervals" / "*.parquet")
        .group_by("period")
        .agg((pl.col("sold_uj") - pl.col("export_uj")).clip(lower_bound=0).sum())
        .collect()
    )
    return {row[0]: row[1] / UJ_PER_J for row in frame.iter_rows()}


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


def unserved_j(folder: Path, scenario: Scenario) -> dict[tuple[str, str, str], float]:
    """Need that was not served, J, by world, period and participant; what is 0 is left out."""
    maker = OfferMaker.of(scenario)
    d = scenario.devices
    short: dict[tuple[str, str, str], float] = {}
    for period in scenario.periods:
        wanted = np.maximum(maker.energies_uj(scenario.rows(period)), 0).sum(0)
        for world in ("market", "baseline"):
            got = (
                pl.scan_parquet(folder / world / "devices" / "*.parquet")
                .filter((pl.col("period") == period.name) & (pl.col("energy_uj") > 0))
                .group_by("device")
                .agg(pl.col("energy_uj").sum())
                .collect()
            )
            served = dict(got.iter_rows())
            for i in np.flatnonzero((d.kind == DeviceKind.LOAD) & (wanted > 0)):
                missing = int(wanted[i]) - int(served.get(d.ids[i], 0))
                if missing > 0:
                    key = (world, period.name, scenario.participants[int(d.participant[i])])
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
            {"name": n, **{k: r[k] for k in ("market_cost", "baseline_cost", "saving")}}
            for n, r in zip(names, rows, strict=True)
        ],
    }
