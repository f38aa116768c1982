"""Write statements into a folder: for each household and period a page and its CSV files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isojoule.apps.results.chapters.payments import posted_plan
from isojoule.apps.results.holds import check_holds
from isojoule.apps.results.settlement import SettledRun, settle_run
from isojoule.apps.results.stretch import stretches
from isojoule.apps.statements.corrected import as_read, check_told, further_of
from isojoule.apps.statements.facts import facts_of
from isojoule.apps.statements.page import page
from isojoule.apps.statements.reasons import MarketFiles
from isojoule.apps.statements.score_section import scores_by_period
from isojoule.apps.statements.sheet import Sheet
from isojoule.apps.statements.sheets import bill_sheet, interval_sheet, payment_sheet, score_sheet
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.ledger.port import ReadLedger
from isojoule.settlement.payments.plan import Plan
from isojoule.settlement.payments.state import BillState, states_of
from isojoule.settlement.settle import member
from isojoule.settlement.statements import Span, Statement, statements_of
from isojoule.settlement.surplus import Shares

if TYPE_CHECKING:
    from isojoule.apps.results.further_bills import Further

Progress = Callable[[str, int, int], None]
"""Called with a stage, what is done, and what is expected (0 if unknown)."""


class Written(NamedTuple):
    """The files of one statement, and the statement."""

    period: str
    member: str
    statement: Statement
    page: Path
    intervals: Path
    bill: Path
    score: Path | None
    payment: Path | None


def statements_of_run(
    run_folder: Path,
    out_folder: Path,
    *,
    ledger: str | None = None,
    members: Collection[str] | None = None,
    periods: Collection[str] | None = None,
    readings: Sequence[Path] = (),
    progress: Progress | None = None,
) -> list[Written]:
    """Settle a run again from its folder, and write its statements; see `write_statements`.

    `ledger` is the URL of one that keeps its transfers; bills are read from it, with corrections.
    `readings` are the tables that it was corrected by, all of them in their order: so the pages
    tell how these are paid, too.

    Raises
    ------
    InputError
        It is no run folder, a reading is none of it, or the ledger holds nothing of it.
    """
    from isojoule.apps.results.asked import read_asked
    from isojoule.apps.results.store import Run

    manifest = Run(run_folder).manifest
    asked = read_asked(run_folder / "scenario", manifest["arguments"])
    settled = settle_run(run_folder, asked.scenario, asked.rules, manifest["run"], manifest["seed"])

    def written(kept: ReadLedger | None) -> list[Written]:
        return write_statements(
            run_folder, out_folder, asked.scenario, settled,
            ledger=kept, members=members, periods=periods, further=further, progress=progress,
        )  # fmt: skip

    if readings and ledger is None:
        raise InputError(
            "late readings are in no ledger",
            place="--readings",
            remedy="give --ledger with the one that was corrected by them",
        )
    further = further_of(run_folder, readings)
    if ledger is None:
        return written(None)
    from isojoule.apps.ledger import read_ledger

    with read_ledger(ledger) as kept:
        first = next(settled.ledger.transfers(), None)
        check_holds(kept, first, manifest["run"], place="--ledger")
        return written(kept)


def write_statements(
    run_folder: Path,
    out_folder: Path,
    scenario: Scenario,
    settled: SettledRun,
    *,
    ledger: ReadLedger | None = None,
    members: Collection[str] | None = None,
    periods: Collection[str] | None = None,
    further: Further | None = None,
    progress: Progress | None = None,
) -> list[Written]:
    """Write the statements of a run that was settled.

    Parameters
    ----------
    run_folder
        The run, whole.
    out_folder
        Made if it is not there. Files of the same names are replaced.
    scenario
        As it was run, cut to its periods.
    settled
        The settlement of the run.
    ledger
        With its transfers; that of `settled` if not given. Its head stands on the pages.
    members, periods
        Whose, and of which periods; all if not given.
    further
        What late readings changed.
    progress
        See `Progress`.

    Returns
    -------
    What was written, period by period.

    Raises
    ------
    InputError
        Unknown members or periods, or a settlement of another run.
    """
    files = MarketFiles.open(run_folder, scenario)
    whose = _chosen("member", members, scenario.participants)
    named = _chosen("period", periods, [p.name for p in scenario.periods])
    kept = ledger if ledger is not None else settled.ledger
    head, found = kept.head, read_statements(kept, scenario, whose)
    bills = bills_of(settled, whose, further.plans.values() if further else ())
    again = {one.period.name: one.shares for one in further.found} if further else {}
    stems = file_stems(scenario.participants)
    tell = progress or (lambda stage, done, total: None)
    out_folder.mkdir(parents=True, exist_ok=True)
    scores = scores_by_period(settled)
    written: list[Written] = []
    worlds = stretches(run_folder, scenario, "interval", "baseline")
    for i, (part, (period, baseline)) in enumerate(zip(settled.periods, worlds, strict=True)):
        if period.name not in named:
            continue
        read = as_read(part, settled.rules, further)
        facts = facts_of(files, i, read, settled.rules, baseline, scores=scores.get(period.name))
        why, why_again = (_why(shares) for shares in (part.shares, again.get(period.name)))
        for name in whose:
            statement = found.get((member(name), period.name)) or Statement(
                member(name), scenario.currency, facts.span, (), 0
            )
            sheet = Sheet(
                facts, facts.member(name), statement, why.get(name, ""),
                why_again.get(name, ""), head, bills=bills.get((member(name), period.name), ()),
                shared_nano=part.shares.surplus_nano,
                corrected=part.paid_nano.get(member(name), 0) != statement.sum_nano,
            )  # fmt: skip
            if further is not None:
                check_told(sheet, name, further, again.get(period.name))
            written.append(_write(sheet, name, out_folder, stems[name]))
            tell("writing statements", len(written), len(whose) * len(named))
    return written


def read_statements(
    ledger: ReadLedger, scenario: Scenario, members: Iterable[str]
) -> dict[tuple[str, str], Statement]:
    """The statements of some members, by account and period."""
    return statements_of(
        [account for account, _ in ledger.accounts()],
        ledger.transfers(),
        scenario.currency,
        [Span(p.name, p.start_s, p.end_s) for p in scenario.periods],
        parties=[member(name) for name in members],
    )


def bills_of(
    settled: SettledRun, members: Collection[str], further: Iterable[Plan] = ()
) -> dict[tuple[str, str], tuple[BillState, ...]]:
    """How far the bills of some members are paid, by account and period; corrections come last."""
    plan = posted_plan(settled.settling, settled.told)
    found: dict[tuple[str, str], tuple[BillState, ...]] = {}
    for one in () if plan is None else (plan, *further):
        for key, bills in states_of(one, map(member, members)).items():
            found[key] = (*found.get(key, ()), *bills)
    return found


def _why(shares: Shares | None) -> dict[str, str]:
    """The sentence of each member."""
    return {} if shares is None else dict(zip(shares.members, shares.why, strict=True))


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """File names for names of members: what a file system may not like is replaced.

    A name that was altered, or that differs from another by capitals alone, ends with a few digits
    of its hash.

    >>> file_stems(["ada", "a/b"])
    {'ada': 'ada', 'a/b': 'a_b-c14cddc0'}
    """
    taken: dict[str, int] = {}
    plain = {name: re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")[:80] for name in names}
    for stem in plain.values():
        taken[stem.casefold()] = taken.get(stem.casefold(), 0) + 1
    return {
        name: stem
        if stem == name and taken[stem.casefold()] == 1
        else f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, stem in plain.items()
    }


def _write(sheet: Sheet, name: str, out: Path, stem: str) -> Written:
    """Write one statement."""
    facts, who, statement = sheet.facts, sheet.who, sheet.statement
    first = f"{stem}-{file_stems([facts.span.name])[facts.span.name]}" if facts.span.name else stem
    main, intervals, bill = (out / f"{first}{end}" for end in (".html", ".csv", "-bill.csv"))
    score = None if facts.scores is None else out / f"{first}-score.csv"
    payment = out / f"{first}-payment.csv" if sheet.bills else None
    sheet = replace(
        sheet,
        sheets=(bill.name, intervals.name),
        score_file=score.name if score else "",
        payment_file=payment.name if payment else "",
    )
    bodies = {main: page(sheet), intervals: interval_sheet(facts, who), bill: bill_sheet(sheet)}
    if score is not None:
        bodies[score] = score_sheet(facts, who)
    if payment is not None:
        zone = facts.files.scenario.timezone
        bodies[payment] = payment_sheet(sheet.bills, sheet.currency, zone)
    for path, body in bodies.items():
        path.write_text(body, encoding="utf-8", newline="")
    return Written(facts.span.name, name, statement, main, intervals, bill, score, payment)


def _chosen(what: str, asked: Collection[str] | None, there: Iterable[str]) -> list[str]:
    """Those asked for, in the order in which they stand in the run."""
    known = list(there)
    if asked is None:
        return known
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise InputError(
            f"unknown {what} {unknown[0]!r}", remedy=f"known are {', '.join(known[:8])}"
        )
    return [name for name in known if name in set(asked)]
