"""`isojoule verify RUN`: everything in a run folder, from the stored files alone.

1. Every file has the hash that the manifest states, and the manifest its own digest.
2. Every interval of both worlds: the offers are made again from the stored scenario and the
   stored batteries; bounds, limits, losses and balances hold in integers; the prices follow from
   the energies and flows and prove the welfare; every payment is price times energy; batteries
   move by what they received. No solver runs. Forecasts are made again, and from them and the
   energies what meters show.
3. The totals and the summary follow from the tables; the AC power flow is run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.certificates.inside import verify_inside
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.manifest import check_manifest
from isojoule.apps.results.power import PowerCheck, merge
from isojoule.apps.results.settlement import settle_run
from isojoule.apps.results.summary import NAME, head, headline, summarise
from isojoule.apps.results.verify_tables import check_files, check_tables, read_record
from isojoule.apps.results.worlds import part_rows, parts_of, world_of
from isojoule.core.errors import InputError, InvariantError, VerificationError
from isojoule.core.interval import Interval
from isojoule.market.allocation import supporting_prices
from isojoule.market.book import NETWORKS
from isojoule.market.contract import Certificate, Clearing, Refusal
from isojoule.market.mechanisms import get
from isojoule.market.settle import nodal_payments
from isojoule.market.verify import MARGIN, check_physics
from isojoule.microworld.carried import as_stored
from isojoule.microworld.meters import begun, finished, read_meters
from isojoule.microworld.offers import OfferMaker
from isojoule.microworld.scenario import Period, Scenario
from isojoule.microworld.simulate import (
    Record,
    check_record,
    heads_of,
    limits_uj,
    line_of,
)
from isojoule.microworld.world import State, World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = Callable[[str, int, int], None]


def verify_run(folder: Path, report: Report | None = None) -> dict[str, int]:
    """Check a run folder. Returns how much was checked.

    Raises
    ------
    VerificationError
        At the first thing that does not hold; names file, interval and place.
    """
    tell = report or (lambda stage, done, total: None)
    folder = Path(folder)
    manifest = check_manifest(folder)
    arguments = manifest["arguments"]
    scenario, rules = read_asked(folder / "scenario", arguments)
    summary = json.loads((folder / NAME).read_text())
    maker = OfferMaker.of(scenario)
    facts: dict[tuple[str, str], dict[str, Any]] = {}
    checked = 0
    total = 2 * sum(p["intervals"] for p in summary["periods"])
    power: dict[str, list[Any]] = {"market": [], "baseline": []}
    lost: dict[str, list[Ints]] = {"market": [], "baseline": []}
    seed = int(manifest["seed"]).to_bytes(8, "big", signed=True)
    expected: set[str] = set()
    for world, name in (("market", manifest["mechanism"]), ("baseline", scenario.baseline)):
        clockwork = world_of(scenario, name, seed)
        mechanism = get(name, **(manifest["parameters"] if world == "market" else {}))
        part = 0
        for period, entry in zip(scenario.periods, summary["periods"], strict=True):
            start = _start(scenario, clockwork, entry, world)
            state, unproven = clockwork.at(start), 0
            with PowerCheck(scenario) as check:
                for number in range(parts_of(scenario, period)):
                    rows = part_rows(scenario, period, number)
                    record = read_record(
                        clockwork.maker, folder / world, part, rows, state.stored_uj
                    )
                    record = _completed(clockwork, record, rows)
                    state, record = _check_intervals(
                        clockwork, mechanism, record, rows.start, state, folder / world, seed
                    )
                    state = as_stored(state)
                    expected |= check_tables(
                        clockwork.maker,
                        record,
                        folder / world,
                        part,
                        period.name,
                        prices=world == "market",
                    )
                    unproven += record.unproven
                    lost[world].append(record.delivered_loss_uj.sum(1))
                    check.add_once(number, record.metered_uj)
                    part += 1
                    checked += rows.stop - rows.start
                    tell("checking intervals", checked, total)
                power[world].append(check.result())
            facts[world, period.name] = {
                "rounds": entry[f"rounds_{world}"],
                "unproven": unproven,
                "cyclic": _check_cycle(
                    scenario, maker, period, start, state.stored_uj, entry, world
                ),
                "stored_change_uj": int(state.stored_uj.sum() - start.sum()),
                "start_uj": [int(v) for v in start],
            }
    check_files(folder, expected)
    tell("settling it again", 0, 0)
    starts = [facts["market", period.name]["start_uj"] for period in scenario.periods]
    settled = settle_run(folder, scenario, rules, manifest["run"], int(manifest["seed"]), starts)
    tell("checking the summary", 0, 0)
    again = {
        **head(scenario, manifest, manifest["run"]),
        **summarise(folder, scenario, facts, settled),
    }
    again["headline"] = headline(scenario, again)
    again["ac"] = {"intervals": checked // 2} if scenario.has_utility else None
    for world in ("market", "baseline") if scenario.has_utility else ():
        lost_j = np.concatenate(lost[world]) / 1e6
        again["ac"][world] = merge(power[world]).summary(scenario.grid, scenario.interval_s, lost_j)
    _same(summary, again, str(folder / NAME))
    verify_inside(settled.settling, tell)
    return {
        "files": len(manifest["outputs"]) + len(manifest["inputs"]),
        "intervals": checked,
        "payments": checked * maker.template.offer_count,
    }


def _completed(world: World, record: Record, rows: slice) -> Record:
    """The record with what follows from it: pauses, the forecast, room for what was metered."""
    if world.pauses is not None:
        record = replace(record, paused=world.pauses[rows])
    return begun(world, record, world.offered_uj(rows, record.wanted_uj))


def _check_intervals(
    world: World,
    mechanism: Any,
    record: Record,
    first: int,
    state: State,
    folder: Path,
    seed: bytes,
) -> tuple[State, Record]:
    """Walk through the intervals as the simulation did.

    Returns the state after the last, and the record with what meters show.
    """
    maker = world.maker
    s = maker.scenario
    limit = limits_uj(maker)
    fallback = get(world.fallback)
    at = 0
    try:
        for at in range(record.time_s.size):
            opened = world.open(first + at, record.offered_uj[at], state)
            halted = record.paused is not None and bool(record.paused[at])
            rule = fallback if halted else mechanism
            market = _check_interval(opened.book, s, rule, record, at, seed, state.market)
            if halted:
                market = state.market
                if not record.closed[at]:
                    raise VerificationError("is open, in a pause", place="proven")
            received = read_meters(world, opened, record, at)
            state = world.close(opened, received[maker.batteries], market)
            for name, stored, true in (
                ("holds something else than it received", record.stored_uj[at], state.stored_uj),
                ("fed its machine something else", record.used_uj[at], opened.used_uj),
            ):
                if not np.array_equal(stored, true):
                    which = int(np.flatnonzero(stored != true)[0])
                    raise VerificationError(
                        name, place=f"battery {s.devices.ids[maker.batteries[which]]!r}"
                    )
            if not np.array_equal(record.full[at], np.abs(record.flow_uj[at]) >= limit):
                raise VerificationError("a link is wrongly called saturated", place="links")
            if opened.turn is not None:
                record.turns.append(opened.turn)
        record = finished(world, record)
        check_record(maker, record)
    except (VerificationError, InvariantError, InputError) as error:
        when = Interval(int(record.time_s[at]), 1.0).start_text()
        raise VerificationError(str(error), place=f"{folder}, interval {when}") from None
    return state, record


def _check_interval(
    book: Any,
    s: Scenario,
    mechanism: Any,
    record: Record,
    at: int,
    seed: bytes,
    before: dict[str, Any],
) -> dict[str, Any]:
    """Check one interval; `before` is the market's state, what comes back that of the next."""
    price = record.price_per_j[at]
    energy, flow, loss = record.energy_uj[at], record.flow_uj[at], record.loss_uj[at]
    standing = record.standing_uj[at]
    nodal = book.network in NETWORKS and not any(
        hasattr(mechanism, own) for own in ("audit", "check_payments", "prices")
    )
    duals = np.nan_to_num(price, nan=0.0)
    support = supporting_prices(book, s.grid, energy, flow, loss, standing, duals)
    clearing = Clearing(
        mechanism=mechanism.name,
        parameters={},
        seed=seed,
        energy_uj=energy,
        payment_nano=record.payment_nano[at],
        flow_uj=flow,
        loss_uj=loss,
        link_payment_nano=record.link_payment_nano[at],
        standing_uj=standing,
        price_per_j=price,
        welfare=support.welfare,
        operator={},
        certificate=Certificate("dual", duals, support.lowest, support.highest, 0.0, support.gap),
        state_before=before,
    )
    check_physics(book, s.grid, clearing)
    margin = MARGIN * (abs(support.welfare) + support.gap) + 1e-12
    if not abs(record.welfare[at] - support.welfare) <= margin:
        raise VerificationError(f"is {record.welfare[at]!r}", place="welfare")
    if not nodal:
        again = _check_other_rule(mechanism, book, s, clearing, int(record.operator_nano[at]))
        record.notes.append(again.notes)
        if np.isnan(price).all() and not np.isnan(again.price_per_j).all():
            # the baseline's prices are not kept
            record.price_per_j[at] = again.price_per_j
        _check_prices(s, price, again.price_per_j)
        if not abs(record.gap[at] - again.certificate.gap) <= margin:
            raise VerificationError(f"is {record.gap[at]!r}", place="gap")
        for name, column in (("congestion_rent", record.congestion_nano),
                             ("loss_rent", record.loss_rent_nano)):  # fmt: skip
            if column[at] != line_of(again.operator, name):
                raise VerificationError(f"is {column[at]}", place=name)
        _check_lines(record.lines[at], heads_of(again.operator), 0.0)
        return again.state
    scale = float(np.max(np.abs(support.price[np.isfinite(support.price)]), initial=0.0))
    same = np.abs(price - support.price) <= MARGIN * scale
    same |= np.isnan(price) & np.isnan(support.price)
    if not same.all():
        node = s.grid.node_ids[int(np.flatnonzero(~same)[0])]
        raise VerificationError(
            "has a price that does not follow from energies and flows", place=f"node {node!r}"
        )
    if support.closed != record.closed[at]:
        what = "proven" if record.closed[at] else "unproven"
        raise VerificationError(
            f"is called {what}, the prices leave a gap of {support.gap:.3e}", place="proven"
        )
    if abs(record.gap[at]) > margin + abs(support.gap):
        raise VerificationError(f"is {record.gap[at]!r}", place="gap")
    paid = nodal_payments(book, s.grid, clearing, price)
    if not np.array_equal(paid.links, record.link_payment_nano[at]):
        link = s.grid.link_ids[int(np.flatnonzero(paid.links != record.link_payment_nano[at])[0])]
        raise VerificationError("pays its owner something else", place=f"link {link!r}")
    wrong = np.flatnonzero(paid.offers != record.payment_nano[at])
    if wrong.size:
        raise VerificationError(
            "pays something else than price times energy",
            place=f"device {book.offer_ids[wrong[0]]!r}",
        )
    lines = {
        "operator_nano": (int(record.operator_nano[at]), sum(paid.operator.values())),
        "congestion_rent_nano": (
            int(record.congestion_nano[at]), paid.operator["congestion_rent"],
        ),
        "loss_rent_nano": (int(record.loss_rent_nano[at]), paid.operator["loss_rent"]),
    }  # fmt: skip
    for name, (stored, true) in lines.items():
        if abs(stored - true) > (0 if name == "operator_nano" else 1 + MARGIN * abs(true)):
            raise VerificationError(f"is {stored}, not {true}", place=name)
    _check_lines(record.lines[at], heads_of(paid.operator), MARGIN)
    return {}


def _check_lines(stored: dict[str, int], true: dict[str, int], margin: float) -> None:
    """The operator's lines are those of the rule; `margin`: as far as prices can tell.

    One of them is what the others leave, so each may be off by as much as all of them.
    """
    names = sorted({*stored, *true})
    slack = len(names) + margin * sum(map(abs, true.values())) if margin else 0.0
    for name in names:
        mine, other = stored.get(name, 0), true.get(name, 0)
        if abs(mine - other) > slack:
            hint = "" if stored else "; perhaps another version made the run, which kept no lines"
            raise VerificationError(f"is {mine}, not {other}{hint}", place=f"operator, {name}")


def _check_other_rule(
    mechanism: Any, book: Any, s: Scenario, clearing: Clearing, operator_nano: int
) -> Clearing:
    """A rule without nodal prices: its own check of tables, or else the rule run again.

    Returns what should stand.
    """
    if hasattr(mechanism, "check_tables"):
        own: Clearing = mechanism.check_tables(book, s.grid, clearing, operator_nano)
        return own
    again: Clearing | Refusal = mechanism.clear(
        book, s.grid, state=clearing.state_before, seed=clearing.seed
    )
    if isinstance(again, Refusal):
        raise VerificationError(str(again), place="mechanism")
    for name in ("energy_uj", "payment_nano", "flow_uj", "loss_uj", "link_payment_nano"):
        if not np.array_equal(getattr(clearing, name), getattr(again, name)):
            raise VerificationError("is not what the rule gives when it is run again", place=name)
    if operator_nano != again.surplus_nano:
        raise VerificationError("is not what the rule gives", place="operator_nano")
    return again


def _check_prices(s: Scenario, price: Floats, true: Floats) -> None:
    """Prices are those that the rule gives."""
    wrong = np.flatnonzero((price != true) & ~(np.isnan(price) & np.isnan(true)))
    if wrong.size:
        node = s.grid.node_ids[int(wrong[0])]
        raise VerificationError("has another price than the rule gives", place=f"node {node!r}")


def _start(scenario: Scenario, world: World, entry: dict[str, Any], name: str) -> Ints:
    """Energy in the batteries at the start: the scenario's, but in the last of several rounds."""
    start = np.array(entry[f"start_uj_{name}"], np.int64)
    first = world.first().stored_uj
    if start.shape != first.shape or (
        entry[f"rounds_{name}"] == 1 and not np.array_equal(start, first)
    ):
        raise VerificationError(
            "does not start with what the scenario states", place=f"{name} batteries"
        )
    if scenario.cyclic_tolerance is None and entry[f"rounds_{name}"] != 1:
        raise VerificationError("is not cyclic, but repeated", place=f"{name} rounds")
    return start


def _check_cycle(
    scenario: Scenario,
    maker: OfferMaker,
    period: Period,
    start: Ints,
    end: Ints,
    entry: dict[str, Any],
    world: str,
) -> bool:
    if scenario.cyclic_tolerance is None:
        return True
    capacity = scenario.devices.capacity_j[maker.batteries] * 1e6
    closed = bool(np.all(np.abs(end - start) / capacity <= scenario.cyclic_tolerance))
    if entry[f"cyclic_{world}"] != closed:
        raise VerificationError(
            f"period {period.name!r} does not end as it started", place=f"{world} batteries"
        )
    return closed


def _same(stored: Any, true: Any, place: str) -> None:
    """Every value of `true` stands in `stored`; floats within the margin."""
    if isinstance(true, dict):
        for key, value in true.items():
            if key not in stored:
                raise VerificationError(f"lacks {key!r}", place=place)
            _same(stored[key], value, f"{place}: {key}")
    elif isinstance(true, list):
        if not isinstance(stored, list) or len(stored) != len(true):
            raise VerificationError("has another length", place=place)
        for i, value in enumerate(true):
            _same(stored[i], value, f"{place}[{i}]")
    elif isinstance(true, float) and isinstance(stored, (int, float)):
        if abs(stored - true) > 1e-9 * abs(true) + 1e-9:
            raise VerificationError(f"is {stored!r}, the tables give {true!r}", place=place)
    elif stored != true:
        raise VerificationError(f"is {stored!r}, the tables give {true!r}", place=place)
