"""The benchmarks run, every answer that they time is certified, and the page is made from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import page, subjects
from benchmarks.__main__ import main
from benchmarks.program import GAP

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make bench ARGS="--quick --folder ..."` leaves there."""
    folder = tmp_path_factory.mktemp("bench")
    main(["--quick", "--folder", str(folder), "--date", "2026-01-01"])
    return folder


def rows(data: Any) -> Iterator[dict[str, Any]]:
    """All rows with a gap, wherever they stand."""
    if isinstance(data, dict):
        if data.get("gap") is not None:
            yield data
        for value in data.values():
            yield from rows(value)
    elif isinstance(data, list):
        for value in data:
            yield from rows(value)


def test_every_subject_is_measured_and_stands_on_the_page(folder: Path) -> None:
    results = page.read(folder)
    assert list(results) == list(subjects.NAMES)
    text = (folder / page.PAGE).read_text(encoding="utf-8")
    for name in results:
        assert f"## {subjects.get(name).TITLE}\n" in text
        assert f'--only {name}"`, 2026-01-01.' in text
    assert not re.search(r"\bnan\b", text)


def test_every_answer_that_is_timed_is_certified(folder: Path) -> None:
    for name in ("solve", "peers", "growth", "neighbourhood"):
        found = list(rows(page.read(folder)[name]["data"]))
        assert found
        for row in found:
            assert row["gap"] <= GAP, (name, row)
            assert not row.get("why"), (name, row)


def test_who_is_not_installed_is_said_to_be_so(folder: Path) -> None:
    named = page.read(folder)["peers"]["data"]
    missing = [row for part in ("solvers", "plain") for row in named[part] if row["why"]]
    assert {row["why"] for row in missing} <= {"not installed"}
    assert {row["name"] for row in missing} <= {"PIQP", "HiGHS, HiPO", "Mesa, an agent a battery"}
    text = subjects.get("peers").page(named)
    assert text.count("not installed") == len(missing)


def test_pictures_have_their_curves(folder: Path) -> None:
    drawn = sorted((folder / page.PICTURES).iterdir())
    text = (folder / page.PAGE).read_text(encoding="utf-8")
    assert [p.name for p in drawn] == ["hops.svg", "k.svg", "loss.svg", "nodes.svg"]
    for picture in drawn:
        assert f"(img/performance/{picture.name})" in text
        root = ElementTree.parse(picture).getroot()
        written = " ".join("".join(t.itertext()) for t in root.iter(f"{SVG}text"))
        assert "first-order" in written
        assert "nan" not in written


def test_the_page_follows_from_the_stored_results(folder: Path, tmp_path: Path) -> None:
    for name, result in page.read(folder).items():
        page.store(tmp_path, name, json.loads(json.dumps(result)))
    main(["--page", "--folder", str(tmp_path)])
    for file in [Path(page.PAGE), *(p.relative_to(folder) for p in folder.rglob("*.svg"))]:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_the_page_in_the_docs_is_the_one_of_its_results() -> None:
    written = (page.ROOT / page.PAGE).read_text(encoding="utf-8")
    assert written == page.page(page.read()), "run python -m benchmarks --page"
