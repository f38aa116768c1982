"""docs/spec/machine.md, X11 to X13: what a machine wrote is whole, checked, quick to read."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.files import machine_state
from isojoule.apps.files.machine_state import (
    BLOCK_BYTE,
    LOG,
    STATE,
    append_line,
    load_machine,
    load_tip,
    read_since,
    save_machine,
)
from isojoule.core.canonical import dumps
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.hashlog import Line, Tip, append, start
from isojoule.machine import MachineState, Stage, Work
from isojoule.machine.state import work_root

OLD = (Work("a", 10**17, 3), Work("b", 0, 0))
NEW = (Work("a", 2 * 10**17, 4),)


def lines_of(count: int) -> list[Line]:
    lines: list[Line] = []
    tip = start("shed")
    for i in range(count):
        lines.append(append(tip, {"step": i}))
        tip = lines[-1].tip
    return lines


def state(work: tuple[Work, ...], log: Tip, sequence: int = 1) -> MachineState:
    return MachineState("shed", sequence, 0, 10**9, 0, Stage.SHUTDOWN, work_root(work), log)


def written(folder: Path, count: int = 3) -> MachineState:
    """A folder whose machine went to sleep in order."""
    lines = lines_of(count)
    for line in lines:
        append_line(folder / LOG, line)
    saved = state(OLD, lines[-1].tip)
    save_machine(folder, saved, OLD)
    return saved


def test_sleep_and_wake(tmp_path: Path) -> None:
    """X11, X13: what was saved comes back, with nothing logged since."""
    saved = written(tmp_path)
    assert load_machine(tmp_path) == (saved, OLD, ())
    assert load_machine(tmp_path, root=saved.root) == (saved, OLD, ())
    assert load_tip(tmp_path / LOG, name="shed") == saved.log


def test_a_machine_without_a_log_or_work(tmp_path: Path) -> None:
    saved = state((), start("shed"))
    save_machine(tmp_path, saved, ())
    assert load_machine(tmp_path) == (saved, (), ())


def test_the_next_checkpoint_replaces_the_last(tmp_path: Path) -> None:
    """X11: and leaves nothing beside it; an old root no longer fits."""
    old = written(tmp_path)
    new = state(NEW, old.log, 2)
    save_machine(tmp_path, new, NEW)
    assert load_machine(tmp_path) == (new, NEW, ())
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(VerificationError, match="another than the root"):
        load_machine(tmp_path, root=old.root)


@pytest.mark.parametrize("what", ["fsync", "replace", "open"])
@pytest.mark.parametrize("after", range(6))
def test_a_failure_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, after: int
) -> None:
    """X11: the disk fails at any one call; what is read is whole, old or new, and nothing else."""
    old = written(tmp_path)
    new = state(NEW, old.log, 2)
    owner: Any = os if what == "fsync" else Path
    real, calls = getattr(owner, what), []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, what, failing)
        said = ""
        try:
            save_machine(tmp_path, new, NEW)
        except InputError as error:
            said = str(error)
    failed = said != ""
    assert not failed or ("No space left" in said and "remedy" in said)
    assert failed == (len(calls) > after)
    assert load_machine(tmp_path) in ((old, OLD, ()), (new, NEW, ()))
    assert failed or load_machine(tmp_path)[0] == new
    assert not list(tmp_path.glob("*.part"))


def test_the_failures_above_hit_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save syncs two files and two renames, so `after` runs over all of them and beyond."""
    old = written(tmp_path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    save_machine(tmp_path, state(NEW, old.log, 2), NEW)
    assert len(synced) == (4 if os.name == "posix" else 2)


def test_a_half_written_file_would_be_found(tmp_path: Path) -> None:
    """X12: every shorter checkpoint, should a disk lie about its syncs."""
    written(tmp_path)
    whole = (tmp_path / STATE).read_bytes()
    for length in range(len(whole)):
        (tmp_path / STATE).write_bytes(whole[:length])
        with pytest.raises(VerificationError):
            load_machine(tmp_path)


@pytest.mark.parametrize("which", ["state", "work", "log"])
def test_altered_bytes_are_found(tmp_path: Path, which: str) -> None:
    """X12, X13: each byte of each file; of the log, of its last line."""
    written(tmp_path)
    path = next(tmp_path.glob(f"{which}*"))
    whole = path.read_bytes()
    first = whole[:-1].rfind(b"\n") + 1 if which == "log" else 0
    for at in range(first, len(whole)):
        for flip in (1, 4, 128):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            with pytest.raises(VerificationError):
                load_machine(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"0"', b"0"), (b'"0"', b'"00"'), (b",", b", "), (b"0]]", b"0,0]]")]
)
def test_the_same_work_in_other_words_is_altered(tmp_path: Path, old: bytes, new: bytes) -> None:
    """X12: canonical or not at all."""
    written(tmp_path)
    path = next(tmp_path.glob("work*"))
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new))
    with pytest.raises(VerificationError):
        load_machine(tmp_path)


def test_entries_after_the_checkpoint_are_read_back(tmp_path: Path) -> None:
    """X13: a machine whose power was cut after it logged more."""
    saved = written(tmp_path)
    more, tip = [], saved.log
    for entry in ("x", "y" * 60_000, "z"):  # across blocks
        more.append(append(tip, entry))
        tip = more[-1].tip
        append_line(tmp_path / LOG, more[-1])
    assert load_machine(tmp_path) == (saved, OLD, tuple(more))
    assert read_since(tmp_path / LOG, more[0].tip, name="shed") == tuple(more[1:])


def test_a_torn_line_is_no_entry(tmp_path: Path) -> None:
    """X13: power cut while appending, at every byte; the next append goes on from there."""
    saved = written(tmp_path)
    path = tmp_path / LOG
    whole = path.read_bytes()
    fourth = append(saved.log, "d")
    append_line(path, fourth)
    longer = path.read_bytes()
    for end in range(len(whole), len(longer)):
        path.write_bytes(longer[:end])
        assert load_machine(tmp_path) == (saved, OLD, ())
        append_line(path, fourth)
        assert path.read_bytes() == longer


def test_a_torn_first_line(tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(b"[1,")
    assert load_tip(tmp_path / LOG, name="shed") == start("shed")
    line = lines_of(1)[0]
    append_line(tmp_path / LOG, line)
    assert load_tip(tmp_path / LOG, name="shed") == line.tip


def test_another_log_is_found(tmp_path: Path) -> None:
    """X13: shorter, other, or with a line from elsewhere in between."""
    saved = written(tmp_path)
    path = tmp_path / LOG
    rows = path.read_bytes().splitlines(keepends=True)
    other = append(append(start("shed"), 0).tip, 1)
    stranger = dumps([4, other.head, append(other.tip._replace(length=3), 9).head, 9]) + "\n"
    for content in (rows[:2], rows[:0], [*rows, stranger.encode()]):
        path.write_bytes(b"".join(content))
        with pytest.raises(VerificationError):
            load_machine(tmp_path)
    path.write_bytes(b"".join(rows))
    with pytest.raises(VerificationError, match="does not end before"):
        append_line(path, append(Tip(3, "0" * 64), 1))
    with pytest.raises(VerificationError, match="does not end before"):
        append_line(tmp_path / "new.jsonl", append(saved.log, 1))


def test_waking_reads_the_end_of_the_log_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X12: bytes read after 10 and after 100,000 entries: one block of the log at most."""
    read: list[int] = []
    real = machine_state._last

    def counted(file: io.BufferedReader, end: int) -> bytes:
        read.append(len(real(file, end)))
        return real(file, end)

    monkeypatch.setattr(machine_state, "_last", counted)
    costs = []
    for count in (10, 100_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        lines = lines_of(count)
        rows = [dumps([x.number, x.previous, x.head, x.entry]) for x in lines]
        (folder / LOG).write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
        save_machine(folder, state(OLD, lines[-1].tip), OLD)
        read.clear()
        assert load_machine(folder)[2] == ()
        costs.append(sum(read))
    assert (tmp_path / "100000" / LOG).stat().st_size > 100 * BLOCK_BYTE
    assert costs[0] == (tmp_path / "10" / LOG).stat().st_size
    assert costs[1] == BLOCK_BYTE


def test_faults_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_machine(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        save_machine(tmp_path / "nowhere", state((), start("shed")), ())
    with pytest.raises(InputError, match="cannot be written"):
        append_line(tmp_path / "nowhere" / LOG, lines_of(1)[0])
    with pytest.raises(InputError, match="too long"):
        append_line(tmp_path / LOG, append(start("shed"), "x" * BLOCK_BYTE))
    with pytest.raises(VerificationError, match="not that of the checkpoint"):
        save_machine(tmp_path, state(OLD, start("shed")), NEW)
    assert not list(tmp_path.iterdir())
