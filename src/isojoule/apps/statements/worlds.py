"""What the meters of a world show, read from its tables; and the bill without a market."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from isojoule.apps.results.worlds import part_rows
from isojoule.apps.statements.reasons import MarketFiles
from isojoule.microworld.devices import DeviceKind
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Code, settle
from isojoule.settlement.statements import line_name
from isojoule.settlement.stretch import Stretch

Ints = NDArray[np.int64]
BASELINE = "baseline"


class Metered(NamedTuple):
    """A period of a world, in microjoules and nano-units.

    Attributes
    ----------
    net_uj, payment_nano
        By member, (T, P): received, and paid.
    utility_uj, utility_nano
        Of the utility, (T,).
    short_uj
        Need that was not served, by member, (P,).
    stored_change_uj
        What batteries hold more at the end, by member, (P,).
    """

    net_uj: Ints
    payment_nano: Ints
    utility_uj: Ints
    utility_nano: Ints
    short_uj: Ints
    stored_change_uj: Ints


def read_metered(files: MarketFiles, world: str, period: int) -> Metered:
    """Read a period of a world from its table of devices: what was metered, else what was cleared."""
    d = files.scenario.devices
    width = d.count + int(files.scenario.has_utility)
    people = len(files.scenario.participants)
    maker = files.world.maker
    nets, paid, utility, utility_paid = [], [], [], []
    short = np.zeros(people, np.int64)
    end = np.zeros(maker.batteries.size, np.int64)
    for part, number in enumerate(files.part_numbers(period)):
        path = files.folder / world / "devices" / f"part-{number:05}.parquet"
        frame = pl.read_parquet(path)
        name = "metered_uj" if "metered_uj" in frame.columns else "energy_uj"
        energy, payment = (
            frame[column].to_numpy().reshape(-1, width) for column in (name, "payment_nano")
        )
        nets.append(by_member(energy[:, : d.count], d.participant, people))
        paid.append(by_member(payment[:, : d.count], d.participant, people))
        utility.append(energy[:, d.count :].sum(1))
        utility_paid.append(payment[:, d.count :].sum(1))
        wanted = maker.energies_uj(part_rows(files.scenario, files.scenario.periods[period], part))
        loads = d.kind == DeviceKind.LOAD
        missing = np.maximum(np.maximum(wanted, 0) - np.maximum(energy[:, : d.count], 0), 0)[:, loads]
        np.add.at(short, d.participant[loads], missing.sum(0))
        stored = frame["stored_uj"].fill_null(0).to_numpy().reshape(-1, width)
        end = stored[-1, maker.batteries]
    start = np.array(files.summary["periods"][period][f"start_uj_{world}"], np.int64)
    change = np.zeros(people, np.int64)
    np.add.at(change, d.participant[maker.batteries], end - start)
    return Metered(
        np.concatenate(nets), np.concatenate(paid), np.concatenate(utility),
        np.concatenate(utility_paid), short, change,
    )  # fmt: skip


def by_member(values: Ints, owner: NDArray[np.int32], people: int) -> Ints:
    """Sums over the devices of each member, (T, P)."""
    out = np.zeros((len(values), people), np.int64)
    for device, member in enumerate(owner.tolist()):
        out[:, member] += values[:, device]
    return out


class Alone(NamedTuple):
    """The bill without a market, for all members of a period.

    Attributes
    ----------
    lines
        Name and what each member pays, (P,), nano-units.
    metered, market
        What the meters show without a market, and with it.
    """

    lines: tuple[tuple[str, Ints], ...]
    metered: Metered
    market: Metered

    @property
    def total_nano(self) -> Ints:
        """What each pays in all, (P,)."""
        total: Ints = np.sum([amount for _, amount in self.lines], axis=0, dtype=np.int64)
        return total


def alone(files: MarketFiles, period: int, like: Stretch, rules: Rules) -> Alone:
    """The bill of a period in which the market had rested: the tariff, and the same fees.

    That is what the rules of settlement charge in a pause, for the energy of the baseline.
    """
    metered = read_metered(files, BASELINE, period)
    nothing = np.zeros_like(metered.net_uj)
    rested = replace(
        like,
        cleared_uj=metered.net_uj,
        payment_nano=metered.payment_nano,
        earned_nano=nothing,
        worked_nano=nothing,
        metered_uj=metered.net_uj,
        utility_uj=metered.utility_uj,
        utility_nano=metered.utility_nano,
        tie_uj=metered.utility_uj,
        loss_uj=-metered.net_uj.sum(1) - metered.utility_uj,
        paused=np.ones(like.time_s.size, bool),
    )
    energy = ("Energy", metered.payment_nano.sum(0))
    fees = tuple(
        (line_name(line.code, line.other), line.money_nano.sum(0))
        for line in settle(rested, rules).lines
        if line.code is Code.FEE and line.money_nano is not None
    )
    return Alone((energy, *fees), metered, read_metered(files, "market", period))
