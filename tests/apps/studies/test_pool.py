"""Studies: the same answers however many work, kept as they finish, and clear ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.studies import Study, TimeUpError, run_studies, seed_of, time_limit
from isojoule.apps.studies.pool import Tick
from isojoule.core.chance import uniform
from isojoule.core.errors import InputError, Interrupted


def draw(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    """The mean of draws; notes that it was asked."""
    with Path(data["log"]).open("a") as log:
        log.write(f"{data['seed']}\n")
    seed = int(data["seed"]).to_bytes(8, "big")
    for step in range(data["draws"]):
        tick("drawing", step, data["draws"])
    return {"mean": sum(uniform(seed, i) for i in range(data["draws"])) / data["draws"]}


def fail(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    raise InputError("no such thing", place="here", remedy="another")


def stop(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    raise KeyboardInterrupt


def die(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    os._exit(3)


def studies(folder: Path, count: int = 5) -> list[Study]:
    folder.mkdir(parents=True, exist_ok=True)
    log = str(folder / "log")
    return [
        Study(f"draw {i}", draw, {"seed": seed_of(7, "draw", i), "draws": 50, "log": log})
        for i in range(count)
    ]


def asked(folder: Path) -> int:
    return len((folder / "log").read_text().splitlines())


def test_one_and_two_workers_give_the_same_in_the_order_asked(tmp_path: Path) -> None:
    one = run_studies(studies(tmp_path / "one"), tmp_path / "a")
    two = run_studies(studies(tmp_path / "two"), tmp_path / "b", workers=2)
    with ThreadPoolExecutor(2) as executor:
        other = run_studies(studies(tmp_path / "x"), tmp_path / "c", executor=executor)
    assert one == two == other
    assert len({answer["mean"] for answer in one}) == 5  # each has a seed of its own


def test_what_is_finished_is_not_asked_again(tmp_path: Path) -> None:
    mine = studies(tmp_path)
    first = run_studies(mine[:2], tmp_path / "kept")
    assert run_studies(mine, tmp_path / "kept")[:2] == first
    assert asked(tmp_path) == 5
    run_studies(mine, tmp_path / "kept")
    assert asked(tmp_path) == 5
    run_studies(mine, tmp_path / "kept", fresh=True)
    assert asked(tmp_path) == 10
    broken = next((tmp_path / "kept").glob("*.json"))
    broken.write_text("{")  # as a power cut might leave it
    run_studies(mine, tmp_path / "kept")
    assert asked(tmp_path) == 11


def test_ctrl_c_leaves_what_is_finished(tmp_path: Path) -> None:
    mine = studies(tmp_path)
    halted = [*mine[:2], Study("stop", stop), *mine[2:]]
    with pytest.raises(Interrupted, match="2 of 6 studies are finished"):
        run_studies(halted, tmp_path / "kept")
    run_studies(mine, tmp_path / "kept")
    assert asked(tmp_path) == 5


def test_a_worker_that_dies_is_said_with_what_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a worker process died.*not finished: .*deadly"):
        run_studies([*studies(tmp_path, 2), Study("deadly", die)], tmp_path / "kept", workers=2)


def test_a_refusal_comes_back_from_a_worker_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such thing") as found:
        run_studies([Study("a", fail), Study("b", fail)], tmp_path, workers=2)
    assert (found.value.place, found.value.remedy) == ("here", "another")


def test_two_studies_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one name"):
        run_studies([Study("a", draw), Study("a", draw)], tmp_path)


def test_seeds_follow_from_names_alone() -> None:
    assert seed_of(7, "draw", 1) == seed_of(7, "draw", 1)
    assert len({seed_of(s, "draw", i) for s in (7, 8, -7) for i in range(10)}) == 30
    assert all(0 <= seed_of(7, i) < 2**53 for i in range(20))


SCRIPT = """
import sys, time
from pathlib import Path
from isojoule.apps.studies import Study, run_studies
from tests.apps.studies.test_pool import slow
if __name__ == "__main__":
    studies = [Study(str(i), slow, {"i": i}) for i in range(8)]
    run_studies(studies, Path(sys.argv[1]), workers=2)
"""


def slow(data: dict[str, Any], tick: Tick) -> dict[str, Any]:
    for step in range(1 if data["i"] < 2 else 600):
        time.sleep(0.1)
        tick("sleeping", step, 0)
    return {"i": data["i"]}


def test_a_signal_ends_workers_and_keeps_what_is_finished(tmp_path: Path) -> None:
    import signal

    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[3]
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "kept")], env=env, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    for _ in range(600):
        if len(list((tmp_path / "kept").glob("*.json"))) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert "2 of 8 studies are finished" in told
    found = [json.loads(p.read_text())["i"] for p in (tmp_path / "kept").glob("*.json")]
    assert sorted(found) == [0, 1]


def as_compiled_code(sleep: Callable[[float], None]) -> None:
    """What numba makes of an error that came while it worked."""
    try:
        sleep(5)
    except TimeUpError:
        raise SystemError("returned a result with an exception set") from None


def test_a_limit_ends_what_takes_longer_and_nothing_else() -> None:
    with time_limit(60), time_limit(None):
        pass
    with pytest.raises(TimeUpError, match=r"within 0.1 s"), time_limit(0.1):
        time.sleep(5)
    with pytest.raises(TimeUpError), time_limit(0.1):
        as_compiled_code(time.sleep)
    with pytest.raises(ValueError, match="own"), time_limit(60):
        raise ValueError("its own error")
    with pytest.raises(InputError, match="above 0"), time_limit(0):
        pass
