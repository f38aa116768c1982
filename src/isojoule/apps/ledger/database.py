"""SQLite and PostgreSQL: connections, what makes them durable, one lock, one way to fail.

The rest of this folder does not know which of the two it works on, apart from what stands here.

- SQLite: write-ahead log, `synchronous = FULL`, so a commit is on the disk before it returns.
- PostgreSQL: SERIALIZABLE, `synchronous_commit` on, whatever the server's default is.
- One writer: an operating system's lock on a file beside the database, or an advisory lock of the
  server. Both end with the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from isojoule.apps.ledger.urls import Place
from isojoule.core.errors import InputError, StorageError, VerificationError

BUSY_MS = 10_000
"""How long SQLite waits for another program that has the file."""
_CONNECT_S = 10
_BUSY_WRITER = "close the other writer first; reading needs no writer"
_LOCK_TRIES, _LOCK_WAIT_S = 10, 0.05
_RETRY = ("40001", "40P01")
"""SQLSTATE of transactions that may succeed when tried again: serialization, deadlock."""


def reading_engine(place: Place) -> Engine:
    """Connections that can read alone; each transaction sees one state of the ledger."""
    if place.file is not None:
        engine = _sqlite(place.file, "ro", QueuePool)

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine
    assert place.url is not None
    return create_engine(
        place.url,
        isolation_level="REPEATABLE READ",
        connect_args={"connect_timeout": _CONNECT_S},
        pool_pre_ping=True,
    )


def writing_engine(place: Place) -> Engine:
    """Connections that write. Statements are compiled with `%s` or `?`, for rows as tuples."""
    if place.file is not None:
        return _sqlite(place.file, "rwc", NullPool)
    assert place.url is not None
    engine = create_engine(
        place.url,
        isolation_level="SERIALIZABLE",
        connect_args={"connect_timeout": _CONNECT_S},
        poolclass=NullPool,
        paramstyle="format",
    )

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("SET SESSION synchronous_commit = on")
        connection.commit()

    return engine


def _sqlite(file: Path, mode: str, pool: type[Any]) -> Engine:
    def connect() -> sqlite3.Connection:
        options = f"mode={mode}" + "&immutable=1" * (mode == "ro" and _sealed(file))
        connection = sqlite3.connect(
            f"file:{quote(str(file))}?{options}",
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,  # transactions begin where we say
            check_same_thread=False,
        )
        connection.text_factory = _text
        connection.execute("PRAGMA foreign_keys = ON")
        if mode != "ro":
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=pool)


def _text(data: bytes) -> str | bytes:
    """Text of a file of SQLite; what is none stays bytes, so that the row can be named."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _sealed(file: Path) -> bool:
    """Whether a file lies where nothing can be written, as in an archive, and is whole.

    SQLite else writes beside it even to read it. What stands in a write-ahead log still has to be
    taken up, for which the ledger must lie where that can be done.
    """
    log = file.with_name(f"{file.name}-wal")
    return not os.access(file.parent, os.W_OK) and not (log.exists() and log.stat().st_size)


def prepare(connection: Connection, place: Place) -> None:
    """Switch SQLite's file to its write-ahead log; it remembers that.

    Raises
    ------
    StorageError
        The file system cannot do it.
    """
    if place.file is None:
        return
    mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
    if mode != "wal":
        raise StorageError(
            f"SQLite keeps no write-ahead log there, but a journal of mode {mode!r}",
            place=place.text,
            remedy="keep the file on a local disk",
        )


def begin_statement(engine: Engine) -> str:
    """What begins a transaction that writes; "" where the driver does it."""
    return "BEGIN IMMEDIATE" if engine.name == "sqlite" else ""


_ALONE = contextlib.nullcontext()


def pipelined(connection: Any) -> contextlib.AbstractContextManager[Any]:
    """Statements within go out together, if the driver can do that."""
    if hasattr(connection, "pipeline"):
        return connection.pipeline()  # type: ignore[no-any-return]
    return _ALONE


def is_conflict(error: Exception) -> bool:
    """Whether a transaction failed for what another one did, and may be tried again."""
    return getattr(error, "sqlstate", None) in _RETRY


def is_gone(connection: Any) -> bool:
    """Whether the connection to the server is lost."""
    return bool(getattr(connection, "broken", False) or getattr(connection, "closed", False))


def table_names(connection: Connection) -> set[str]:
    """Tables in the file, or in the current schema."""
    return set(inspect(connection).get_table_names())


def failed(error: Exception, place: Place) -> StorageError:
    """An error of the database as one of ours."""
    cause = getattr(error, "orig", None) or error
    told = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if isinstance(error, UnicodeDecodeError):
        told = "its schema is damaged (it names what is no text)"
    if place.file is None:
        remedy = "check that the server runs, its disk and its log, then ask again"
    elif "readonly" in told or "unable to open" in told:
        remedy = "make file and folder writable, then ask again"
    elif "full" in told or "I/O" in told:
        remedy = "make room on the disk, then ask again"
    elif "locked" in told:
        remedy = "end the other program that uses the file, then ask again"
    else:
        remedy = "check the file with `isojoule ledger verify`"
    return StorageError(f"the database fails: {told}", place=place.text, remedy=remedy)


@contextlib.contextmanager
def storage_errors(place: Place) -> Iterator[None]:
    """Errors of SQLAlchemy and of the driver leave as `StorageError`."""
    try:
        yield
    except (SQLAlchemyError, UnicodeDecodeError) as error:
        raise failed(error, place) from error


@contextlib.contextmanager
def reading_errors(place: Place) -> Iterator[None]:
    """The same; and a row that is none leaves as an `InputError` that says what to do."""
    try:
        with storage_errors(place):
            yield
    except VerificationError as error:
        raise altered(error, place) from error


def altered(error: VerificationError, place: Place) -> InputError:
    """What is told of a ledger with a row that cannot be, where it is read or written to."""
    return InputError(
        f"was altered ({error})",
        place=place.text,
        remedy="find where with `isojoule ledger verify`, and go back to a copy",
    )


_OF_THE_SYSTEM = frozenset((3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 23))
"""Result codes of SQLite that tell of locks, memory, disk and permissions, and not of the file."""


def is_damage(error: Exception) -> bool:
    """Whether SQLite fails since what stands in its file makes no sense."""
    if isinstance(error, UnicodeDecodeError):  # in the text of SQLite's error
        return True
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None)
    if not isinstance(cause, sqlite3.Error):
        return False
    return code is None or code & 0xFF not in _OF_THE_SYSTEM


class FileLock:
    """The one writer of a file of SQLite: a lock on `FILE.lock`, which ends with the process.

    A process that was forked meanwhile holds it, too, until it ends.
    """

    def __init__(self, place: Place) -> None:
        assert place.file is not None
        self._file: TextIO | None = None
        path = place.file.with_name(place.file.name + ".lock")
        try:
            file = path.open("a", encoding="ascii")
        except OSError as error:
            raise StorageError(
                f"the lock file cannot be opened ({error.strerror or error})",
                place=str(path),
                remedy="make its folder writable",
            ) from None
        if not _locked(file):
            file.close()
            raise InputError("has a writer", place=place.text, remedy=_BUSY_WRITER)
        self._file = file

    def release(self) -> None:
        """Let another writer in."""
        if self._file is not None:
            self._file.close()
            self._file = None


def lock_session(connection: Connection, place: Place) -> None:
    """Become the one writer of a schema of PostgreSQL, for as long as this session lasts.

    A writer that has just left may hold it for a moment more, until the server has noticed.
    """
    schema = connection.scalar(text("SELECT current_schema()"))
    words = hashlib.sha256(f"isojoule.ledger.1 {schema}".encode()).digest()
    key = int.from_bytes(words[:8], "big", signed=True)
    asked = text("SELECT pg_try_advisory_lock(:key)")
    for _ in range(_LOCK_TRIES):
        if connection.scalar(asked, {"key": key}):
            return
        time.sleep(_LOCK_WAIT_S)
    raise InputError("has a writer", place=place.text, remedy=_BUSY_WRITER)


def _locked(file: TextIO) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks on this system; PRAGMA busy_timeout still keeps order
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
