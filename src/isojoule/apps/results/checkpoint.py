"""How far a job is: written after every part, so that an interrupted run goes on from there.

A checkpoint is one file, replaced whole. It counts only if the parts that it names stand as they
were written; else the job begins anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isojoule.apps.results.manifest import file_hash
from isojoule.microworld.carried import state_document, state_from
from isojoule.microworld.world import State

HALF = ".half"
"""Ending of a file that is being written; it gets its name when it is whole."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a job goes on.

    Attributes
    ----------
    start, state
        The states at the beginning of the round, and of the next part.
    round
        Number of the round, from 1.
    parts
        Parts of the round that are simulated.
    intervals
        Simulated so far, over all rounds.
    files
        Of this round: path below the run's folder, and SHA-256.
    closed, cyclic
        Whether nothing is left to simulate, and whether the period ended as it started.
    """

    start: State
    state: State
    round: int = 1
    parts: int = 0
    intervals: int = 0
    files: dict[str, str] = field(default_factory=dict)
    closed: bool = False
    cyclic: bool = False

    def with_files(self, run: Path, written: list[Path]) -> Checkpoint:
        """The checkpoint with more files, hashed."""
        more = {path.relative_to(run).as_posix(): file_hash(path) for path in written}
        return replace(self, files={**self.files, **more})


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    c = checkpoint
    document = {
        "start": state_document(c.start),
        "state": state_document(c.state),
        **{name: getattr(c, name) for name in _PLAIN},
    }
    half = path.with_name(path.name + HALF)
    half.write_text(json.dumps(document))
    half.replace(path)


def load(path: Path, run: Path) -> Checkpoint | None:
    """The checkpoint in a file; None if there is none, or its parts do not stand."""
    document = read(path)
    if document is None:
        return None
    for name, value in document["files"].items():
        file = run / name
        if not file.is_file() or file_hash(file) != value:
            return None
    return Checkpoint(
        state_from(document["start"]),
        state_from(document["state"]),
        **{name: document[name] for name in _PLAIN},
    )


def read(path: Path) -> dict[str, Any] | None:
    """A file of plain data; None if there is none, or not a whole one."""
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document


_PLAIN = ("round", "parts", "intervals", "files", "closed", "cyclic")
