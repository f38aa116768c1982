"""What a newcomer stumbled over: each ends with a message and status 2, nothing half-written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isojoule.apps.cli import app
from isojoule.apps.files.scenario_files import new_scenario

ISOJOULE = [sys.executable, "-c", "from isojoule.apps.cli import main; main()"]
BOOK = str(Path(__file__).parents[3] / "examples" / "books" / "three-homes.yaml")


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is given in an empty folder."""
    monkeypatch.chdir(tmp_path)


def isojoule(*arguments: str) -> Result:
    """The command in this process, with all that it says about errors."""
    return CliRunner().invoke(app, list(arguments))


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a shell starts it."""
    return subprocess.run(
        [*ISOJOULE, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def told(stderr: str, says: str, folder: Path) -> None:
    """An error with a remedy, and nothing but the street in the folder."""
    assert says in stderr
    assert "Traceback" not in stderr
    assert "remedy" in stderr
    assert sorted(p.name for p in folder.iterdir() if any(p.rglob("*"))) == ["street"]
    assert not (folder / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "street", "--days", "inf"], "is no length"),
        (["run", "street", "--seed", "99999999999999999999"], "too large"),
        (["run", "street", "--mechanism", "auction"], "unknown mechanism"),
        (["run", "street", "--set", "name=x"], "its parameters"),
        (["clear", BOOK, "--set", "name=x"], "its parameters"),
    ],
)
def test_it_is_told_and_nothing_is_left(arguments: list[str], says: str, tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    done = isojoule(*arguments)
    assert done.exit_code == 2, done.output
    told(done.stderr, says, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "street", "--out", "/proc/x/y"], "/proc/x"),
        (["import", "pandapower", "street/nodes.csv", "made"], "pandapower"),
    ],
)
def test_a_shell_is_told_the_same(arguments: list[str], says: str, tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    done = shell(*arguments)
    assert done.returncode == 2, done.stderr
    told(done.stderr, says, tmp_path)


def test_a_load_past_64_bits_is_found_by_check(tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    path = tmp_path / "street" / "devices.csv"
    path.write_text(path.read_text().replace("load,home,2.0", "load,home,1000000000", 1))
    done = isojoule("check", "street")
    assert done.exit_code == 2
    assert "64 bits" in done.stderr


def test_check_knows_the_mechanisms(tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    path = tmp_path / "street" / "scenario.yaml"
    path.write_text(path.read_text().replace("mechanism: equilibrium", "mechanism: auction"))
    done = isojoule("check", "street")
    assert done.exit_code == 2
    assert "scenario.yaml" in done.stderr


def test_a_plain_script_runs(tmp_path: Path) -> None:
    """Without a guard for worker processes."""
    new_scenario(tmp_path / "street")
    script = tmp_path / "script.py"
    script.write_text('import isojoule\nprint(isojoule.run("street", days=0.25))\n')
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "community" in done.stdout


def test_workers_from_a_script_without_a_guard_are_told_not_awaited(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text('import isojoule\nisojoule.run("rural", days=0.5, workers=2)\n')
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "workers=1" in done.stderr
    assert not any((tmp_path / "runs").iterdir())


def test_a_device_stays_a_device() -> None:
    done = shell("clear", BOOK, "--out", "/dev/null")
    assert done.returncode == 0
    assert Path("/dev/null").is_char_device()


RULES = "isojoule: 1\ncurrency: EUR\n"
CLAIM = "{member: eva, from: 2026-06-21T10:00, to: 2026-06-21T12:00, decided: 2026-06-22T00:00}"
WITHDRAWN = "{device: ada-roof, from: 2026-06-21T10:00, to: 2026-06-21T12:00}"


@pytest.mark.parametrize("command", ["check", "run", "compare"])
@pytest.mark.parametrize(
    ("extra", "says", "remedy"),
    [
        (f"collateral: {{claims: [{CLAIM}]}}", "no member 'eva'", "'eve'"),
        ("collateral: {fines_to: member/eva}", "no member 'eva' to have the fines", "'eve'"),
        ("collateral: {fines_to: operatr}", "nobody called 'operatr'", "'operator'"),
        ("day_ahead: {move: 0, block: 20 min}", "no whole number of intervals", "of 900 s"),
        (f"certificates: {{withdraw: [{WITHDRAWN}]}}", "no PV 'ada-roof'", "ada-pv"),
    ],
)
def test_rules_that_do_not_fit_are_told_with_their_line(
    command: str, extra: str, says: str, remedy: str, tmp_path: Path
) -> None:
    """By all three commands alike, before any work."""
    folder = new_scenario(tmp_path / "street")
    (folder / "settlement.yaml").write_text(f"{RULES}{extra}\n")
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    done = isojoule(command, "street")
    assert done.exit_code == 2, done.output
    flat = " ".join(done.stderr.split())
    assert "street/settlement.yaml:3: " in flat
    assert says in flat and remedy in flat
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == before


def test_a_mesh_needs_a_rule_that_clears_it(tmp_path: Path) -> None:
    folder = new_scenario(tmp_path / "street")
    path = folder / "scenario.yaml"
    path.write_text(path.read_text().replace("network: transport", "network: dc"))
    done = isojoule("check", "street")
    assert done.exit_code == 2
    assert "street/scenario.yaml:15: " in done.stderr and "dc is lossless" in done.stderr
    links = (folder / "links.csv").read_text().replace(",150\n", ",0\n")
    (folder / "links.csv").write_text(re.sub(r",0\.0\d+,(0\.0\d+,400)", r",0,\1", links))
    done = isojoule("check", "street")
    assert done.exit_code == 2
    flat = " ".join(done.stderr.split())
    assert "equilibrium does not clear the network dc" in flat and "lmp" in flat
    path.write_text(path.read_text().replace("mechanism: equilibrium", "mechanism: lmp"))
    done = isojoule("check", "street")
    assert done.exit_code == 0, done.output
    assert "1 period," in done.stdout


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isojoule", "--version"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_misspelt_mechanism_is_guessed() -> None:
    done = isojoule("clear", BOOK, "--mechanism", "equilibrum")
    assert done.exit_code == 2
    assert "did you mean 'equilibrium'?" in " ".join(done.stderr.split())
