"""The examples hold: each is run, its picture has content, and none is forgotten."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(p for p in EXAMPLES.glob("*.py") if not p.name.startswith("_"))
PICTURES = ROOT / "docs/img/examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _beside_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts find what they share, as when they are run from a terminal."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def load(script: Path) -> dict[str, Any]:
    return runpy.run_path(str(script))


def texts(picture: Path) -> list[str]:
    root = ElementTree.parse(picture).getroot()
    return ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_example_holds_and_draws(script: Path, tmp_path: Path) -> None:
    found = load(script)["main"](tmp_path)
    assert re.search(r"\d", found), "says what it found, in numbers"
    (picture,) = tmp_path.iterdir()
    assert picture.name == f"{script.stem}.svg"
    written = texts(picture)
    assert len(written) > 10
    assert len(list(ElementTree.parse(picture).getroot().iter(f"{SVG}path"))) > 15
    assert picture.stat().st_size < 100_000
    assert "nan" not in " ".join(written)
    assert written == texts(PICTURES / picture.name), "run make pictures"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_the_readme_lists_each_with_claim_and_picture(script: Path) -> None:
    told = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert told is not None
    claim, _, words = told.partition("\n\n")
    assert f"**[{claim}]({script.name})**\n\n{words}\n" in README
    assert f"![{claim}](../docs/img/examples/{script.stem}.svg)" in README


def test_the_readme_points_to_what_exists() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (EXAMPLES / target).exists(), target
    assert {p.stem for p in PICTURES.iterdir()} == {p.stem for p in SCRIPTS}


def test_pictures_are_the_same_each_time(tmp_path: Path) -> None:
    main = load(EXAMPLES / "force_competition.py")["main"]
    for folder in ("one", "two"):
        main(tmp_path / folder)
    first, second = ((tmp_path / f / "force_competition.svg").read_bytes() for f in ("one", "two"))
    assert first == second


def test_without_matplotlib_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(sys, "argv", ["force_competition.py", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / "force_competition.py"), run_name="__main__")
    assert ended.value.code == 2
    assert ".[examples]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_page_of_k_shows_the_numbers_of_the_script() -> None:
    page = (ROOT / "docs/shape-of-k.md").read_text(encoding="utf-8")
    for table in load(EXAMPLES / "shape_of_k.py")["tables"]():
        assert "\n".join(table) in page


def test_the_page_of_settlement_shows_the_numbers_of_the_script() -> None:
    page = (ROOT / "docs/settlement.md").read_text(encoding="utf-8")
    for table in load(EXAMPLES / "from_meter_to_bill.py")["tables"]():
        assert "\n".join(table) in page
