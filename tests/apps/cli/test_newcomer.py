"""What a newcomer stumbled over: each ends with a message and status 2, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from isojoule.apps.files.scenario_files import new_scenario

ISOJOULE = [sys.executable, "-c", "from isojoule.apps.cli import main; main()"]
BOOK = str(Path(__file__).parents[3] / "examples" / "books" / "three-homes.yaml")


def isojoule(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ISOJOULE, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "street", "--days", "inf"], "is no length"),
        (["run", "street", "--seed", "99999999999999999999"], "too large"),
        (["run", "street", "--out", "/proc/x/y"], "/proc/x"),
        (["run", "street", "--mechanism", "auction"], "unknown mechanism"),
        (["run", "street", "--set", "name=x"], "its parameters"),
        (["clear", BOOK, "--set", "name=x"], "its parameters"),
        (["import", "pandapower", "street/nodes.csv", "made"], "pandapower"),
    ],
)
def test_it_is_told_and_nothing_is_left(arguments: list[str], says: str, tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    done = isojoule(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "remedy" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if any(p.rglob("*"))) == ["street"]
    assert not (tmp_path / "made").exists()


def test_a_load_past_64_bits_is_found_by_check(tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    path = tmp_path / "street" / "devices.csv"
    path.write_text(path.read_text().replace("load,home,2.0", "load,home,1000000000", 1))
    done = isojoule("check", "street", cwd=tmp_path)
    assert done.returncode == 2
    assert "64 bits" in done.stderr


def test_check_knows_the_mechanisms(tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    path = tmp_path / "street" / "scenario.yaml"
    path.write_text(path.read_text().replace("mechanism: equilibrium", "mechanism: auction"))
    done = isojoule("check", "street", cwd=tmp_path)
    assert done.returncode == 2
    assert "scenario.yaml" in done.stderr


def test_a_plain_script_runs(tmp_path: Path) -> None:
    """Without a guard for worker processes."""
    new_scenario(tmp_path / "street")
    script = tmp_path / "script.py"
    script.write_text('import isojoule\nprint(isojoule.run("street", days=0.25))\n')
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "community" in done.stdout


def test_workers_from_a_script_without_a_guard_are_told_not_awaited(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text('import isojoule\nisojoule.run("rural", days=0.5, workers=2)\n')
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "workers=1" in done.stderr
    assert not any((tmp_path / "runs").iterdir())


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    done = isojoule("clear", BOOK, "--out", "/dev/null", cwd=tmp_path)
    assert done.returncode == 0
    assert Path("/dev/null").is_char_device()
