"""Everything that the statements of a period are written from: columns of all members at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.settled import SettledPeriod
from isojoule.apps.statements.reasons import HomeReasons, MarketFiles
from isojoule.apps.statements.words import Namer
from isojoule.apps.statements.worlds import Alone, alone_of
from isojoule.core.errors import InputError
from isojoule.settlement.fees import Charged
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Code, Settled, fees_of, member
from isojoule.settlement.statements import Span, line_name
from isojoule.settlement.stretch import Stretch

if TYPE_CHECKING:
    from isojoule.apps.statements.score_section import Scores

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NANO_PER_UJ = 1000.0
LEAST_UJ = 1_000_000_000
"""A kilojoule: a mean price of less energy is mostly rounding."""
PAID_SAME_NANO = 16
"""A home's payments are rounded device by device."""


class Column(NamedTuple):
    """Money of one kind in each interval, nano-units, (T, P)."""

    code: Code
    name: str
    money_nano: Ints


@dataclass(frozen=True, eq=False)
class PeriodFacts:
    """A period, for all its members.

    Attributes
    ----------
    files, namer
        The run, and names in it.
    rules
        Of its settlement.
    span
        The period as the ledger has it.
    stretch
        What was settled.
    columns
        Money by what it is for; the trade first.
    price_per_j
        What a Joule cost each member, (T, P); nan where nothing says it.
    reasons
        Why.
    alone
        The bill without a market.
    scores
        What was matched by certificates; None where there are none.
    charged
        Fees, in the order of the rules, and what each is charged on.
    carried_uj
        What the links of each member carried, (P,); None: no member owns one.
    """

    files: MarketFiles
    rules: Rules
    namer: Namer
    span: Span
    stretch: Stretch
    columns: tuple[Column, ...]
    price_per_j: Floats
    reasons: HomeReasons
    alone: Alone
    scores: Scores | None = None
    charged: tuple[Charged, ...] = ()
    carried_uj: Ints | None = None

    @cached_property
    def extremes(self) -> list[tuple[int, int] | None]:
        """Of each member the dearest and the cheapest interval that it traded in."""
        return extremes(self.stretch, self.price_per_j)

    @cached_property
    def clock(self) -> list[str]:
        """Local time of each interval with its offset, as ISO 8601, (T,)."""
        zone = ZoneInfo(self.files.scenario.timezone)
        return [datetime.fromtimestamp(t, zone).isoformat() for t in self.stretch.time_s.tolist()]

    def member(self, name: str) -> int:
        """Position of a member."""
        return self.stretch.members.index(name)


def facts_of(
    files: MarketFiles,
    period: int,
    settled: SettledPeriod,
    rules: Rules,
    baseline: Stretch,
    progress: Callable[[int], None] | None = None,
    scores: Scores | None = None,
) -> PeriodFacts:
    """Gather a period.

    Parameters
    ----------
    period
        Its position in the scenario.
    settled, rules
        Its settlement, and by which rules.
    baseline
        The stretch of the world without a market.
    progress
        Called with the number of intervals read since it was last called.
    scores
        What was matched by certificates.

    Raises
    ------
    InputError
        The settlement is not that of the period.
    """
    asked, stretch = files.scenario.periods[period], settled.stretch
    times = files.scenario.times_s[files.scenario.rows(asked)]
    same = stretch.members == files.scenario.participants and settled.name == asked.name
    if not same or not np.array_equal(stretch.time_s, times):
        raise InputError(
            f"what was settled as {settled.name!r} is not period {asked.name!r} of the run",
            remedy="settle the same run folder",
        )
    price = price_of(stretch, files.home_prices(period))
    wanted: dict[int, list[int]] = {}
    for who, pair in enumerate(extremes(stretch, price)):
        for at in dict.fromkeys(pair or ()):
            wanted.setdefault(at, []).append(who)
    return PeriodFacts(
        files=files,
        rules=rules,
        namer=Namer(files.scenario, files.manifest["mechanism"]),
        span=Span(asked.name, asked.start_s, asked.end_s),
        stretch=stretch,
        columns=columns_of(stretch, settled.settled),
        price_per_j=price,
        reasons=files.reasons(period, stretch.paused, wanted, progress),
        alone=alone_of(files, period, baseline, rules.surplus),
        scores=scores,
        charged=tuple(fees_of(stretch, settled.settled, rules)),
        carried_uj=files.carried_uj(period),
    )


def columns_of(stretch: Stretch, settled: Settled) -> tuple[Column, ...]:
    """Money of the members in each interval, by what it is for; the trade always."""
    parties = tuple(member(name) for name in stretch.members)
    found = [
        Column(line.code, line_name(line.code, line.other), line.money_nano)
        for line in settled.lines
        if line.parties == parties and line.money_nano is not None
    ]
    if not any(column.code is Code.TRADE for column in found):
        found.insert(0, Column(Code.TRADE, "Energy", np.zeros_like(stretch.cleared_uj)))
    return tuple(found)


def price_of(stretch: Stretch, home: Floats) -> Floats:
    """What a Joule cost each member, money/J, (T, P).

    The price at its home, if that is what it paid; else what it paid by what it was cleared for,
    if that is more than a kilojoule; else the price at its home.
    """
    s = stretch
    with np.errstate(invalid="ignore", divide="ignore"):
        due = home * s.cleared_uj * NANO_PER_UJ
        paid = s.payment_nano / (s.cleared_uj * NANO_PER_UJ)
        same = np.abs(due - s.payment_nano) <= PAID_SAME_NANO + 1e-9 * np.abs(due)
    enough = np.abs(s.cleared_uj) >= LEAST_UJ
    out: Floats = np.where(same | ~enough, home, paid)
    return out


def extremes(stretch: Stretch, price_per_j: Floats) -> list[tuple[int, int] | None]:
    """The dearest and the cheapest interval in which each member traded, the first of several."""
    traded = (np.abs(stretch.cleared_uj) >= LEAST_UJ) & np.isfinite(price_per_j)
    high = np.where(traded, price_per_j, -np.inf).argmax(0)
    low = np.where(traded, price_per_j, np.inf).argmin(0)
    return [
        (int(high[i]), int(low[i])) if traded[:, i].any() else None for i in range(traded.shape[1])
    ]


class Share(NamedTuple):
    """How often a reason held for a member, and what it traded meanwhile.

    Attributes
    ----------
    reason
        In words.
    intervals
        How many.
    bought_uj, bought_nano, sold_uj, sold_nano
        Energy, and the money paid or got for it.
    """

    reason: str
    intervals: int
    bought_uj: int
    bought_nano: int
    sold_uj: int
    sold_nano: int


def shares(facts: PeriodFacts, who: int, words: list[str]) -> list[Share]:
    """Intervals of a member grouped by the words of each, those with most of its energy first."""
    groups: Mapping[str, list[int]] = _grouped(words)
    cleared = facts.stretch.cleared_uj[:, who]
    paid = facts.stretch.payment_nano[:, who]
    out = []
    for reason, rows in groups.items():
        energy, money = cleared[rows], paid[rows]
        buys, sells = energy > 0, energy < 0
        out.append(
            Share(
                reason, len(rows), int(energy[buys].sum()), int(money[buys].sum()),
                -int(energy[sells].sum()), -int(money[sells].sum()),
            )
        )  # fmt: skip
    return sorted(out, key=lambda s: (-(s.bought_uj + s.sold_uj), -s.intervals, s.reason))


def together(rows: list[Share], reason: str) -> Share:
    """Several reasons as one."""
    return Share(
        reason, sum(r.intervals for r in rows), sum(r.bought_uj for r in rows),
        sum(r.bought_nano for r in rows), sum(r.sold_uj for r in rows),
        sum(r.sold_nano for r in rows),
    )  # fmt: skip


def setters(facts: PeriodFacts, who: int) -> list[str]:
    """What set the price for a member, in words, (T,)."""
    r, paused = facts.reasons, facts.stretch.paused
    known: dict[tuple[int, int, bool, bool], str] = {}
    out = []
    rows = zip(
        r.kind[:, who].tolist(), r.offer[:, who].tolist(), r.sells[:, who].tolist(),
        paused.tolist(), strict=True,
    )  # fmt: skip
    for row in rows:
        if row not in known:
            kind, offer, sells, pause = row
            known[row] = facts.namer.reason(kind, offer, sells, who, paused=pause)
        out.append(known[row])
    return out


def walls(facts: PeriodFacts, who: int) -> list[str]:
    """Which full link stood between a member and the rest, in words, (T,); "" if none."""
    r = facts.reasons
    pairs = zip(r.link[:, who].tolist(), r.inward[:, who].tolist(), strict=True)
    return [facts.namer.wall(link, inward) for link, inward in pairs]


def _grouped(words: list[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for at, word in enumerate(words):
        groups.setdefault(word, []).append(at)
    return groups
