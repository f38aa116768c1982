"""Bills: what every party is left with after a stretch of time, as who owes whom.

Spec: docs/spec/obligations.md, O15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.settlement.netting.unpaid import in_order
from isojoule.settlement.obligations import Ints
from isojoule.settlement.payments.rules import Every


class Stretch(NamedTuple):
    """What one bill adds up: the period it lies in, its first moment and the one after its last."""

    period: str
    start_s: int
    end_s: int


class Bill(NamedTuple):
    """A bill of everybody.

    Attributes
    ----------
    stretch
        What it adds up.
    rows
        Debtor, creditor, amount in nano-units; names of accounts.
    made_s
        When it is made, if that is not at the end of its stretch.
    revision
        Which correction it bills, from 1; 0: it bills what was settled at first.
    """

    stretch: Stretch
    rows: tuple[tuple[str, str, int], ...]
    made_s: int | None = None
    revision: int = 0

    @property
    def date_s(self) -> int:
        """The date of the bill, s since 1970."""
        return self.stretch.end_s if self.made_s is None else self.made_s


def stretches(period: str, start_s: int, end_s: int, every: Every, zone: str) -> Iterator[Stretch]:
    """Cut a period into what bills add up.

    `day` and `month` are those of the calendar, in local time; a `week` is seven days, the first
    begins with the period. What begins or ends with the period is cut by it.

    >>> [s.end_s - s.start_s for s in stretches("", 0, 20 * 86400, "week", "UTC")]
    [604800, 604800, 518400]
    """
    tz = ZoneInfo(zone)
    while start_s < end_s:
        after = end_s if every == "period" else _next(start_s, every, tz)
        yield Stretch(period, start_s, min(after, end_s))
        start_s = after


def bill_of(stretch: Stretch, groups: Iterable[Mapping[str, Ints]]) -> Bill:
    """A bill from what each account paid in each part of the stretch.

    Parameters
    ----------
    groups
        By account what it paid, nano-units, (parts,); negative: it got that. In each part all sum
        to 0, and who owes whom is matched by itself, as in `isojoule.settlement.netting.unpaid`.

    >>> paid = {"ada": np.array([5, -2]), "bo": np.array([-5, 2])}
    >>> bill_of(Stretch("", 0, 9), [paid]).rows
    (('ada', 'bo', 5), ('bo', 'ada', 2))
    """
    sums: dict[tuple[str, str], int] = {}
    for group in groups:
        names = in_order(group)
        if not names:
            continue
        paid = np.array([group[name] for name in names], np.int64)
        for column in paid.T[(paid != 0).any(0)]:
            for debtor, creditor, nano in _matched(column):
                pair = names[debtor], names[creditor]
                sums[pair] = sums.get(pair, 0) + nano
    return Bill(stretch, tuple((*pair, nano) for pair, nano in sorted(sums.items())))


def _matched(paid: Ints) -> Iterator[tuple[int, int, int]]:
    """Debtors and creditors matched in turn: where the sums of both sides, laid along, overlap."""
    debtors, creditors = np.flatnonzero(paid > 0), np.flatnonzero(paid < 0)
    owed, due = np.cumsum(paid[debtors]), np.cumsum(-paid[creditors])
    ends = np.union1d(owed, due)
    yield from zip(
        debtors[np.searchsorted(owed, ends)].tolist(),
        creditors[np.searchsorted(due, ends)].tolist(),
        np.diff(ends, prepend=0).tolist(),
        strict=True,
    )


def _next(start_s: int, every: Every, tz: ZoneInfo) -> int:
    """The moment at which the next stretch begins."""
    day = datetime.fromtimestamp(start_s, tz).date()
    if every == "month":
        day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    else:
        day += timedelta(days=7 if every == "week" else 1)
    return int(datetime(day.year, day.month, day.day, tzinfo=tz).timestamp())
