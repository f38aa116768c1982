"""Statements as CSV for spreadsheets: the bill, and every interval; amounts are exact."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.certificates import Score
from isojoule.apps.statements.bases import basis_of, note_of
from isojoule.apps.statements.facts import PeriodFacts, setters, walls
from isojoule.apps.statements.sheet import Sheet
from isojoule.core.errors import InvariantError
from isojoule.core.units import J_PER_KWH, joules_text, money_text
from isojoule.settlement.payments.credit_lots import What
from isojoule.settlement.payments.state import ENDS, PAYS, BillState
from isojoule.settlement.settle import Code

Ints = NDArray[np.int64]
KWH_UJ = 3_600_000_000_000
_SIDES = ("owes", "is owed")


def bill_sheet(sheet: Sheet) -> str:
    """The lines of the bill, what each is charged on and at which rate, and their sum."""
    statement, coin = sheet.statement, sheet.currency.lower()
    heads = ["line", "payee", f"pays_{coin}", "received_kwh", "received_j", f"mean_{coin}_per_kwh"]
    rows = [[*heads, "base", "unit", "rate", "note"]]
    for line in statement.lines:
        basis = basis_of(sheet, line)
        rows.append(
            [
                plain(line.name), plain(line.payee), money_text(line.money_nano),
                kwh_text(line.energy_uj), joules_text(line.energy_uj),
                price_text(line.price_per_j if line.money_nano else float("nan")),
                basis.amount_text, basis.unit, basis.rate_text, plain(note_of(sheet, line, basis)),
            ]
        )  # fmt: skip
    total = [money_text(statement.sum_nano), kwh_text(statement.energy_uj)]
    rows.append(["Sum", "", *total, joules_text(statement.energy_uj), *[""] * 5])
    return csv_of(rows)


def interval_sheet(facts: PeriodFacts, who: int) -> str:
    """A row for each interval of a member."""
    s, currency = facts.stretch, facts.stretch.currency.lower()
    clock = facts.clock
    cleared, metered = s.cleared_uj[:, who].tolist(), s.metered_uj[:, who].tolist()
    money = [column.money_nano[:, who].tolist() for column in facts.columns]
    heads = ["time", "bought_kwh", "sold_kwh", "cleared_j", "metered_j", "imbalance_j"]
    heads += [f"price_{currency}_per_kwh"]
    heads += [f"{plain(_title(c.code, c.name))}_{currency}" for c in facts.columns]
    heads += [f"sum_{currency}", "price_set_by", "full_link"]
    rows = [heads]
    who_sets, full = setters(facts, who), walls(facts, who)
    for at in range(s.time_s.size):
        amounts = [column[at] for column in money]
        rows.append(
            [
                clock[at],
                kwh_text(max(metered[at], 0)), kwh_text(max(-metered[at], 0)),
                joules_text(cleared[at]), joules_text(metered[at]),
                joules_text(metered[at] - cleared[at]),
                price_text(float(facts.price_per_j[at, who])),
                *map(money_text, amounts), money_text(sum(amounts)),
                plain(who_sets[at]), plain(full[at]),
            ]
        )  # fmt: skip
    return csv_of(rows)


def payment_sheet(bills: Sequence[BillState], currency: str, timezone: str) -> str:
    """Two rows for each bill of a member, what it owes and what it is owed, and two for their sums.

    In each row what was set off, within the bill and against others, turned into mutual credit,
    paid, and paid late sums to the amount. Interest is besides, and so is what became of credit.
    What is paid by a row has a sign: all rows of bills sum to the bill.
    """
    zone, coin = ZoneInfo(timezone), currency.lower()
    columns: tuple[What, ...] = (*ENDS, "interest", "credit used", "redeemed")
    heads = ["amount", *columns, "pays"]
    rows = [
        ["bill", "date", "due", "side", *(f"{head.replace(' ', '_')}_{coin}" for head in heads),
         "last", "redeemed"]
    ]  # fmt: skip
    totals = [[0] * len(heads), [0] * len(heads)]
    for bill in bills:
        events = {what: bill.sums(what) for what in columns}
        for at, amount in enumerate((bill.owes_nano, bill.owed_nano)):
            nano = [amount, *(events[what][at] for what in columns)]
            pays = sum(events[what][at] for what in PAYS)
            nano.append(-pays if at else pays)
            totals[at] = [a + b for a, b in zip(totals[at], nano, strict=True)]
            mine = [e for e in bill.events if (e.owed_nano, e.due_nano)[at]]
            ends = [e.time_s for e in mine if e.what in (*ENDS, "interest")]
            back = [e.time_s for e in mine if e.what == "redeemed"]
            rows.append(
                [
                    f"correction {bill.revision}" if bill.revision else "bill",
                    _time(bill.date_s, zone), _time(bill.due_s, zone), _SIDES[at],
                    *map(money_text, nano), _time(max(ends), zone) if ends else "",
                    _time(max(back), zone) if back else "",
                ]
            )  # fmt: skip
    for side, nano in zip(_SIDES, totals, strict=True):
        rows.append(["Sum", "", "", side, *map(money_text, nano), "", ""])
    return csv_of(rows)


def _time(time_s: int, zone: ZoneInfo) -> str:
    """Local time with its offset, as ISO 8601."""
    return datetime.fromtimestamp(time_s, zone).isoformat()


def score_sheet(facts: PeriodFacts, who: int) -> str:
    """A row for each hour of a member: what it used, and what matched it; the sum is last."""
    if facts.scores is None:
        raise InvariantError("there are no scores in what a sheet of scores is made of")
    hours, zone = facts.scores.hours, ZoneInfo(facts.files.scenario.timezone)
    sources = ("self", "local", "storage")
    rows = [
        ["time", "consumed_j", *(f"{name}_wh" for name in sources), "score_percent",
         *(f"{name}_percent" for name in sources)]
    ]  # fmt: skip
    consumed, claimed = hours.consumed_uj[:, who].tolist(), hours.claimed_wh[:, who].tolist()
    times = [datetime.fromtimestamp(t, zone).isoformat() for t in hours.time_s.tolist()]
    for time, uj, wh in zip(times, consumed, claimed, strict=True):
        rows.append(_score_row(time, Score(uj, *wh)))
    rows.append(_score_row("Sum", facts.scores.scores[facts.stretch.members[who]]))
    return csv_of(rows)


def _score_row(head: str, score: Score) -> list[str]:
    parts = (score.self_wh, score.local_wh, score.storage_wh)
    return [
        head, joules_text(score.consumed_uj), *map(str, parts),
        *(_percent_text(score.part(wh)) for wh in (score.matched_wh, *parts)),
    ]  # fmt: skip


def _percent_text(share: float | None) -> str:
    """A share in percent, to four digits behind the point; empty where there is none."""
    return "" if share is None else f"{100 * share:.4f}"


def csv_of(rows: Iterable[list[str]]) -> str:
    """Rows as CSV (RFC 4180), lines ended by CR LF."""
    out = StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def plain(word: str) -> str:
    """A word that no spreadsheet takes for a formula.

    >>> plain("=1+1"), plain("Energy bought")
    ("'=1+1", 'Energy bought')
    """
    return f"'{word}" if word[:1] in ("=", "+", "-", "@", "\t", "\r") else word


def kwh_text(energy_uj: int) -> str:
    """Energy in kWh, to the thousandth of a Wh; exact amounts stand beside it in J.

    >>> kwh_text(1_234_567_890_123), kwh_text(0), kwh_text(-3_600_000_000_000)
    ('0.342936', '0', '-1')
    """
    text = f"{energy_uj / KWH_UJ:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def price_text(price_per_j: float) -> str:
    """A price per kWh to six digits behind the point; empty where there is none."""
    return f"{price_per_j * J_PER_KWH:.6f}" if np.isfinite(price_per_j) else ""


def _title(code: Code, name: str) -> str:
    """Head of a column of money."""
    return {
        Code.TRADE: "energy",
        Code.LINK: "lines",
        Code.COMPUTE: "computing",
        Code.IMBALANCE: "imbalance",
        Code.LOSS_CHARGE: "losses",
    }.get(code, f"fee {name}")
