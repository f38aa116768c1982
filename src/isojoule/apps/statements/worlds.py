"""The bill without a market, and what else is saved: batteries, and need not served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.participants import baseline_lines
from isojoule.apps.results.tables import by_member, read_metered
from isojoule.apps.results.worlds import part_rows
from isojoule.apps.statements.reasons import MarketFiles
from isojoule.microworld.devices import DeviceKind
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import share_without_market

Ints = NDArray[np.int64]


class Beside(NamedTuple):
    """What a bill does not count, by member, (P,), microjoules.

    Attributes
    ----------
    short_uj
        Need that was not served.
    stored_change_uj
        What batteries hold more at the end than at the start.
    """

    short_uj: Ints
    stored_change_uj: Ints


class Alone(NamedTuple):
    """The world without a market in a period.

    Attributes
    ----------
    net_uj
        What the meters show, (T, P).
    paid_nano
        What each member pays, (P,): the tariff, and between members what links and compute cost.
    shared_nano
        What each member gets of the operator's line, (P,); negative: pays. 0 where the rules do not
        share it.
    told
        What the summary tells of each member: its cost without the market, and the parts of what it
        saved.
    beside, market
        The energies of that, without the market and with it.
    """

    net_uj: Ints
    paid_nano: Ints
    shared_nano: Ints
    told: Sequence[Mapping[str, Any]]
    beside: Beside
    market: Beside


def alone_of(files: MarketFiles, period: int, stretch: Stretch, rule: str) -> Alone:
    """The world without a market, from its stretch of the period.

    Parameters
    ----------
    rule
        By which the operator's line is shared.
    """
    s = stretch
    moved = np.abs(s.metered_uj).sum(0).tolist()
    line = baseline_lines(files.folder)[files.scenario.periods[period].name]
    shared = share_without_market(rule, line, s.members, moved, files.seed)
    return Alone(
        net_uj=s.metered_uj,
        paid_nano=s.payment_nano.sum(0) + s.earned_nano.sum(0) + s.worked_nano.sum(0),
        shared_nano=np.array(shared, np.int64),
        told=[person["periods"][period] for person in files.summary["participants"]],
        beside=beside_of(files, "baseline", period),
        market=beside_of(files, "market", period),
    )


def beside_of(files: MarketFiles, world: str, period: int) -> Beside:
    """Read a period of a world from its table of devices."""
    scenario = files.scenario
    d, batteries = scenario.devices, files.world.maker.batteries
    people, width = len(scenario.participants), d.count + int(scenario.has_utility)
    loads = np.flatnonzero(d.kind == DeviceKind.LOAD)
    short = np.zeros(people, np.int64)
    end = np.zeros(batteries.size, np.int64)
    for part, number in enumerate(files.part_numbers(period)):
        path = files.folder / world / "devices" / f"part-{number:05}.parquet"
        frame = read_metered(path, "stored_uj")
        got = frame["metered_uj"].to_numpy().reshape(-1, width)[:, loads]
        rows = part_rows(scenario, scenario.periods[period], part)
        wanted = files.world.maker.energies_uj(rows)[:, loads]
        missing = np.maximum(np.maximum(wanted, 0) - np.maximum(got, 0), 0)
        short += by_member(missing, d.participant[loads], people).sum(0)
        end = frame["stored_uj"].fill_null(0).to_numpy().reshape(-1, width)[-1, batteries]
    start = np.array(files.summary["periods"][period][f"start_uj_{world}"], np.int64)
    change = by_member((end - start)[None, :], d.participant[batteries], people)[0]
    return Beside(short, change)
