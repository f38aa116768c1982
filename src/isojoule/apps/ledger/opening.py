"""What stands in a database: nothing, a ledger, a ledger of another version, or something else.

Whatever is no ledger of this version is refused before anything is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from isojoule.apps.ledger.checkpoints import checkpoint_row
from isojoule.apps.ledger.database import altered, reading_engine, storage_errors, table_names
from isojoule.apps.ledger.draft import State
from isojoule.apps.ledger.lookups import Accounts, read_entries
from isojoule.apps.ledger.schema import (
    FORMAT,
    VERSION,
    checkpoints,
    meta,
    tables,
)
from isojoule.apps.ledger.statements import Statements
from isojoule.apps.ledger.stored import check_row, one_head
from isojoule.apps.ledger.urls import Place
from isojoule.core.checkpoint import Signer, open_note
from isojoule.core.errors import InputError, VerificationError
from isojoule.core.frontier import Frontier, leaf_hash

_OTHER = "name an empty database, or one that `isojoule` has made"


def is_there(place: Place) -> bool:
    """Whether a ledger stands there already; nothing is changed to find out.

    Raises
    ------
    InputError
        Something else stands there, or a ledger of another version.
    """
    if not may_be_there(place):
        return False
    engine = reading_engine(place)
    try:
        with storage_errors(place), engine.connect() as connection:
            return is_in(connection, place)
    finally:
        engine.dispose()


def may_be_there(place: Place) -> bool:
    """False where there is no file of SQLite, or an empty one.

    Raises
    ------
    InputError
        It is no file of SQLite.
    """
    file = place.file
    if file is None:
        return True
    try:
        if not file.parent.is_dir():
            raise InputError(
                "its folder does not exist", place=place.text, remedy="make the folder first"
            )
        if not file.exists():
            return False
        with file.open("rb") as opened:
            head = opened.read(16)
    except OSError as error:
        raise InputError(
            (error.strerror or str(error)).lower(), place=place.text, remedy=_OTHER
        ) from None
    if head not in (b"", b"SQLite format 3\0"):
        raise InputError("is no file of SQLite", place=place.text, remedy=_OTHER)
    return bool(head)


def is_in(connection: Connection, place: Place) -> bool:
    """Whether a ledger is in a database; False if nothing is.

    Raises
    ------
    InputError
        Something else is.
    """
    if not table_names(connection):
        return False
    check_tables(connection, place)
    return True


def check_tables(connection: Connection, place: Place) -> None:
    """Refuse what is no ledger of this version.

    Raises
    ------
    InputError
        Says what it is.
    """
    names = table_names(connection)
    rows: Sequence[Any] = ()
    if "meta" in names:
        try:
            rows = connection.execute(select(meta.c.format, meta.c.version)).all()
        except (OperationalError, ProgrammingError):  # another table of this name
            connection.rollback()
    if not rows or rows[0][0] != FORMAT:
        told = f": its table `meta` says {rows[0][0]!r}, not {FORMAT!r}" if rows else ""
        raise InputError(f"is a database, but no ledger{told}", place=place.text, remedy=_OTHER)
    version = rows[0][1]
    if version != VERSION:
        raise InputError(
            f"is a ledger of version {version}; this program knows version {VERSION}",
            place=place.text,
            remedy="use the version of Isojoule that made it, or a newer one",
        )
    lacking = sorted(set(tables.tables) - names)
    if lacking:
        raise InputError(
            f"lacks the table {lacking[0]}", place=place.text, remedy="go back to a copy"
        )


def create_tables(
    connection: Connection, statements: Statements, signer: Signer, origin: str
) -> None:
    """Make the tables, one row of `meta` and a first checkpoint, of nothing; all at once."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if table_names(connection):  # another process was quicker
        connection.rollback()
        return
    tables.create_all(connection, checkfirst=False)
    empty = Frontier()
    head = {
        "one": 1,
        "format": FORMAT,
        "version": VERSION,
        "origin": origin,
        "public_key": signer.vkey,
        "size": 0,
        "frontier": empty.to_bytes(),
        "clock_ns": 0,
        "checkpoints": 1,
    }
    connection.execute(meta.insert(), head)
    connection.exec_driver_sql(
        statements.insert_checkpoint, tuple(checkpoint_row(1, empty, origin, signer))
    )
    connection.commit()


def read_state(connection: Connection, place: Place, signer: Signer) -> tuple[State, str]:
    """Where the log ends, and its origin.

    What was written since the last checkpoint is hashed again: nothing is signed, and nothing
    appended, on top of a log that does not extend what was signed before.

    Raises
    ------
    InputError
        It is not the ledger of this key, or does not extend its last checkpoint.
    """
    try:
        head = one_head(connection)
    except VerificationError as error:
        raise altered(error, place) from None
    if head["public_key"] != signer.vkey:
        raise InputError(
            f"is signed by {head['public_key'].partition('+')[0]}, not by {signer.key.name}",
            place=place.text,
            remedy="put the key file of this ledger back, or name it with --key",
        )
    try:
        frontier = Frontier.from_bytes(head["frontier"])
        last = connection.execute(
            select(checkpoints).order_by(checkpoints.c.number.desc()).limit(1)
        ).one_or_none()
        if last is None:
            raise VerificationError("there is none", place="checkpoints")
        check_row(checkpoints, last)
        signed = open_note(last.note, signer.key, origin=head["origin"])
        grown = Frontier.from_bytes(last.frontier)
        if (grown.size, grown.root()) != (signed.size, signed.root):
            raise VerificationError("is not what was signed", place=f"checkpoint {last.number}")
        grown = grown.extend(map(leaf_hash, read_entries(connection, Accounts(), grown.size)))
        if grown != frontier or frontier.size != head["size"]:
            raise VerificationError("the log does not extend it", place=f"checkpoint {last.number}")
    except VerificationError as error:
        raise altered(error, place) from None
    state = State(frontier, head["clock_ns"], head["checkpoints"], signed.size)
    return state, str(head["origin"])
