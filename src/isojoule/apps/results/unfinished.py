"""The folder of a run that is being made, and what an interrupted run leaves of it.

A run is made in `.NAME.part/run` beside its folder `NAME`, and moved there when it is whole. If it
is interrupted, by Ctrl-C, a power cut or a kill, the parts that are written stay there, with a
checkpoint for every job in `.NAME.part/progress`, and the same command goes on from them. What it
is a run of is written in `progress/run.json`: only a run of the very same inputs, options and
versions goes on. While a process works in the folder it holds a lock that the system takes back
when the process ends.

Spec: docs/spec/run.md, R16.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from isojoule.apps.results.checkpoint import HALF, read
from isojoule.core.errors import InputError, Interrupted

_WHAT, _LOCK = "run.json", "lock"
_SAME = ("scenario", "mechanism", "parameters", "seed", "arguments")
"""What makes it the same command; inputs and versions must then be the same, too."""


class Workplace(NamedTuple):
    """Where a run is made, and where its checkpoints stand."""

    run: Path
    progress: Path


@contextmanager
def unfinished(final: Path, identity: dict[str, Any], *, fresh: bool) -> Iterator[Workplace]:
    """The folders in which a run is made; it becomes `final` when the block ends well.

    Parameters
    ----------
    final
        Where the run will stand. A run that stands there is replaced at the end.
    identity
        What the run follows from: plain data.
    fresh
        Begin anew, whatever an interrupted run left.

    Raises
    ------
    InputError
        Another process makes this run, or an interrupted run of other inputs is left.
    Interrupted
        By the user; says what is kept.
    """
    identity = json.loads(json.dumps(identity))
    made = final.with_name(f".{final.name}.part")
    for other in _same_command(made, identity):
        if fresh:
            shutil.rmtree(other, ignore_errors=True)
        else:
            _refuse_changed(other, identity)
    place = Workplace(made / "run", made / "progress")
    place.progress.mkdir(parents=True, exist_ok=True)
    with (place.progress / _LOCK).open("w") as lock:
        if not locked(lock):
            raise InputError(
                "another process makes this run just now",
                place=str(made),
                remedy="wait for it, or give --out another folder",
            )
        if fresh or read(place.progress / _WHAT) != identity:
            _clear(place)
            (place.progress / _WHAT).write_text(json.dumps(identity))
        _sweep(place)
        try:
            yield place
            shutil.rmtree(final, ignore_errors=True)
            place.run.rename(final)
            shutil.rmtree(made)
        except InputError as error:
            if not isinstance(error, WorkerLostError):  # the same would be refused again
                shutil.rmtree(made, ignore_errors=True)
            raise
        except KeyboardInterrupt:
            kept = kept_intervals(place.progress)
            if not kept:
                shutil.rmtree(made, ignore_errors=True)
                raise
            raise Interrupted(
                f"interrupted; {kept:,} intervals are kept in {made}, and the same command goes "
                "on from there"
            ) from None


class WorkerLostError(InputError):
    """A worker process ended without a word; what was finished before is kept."""


def kept_intervals(progress: Path) -> int:
    """Intervals that the checkpoints of an unfinished run stand for."""
    found = (read(path) for path in progress.glob("*-*.json"))
    return sum(document["intervals"] for document in found if document is not None)


def _clear(place: Workplace) -> None:
    """Take everything away but the lock, which is held."""
    shutil.rmtree(place.run, ignore_errors=True)
    for path in place.progress.iterdir():
        if path.name != _LOCK:
            path.unlink()


def _sweep(place: Workplace) -> None:
    """Take away what is no finished part: half-written files, copies, and what is made of parts."""
    for half in [*place.run.rglob(f"*{HALF}"), *place.progress.glob(f"*{HALF}")]:
        half.unlink()
    shutil.rmtree(place.run / "scenario", ignore_errors=True)
    for path in place.run.glob("*"):
        if path.is_file():
            path.unlink()


def _same_command(made: Path, identity: dict[str, Any]) -> list[Path]:
    """Folders that the same command may have left: the one of this run, and of other inputs."""
    name = f".{identity['scenario']}-{identity['mechanism']}-"
    others: list[Path] = []
    if made.name.startswith(name) and made.parent.is_dir():
        others = [p for p in made.parent.iterdir() if p.name.startswith(name)]
    found = []
    for path in {made, *others}:
        progress = path / "progress"
        left = read(progress / _WHAT)
        if left is None or not any(progress.glob("*-*.json")):
            continue
        same = all(left.get(key) == identity[key] for key in _SAME)
        if (path == made or same) and not _in_use(progress / _LOCK):
            found.append(path)
    return found


def _refuse_changed(left: Path, identity: dict[str, Any]) -> None:
    before = read(left / "progress" / _WHAT) or {}
    changed = []
    for key, now in identity.items():
        then = before.get(key)
        if then == now:
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            names = sorted(n for n in {*now, *then} if now.get(n) != then.get(n))
            changed.append(f"{key}: {', '.join(names)}")
        else:
            changed.append(f"{key}: {then!r}, now {now!r}")
    if changed:
        raise InputError(
            f"an interrupted run stands there, and something changed since ({'; '.join(changed)})",
            place=str(left),
            remedy="put it back to go on with that run, or begin anew with --fresh",
        )


def locked(lock: TextIO) -> bool:
    """Take the lock for as long as the file is open; False if another process has it."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _in_use(path: Path) -> bool:
    try:
        with path.open() as lock:
            return not locked(lock)
    except OSError:
        return False
