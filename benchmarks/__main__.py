"""Measure, print the tables and write the page: `make bench`, or `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import page, subjects
from benchmarks.machine import machine


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for."""
    given = _parser().parse_args(arguments)
    if not given.folder and not given.quick:
        given.folder = page.ROOT
    if not given.page:
        told = machine()
        for name in given.only or subjects.NAMES:
            _measure(name, given, told)
            if given.folder:  # each, so that what is measured is kept if a later one fails
                page.write(given.folder, name)
    elif given.folder:
        page.write(given.folder)
    if given.folder:
        print(f"written: {given.folder / page.PAGE}")


def _measure(name: str, given: argparse.Namespace, told: dict[str, str]) -> None:
    subject = subjects.get(name)
    start = time.perf_counter()

    def say(words: str) -> None:
        print(f"[{name}, {time.perf_counter() - start:.0f} s] {words}", file=sys.stderr, flush=True)

    say(subject.TITLE)
    data = subject.measure(given.quick, say)
    if given.folder:
        page.store(given.folder, name, {"date": given.date, "machine": told, "data": data})
    print(f"\n## {subject.TITLE}\n\n{subject.page(data)}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=subjects.NAMES, metavar="SUBJECT",
        help=f"measure this alone; may be given again: {', '.join(subjects.NAMES)}",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="small books, in seconds")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page again")
    parser.add_argument(
        "--folder", type=Path,
        help=f"write {page.RESULTS}, {page.PAGE} and its pictures below this folder, not below the "
        "project; with --quick nothing is written, if no folder is named",
    )  # fmt: skip
    today = datetime.now(UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="that stands on the page")
    return parser


if __name__ == "__main__":
    main()
