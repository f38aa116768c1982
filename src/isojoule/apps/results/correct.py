"""Late or wrong meter data of a run that was settled: what has to be booked besides.

    done = write_corrections(ledger, folder, [first, second], clock)

Readings come as tables of time, participant and energy. The files are taken in the order in which
they came in: each is settled against all before it, and its difference is a revision of its own, so
booking them again writes nothing. What the operator's line loses or gains by it is shared again, by
the same rule. Where the rules make bills, each file has a further bill, which is paid like those
before. What contracts and bonds came to is counted again, too.
Spec: docs/spec/settlement.md, Y26 and Y27; docs/spec/obligations.md, O24; docs/spec/collateral.md,
B34 and B35.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.files.tables import Column, Table, read_table
from isojoule.apps.files.times import epoch_s
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.holds import check_holds, first_of
from isojoule.apps.results.sharing import shares_of
from isojoule.apps.results.store import Run
from isojoule.apps.results.stretch import stretches
from isojoule.core.errors import InputError
from isojoule.core.transfer import Transfer
from isojoule.core.units import J_PER_KWH, UJ_PER_J
from isojoule.microworld.scenario import Period, Scenario
from isojoule.settlement.booking import (
    Booked,
    book,
    difference,
    dividends,
    with_readings,
    write,
)
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.operator_line import changed
from isojoule.settlement.payments.plan import Plan
from isojoule.settlement.settle import OPERATOR, Settled, member, settle
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares

Ints = NDArray[np.int64]
READINGS = (
    Column("time", "time", True, "start of the interval"),
    Column("participant", "text", True, "whose meters: all of them together"),
    Column("metered_j", "J", True, "energy received in the interval; negative: delivered"),
)
"""Columns of a table of late readings."""
LARGEST_J = 4e12


class Readings(NamedTuple):
    """Late readings of one file, (rows,)."""

    file: Path
    table: Table
    time_s: Ints
    member: NDArray[np.int32]
    metered_uj: Ints


class Correction(NamedTuple):
    """What a file of readings changes in a period.

    Attributes
    ----------
    period
        Of the scenario.
    number
        Of the file, from 1.
    stretch
        With its readings, and those of the files before it.
    change
        What is settled otherwise.
    before, shares
        How the operator's line was shared before it, and how it is shared with it.
    booked
        The transfers of what is settled, and those of what is shared otherwise.
    """

    period: Period
    number: int
    stretch: Stretch
    change: Settled
    before: Shares
    shares: Shares
    booked: tuple[Booked, ...]

    @property
    def shared_nano(self) -> dict[str, int]:
        """What accounts pay because the operator's line is shared otherwise, by name."""
        more = dict(
            zip(map(member, self.shares.members), changed(self.before, self.shares), strict=True)
        )
        paid = {name: -nano for name, nano in more.items() if nano}
        return {**paid, OPERATOR: -sum(paid.values())} if paid else {}


class Written(NamedTuple):
    """What was written, or stood there already.

    Attributes
    ----------
    transfers
        That correct the settlement, contracts and bonds.
    plans
        What happens to the further bills, by number of the file.
    """

    transfers: int
    plans: dict[int, Plan]


def write_corrections(
    folder: Path,
    files: Sequence[Path],
    opened: Callable[[], AbstractContextManager[Ledger]],
    clock: Callable[[], int],
) -> Written:
    """Write corrections of a run, and the bills that follow from them, into a ledger.

    Parameters
    ----------
    folder
        Of the run.
    files
        All tables of late readings of this run, in the order in which they came.
    opened
        Opens the ledger, after everything is read and checked.
    clock
        The time of writing, ns since 1970.

    Raises
    ------
    InputError
        See `corrections`; the ledger holds nothing of the run, or refuses a transfer.
    """
    from isojoule.apps.results.chapters.written import write_chains
    from isojoule.apps.results.further_bills import further_bills, run_of
    from isojoule.settlement.payments.posting import post

    run = Run(folder).manifest["run"]
    found, promises, plans = further_bills(folder, files)
    first = _first_transfer(folder, run)
    with opened() as ledger:
        check_holds(ledger, first, run, place="ledger")
        for number in sorted({one.number for one in found}):
            for one in found:
                if one.number == number:
                    _write(ledger, one, clock())
            if number in promises:
                again = promises[number]
                chains = [(0, chain) for chain in again.chains]
                write_chains(ledger, again.accounts, chains, lambda _: clock(), 0)
            if number in plans:
                plan, name = plans[number], run_of(run, number)
                post(ledger, plan, found[0].stretch.currency, run=name, clock=lambda _: clock())
    count = sum(part.count for one in found for part in one.booked)
    count += sum(len(chain) for again in promises.values() for chain in again.chains)
    return Written(count, plans)


def _first_transfer(folder: Path, run: str) -> Transfer | None:
    """Of the first settlement of a run."""
    scenario, rules = read_asked(folder / "scenario", Run(folder).manifest["arguments"])
    booked = (book(s, settle(s, rules), run) for _, s in stretches(folder, scenario, rules.netting))
    return first_of(booked)


def _write(ledger: Ledger, one: Correction, now_ns: int) -> None:
    for part in one.booked:
        for refused in write(ledger, part, now_ns):
            raise InputError(
                f"refused a correction of period {one.period.name!r}: {refused.answer.reason}",
                place="ledger",
                remedy="give the files in the order in which they were booked",
            )


def corrections(folder: Path, files: Sequence[Path]) -> Iterator[Correction]:
    """What late readings change in a settled run: period by period, file by file.

    Raises
    ------
    InputError
        It is no run, or a reading is none of it; with file, line and remedy.
    """
    manifest = Run(folder).manifest
    scenario, rules = read_asked(folder / "scenario", manifest["arguments"])
    readings = [read_readings(file, scenario) for file in files]
    run, seed = manifest["run"], int(manifest["seed"])
    for period, stretch in stretches(folder, scenario, rules.netting):
        before, settled, shares = stretch, settle(stretch, rules), None
        for number, late in enumerate(readings, 1):
            after = _corrected(before, late)
            if after is None:
                continue
            again = settle(after, rules)
            change = difference(again, settled)
            if change.lines:
                old = shares or shares_of(before, settled, rules, seed)
                shares = shares_of(after, again, rules, seed)
                parts = [book(after, change, run, revision=number)]
                parts += _shared(after, period, changed(old, shares), run, number)
                yield Correction(period, number, after, change, old, shares, tuple(parts))
            before, settled = after, again


def _shared(
    stretch: Stretch, period: Period, more_nano: Sequence[int], run: str, number: int
) -> Iterator[Booked]:
    """The transfers of what is shared otherwise, if anything is."""
    if any(more_nano):
        yield dividends(
            stretch.currency, stretch.members, more_nano, market=run, period=period.name,
            at_s=period.end_s, ref=stretch.results_hash(slice(0, stretch.time_s.size)),
            revision=number,
        )  # fmt: skip


def read_readings(file: Path, scenario: Scenario) -> Readings:
    """Read one file of late readings.

    Raises
    ------
    InputError
        With file, line and remedy.
    """
    if file.suffix not in (".csv", ".parquet") or not file.is_file():
        raise InputError(
            "is no table of readings",
            place=str(file),
            remedy="give a .csv or .parquet file with the columns time, participant, metered [kWh]",
        )
    table = read_table(file.parent, file.stem, READINGS, currency=scenario.currency)
    tz = ZoneInfo(scenario.timezone)
    times = [epoch_s(t, tz, place=table.place(row)) for row, t in enumerate(table.times["time"])]
    member = table.index_of("participant", "participant", scenario.participants)
    energy_j = table.number("metered_j")
    known = {int(t) for p in scenario.periods for t in scenario.times_s[scenario.rows(p)].tolist()}
    seen: dict[tuple[int, int], int] = {}
    for row, (time_s, who, value) in enumerate(zip(times, member.tolist(), energy_j, strict=True)):
        place = table.place(row)
        if np.isnan(value):
            raise InputError("no energy given", place=place, remedy="give what the meter shows")
        if abs(value) >= LARGEST_J:
            raise InputError(
                f"{value / J_PER_KWH:.6g} kWh in one interval is more than a ledger can book "
                f"(below {LARGEST_J / J_PER_KWH:,.0f} kWh)",
                place=place,
                remedy="check the number and the unit in the head of the column, as [kWh]",
            )
        if time_s not in known:
            raise InputError(
                "no interval of the run starts then", place=place, remedy="give its first moment"
            )
        if (time_s, who) in seen:
            raise InputError(
                f"{scenario.participants[who]!r} has two readings of one interval",
                place=place,
                remedy=f"keep one; the other is at {table.place(seen[time_s, who])}",
            )
        seen[time_s, who] = row
    return Readings(
        file,
        table,
        np.array(times, np.int64),
        member,
        np.rint(energy_j * UJ_PER_J).astype(np.int64),
    )


def _corrected(stretch: Stretch, late: Readings) -> Stretch | None:
    """The stretch with these readings; None if none of them lies in it."""
    at = np.searchsorted(stretch.time_s, late.time_s)
    inside = (at < stretch.time_s.size) & (
        stretch.time_s[np.minimum(at, stretch.time_s.size - 1)] == late.time_s
    )
    if not inside.any():
        return None
    metered = stretch.metered_uj.copy()
    metered[at[inside], late.member[inside]] = late.metered_uj[inside]
    return with_readings(stretch, metered)
