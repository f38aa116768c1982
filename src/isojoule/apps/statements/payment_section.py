"""How far a bill is paid: when it was due, what was set off, what was paid, what came late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from isojoule.apps.statements.sheet import Sheet, exact, named, table
from isojoule.settlement.payments.state import BillState, Event, What

MOST_BILLS = 8
"""More than these are added up."""
WORDS: dict[What, str] = {
    "set off": "Set off, without cash",
    "paid": "Paid when it was due",
    "paid late": "Paid late",
    "interest": "Interest, beside the bill",
}
HEADS = ["", "On", "Of what you owe", "Of what you are owed"]


def payment_section(sheet: Sheet) -> str:
    """The section as HTML; nothing where no bills are made."""
    if not sheet.bills:
        return ""
    zone = ZoneInfo(sheet.facts.files.scenario.timezone)
    if len(sheet.bills) <= MOST_BILLS:
        rows = [row for bill in sheet.bills for row in _bill(sheet, bill, zone)]
    else:
        rows = _all(sheet, zone)
    events = [event for bill in sheet.bills for event in bill.events]
    off = sum(e.owed_nano for e in events if e.what == "set off")
    late = sum(e.owed_nano for e in events if e.what == "paid late")
    got_late = sum(e.due_nano for e in events if e.what == "paid late")
    told = [
        "You and your neighbours owe each other what you traded. What goes in circles is set off "
        f"without cash: {exact(off, sheet.currency)} of what you owed."
        if off
        else "Nothing of what you owed went in circles, so it was paid."
    ]
    if late:
        told.append(f"You paid {exact(late, sheet.currency)} after it was due.")
    if got_late:
        told.append(f"{exact(got_late, sheet.currency)} came to you late.")
    if besides := not_told(sheet):
        told.append(
            f"Corrections that came later are in the sum above, {exact(besides, sheet.currency)} "
            "in all: they have bills of their own, which are not told here."
        )
    return (
        f"<section><h2>How it is paid</h2><p>{' '.join(told)}</p>{table(HEADS, rows)}"
        '<p class="soft">Payments are no costs: they are no part of the sum above, but for '
        f"interest.{named(sheet.payment_file, 'holds exact amounts, bill by bill')}</p></section>"
    )


def not_told(sheet: Sheet) -> int:
    """What the sum of the statement has beyond these bills and their interest, nano-units.

    It is 0, but where the ledger was corrected by readings that nobody gave here.
    """
    billed = sum(bill.owes_nano - bill.owed_nano for bill in sheet.bills)
    interest = [bill.sums("interest") for bill in sheet.bills]
    return sheet.statement.sum_nano - billed - sum(paid - got for paid, got in interest)


def _bill(sheet: Sheet, bill: BillState, zone: ZoneInfo) -> Iterable[str]:
    what = "Correction" if bill.revision else "Bill"
    head = f"{what} of {_day(bill.date_s, zone)}"
    yield _row(
        sheet, head, f"due {_day(bill.due_s, zone)}", (bill.owes_nano, bill.owed_nano), "sum"
    )
    for event in bill.events:
        yield _event(sheet, event, _day(event.time_s, zone))


def _all(sheet: Sheet, zone: ZoneInfo) -> list[str]:
    """All bills together, for those who have many."""
    bills = sheet.bills
    owes, owed = sum(b.owes_nano for b in bills), sum(b.owed_nano for b in bills)
    due = [bill.due_s for bill in bills]
    first, last = _day(min(due), zone), _day(max(due), zone)
    rows = [_row(sheet, f"{len(bills)} bills", f"due {first} to {last}", (owes, owed), "sum")]
    for what in WORDS:
        some = [e for bill in bills for e in bill.events if e.what == what]
        if some:
            on = f"until {_day(max(e.time_s for e in some), zone)}"
            sums = sum(e.owed_nano for e in some), sum(e.due_nano for e in some)
            rows.append(_event(sheet, Event(what, 0, *sums), on))
    return rows


def _event(sheet: Sheet, event: Event, on: str) -> str:
    return _row(sheet, WORDS[event.what], on, (event.owed_nano, event.due_nano))


def _row(sheet: Sheet, name: str, on: str, amounts: tuple[int, int], mark: str = "") -> str:
    owe, due = (exact(nano, sheet.currency) if nano else "" for nano in amounts)
    kind = f' class="{mark}"' if mark else ""
    return (
        f'<tr{kind}><th scope="row">{name}</th><td class="word">{on}</td>'
        f"<td>{owe}</td><td>{due}</td></tr>"
    )


def _day(time_s: int, zone: ZoneInfo) -> str:
    when = datetime.fromtimestamp(time_s, zone)
    return f"{when.day} {when:%b} {when.year}"
