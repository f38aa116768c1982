"""A mechanism of another package is found everywhere: `new`, installed in a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from isojoule.apps.files.mechanism_new import new_mechanism
from isojoule.apps.files.scenario_files import new_scenario
from tests.conftest import need

ROOT = Path(__file__).resolve().parents[2]
OTHER = """
from dataclasses import dataclass, replace
from typing import ClassVar

from isojoule.market import Refusal
from isojoule.market.mechanisms.equilibrium import Equilibrium


@dataclass(frozen=True)
class Other(Equilibrium):
    name: ClassVar[str] = "other"

    def clear(self, book, grid, *, state=None, seed=b""):
        found = super().clear(book, grid, state=state, seed=seed)
        return replace(found, mechanism="other")
"""
FRAME = {
    "isojoule": 1,
    "currency": "EUR",
    "interval": {"start": "2026-06-21T12:00:00Z", "duration": "1 h"},
    "network": "copperplate",
    "nodes": ["square"],
}
MESSAGES = [
    {"message": "open", "sender": "coop", "mechanism": "fair-share", "book": FRAME,
     "parameters": {"price_per_j": 6}, "offers_until": "2026-06-21T11:00:00Z"},
    {"message": "offer", "sender": "ada",
     "offer": {"node": "square", "sell": [{"energy": "2 J", "price": 1}]}},
    {"message": "offer", "sender": "bo",
     "offer": {"node": "square", "buy": [{"energy": "3 J", "price": 9}]}},
    {"message": "close", "sender": "coop"},
    {"message": "settle", "sender": "coop"},
]  # fmt: skip


def run(python: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What `isojoule` prints, run by this Python."""
    done = subprocess.run(
        [python, "-W", "error", "-c", "from isojoule.apps.cli import main; main()", *arguments],
        env={**os.environ, "COLUMNS": "120", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package `fair-share` as `isojoule mechanisms new` makes it, and a Python that has it.

    A fresh environment that sees the packages of this one; nothing is asked of any index.
    """
    need(find_spec("hatchling") and find_spec("pip"), "hatchling or pip")
    folder = tmp_path_factory.mktemp("outside")
    package = new_mechanism("fair-share", folder / "fair-share")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    here = sysconfig.get_paths()["purelib"]
    Path(site.strip(), "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    no_index = ["install", "-q", "--no-deps", "--no-build-isolation", "--no-index", str(package)]
    subprocess.run([*pip, *no_index], check=True, capture_output=True)
    return package, python


def test_a_new_mechanism_passes_its_suite_as_it_comes(installed: tuple[Path, Path]) -> None:
    package, python = installed
    # from elsewhere, so that what is installed is tested; warnings are errors
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_once_installed_it_appears_everywhere(installed: tuple[Path, Path], tmp_path: Path) -> None:
    package, python = installed
    listed = json.loads(run(python, "mechanisms", "list", "--json"))["mechanisms"]
    (card,) = [c for c in listed if c["name"] == "fair-share"]
    assert card["traits"]["efficient"]["witness"] == "fair-share/efficient"
    shown = run(python, "mechanisms", "show", "fair-share")
    assert "its turn came too late" in shown and "isojoule replay" in shown
    assert "Cleo gains 0 EUR honest" in run(python, "replay", "fair-share/false_name_proof")
    book = package / "src/fair_share/cases/fair-share/example.yaml"
    answer = tmp_path / "answer.json"
    options = ["--mechanism", "fair-share", "--seed", "7", "--set", "price_per_j=5"]
    cleared = run(python, "clear", str(book), *options, "--out", str(answer))
    assert "fair-share on copperplate" in cleared
    assert "verified" in run(python, "verify", str(answer))
    assert json.loads(answer.read_text())["parameters"] == {"price_per_j": 5}
    forged = tmp_path / "forged.json"
    forged.write_text(answer.read_text().replace('"payment":"-10"', '"payment":"-11"'))
    with pytest.raises(AssertionError, match="digest"):
        run(python, "verify", str(forged))


def test_a_session_with_a_mechanism_from_outside(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    _, python = installed
    lines = []
    for i, message in enumerate(MESSAGES):
        hour = 11 if message["message"] in ("close", "settle") else 8
        at = f"2026-06-21T{hour:02}:00:{i:02}Z"
        lines.append(json.dumps({**message, "session": "noon", "at": at}))
    path, transcript = tmp_path / "messages.jsonl", tmp_path / "transcript.jsonl"
    path.write_text("\n".join(lines) + "\n")
    told = run(python, "session", str(path), "--out", str(transcript))
    assert "noon, cleared by fair-share" in told
    assert "12.000000" in told
    assert "verified" in run(python, "verify", str(transcript))


def test_files_of_the_package_are_clean(installed: tuple[Path, Path]) -> None:
    """No place is left unfilled, and the code is in the project's own form."""
    package, _ = installed
    for file in package.rglob("*"):
        if file.is_file() and file.suffix in (".py", ".md", ".toml", ".yaml"):
            assert "__NAME__" not in file.read_text(encoding="utf-8")
    code = [str(f) for f in package.rglob("*.py")]
    if find_spec("ruff"):
        ruff = [sys.executable, "-m", "ruff"]
        config = ["--config", str(ROOT / "pyproject.toml")]
        for command in (["check", "--ignore", "D1,I001"], ["format", "--check"]):
            done = subprocess.run([*ruff, *command, *config, *code], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
    if find_spec("mypy"):
        mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull]
        done = subprocess.run(
            [*mypy, "--follow-imports=skip", "src/fair_share"],
            cwd=package, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_a_run_and_its_check_with_a_mechanism_from_outside(tmp_path: Path) -> None:
    """By a folder on the path with an entry point; worker processes find it, too."""
    (tmp_path / "other.py").write_text(OTHER)
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[isojoule.mechanisms]\nother = other:Other\n")
    street = new_scenario(tmp_path / "street")
    env = {"PYTHONPATH": str(tmp_path)}
    out = tmp_path / "run"
    arguments = ["--days", "0.05", "--mechanism", "other", "--out", str(out)]
    run(Path(sys.executable), "run", str(street), *arguments, env=env)
    assert "verified" in run(Path(sys.executable), "verify", str(out), env=env)
