"""What a ledger says of itself, checked against what was signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from isojoule.apps.ledger.schema import checkpoints
from isojoule.apps.ledger.stored import in_order
from isojoule.core.checkpoint import open_note, parse_checkpoint
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.frontier import Frontier
from isojoule.core.note import Key, open_text


def key_of(head: Any, public_key: str | None) -> Key:
    """The key that signs, which must be the one that is asked for, if one is.

    Raises
    ------
    VerificationError
        It is another, or was altered: its text holds a hash of it.
    InputError
        `public_key` is no text of a key.
    """
    asked = None if public_key is None else Key.from_text(public_key)
    try:
        key = Key.from_text(head["public_key"])
    except InputError as error:
        raise VerificationError(error.message, place="meta, public_key") from None
    if asked not in (None, key):
        raise VerificationError(f"is {key.text}, not the key given", place="meta, public_key")
    return key


def signed_frontiers(
    connection: Connection, head: Any, key: Key
) -> dict[int, tuple[int, Frontier]]:
    """All checkpoints, checked: number and frontier, by size.

    Raises
    ------
    VerificationError
        Names the first one that is missing, not signed, or does not extend the one before.
    """
    out: dict[int, tuple[int, Frontier]] = {}
    before, number = -1, 0
    for row in in_order(connection, checkpoints):
        number += 1
        place = f"checkpoints, number {number}"
        if row.number != number:
            raise VerificationError("is missing", place=place)
        try:
            told = parse_checkpoint(open_text(row.note, key))
            frontier = Frontier.from_bytes(row.frontier)
        except VerificationError as error:
            raise VerificationError(str(error), place=place) from None
        if told.origin != head["origin"]:
            # the first one says what the log is called: it is signed, meta is not
            place = "meta, origin" if number == 1 else place
            raise VerificationError(f"is not {told.origin!r}, which was signed", place=place)
        if (row.size, frontier.size, frontier.root()) != (told.size, told.size, told.root):
            raise VerificationError("its columns are not what was signed", place=place)
        if told.size <= before or (number == 1 and told.size):
            raise VerificationError("does not extend the one before", place=place)
        before = told.size
        out[told.size] = (number, frontier)
    if number != head["checkpoints"]:
        lacks = number < head["checkpoints"]
        place = f"checkpoints, number {number + 1}, or " * lacks + "meta, checkpoints"
        raise VerificationError(f"there are {number}, meta says {head['checkpoints']}", place=place)
    return out


def kept_checkpoints(
    notes: Mapping[str, bytes], head: Any, key: Key
) -> dict[int, list[tuple[str, bytes]]]:
    """Checkpoints that were kept elsewhere: names and roots, by size.

    Raises
    ------
    VerificationError
        Names the first one that this ledger's key did not sign, or that is another log's.
    """
    out: dict[int, list[tuple[str, bytes]]] = {}
    for name, note in notes.items():
        try:
            told = open_note(note, key, origin=head["origin"])
        except VerificationError as error:
            raise VerificationError(str(error), place=name) from None
        out.setdefault(told.size, []).append((name, told.root))
    return out
