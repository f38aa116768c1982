"""How a bill is paid: what was set off, lent as mutual credit, paid when due, late, or redeemed.

The last column adds up to the bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from isojoule.apps.statements.sheet import Sheet, exact, named, table
from isojoule.settlement.payments.credit_lots import What
from isojoule.settlement.payments.state import BillState, Event

MOST_BILLS = 8
"""More than these are added up."""
WORDS: dict[What, str] = {
    "set off": "Set off, without cash",
    "other bills": "Set off against other bills of yours",
    "credit": "Turned into mutual credit",
    "paid": "Paid when it was due",
    "paid late": "Paid late",
    "interest": "Interest, beside the bill",
    "credit used": "That credit, used for another bill",
    "redeemed": "That credit, paid out in cash",
}
BESIDES: tuple[What, ...] = ("credit used", "redeemed")
"""What ends no part of a bill: what became of a part that was turned into credit."""
HEADS = ["", "On", "Of what you owe", "Of what you are owed", "You pay"]


def payment_section(sheet: Sheet) -> str:
    """The section as HTML; nothing where no bills are made."""
    if not sheet.bills:
        return ""
    zone = ZoneInfo(sheet.facts.files.scenario.timezone)
    if len(sheet.bills) <= MOST_BILLS:
        rows = [row for bill in sheet.bills for row in _bill(sheet, bill, zone)]
    else:
        rows = _all(sheet, zone)
    besides = not_told(sheet)
    if besides:
        rows.append(_row(sheet, "Corrections that came later", "", (0, 0), besides))
    total = besides + sum(event.pays_nano for bill in sheet.bills for event in bill.events)
    rows.append(_row(sheet, "Sum, as on your bill", "", (0, 0), total, "sum"))
    return (
        f"<section><h2>How it is paid</h2><p>{' '.join(_told(sheet, zone))}</p>"
        f'{table(HEADS, rows)}<p class="soft">Money that you get has a minus sign. Payments are no '
        "costs: they are no part of the sum above, but for interest."
        f"{named(sheet.payment_file, 'holds exact amounts, bill by bill')}</p></section>"
    )


def _told(sheet: Sheet, zone: ZoneInfo) -> list[str]:
    """In sentences: what was set off, turned into credit, and paid late."""
    events = [event for bill in sheet.bills for event in bill.events]

    def sums(*kinds: What) -> tuple[int, int]:
        some = [e for e in events if e.what in kinds]
        return sum(e.owed_nano for e in some), sum(e.due_nano for e in some)

    def amount(nano: int) -> str:
        return exact(nano, sheet.currency)

    off, (taken, given) = sums("set off", "other bills", "credit")[0], sums("credit")
    late, got_late = sums("paid late")
    told = [
        "You and your neighbours owe each other what you traded. What goes in circles is set off "
        f"without cash: {amount(off)} of what you owed."
        if off
        else "Nothing of what you owed went in circles, so it was paid."
    ]
    ends = [e.time_s for e in events if e.what == "redeemed"]
    when = f" on {_day(max(ends), zone)}" if ends else ""
    back, out = sums("redeemed")
    if given:
        paid = f" {amount(out)} of it came back{when}." if out else ""
        told.append(
            f"{amount(given)} that you are owed you lent to your neighbours, as mutual "
            f"credit, instead of getting cash at once.{paid}"
        )
    if taken:
        paid = f" You paid {amount(back)} of it back{when}." if back else ""
        told.append(
            f"{amount(taken)} that you owe your neighbours lent you, as mutual credit.{paid}"
        )
    if late:
        told.append(f"You paid {amount(late)} after it was due.")
    if got_late:
        told.append(f"{amount(got_late)} came to you late.")
    if besides := not_told(sheet):
        told.append(
            f"Corrections that came later are in the sum above, {amount(besides)} "
            "in all: they have bills of their own, which are not told here."
        )
    return told


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
    amounts = (bill.owes_nano, bill.owed_nano)
    yield _row(sheet, head, f"due {_day(bill.due_s, zone)}", amounts, 0, "sum")
    for event in bill.events:
        yield _event(sheet, event, _day(event.time_s, zone))


def _all(sheet: Sheet, zone: ZoneInfo) -> list[str]:
    """All bills together, for those who have many."""
    bills = sheet.bills
    owes, owed = sum(b.owes_nano for b in bills), sum(b.owed_nano for b in bills)
    due = [bill.due_s for bill in bills]
    first, last = _day(min(due), zone), _day(max(due), zone)
    rows = [_row(sheet, f"{len(bills)} bills", f"due {first} to {last}", (owes, owed), 0, "sum")]
    for what in WORDS:
        some = [e for bill in bills for e in bill.events if e.what == what]
        if some:
            on = f"until {_day(max(e.time_s for e in some), zone)}"
            sums = sum(e.owed_nano for e in some), sum(e.due_nano for e in some)
            rows.append(_event(sheet, Event(what, 0, *sums), on))
    return rows


def _event(sheet: Sheet, event: Event, on: str) -> str:
    """A row: what it ends of the bill, and what is paid by it."""
    ends = (0, 0) if event.what in BESIDES else (event.owed_nano, event.due_nano)
    return _row(sheet, WORDS[event.what], on, ends, event.pays_nano)


def _row(
    sheet: Sheet, name: str, on: str, amounts: tuple[int, int], pays_nano: int, mark: str = ""
) -> str:
    cells = (exact(nano, sheet.currency) if nano else "" for nano in (*amounts, pays_nano))
    kind = f' class="{mark}"' if mark else ""
    return (
        f'<tr{kind}><th scope="row">{name}</th><td class="word">{on}</td>'
        f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    )


def _day(time_s: int, zone: ZoneInfo) -> str:
    when = datetime.fromtimestamp(time_s, zone)
    return f"{when.day} {when:%b} {when.year}"
