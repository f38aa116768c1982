"""The state that a market carries on: from the clearing before, or a JSON file of its own."""

from __future__ import annotations

from pathlib import Path

from isojoule.apps.files.clearing_files import clearing_from_doc
from isojoule.core.canonical import load_strict
from isojoule.core.errors import InputError, VerificationError
from isojoule.market.contract import State


def read_state(path: Path | str, mechanism: str) -> State:
    """Read what `isojoule clear --state` takes.

    Parameters
    ----------
    path
        A clearing file, whose `state` is taken after the file has been checked as
        `read_clearing` does; or a JSON file that holds the state itself.
    mechanism
        Name of the mechanism that the state is for.

    Raises
    ------
    InputError
        No such file, no JSON object, or the clearing of another mechanism.
    VerificationError
        A clearing file that does not hang together.
    """
    place = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=place, remedy="check the path"
        ) from None
    except UnicodeDecodeError:
        raise InputError("not UTF-8", place=place, remedy="give a JSON file") from None
    try:
        document = load_strict(text, place=place)
    except VerificationError as error:
        raise InputError(error.message, place=error.place, remedy="give a JSON file") from None
    if not isinstance(document, dict):
        raise InputError("not a JSON object", place=place, remedy="give a clearing or a state")
    if "digest" not in document:
        return document
    _, clearing = clearing_from_doc(document, place=place)
    if clearing.mechanism != mechanism:
        raise InputError(
            f"the clearing is by {clearing.mechanism}, not by {mechanism}",
            place=place,
            remedy=f"use --mechanism {clearing.mechanism}, or another state",
        )
    return clearing.state
