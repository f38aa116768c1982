"""A machine's checkpoint, its unfinished work and its log, as files that survive a power cut.

    state.json   the checkpoint, one line (see `isojoule.machine.state`)
    work-*.json  the unfinished work that the checkpoint stands for
    log.jsonl    the log, a line an entry, only ever appended to

The rules:

- The checkpoint and the work are one file each, replaced whole: written beside, synced, renamed,
  and the folder synced. Whoever reads sees the old or the new, never half of one. The work is
  named after its root, so the checkpoint, which is renamed last, always finds its own.
- A line of the log is synced before it counts. A line that a power cut left half written, with no
  end, is not an entry; the next append cuts it off.
- To wake is to read the checkpoint, its work and the end of the log: as much as was appended since
  the checkpoint, one line in all if the machine went to sleep in order. Not the log.

Spec: docs/spec/machine.md, X11 to X13.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from isojoule.core.canonical import dumps, load_strict
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.hashlog import Line, Tip, follow, start, verify_tip
from isojoule.machine.state import MachineState, Work, check_work, revive, work_rows

BLOCK_BYTE = 65_536
"""What is read at a time from the end of a log; no line is longer."""
STATE, LOG = "state.json", "log.jsonl"


def save_machine(folder: Path | str, state: MachineState, work: Iterable[Work]) -> None:
    """Write a checkpoint and its work, whole or not at all.

    Parameters
    ----------
    folder
        Of this machine alone; it exists.
    state, work
        Belong together: the work gives the state's `work_root`.

    Raises
    ------
    InputError
        The folder cannot be written to. What is read then is the old or the new, whole.
    VerificationError
        The work is not that of the checkpoint.
    """
    folder, work = Path(folder), sorted(work)
    check_work(state, work, place=state.machine)
    kept = _work_path(folder, state)
    try:
        _replace(kept, dumps(work_rows(work)) + "\n")
        _replace(folder / STATE, state.text())
        for other in folder.glob("work-*.json"):
            if other != kept:
                other.unlink()
    except OSError as error:
        raise _cannot(error, folder) from None


def load_machine(
    folder: Path | str, *, root: str | None = None
) -> tuple[MachineState, tuple[Work, ...], tuple[Line, ...]]:
    """Read and check a checkpoint, its work, and the entries logged since.

    Parameters
    ----------
    folder
        As for `save_machine`.
    root
        The root that somebody else holds, if any.

    Returns
    -------
    tuple
        State, work, and the lines of the log after the checkpoint, oldest first.

    Raises
    ------
    InputError
        There is no checkpoint.
    VerificationError
        Something was altered, or does not belong together.
    """
    folder = Path(folder)
    state = revive(_read(folder / STATE), root=root, place=str(folder / STATE))
    path = _work_path(folder, state)
    text = _read(path)
    rows = load_strict(text, place=str(path))
    try:
        work = tuple(Work(str(name), int(done), int(steps)) for name, done, steps in rows)
        whole = dumps(work_rows(work)) + "\n" == text
    except (TypeError, ValueError):
        whole, work = False, ()
    if not whole:
        raise VerificationError("this is no work of a machine", place=str(path))
    check_work(state, work, place=str(path))
    since = read_since(folder / LOG, state.log, name=state.machine)
    return state, work, since


def append_line(path: Path | str, line: Line) -> None:
    """Append a line to a log file and sync it.

    Raises
    ------
    InputError
        The file cannot be written, or the line is longer than `BLOCK_BYTE`.
    VerificationError
        The line does not follow the last one in the file.
    """
    path = Path(path)
    text = dumps([line.number, line.previous, line.head, line.entry]).encode() + b"\n"
    if len(text) > BLOCK_BYTE:
        raise InputError("the entry is too long for the log", remedy="log less of it")
    last = _backwards(path, 1)
    before = (last[0].number, last[0].head) if last else (0, line.previous)
    if (line.number - 1, line.previous) != before:
        raise VerificationError(f"the log does not end before entry {line.number}", place=str(path))
    try:
        new = not path.exists()
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            tail = _last(file, end)
            file.truncate(end - len(tail) + tail.rfind(b"\n") + 1)  # what was never finished
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync_folder(path.parent)
    except OSError as error:
        raise _cannot(error, path) from None


def load_tip(path: Path | str, *, name: str) -> Tip:
    """The tip of a log file, checked by its last line alone.

    Raises
    ------
    VerificationError
        The last line does not give its head.
    """
    path = Path(path)
    line = _backwards(path, 1)
    tip = line[-1].tip if line else start(name)
    verify_tip(tip, line[-1] if line else None, name=name)
    return tip


def read_since(path: Path | str, tip: Tip, *, name: str) -> tuple[Line, ...]:
    """The lines that follow `tip`, each checked; reads from the end of the file.

    Raises
    ------
    VerificationError
        The log is shorter than `tip`, or does not lead on from it.
    """
    path = Path(path)
    here = load_tip(path, name=name)
    count = here.length - tip.length
    if count < 0:
        raise VerificationError(
            f"the log has {here.length} entries, the checkpoint {tip.length}", place=str(path)
        )
    lines = _backwards(path, count)
    if len(lines) != count or follow(tip, lines) != here:
        raise VerificationError("the log is not that of the checkpoint", place=str(path))
    return tuple(lines)


def _work_path(folder: Path, state: MachineState) -> Path:
    return folder / f"work-{state.work_root[:16]}.json"


def _backwards(path: Path, count: int) -> list[Line]:
    """The last `count` lines, oldest first, or as many as there are."""
    if count == 0 or not path.exists():
        return []
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        held = b""
        while at > 0 and held.count(b"\n") < count + 1:
            block = _last(file, at)
            held, at = block + held, at - len(block)
    rows = held.split(b"\n")[:-1]  # what comes after the last line end was never finished
    return [_line(row, path) for row in rows[-count:]]


def _last(file: BinaryIO, end: int) -> bytes:
    """Up to a block before `end`."""
    first = max(end - BLOCK_BYTE, 0)
    file.seek(first)
    return file.read(end - first)


def _line(row: bytes, path: Path) -> Line:
    try:
        text = row.decode("utf-8")
        fields: Any = load_strict(text, place=str(path))
        line = Line(*fields)
        good = dumps(fields) == text and type(line.number) is int
        good = good and isinstance(line.previous, str) and isinstance(line.head, str)
    except (TypeError, UnicodeDecodeError):
        good = False
    if not good:
        raise VerificationError("this is no line of a log", place=str(path))
    return line


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            place=str(path),
            remedy="name the folder that the machine wrote to",
        ) from None
    except UnicodeDecodeError:
        raise VerificationError("this is no text", place=str(path)) from None


def _replace(path: Path, text: str) -> None:
    """Write beside, sync, rename, sync the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename or a new file last; where folders cannot be opened it lasts by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot(error: OSError, path: Path) -> InputError:
    return InputError(
        f"cannot be written: {error.strerror or error}",
        place=str(path),
        remedy="give a folder that exists and is writable, with room left",
    )
