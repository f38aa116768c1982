"""The documentation is true: links resolve, examples run, numbers exist, tables are up to date."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SPEC = {
    "valuation": "V",
    "grid": "G",
    "market": "M",
    "diffusion": "D",
    "sequential": "Q",
    "auctions": "U",
    "vcg": "P",
    "session": "S",
    "certificate": "C",
    "solvers": "E",
    "audit": "A",
    "run": "R",
    "machine": "X",
    "traits": "T",
    "settlement": "Y",
    "log": "L",
    "surplus": "Z",
    "ledger": "J",
    "community": "N",
    "obligations": "O",
    "certificates": "W",
    "collateral": "B",
}
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
HOSTS = {"www.simbench.net", "opendatacommons.org", "keepachangelog.com", "semver.org"}
"""What pages may point to."""
FORBIDDEN = (
    r"(?<![\w.])/(?:home|root|tmp|usr|work)/",  # paths of somebody's machine
    r"\b(?:TODO|FIXME|XXX)\b",
    r"design page",  # a page that is not here
)


def prose(page: Path) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Names of the headings, as readers of Markdown make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_stand_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for pattern in FORBIDDEN:
        found = re.search(pattern, text)
        assert found is None, f"{found[0]!r} does not belong here" if found else ""
    hosts = set(re.findall(r"https?://([^/\s)]+)", text))
    assert hosts <= HOSTS, f"needs no network to be read: {hosts - HOSTS}"


def defined(name: str, letter: str) -> list[int]:
    """Numbers of a spec page, in order."""
    text = (ROOT / f"docs/spec/{name}.md").read_text(encoding="utf-8")
    return [int(n) for n in re.findall(rf"^\*\*{letter}(\d+)\.? ", text, re.M)]


@pytest.mark.parametrize(("name", "letter"), SPEC.items())
def test_statements_are_numbered_without_a_gap(name: str, letter: str) -> None:
    numbers = defined(name, letter)
    assert numbers == list(range(1, len(numbers) + 1))
    index = (ROOT / "docs/spec/README.md").read_text(encoding="utf-8")
    assert f"| {letter}1 to {letter}{numbers[-1]} |" in index


def test_numbers_cited_in_code_and_pages_exist() -> None:
    known = {f"{letter}{n}" for name, letter in SPEC.items() for n in defined(name, letter)}
    cited = 0
    code = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    for file in code:
        text = file.read_text(encoding="utf-8")
        for page, rest in re.findall(r"docs/spec/(\w+)\.md((?:,? (?:to|and)? ?[A-Z]\d+)*)", text):
            assert (ROOT / f"docs/spec/{page}.md").is_file(), f"{file}: no page {page}"
            for number in re.findall(r"[A-Z]\d+", rest):
                cited += 1
                assert number.startswith(SPEC[page]), f"{file}: {number} is not in {page}"
                assert number in known, f"{file}: {number} does not exist"
    assert cited > 0
    letters = "".join(SPEC.values())
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for number in re.findall(rf"\b([{letters}]\d+)\b", prose(page)):
            assert number in known, f"{page}: {number} does not exist"


def examples() -> list[tuple[str, str]]:
    """Commands of the pages that are shown with their output."""
    found = []
    for page in (ROOT / "README.md", ROOT / "docs/mechanisms.md", ROOT / "docs/session-file.md"):
        for _, language, body in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "console":
                command, _, output = body.partition("\n")
                found.append((command.removeprefix("$ "), output))
    return found


def plain(output: str) -> str:
    """Output without what differs between machines: blanks at line ends, digits of a tiny gap."""
    output = re.sub(r"proven within \S+", "proven within ...", output)
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


@pytest.mark.parametrize(("command", "output"), examples())
def test_examples_of_the_pages_print_what_is_shown(command: str, output: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "isojoule"
    done = subprocess.run(
        [sys.executable, "-c", "from isojoule.apps.cli import main; main()", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert plain(done.stdout) == plain(output)


def test_the_book_in_the_readme_is_the_example() -> None:
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = next(body for _, language, body in blocks if language == "yaml")
    example = (ROOT / "examples/books/three-homes.yaml").read_text(encoding="utf-8")
    lines = example.splitlines(keepends=True)
    assert shown == "".join(lines[2:])  # after its two lines of comment


def test_made_parts_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools/make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.made().items():
        assert path.read_text(encoding="utf-8") == text, f"run tools/make_docs.py: {path}"


def test_every_mechanism_has_its_section() -> None:
    """With the marker between which `tools/make_docs.py` writes."""
    from isojoule.market.mechanisms import _BUILT_IN

    page = (ROOT / "docs/mechanisms.md").read_text(encoding="utf-8")
    marked = re.findall(
        r"^### ([\w-]+)\n\n<!-- made by tools/make_docs.py: mechanism \1 -->", page, re.M
    )
    assert sorted(marked) == sorted(_BUILT_IN)


def test_every_column_of_a_run_is_described(tmp_path: Path) -> None:
    """docs/spec/run.md, R7 and R8."""
    from isojoule.apps.files.scenario_files import new_scenario
    from isojoule.apps.results import run_scenario
    from isojoule.apps.results.store import TABLES

    scenario = new_scenario(tmp_path / "street")
    run = run_scenario(scenario, days=0.05, out=tmp_path / "run", workers=1)
    page = (ROOT / "docs/spec/run.md").read_text(encoding="utf-8")
    rules = page[page.index("**R7.") : page.index("**R9.")]
    described = set(re.findall(r"`(\w+)`", rules))
    for table in TABLES:
        for column in run.to_polars(table).drop("time").columns:
            assert column in described, f"{table}.{column} is not described"


def test_the_machine_of_the_readme_runs() -> None:
    """What its comments say: X3, X4, X6."""
    from isojoule.machine import Accepted, Refused

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    block = next(b for b in blocks if "promise_energy" in b)
    names: dict[str, object] = {}
    exec(block, names)
    taken, host = names["taken"], names["host"]
    assert isinstance(taken, Accepted)
    assert taken.host.price_per_operation > host.price_per_operation  # type: ignore[attr-defined]
    last = block.splitlines()[-1].split("#")[0]
    assert isinstance(eval(last, names), Refused)
