"""Checkpoints: who keeps a log says, signed, how long it is and what its root is.

The format is the C2SP's (c2sp.org/tlog-checkpoint), in a signed note (see `isojoule.core.note`),
so that witnesses and auditors made for other logs can read it. The rules are those of
docs/spec/log.md, L7 to L12.

- The text is three lines: the log's name (its origin), its size, and its root (see
  `isojoule.core.merkle`) in base64. More lines may follow; no proof speaks of them.
- There is exactly one text for each checkpoint, and the text is what is signed.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.merkle import EMPTY_ROOT, HASH_SIZE
from isojoule.core.note import Key, Signer, open_text, sign_text

__all__ = ["Checkpoint", "Signer", "checkpoint_text", "open_note", "parse_checkpoint", "sign"]

_SIZE_LIMIT = 1 << 63  # readers in other languages keep sizes in signed integers of 64 bits


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What stands for a log at one time.

    Parameters
    ----------
    origin
        The log's name, one line. Best an address without its scheme, `grid.example/ledger`: the
        name of the key that signs, or an address below it.
    size
        How many entries the log has, below 2**63.
    root
        Of its Merkle tree, 32 bytes.
    extensions
        More lines, none of them empty.

    Raises
    ------
    InputError
        No checkpoint is like this.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = _wrong(self)
        if wrong:
            raise InputError(wrong, place="checkpoint")


def checkpoint_text(checkpoint: Checkpoint) -> str:
    r"""The one text of a checkpoint, which is signed.

    Examples
    --------
    >>> checkpoint_text(Checkpoint("shed.example", 0, EMPTY_ROOT))
    'shed.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'
    """
    root = base64.b64encode(checkpoint.root).decode()
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    return "".join(line + "\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises
    ------
    VerificationError
        It is not the one text of a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise VerificationError("fewer than three whole lines", place="checkpoint")
    origin, size, encoded, *extensions = lines[:-1]
    if re.fullmatch("0|[1-9][0-9]{0,18}", size) is None:
        raise VerificationError(f"{size!r} is no size", place="checkpoint, line 2")
    if re.fullmatch("[A-Za-z0-9+/]{43}=", encoded) is None:
        raise VerificationError(f"{encoded!r} is no root", place="checkpoint, line 3")
    try:
        read = Checkpoint(origin, int(size), base64.b64decode(encoded), tuple(extensions))
    except InputError as error:
        raise VerificationError(error.message, place=error.place) from None
    if checkpoint_text(read) != text:  # bits of the base64 that say nothing
        raise VerificationError("the root has another text", place="checkpoint, line 3")
    return read


def sign(checkpoint: Checkpoint, signer: Signer) -> str:
    """The checkpoint as a signed note.

    It is for the keeper of the log to sign no two checkpoints of which neither extends the other:
    together they would prove it a liar (L12).

    Examples
    --------
    >>> signer = Signer.from_seed("shed.example", bytes(32))
    >>> note = sign(Checkpoint("shed.example", 0, EMPTY_ROOT), signer)
    >>> open_note(note, signer.vkey).size
    0
    """
    return sign_text(checkpoint_text(checkpoint), signer)


def open_note(note: str | bytes, vkey: str | Key, *, origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note, if the log's keeper has signed it.

    Parameters
    ----------
    note
        Text, or better its bytes as they lie in a file.
    vkey
        The keeper's public key, or its text.
    origin
        The name of the log that is asked for. The name of the key, if it is not given: one key may
        keep several logs, and a checkpoint of one must not pass for that of another.

    Raises
    ------
    VerificationError
        Says what is wrong: a part is malformed, the key has not signed, or it is another log's.
    InputError
        `vkey` is no text of a key.
    """
    key = Key.from_text(vkey) if isinstance(vkey, str) else vkey
    checkpoint = parse_checkpoint(open_text(note, key))
    expected = key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise VerificationError(
            f"it is of the log {checkpoint.origin!r}, not of {expected!r}", place="checkpoint"
        )
    return checkpoint


def _wrong(checkpoint: Checkpoint) -> str:
    """What keeps this from being a checkpoint; "" if nothing."""
    lines = (checkpoint.origin, *checkpoint.extensions)
    if not all(lines) or any(re.search("[\0-\x1f\ud800-\udfff]", line) for line in lines):
        return "the origin and further lines are plain text, none is empty"
    if not 0 <= checkpoint.size < _SIZE_LIMIT:
        return f"{checkpoint.size} is no size"
    if len(checkpoint.root) != HASH_SIZE:
        return f"a root has {HASH_SIZE} bytes"
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return "an empty log has another root"
    return ""
