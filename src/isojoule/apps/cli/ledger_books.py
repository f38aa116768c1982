"""`isojoule ledger export` and `correct`: a ledger for other tools, and late meter data for it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isojoule.apps.cli.app import AsJson
from isojoule.apps.cli.ledger import Url, ledgers

if TYPE_CHECKING:
    from isojoule.settlement.ledger.port import Ledger

__all__ = ["correct", "export", "ledgers"]


@ledgers.command("export")
def export(
    url: Url,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Ends with .beancount; - prints it.")
    ],
    timezone: Annotated[str, typer.Option(help="Where a day begins, as Europe/Vienna.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Write the ledger as a beancount file, which bean-check accepts."""
    from isojoule.apps.ledger import read_ledger
    from isojoule.core.errors import InputError
    from isojoule.settlement.beancount import beancount_lines
    from isojoule.settlement.statements import CODES

    if str(file) != "-" and file.suffix not in (".beancount", ".bean"):
        raise InputError(
            "is no beancount file", place=str(file), remedy="give a name that ends with .beancount"
        )
    meanings = {number: code.name.lower().replace("_", " ") for number, code in CODES.items()}
    with read_ledger(url) as ledger:
        lines = beancount_lines(ledger, timezone=timezone, meanings=meanings)
        if str(file) == "-":
            sys.stdout.writelines(f"{line}\n" for line in lines)
            return
        half = file.with_name(file.name + ".half")
        try:
            with half.open("w", encoding="utf-8") as stream:
                stream.writelines(f"{line}\n" for line in lines)
            half.replace(file)
        finally:
            half.unlink(missing_ok=True)
        size = ledger.head.size
    if as_json:
        print(json.dumps({"file": str(file), "entries": size}, ensure_ascii=False))
        return
    print(f"{file}: {size} entries\n\nCheck:  bean-check {file}")


@ledgers.command("correct")
def correct(
    url: Url,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run that it keeps.")],
    readings: Annotated[
        list[Path],
        typer.Argument(
            metavar="READINGS...",
            help="Tables of time, participant and metered [kWh]: all that came late, the first "
            "first.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Book late or wrong meter data: new transfers, nothing that was written is altered.

    Give all files that came for this run, in their order; what is booked already is not booked
    twice. Where the rules make bills, what each file changes is billed and paid, too.
    """
    from isojoule.apps.ledger import open_ledger
    from isojoule.apps.results.correct import write_corrections
    from isojoule.core.interval import Interval
    from isojoule.core.units import money_text

    sizes: list[int] = []

    @contextmanager
    def opened() -> Iterator[Ledger]:
        with open_ledger(url, create=False) as ledger:
            sizes.append(ledger.head.size)
            yield ledger
            sizes.append(ledger.head.size)

    done = write_corrections(run, readings, opened, time.time_ns)
    written = sizes[1] - sizes[0]
    bills = [
        {
            "file": str(readings[number - 1]),
            "period": bill.stretch.period,
            "date": Interval(bill.date_s, 1.0).start_text(),
            "due": Interval(int(plan.due_s[plan.of_bill(at)[0]]), 1.0).start_text(),
            "total": money_text(sum(nano for _, _, nano in bill.rows)),
        }
        for number, plan in done.plans.items()
        for at, bill in enumerate(plan.bills)
    ]
    if as_json:
        told = {"transfers": done.transfers, "written": written, "bills": bills}
        print(json.dumps(told, ensure_ascii=False))
        return
    print(f"{done.transfers} transfers correct the run; {written} entries are new in the ledger")
    for bill in bills:
        what = f"{bill['file']}, {bill['period']}".rstrip(", ")
        print(f"A further bill for {what}: {bill['total']} in all, due {bill['due']}, and paid")
