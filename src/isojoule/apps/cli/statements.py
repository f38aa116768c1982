"""Statements of a run: for each household and period a page and up to four tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from isojoule.apps.cli.app import AsJson


def statements(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    out: Annotated[
        Path | None, typer.Option(help="Where they go; RUN-statements if not given.")
    ] = None,
    members: Annotated[
        list[str] | None, typer.Option("--member", help="Whose; may be given several times.")
    ] = None,
    periods: Annotated[
        list[str] | None, typer.Option("--period", help="Which period; several times, too.")
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Read the bills from this ledger, with its corrections."),
    ] = None,
    readings: Annotated[
        list[Path] | None,
        typer.Option(
            "--readings",
            metavar="FILE",
            help="A table that the ledger was corrected by: tells how that is paid; several times, "
            "all in their order.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write what each household pays and why, as pages to read and tables to count with."""
    from isojoule.apps.results.show import progress_bar
    from isojoule.apps.statements import statements_of_run

    folder = out or run.with_name(run.name + "-statements")
    with progress_bar(not as_json) as report:
        written = statements_of_run(
            run, folder, ledger=ledger, members=members or None, periods=periods or None,
            readings=readings or (), progress=report,
        )  # fmt: skip
    if as_json:
        found = [
            {
                "member": w.member,
                "period": w.period,
                "sum_nano": str(w.statement.sum_nano),
                "page": str(w.page),
                "intervals": str(w.intervals),
                "bill": str(w.bill),
                **({} if w.score is None else {"score": str(w.score)}),
                **({} if w.payment is None else {"payment": str(w.payment)}),
            }
            for w in written
        ]
        print(json.dumps({"folder": str(folder), "statements": found}, ensure_ascii=False))
        return
    print(f"{len(written)} statements in {folder}")
    if written:
        print(f"One of them: {written[0].page}")
