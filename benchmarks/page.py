"""The page of all results, `docs/performance.md`, made from the files of results alone."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import subjects
from benchmarks.subjects import Data

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benchmarks/results"
PAGE = "docs/performance.md"
PICTURES = "docs/img/performance"
"""Below the project, or below another folder."""

HEAD = """\
# How fast it is

Measured by `make bench`, which writes this page. `make bench ARGS="--only solve"` measures one
part again, `--quick` tries all of them on small books, and the seeds stand in the files of
`benchmarks/`, so everybody gets the same books. Times are medians of several runs, on the clock
on the wall. What is *certified* is measured for all solvers, ours and others', by one function
that knows none of them (`benchmarks/program.py`): what everybody, taken alone at the prices of
the answer, would still gain, and what the answer is off balance, as a share of the welfare
gained.
"""


def read(folder: Path = ROOT) -> dict[str, Data]:
    """Stored results of all subjects that have some, in the order of the page."""
    files = {name: folder / RESULTS / f"{name}.json" for name in subjects.NAMES}
    return {
        name: json.loads(file.read_text(encoding="utf-8"))
        for name, file in files.items()
        if file.is_file()
    }


def store(folder: Path, name: str, result: Data) -> None:
    """Keep the results of a subject."""
    (folder / RESULTS).mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (folder / RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def page(results: dict[str, Data]) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, result in results.items():
        subject = subjects.get(name)
        parts.append(f"## {subject.TITLE}\n\n{subject.page(result['data']).strip()}\n")
        parts.append(f'`make bench ARGS="--only {name}"`, {result["date"]}.\n')
    parts.append(_machines(results))
    return "\n".join(parts)


def write(folder: Path, changed: str = "") -> None:
    """Write the page of the stored results, and the pictures of what changed ("": all of them)."""
    results = read(folder)
    file = folder / PAGE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(results), encoding="utf-8")
    for name, result in results.items():
        subject = subjects.get(name)
        if changed in ("", name) and subjects.draws(subject):
            subject.pictures(result["data"], folder / PICTURES)


def _machines(results: dict[str, Data]) -> str:
    """On what it was measured; parts that were measured alike are told together."""
    alike: dict[str, list[str]] = {}
    for name, result in results.items():
        words = ", ".join(f"{what} {value}" for what, value in result["machine"].items())
        alike.setdefault(words, []).append(subjects.get(name).TITLE)
    lines = [f"- {', '.join(titles)}: {words}" for words, titles in alike.items()]
    return "\n".join(["## Machine and versions", "", *lines, ""])
