"""From the tables of a run to `summary.json`: audit, totals, who saved what, power flow.

Everything here follows from the stored tables (and, for the AC check, from the scenario), so
`isojoule verify` makes it again and compares.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isojoule.apps.results.machine_tables import Work, work_of
from isojoule.apps.results.participants import Works, participants, person_summary
from isojoule.apps.results.power import power_summary
from isojoule.apps.results.settlement import SettledRun, settlement_summary
from isojoule.apps.results.worlds import Outcome
from isojoule.core.units import J_PER_KWH, NANO_PER_UNIT
from isojoule.microworld.audit import audit, imbalance, totals
from isojoule.microworld.forecast import describe
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.settle import OPERATOR, UTILITY

NAME = "summary.json"
EVEN = 0.005
"""A participant whose cost changes by less than half a cent neither gains nor loses."""


def write_summary(
    folder: Path,
    scenario: Scenario,
    run: str,
    outcomes: list[Outcome],
    identity: dict[str, Any],
    command: str,
    settled: SettledRun,
) -> dict[str, Any]:
    """Sum the run up and write it."""
    facts = {
        (o.job.world, scenario.periods[o.job.period].name): {
            "rounds": o.rounds,
            "cyclic": o.cyclic,
            "unproven": o.unproven,
            "stored_change_uj": o.stored_change_uj,
            "start_uj": [int(v) for v in o.start_uj],
        }
        for o in outcomes
    }
    document = summarise(folder, scenario, facts, settled)
    document = {
        **head(scenario, identity, run),
        "headline": headline(scenario, document),
        **document,
        "ac": power_summary(scenario, outcomes),
        "reproduce": {
            "command": command,
            "version": identity["versions"]["isojoule"],
            "seed": identity["seed"],
        },
    }
    (folder / NAME).write_text(json.dumps(document, indent=1) + "\n")
    return document


def head(scenario: Scenario, identity: dict[str, Any], run: str) -> dict[str, Any]:
    """What the summary says of scenario and run."""
    return {
        "isojoule": 1,
        "run": run,
        "scenario": scenario.name,
        "title": scenario.title,
        "attribution": scenario.attribution,
        "currency": scenario.currency,
        "mechanism": identity["mechanism"],
        "interval_s": scenario.interval_s,
        "timezone": scenario.timezone,
        **({} if scenario.forecast is None else {"forecast": describe(scenario.forecast)}),
    }


def summarise(
    folder: Path,
    scenario: Scenario,
    facts: dict[tuple[str, str], dict[str, Any]],
    settled: SettledRun,
) -> dict[str, Any]:
    """What follows from the tables and the ledger: totals, audits, participants, operator."""
    intervals = {
        world: pl.read_parquet(folder / world / "intervals" / "*.parquet")
        for world in ("market", "baseline")
    }
    full = {world: _full(folder / world) for world in ("market", "baseline")}
    works: Works = {
        (world, p.name): _work(folder / world, scenario, p)
        for world in ("market", "baseline")
        for p in scenario.periods
    }
    people = participants(
        folder, scenario, works, {key: value["start_uj"] for key, value in facts.items()}, settled
    )
    money = _Money(
        {p.name: sum(p.fees_nano().values()) / NANO_PER_UNIT for p in settled.periods},
        {p.name: -p.paid_nano.get(OPERATOR, 0) / NANO_PER_UNIT for p in settled.periods},
        {p.name: -p.paid_nano.get(UTILITY, 0) / NANO_PER_UNIT for p in settled.periods},
        settled.rules.surplus != "keep",
    )
    names = [p.name for p in scenario.periods]
    changes = {key: value["stored_change_uj"] for key, value in facts.items()}
    periods = []
    for p in scenario.periods:
        entry = _stretch(scenario, intervals, full, changes, works, [p], people, p.name, money)
        for world in ("market", "baseline"):
            entry[f"rounds_{world}"] = facts[world, p.name]["rounds"]
            entry[f"cyclic_{world}"] = facts[world, p.name]["cyclic"]
            entry[f"unproven_{world}"] = facts[world, p.name]["unproven"]
            entry[f"start_uj_{world}"] = facts[world, p.name]["start_uj"]
        periods.append(entry)
    total = _stretch(
        scenario, intervals, full, changes, works, list(scenario.periods), people, "total", money
    )
    alone = int(intervals["baseline"]["operator_nano"].sum()) / NANO_PER_UNIT
    operator = {
        "market": sum(money.operator.values()),
        "baseline": 0.0 if money.shared else alone,
        "baseline_shared": alone if money.shared else 0.0,
    }
    return {
        "total": total,
        "periods": periods,
        "participants": [person_summary(scenario, person, names) for person in people],
        "operator": operator,
        "settlement": settlement_summary(settled),
        "distance": _distance(intervals["market"]),
        "baseline": scenario.baseline,
        "orders": {
            world: [order for p in names for order in works[world, p].orders]
            for world in ("market", "baseline")
        }
        if scenario.machines
        else None,
    }


class _Money(NamedTuple):
    """From the ledger, by period: fees paid, and what operator and utility were left with.

    `shared`: the operator's line goes to the members, without a market, too.
    """

    fees: dict[str, float]
    operator: dict[str, float]
    utility: dict[str, float]
    shared: bool


def _full(world: Path) -> pl.DataFrame:
    """Links times intervals at their limit, and on a forecast beyond it, in each period."""
    links = pl.scan_parquet(world / "links" / "*.parquet")
    counted = [n for n in ("saturated", "overloaded") if n in links.collect_schema().names()]
    return links.group_by("period").agg(pl.col(n).sum() for n in counted).collect()


def _distance(table: pl.DataFrame) -> dict[str, float]:
    """How much welfare the market left, at most, and as a share of the most; by the curves."""
    left, reached = float(table["gap"].sum()), float(table["welfare"].sum())
    return {"welfare": left, "share": left / (left + reached) if left + reached > 0 else 0.0}


def _work(folder: Path, scenario: Scenario, period: Period) -> Work:
    if not scenario.machines:
        return Work({}, {}, [])
    steps = pl.read_parquet(folder / "steps" / "*.parquet").filter(pl.col("period") == period.name)
    return work_of(scenario, steps, period.start_s, period.end_s)


def _stretch(
    scenario: Scenario,
    intervals: dict[str, pl.DataFrame],
    full: dict[str, pl.DataFrame],
    changes: dict[tuple[str, str], int],
    works: Works,
    periods: list[Period],
    people: list[dict[str, Any]],
    name: str,
    money: _Money,
) -> dict[str, Any]:
    names = [p.name for p in periods]
    tables = {
        world: {
            column: values.to_numpy()
            for column, values in frame.filter(pl.col("period").is_in(names))
            .drop("period")
            .to_dict()
            .items()
        }
        for world, frame in intervals.items()
    }
    change = {world: sum(changes[world, n] for n in names) for world in ("market", "baseline")}
    entry: dict[str, Any] = {
        "name": name,
        "start_s": periods[0].start_s,
        "end_s": periods[-1].end_s,
        "intervals": len(tables["market"]["time_s"]),
    }
    for world in ("market", "baseline"):
        counts = full[world].filter(pl.col("period").is_in(names))
        entry[world] = totals(
            tables[world], change[world], scenario.interval_s, int(counts["saturated"].sum()),
            scenario.stored_value_per_j,
        )  # fmt: skip
        beyond = int(counts["overloaded"].sum()) if "overloaded" in counts.columns else 0
        entry[world].update(imbalance(tables[world], beyond))
        entry[world].update(_orders(works, world, names))
    cash = sum(money.utility[n] for n in names)
    entry["market"].update(cash=cash, operator=sum(money.operator[n] for n in names))
    entry["baseline"]["local_trade_j"] = 0.0
    if money.shared:
        entry["baseline"]["operator"] = 0.0
    result = audit(
        tables["market"],
        tables["baseline"],
        stored_change_uj=(change["market"], change["baseline"]),
        fees=sum(money.fees[n] for n in names),
        market_cash=cash,
        unserved_cost_per_j=scenario.unserved_cost_per_j,
        stored_value_per_j=scenario.stored_value_per_j,
        undone=(entry["market"]["orders_undone_value"], entry["baseline"]["orders_undone_value"]),
    )
    savings = [sum(person["periods"][n]["saving"] for n in names) for person in people]
    entry["audit"] = {
        **asdict(result),
        "gainers": sum(s > EVEN for s in savings),
        "losers": sum(s < -EVEN for s in savings),
        "largest_gain": max(savings, default=0.0),
        "largest_loss": min([*savings, 0.0]),
        "median_saving": float(np.median(savings)) if savings else 0.0,
    }
    return entry


def _orders(works: Works, world: str, names: list[str]) -> dict[str, float]:
    """Counts and worth of the Orders of one world over some periods."""
    orders = [order for name in names for order in works[world, name].orders]
    return {
        "orders": len(orders),
        "orders_finished": sum(order["finished"] for order in orders),
        "orders_undone_value": float(sum(o["value"] for o in orders if not o["finished"])),
        "orders_paid": sum(order["paid_nano"] for order in orders) / NANO_PER_UNIT,
    }


def headline(scenario: Scenario, document: dict[str, Any]) -> str:
    """One sentence on who saved what; off the grid also on who was served."""
    audit_, total = document["total"]["audit"], document["total"]
    people = len(document["participants"])
    saving = audit_["saving"]
    days = total["intervals"] * scenario.interval_s / 86400
    span = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    title = scenario.title or scenario.name
    losers = audit_["losers"]
    loses = "none loses" if not losers else "1 loses" if losers == 1 else f"{losers} lose"
    who = f"{audit_['gainers']} of {people} participants gain and {loses}"
    operator = document["operator"]["market"] - document["operator"]["baseline"]
    people_saved = sum(p["saving"] for p in document["participants"])
    digits = 2 if abs(saving) >= 1 or not scenario.machines else 4
    kept = ""
    nothing = round(abs(saving), digits) == 0
    # on a forecast the operator carries the imbalance, and may lose by it
    told = abs(operator) if scenario.forecast is not None else operator
    if told > 0.1 * abs(saving) and not nothing:
        did = "saved" if people_saved >= 0 else "lost"
        kept = (
            f" (households together {did} {abs(people_saved):,.{digits}f}, the operator's account "
            f"{'gained' if operator >= 0 else 'lost'} {told:,.{digits}f})"
        )
    amount = f"{abs(saving):,.{digits}f} {scenario.currency}"
    base, share = audit_["baseline_cost"], audit_["saving_share"]
    if share is not None:
        amount += f" ({abs(share):.1%})"
    else:
        amount += f" (a cost of {audit_['market_cost']:,.{digits}f} instead of {base:,.{digits}f})"
    cost = scenario.unserved_cost_per_j * J_PER_KWH
    orders = ""
    if scenario.machines:
        orders = (
            f"{total['market']['orders_finished']} of {total['market']['orders']} Orders were "
            f"finished instead of {total['baseline']['orders_finished']}"
        )
    if scenario.has_utility:
        did = f"{'saved' if saving >= 0 else 'lost'} {amount}"
        did = "neither saved nor lost anything" if nothing else did
        alone = "with the utility alone" if scenario.baseline == "utility-only" else "living alone"
        if audit_["fees"] == 0:
            kept += ", before network fees"
        if scenario.forecast is not None:
            kept += ", on forecasts that err"
        if round(abs(audit_["served"]), digits) > 0:
            kept += f", counting need that is not served at {cost:,.2f} {scenario.currency} a kWh"
        return (
            f"{title}: in {span} the community {did} by trading with neighbours instead "
            f"of {alone}{kept}; {orders}{'; ' if orders else ''}{who}."
        )
    shares = [total[world]["served_share"] for world in ("market", "baseline")]
    told, counted = [], []
    if None not in shares:
        need = [f"{share:.1%}" for share in shares]
        if need[0] != need[1]:
            told.append(f"{need[0]} of the need was served instead of {need[1]}")
        elif not orders:
            told.append(f"{need[0]} of the need was served, as living alone")
        counted.append(f"need at {cost:,.2f} {scenario.currency} a kWh")
    if orders:
        told.append(orders)
        counted.append("Orders at their worth")
    way = "trading with neighbours instead of living alone,"
    if nothing and total["market"]["local_trade_j"] == 0:
        way = "nobody traded:"
    better = f"{'better' if saving >= 0 else 'worse'} off by {amount}"
    better = "neither better nor worse off" if nothing else better
    return (
        f"{title}: in {span}, {way} "
        f"{' and '.join(told) or 'nothing was needed'}; counting "
        f"{' and '.join(counted) or 'what is left in batteries'}, the community "
        f"is {better}{kept}; {who}."
    )
