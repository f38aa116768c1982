"""The transcript of sessions: a hash-chained log of messages and what they brought about.

One JSON document a line: {"number", "previous", "head", "entry"}, see `isojoule.core.hashlog`. An
entry is {"message", "events"}; the last one is {"end": {"messages": count}}, so that a log that was
cut off is seen. Its last head stands for all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from isojoule.apps.files.clearing_files import write_whole
from isojoule.apps.files.items import from_document
from isojoule.apps.files.session_files import Reader, message_document
from isojoule.core.canonical import dumps, first_difference, load_strict
from isojoule.core.errors import InputError, IsojouleError, VerificationError
from isojoule.core.hashlog import Line, Tip, append, follow, start
from isojoule.core.merkle import leaf_hash
from isojoule.market.contract import Clearing
from isojoule.market.messages import Event
from isojoule.market.session import Market, SessionMessage
from isojoule.market.verify import check_clearing

LOG = "isojoule.session.1"
KEYS = ("number", "previous", "head", "entry")


def transcript_lines(
    messages: Sequence[SessionMessage], events: Sequence[Sequence[Event]]
) -> list[Line]:
    """The lines of a transcript, the end included.

    Raises
    ------
    InputError
        A message that was made in a program, and that no message file can hold.
    """
    tip, lines, reader = start(LOG), [], Reader()
    entries: list[Any] = [
        {"message": written(reader, message, f"messages[{i}]"), "events": list(told)}
        for i, (message, told) in enumerate(zip(messages, events, strict=True))
    ]
    for entry in [*entries, {"end": {"messages": len(entries)}}]:
        line = append(tip, entry)
        lines.append(line)
        tip = line.tip
    return lines


def written(reader: Reader, message: SessionMessage, place: str) -> dict[str, Any]:
    """The normal form of a message, which the reader takes as such."""
    try:
        document = message_document(message)
        dumps(document)
        reader.read(from_document(document, place))
    except (InputError, ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"no message file can hold it: {error}", place=place, remedy="leave the message out"
        ) from None
    return document


def write_transcript(path: Path | str, lines: Sequence[Line]) -> None:
    """Write a transcript, whole or not at all."""
    write_whole(Path(path), "".join(f"{dumps(line._asdict())}\n" for line in lines))


def is_transcript(path: Path) -> bool:
    """Whether a file begins as a transcript does."""
    try:
        with path.open("rb") as file:
            head = file.readline(64)
    except OSError:
        return False
    return head.startswith(b'{"entry":')


def merkle_leaves(lines: Iterable[Line]) -> list[bytes]:
    """Leaf hashes of the Merkle tree over a transcript's entries, as ledgers have one, too.

    With them, somebody can be shown one message and what it brought about without the others: see
    `isojoule.core.merkle.inclusion_proof`. Spec: docs/spec/session.md, S23.
    """
    return [leaf_hash(dumps(line.entry).encode()) for line in lines]


def read_lines(path: Path | str) -> list[Line]:
    """The lines of a transcript, unchecked.

    Raises
    ------
    InputError, VerificationError
        No such file, or a line is none.
    """
    texts = enumerate(_text(Path(path)).split("\n"), 1)
    return [_line(text, f"{path}:{number}") for number, text in texts if text]


def verify_transcript(path: Path | str) -> tuple[Tip, Market, int]:
    """Check a transcript: its chain, every event, and every clearing.

    Returns
    -------
    Its tip, the market that its messages lead to, and how many messages there are.

    Raises
    ------
    InputError
        No such file.
    VerificationError
        The first line that does not hold.
    """
    tip, market, reader = start(LOG), Market(), Reader()
    count, ended, place = 0, False, str(path)
    for number, text in enumerate(_text(Path(path)).split("\n"), 1):
        place = f"{path}:{number}"
        if not text:
            continue
        if ended:
            raise VerificationError("goes on after its end", place=place)
        try:
            line = _line(text, place)
        except RecursionError:
            raise VerificationError("is nested too deeply", place=place) from None
        try:
            tip = follow(tip, [line])
        except (VerificationError, ValueError, TypeError):
            raise VerificationError(
                "does not follow from the lines before it", place=place
            ) from None
        if line.entry == {"end": {"messages": count}}:
            ended = True
            continue
        _replay(line.entry, market, reader, place)
        count += 1
    if not ended:
        raise VerificationError("ends without its last line", place=place)
    for name, session in market.sessions.items():
        if isinstance(session.outcome, Clearing) and session.book is not None:
            try:
                check_clearing(session.book, session.opened.grid, session.outcome)
            except VerificationError as error:
                raise VerificationError(
                    error.message, place=f"{path}: session {name!r}: {error.place}"
                ) from None
    return tip, market, count


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise VerificationError("not UTF-8", place=str(path)) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), remedy="check the path"
        ) from None


def _line(text: str, place: str) -> Line:
    document = load_strict(text, place=place)
    if not isinstance(document, dict) or set(document) != set(KEYS):
        raise VerificationError(f"is not a line with {', '.join(KEYS)}", place=place)
    if dumps(document) != text:
        raise VerificationError("is not in canonical form", place=place)
    return Line(*(document[key] for key in KEYS))


def _replay(entry: Any, market: Market, reader: Reader, place: str) -> None:
    if not isinstance(entry, dict) or set(entry) != {"message", "events"}:
        raise VerificationError("is not an entry of message and events", place=place)
    try:
        message = reader.read(from_document(entry["message"], "message"))
    except IsojouleError as error:
        raise VerificationError(f"no message: {error}", place=place) from None
    for what, stored, true in (
        ("message", entry["message"], message_document(message)),
        ("events", entry["events"], list(market.handle(message))),
    ):
        found = first_difference(stored, true, what)
        if found:
            where, one, other = found
            raise VerificationError(
                f"{dumps(one)[:200]} is not what follows, which is {dumps(other)[:200]}",
                place=f"{place}: {where}",
            )
