"""A run that is interrupted goes on, and ends in the same bytes. Spec: docs/spec/run.md, R16."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.files.scenario_files import new_scenario
from isojoule.apps.importers.village import generate_village
from isojoule.apps.results import run_scenario, worlds
from isojoule.apps.results.manifest import file_hash
from isojoule.apps.results.verify import verify_run
from isojoule.core.errors import InputError, Interrupted
from tests.apps.results.test_market_state import VRGDA, without_batteries

Options = dict[str, Any]


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): file_hash(p) for p in folder.rglob("*") if p.is_file()
    }


def until(intervals: int) -> Callable[[str, int, int], None]:
    """A reporter that is interrupted after so many intervals of this attempt."""
    first: list[int] = []

    def report(stage: str, done: int, total: int) -> None:
        if stage == "simulating":
            first.append(done)
            if done - first[0] >= intervals:
                raise KeyboardInterrupt

    return report


def street(folder: Path) -> tuple[Path, Options]:
    """Six parts, in several rounds."""
    new_scenario(folder)
    return folder, {}


def machines(folder: Path) -> tuple[str, Options]:
    """Orders and machines go on over the ends of the parts."""
    return "machines", {"days": 0.25}


def schedule(folder: Path) -> tuple[Path, Options]:
    """A mechanism that carries a state from interval to interval."""
    without_batteries(folder, utility=False)
    return folder, {"mechanism": "vrgda", "parameters": VRGDA, "days": 0.6}


def unsure(folder: Path) -> tuple[str, Options]:
    """A table that not every part has."""
    return "machines", {"days": 0.25, "mechanism": "diffusion", "parameters": {"sweeps": 2}}


@pytest.mark.parametrize("world", [street, machines, schedule, unsure])
def test_it_goes_on_and_ends_in_the_same_bytes(
    world: Callable[[Path], tuple[Path | str, Options]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupted three times: within parts, at their ends, between rounds, between worlds."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    scenario, options = world(tmp_path / "world")
    whole = run_scenario(scenario, out=tmp_path / "whole", workers=1, **options)
    out, left = tmp_path / "again", tmp_path / ".again.part"
    for intervals in (24, 41, 17):
        with pytest.raises(Interrupted, match="the same command goes on from there"):
            run_scenario(scenario, out=out, workers=1, report=until(intervals), **options)
        assert not out.exists()
        assert any(left.rglob("*.parquet"))
    again = run_scenario(scenario, out=out, workers=1, **options)
    assert not left.exists()
    assert hashes(again.folder) == hashes(whole.folder)
    assert verify_run(again.folder)["intervals"] == 2 * whole.summary["total"]["intervals"]


@pytest.mark.parametrize("named", [False, True])
def test_wherever_a_file_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Attempt k is interrupted at its k-th renaming, just before or just after."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    options: Options = {"days": 0.1, "workers": 1}  # two parts of six tables in each world
    whole = run_scenario("machines", out=tmp_path / "whole", **options)
    rename, left = Path.replace, 0

    def replace(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0 and not named:
            raise KeyboardInterrupt
        done = rename(path, target)
        if left == 0:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Path, "replace", replace)
    for attempt in range(1, 100):
        left = attempt
        try:
            run = run_scenario("machines", out=tmp_path / "again", **options)
        except KeyboardInterrupt:
            continue
        break
    assert attempt > 4  # it was interrupted often enough to mean something
    assert hashes(run.folder) == hashes(whole.folder)


def test_before_anything_is_finished_nothing_is_left(tmp_path: Path) -> None:
    new_scenario(tmp_path / "street")
    with pytest.raises(KeyboardInterrupt) as caught:
        run_scenario(tmp_path / "street", out=tmp_path / "run", workers=1, report=until(20))
    assert not isinstance(caught.value, Interrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["street"]


@pytest.fixture
def half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is left of a street that was interrupted in its second part."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    new_scenario(tmp_path / "street")
    with pytest.raises(Interrupted):
        run_scenario(tmp_path / "street", out=tmp_path / "run", workers=1, report=until(24))
    return tmp_path / ".run.part"


@pytest.mark.parametrize("damage", ["cut short", "lost", "half written", "a stray table"])
def test_what_is_not_whole_is_never_used(half_done: Path, tmp_path: Path, damage: str) -> None:
    part = half_done / "run" / "market" / "links" / "part-00000.parquet"
    if damage == "cut short":
        part.write_bytes(part.read_bytes()[:-100])
    elif damage == "lost":
        part.unlink()
    elif damage == "half written":
        part.with_name("part-00001.parquet.half").write_bytes(b"PAR1")
        (half_done / "progress" / "market-0.json.half").write_text("{")
        (half_done / "run" / "summary.json").write_text("{}")
    else:
        (half_done / "run" / "market" / "stuck").mkdir()
        part.rename(half_done / "run" / "market" / "stuck" / part.name)
    again = run_scenario(tmp_path / "street", out=tmp_path / "run", workers=1)
    whole = run_scenario(tmp_path / "street", out=tmp_path / "whole", workers=1)
    assert hashes(again.folder) == hashes(whole.folder)


def test_changed_inputs_are_refused_with_what_changed(half_done: Path, tmp_path: Path) -> None:
    prices = tmp_path / "street" / "prices.csv"
    before = prices.read_text()
    prices.write_text(before.replace("0.30", "0.31"))
    kept = hashes(half_done)
    options: Options = {"out": tmp_path / "run", "workers": 1}
    with pytest.raises(InputError, match=r"inputs: prices.csv") as caught:
        run_scenario(tmp_path / "street", **options)
    assert "--fresh" in caught.value.remedy and caught.value.place == str(half_done)
    with pytest.raises(InputError, match=r"seed: 0, now 1"):
        run_scenario(tmp_path / "street", seed=1, **options)
    assert {name: value for name, value in hashes(half_done).items() if name in kept} == kept
    fresh = run_scenario(tmp_path / "street", fresh=True, **options)
    assert not half_done.exists()
    assert "0.31" in (fresh.folder / "scenario" / "prices.csv").read_text()
    verify_run(fresh.folder)


def test_by_its_own_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another id for other inputs: still the same command, whose work would be lost."""
    monkeypatch.setattr(worlds, "CHUNK", 16)
    monkeypatch.chdir(tmp_path)
    new_scenario(tmp_path / "street")
    with pytest.raises(Interrupted):
        run_scenario("street", workers=1, report=until(24))
    loads = tmp_path / "street" / "devices.csv"
    before = loads.read_text()
    loads.write_text(before + "\n")
    with pytest.raises(InputError, match=r"inputs: devices.csv"):
        run_scenario("street", workers=1)
    other = run_scenario("street", workers=1, days=0.25)  # another command
    loads.write_text(before)
    run = run_scenario("street", workers=1)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == sorted([run.id, other.id])


def test_two_at_once_are_refused(half_done: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (half_done / "progress" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process makes this run"):
            run_scenario(tmp_path / "street", out=tmp_path / "run", workers=1)
    run_scenario(tmp_path / "street", out=tmp_path / "run", workers=1)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Two parts a world, and the hashes of the whole run."""
    folder = tmp_path_factory.mktemp("village")
    generate_village(folder / "world", homes=8, days=14)
    whole = run_scenario(folder / "world", out=folder / "whole", workers=1)
    return folder / "world", hashes(whole.folder)


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_ctrl_c_and_kill_in_a_process_with_workers(
    village: tuple[Path, dict[str, str]], tmp_path: Path, how: str
) -> None:
    """The command line, with workers; what the shell shows, and that no worker stays behind."""
    scenario, whole = village
    out = tmp_path / "run"
    code = f"""if __name__ == "__main__":
    from isojoule.apps.results import workers
    from isojoule.apps.cli.main import main
    workers.cores = lambda: 2
    import sys
    sys.argv = ["isojoule", "run", {str(scenario)!r}, "--out", {str(out)!r}]
    main()
"""
    script = tmp_path / "main.py"
    script.write_text(code)
    with subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        progress = tmp_path / ".run.part" / "progress"
        while process.poll() is None and not list(progress.glob("*-0.json")):
            time.sleep(0.01)
        children = [int(c) for c in _children(process.pid)]
        process.send_signal(getattr(signal, how))
        assert process.stderr is not None
        told = process.stderr.read()
        status = process.wait()
    assert not out.exists(), "the run was over before it was interrupted"
    if how == "SIGINT":
        assert status == 130
        assert "the same command goes on from there" in told
        assert "Traceback" not in told
    _wait_gone(children)
    again = run_scenario(scenario, out=out, workers=1)
    assert hashes(again.folder) == whole


def _children(pid: int) -> list[str]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return path.read_text().split() if path.is_file() else []


def _wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    for pid in pids:
        while time.monotonic() < deadline and _alive(pid):
            time.sleep(0.05)
        assert not _alive(pid), "a worker stayed behind"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
