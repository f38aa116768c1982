"""Statements of a run that late readings corrected: on the readings that count in the end.

The bill comes from the ledger, with its corrections. What the page and the tables tell of intervals
must be settled on the same readings, so that each column of money still sums to its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isojoule.apps.results.settled import SettledPeriod
from isojoule.apps.statements.facts import PeriodFacts
from isojoule.apps.statements.payment_section import not_told
from isojoule.apps.statements.sheet import Sheet
from isojoule.core.errors import InputError
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Code, settle
from isojoule.settlement.statements import SHARE, Statement
from isojoule.settlement.surplus import Shares

if TYPE_CHECKING:
    from isojoule.apps.results.further_bills import Further


class Apart(NamedTuple):
    """A column of money that does not sum to its line of the bill, nano-units."""

    name: str
    column_nano: int
    line_nano: int


def further_of(folder: Path, readings: Sequence[Path]) -> Further | None:
    """What late readings changed; None: there are none."""
    if not readings:
        return None
    from isojoule.apps.results.further_bills import further_bills

    return further_bills(folder, readings)


def as_read(part: SettledPeriod, rules: Rules, further: Further | None) -> SettledPeriod:
    """A period settled on the last of its readings."""
    late = [one.stretch for one in further.found if one.period.name == part.name] if further else []
    if not late:
        return part
    return replace(part, stretch=late[-1], settled=settle(late[-1], rules))


def columns_apart(facts: PeriodFacts, who: int, statement: Statement) -> Iterator[Apart]:
    """Columns of money of a member that do not sum to their lines of the bill.

    There are some where the ledger was corrected by other readings than those that are told here.
    """
    lines: Counter[tuple[Code, str]] = Counter()
    names: dict[tuple[Code, str], str] = {}
    for line in statement.lines:
        if isinstance(line.code, Code) and line.code not in SHARE:
            key = (line.code, line.name if line.code is Code.FEE else "")
            lines[key] += line.money_nano
            names[key] = line.name
    for column in facts.columns:
        total = int(column.money_nano[:, who].sum())
        on_bill = lines.pop((column.code, column.name if column.code is Code.FEE else ""), 0)
        if total != on_bill:
            yield Apart(column.name, total, on_bill)
    for key, on_bill in lines.items():
        if on_bill:
            yield Apart(names[key], 0, on_bill)


def check_told(sheet: Sheet, name: str, further: Further, again: Shares | None) -> None:
    """Refuse to tell of corrections what the ledger does not have.

    Raises
    ------
    InputError
        The ledger was corrected by other readings.
    """
    statement, share = sheet.statement, None
    if again is not None:
        share = again.amount_nano[again.members.index(name)]
    if share not in (None, statement.share_nano):
        what, verb = "the share", "is"
    elif further.plans and not_told(sheet):
        what, verb = "the bills", "are"
    elif other := next(columns_apart(sheet.facts, sheet.who, statement), None):
        what, verb = f"{other.name!r} on the bill", "is"
    else:
        return
    raise InputError(
        f"{what} of {name!r} in period {statement.span.name!r} {verb} not what the ledger has",
        place="--readings",
        remedy="give the ledger that was corrected by these tables, all of them in their order",
    )
