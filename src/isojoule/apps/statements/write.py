"""Write statements into a folder: for each household and period a page and two CSV files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from isojoule.apps.statements.facts import PeriodFacts, facts_of, span_of
from isojoule.apps.statements.page import Sheet, page
from isojoule.apps.statements.reasons import MarketFiles
from isojoule.apps.statements.sheets import bill_sheet, interval_sheet
from isojoule.core.errors import InputError
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.ledger.port import Head, Ledger
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import member
from isojoule.settlement.statements import Span, Statement, statements_of
from isojoule.settlement.stretch import Stretch

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


def write_statements(
    run_folder: Path,
    out_folder: Path,
    *,
    stretches: Iterable[tuple[str, Stretch]],
    ledger: Ledger,
    rules: Rules,
    scenario: Scenario | None = None,
    members: Collection[str] | None = None,
    periods: Collection[str] | None = None,
    why: Mapping[tuple[str, str], str] | None = None,
    head: Head | None = None,
    progress: Progress | None = None,
) -> list[Written]:
    """Write the statements of a run that was settled into a ledger.

    Parameters
    ----------
    run_folder
        A run, whole.
    out_folder
        Made if it is not there. Files of the same names are replaced.
    stretches
        Name of each period of the run and what was settled, in the order of the periods.
    ledger
        With the transfers of that settlement.
    rules
        By which it was settled.
    scenario
        As it was run, cut to its periods; read from the run folder if not given.
    members, periods
        Whose, and of which periods; all if not given.
    why
        Sentences that tell shares of the surplus, by period and member.
    head
        Of the ledger, for the pages; its own if not given.
    progress
        See `Progress`.

    Returns
    -------
    What was written, period by period.

    Raises
    ------
    InputError
        Unknown members or periods, or stretches that are not of this run.
    """
    files = MarketFiles.open(run_folder, scenario)
    chosen = _chosen("member", members, files.scenario.participants)
    named = _chosen("period", periods, [p.name for p in files.scenario.periods])
    out_folder.mkdir(parents=True, exist_ok=True)
    stems = file_stems(files.scenario.participants)
    tell = progress or (lambda stage, done, total: None)
    kept = [(i, s) for i, name, s in _in_order(files, stretches) if name in named]
    total = sum(s.time_s.size for _, s in kept)
    done = 0

    def count(intervals: int) -> None:
        nonlocal done
        done += intervals
        tell("reading reasons", done, total)

    spans = [span_of(files, i, s) for i, s in kept]
    accounts = [account for account, _ in ledger.accounts()]
    found = statements_of(
        accounts, ledger.transfers(), files.scenario.currency, spans,
        parties=[member(name) for name in chosen],
    )  # fmt: skip
    top = ledger.head if head is None else head
    written: list[Written] = []
    for (i, stretch), span in zip(kept, spans, strict=True):
        facts = facts_of(files, i, stretch, rules, count)
        for name in chosen:
            statement = found.get((member(name), span.name)) or Statement(
                member(name), stretch.currency, span, (), 0
            )
            reason = (why or {}).get((span.name, name), "")
            written.append(_write(facts, statement, name, out_folder, stems[name], reason, top))
        tell("writing statements", len(written), len(chosen) * len(kept))
    return written


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


def _write(
    facts: PeriodFacts, statement: Statement, name: str, out: Path, stem: str, why: str, head: Head
) -> Written:
    """Write one statement."""
    who = facts.member(name)
    first = f"{stem}-{file_stems([facts.span.name])[facts.span.name]}" if facts.span.name else stem
    paths = [out / f"{first}{end}" for end in (".html", ".csv", "-bill.csv")]
    sheet = Sheet(facts, who, statement, why, head, (paths[2].name, paths[1].name))
    texts = [page(sheet), interval_sheet(facts, who), bill_sheet(statement)]
    for path, body in zip(paths, texts, strict=True):
        path.write_text(body, encoding="utf-8", newline="")
    return Written(facts.span.name, name, statement, *paths)


def _in_order(
    files: MarketFiles, stretches: Iterable[tuple[str, Stretch]]
) -> Iterator[tuple[int, str, Stretch]]:
    """Stretches with the positions of their periods."""
    places = {p.name: i for i, p in enumerate(files.scenario.periods)}
    for name, stretch in stretches:
        if name not in places:
            raise InputError(
                f"the run has no period {name!r}", remedy=f"its periods: {', '.join(places)}"
            )
        yield places[name], name, stretch


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
