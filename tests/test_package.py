"""The package as it is installed elsewhere: all data in the wheel, exact pins, no hosts."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import need

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src/isojoule"


def test_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """What lies in src/isojoule is in the wheel: scenarios, the report's parts, py.typed."""
    need(find_spec("hatchling"), "hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        packed = {name.removeprefix("isojoule/") for name in file.namelist()}
    wanted = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"py.typed", "scenarios/rural/scenario.yaml", "apps/report/assets/style.css"} <= wanted
    assert wanted <= packed


@pytest.mark.parametrize(("name", "least"), [("run", 20), ("dev", 20), ("bench", 2)])
def test_pins_are_exact_and_name_no_host(name: str, least: int) -> None:
    lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > least
    assert [p for p in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", p)] == []


def test_pins_of_the_benchmarks_are_those_that_nothing_else_has() -> None:
    pins = {}
    for name in ("run", "dev", "bench"):
        lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
        pins[name] = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    assert pins["bench"] >= {"highspy-extras", "mesa", "piqp"}
    assert not pins["bench"] & (pins["run"] | pins["dev"])


def test_running_needs_no_heavy_extra() -> None:
    """What `make run` installs has neither the import extra nor the tools of tests."""
    run = (ROOT / "requirements/run.txt").read_text()
    assert "numba==" in run
    assert not re.search(r"^(pandapower|simbench|pandas|cvxpy|pytest)==", run, re.MULTILINE)
