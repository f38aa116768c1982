"""What a machine writes down before it sleeps, and checks when it wakes.

The rules:

- A checkpoint is a record of constant size: who, which checkpoint in a row, when, the battery, the
  stage, a root of the unfinished work, and the tip of the machine's log. Its root is the digest
  of all of it (see `isojoule.core.canonical`), and is what neighbours are told.
- Its text is canonical, so any altered byte is found. `revive` reads that text alone: the cost is
  the same after ten entries of the log and after a million.
- A root that a neighbour holds also tells an old checkpoint from the last one.
- The unfinished work stands beside it, one line an Order, and is checked against its own root.

Spec: docs/spec/machine.md, X11 to X13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from isojoule.core.canonical import digest, dumps, load_strict
from isojoule.core.errors import VerificationError
from isojoule.core.hashlog import Tip
from isojoule.core.units import joules_text, parse_exact
from isojoule.machine.metabolism import Stage

VERSION = "machine-state/1"
_DIGITS = frozenset("0123456789abcdef")


class Work(NamedTuple):
    """An unfinished Order on a machine."""

    order: str
    operations: int
    """Done so far."""
    steps: int
    """Paid so far."""


@dataclass(frozen=True, slots=True)
class MachineState:
    """A checkpoint.

    Parameters
    ----------
    machine
        Its name.
    sequence
        Number of the checkpoint, from 1.
    time_s
        When, epoch seconds UTC.
    energy_uj, committed_uj
        Of the battery.
    stage
        See `isojoule.machine.Stage`.
    work_root
        See `work_root`.
    log
        Tip of the machine's log.
    """

    machine: str
    sequence: int
    time_s: int
    energy_uj: int
    committed_uj: int
    stage: Stage
    work_root: str
    log: Tip

    @property
    def root(self) -> str:
        """Digest of the record, 64 hexadecimal digits."""
        return digest(self._record())

    def text(self) -> str:
        """The record and its root, as it is stored: one line of canonical JSON."""
        return dumps({**self._record(), "root": self.root}) + "\n"

    def _record(self) -> dict[str, Any]:
        return {
            "isojoule": VERSION,
            "machine": self.machine,
            "sequence": self.sequence,
            "time_s": self.time_s,
            "energy_j": joules_text(self.energy_uj),
            "committed_j": joules_text(self.committed_uj),
            "stage": self.stage.name,
            "work_root": self.work_root,
            "log_head": self.log.head,
            "log_length": self.log.length,
        }


def revive(text: str, *, root: str | None = None, place: str = "") -> MachineState:
    """Read a checkpoint, and check it by its root.

    Parameters
    ----------
    text
        What `MachineState.text` gave.
    root
        The root that somebody else holds, if any.
    place
        Name of the file, for errors.

    Raises
    ------
    VerificationError
        Not a checkpoint, altered, or not the one of that root.
    """
    document = load_strict(text, place=place)
    try:
        state = MachineState(
            machine=document["machine"],
            sequence=_count(document["sequence"]),
            time_s=_count(document["time_s"]),
            energy_uj=parse_exact(document["energy_j"], 6),
            committed_uj=parse_exact(document["committed_j"], 6),
            stage=Stage[document["stage"]],
            work_root=_hash(document["work_root"]),
            log=Tip(_count(document["log_length"]), _hash(document["log_head"])),
        )
        same = isinstance(state.machine, str) and state.text() == text
    except (KeyError, TypeError, ValueError):
        raise VerificationError("this is no checkpoint of a machine", place=place) from None
    if not same:
        raise VerificationError("the checkpoint does not give its root", place=place)
    if root is not None and state.root != root:
        raise VerificationError(
            f"this is checkpoint {state.sequence}, another than the root stands for", place=place
        )
    return state


def work_rows(work: Iterable[Work]) -> list[list[str | int]]:
    """The unfinished work as plain data, by name of the Order, whatever the order given."""
    return [[w.order, str(w.operations), w.steps] for w in sorted(work)]


def work_root(work: Iterable[Work]) -> str:
    """Digest of the unfinished work."""
    return digest(work_rows(work))


def check_work(state: MachineState, work: Iterable[Work], *, place: str = "") -> None:
    """Check the unfinished work against a checkpoint.

    Raises
    ------
    VerificationError
        It is not the work that the checkpoint stands for.
    """
    if work_root(work) != state.work_root:
        raise VerificationError("the work is not that of the checkpoint", place=place)


def _count(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _hash(value: Any) -> str:
    if not (isinstance(value, str) and len(value) == 64 and _DIGITS.issuperset(value)):
        raise ValueError
    return value
