"""Rows as they are stored: each value must be of its column's type before anybody believes it.

A bit that is turned over in a file of SQLite, in the head of a row, makes a number of text or of
bytes, whatever the column says. A row like this is named, not computed with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, select, type_coerce
from sqlalchemy.exc import DatabaseError

from isojoule.apps.ledger.database import is_damage
from isojoule.apps.ledger.schema import Blob, Total, meta, tables
from isojoule.core.errors import InvariantError, VerificationError

_PAGE = 5000
_WORDS = {
    int: "a whole number", float: "a number with a fraction", str: "text", bytes: "bytes",
    type(None): "nothing",
}  # fmt: skip


def _types(column: Any) -> tuple[type, ...]:
    """What a value of a column may be, as the drivers give it."""
    if isinstance(column.type, Total):
        return (str, Decimal)
    of = bytes if isinstance(column.type, Blob) else str if isinstance(column.type, Text) else int
    return (of, type(None)) if column.nullable else (of,)


TYPES: Mapping[str, tuple[tuple[type, ...], ...]] = {
    name: tuple(map(_types, table.columns)) for name, table in tables.tables.items()
}
"""What the values of a row may be, by the name of its table."""


@cache
def _allowed(name: str, width: int) -> frozenset[tuple[type, ...]]:
    return frozenset(product(*TYPES[name][:width]))


def check_row(table: Table, row: Sequence[Any]) -> None:
    """Whether each value is of its column's type; `row` holds the first columns of the table.

    Raises
    ------
    VerificationError
        Names the row and the column.
    """
    if tuple(map(type, row)) in _allowed(table.name, len(row)):
        return
    for column, types, value in zip(table.columns, TYPES[table.name], row, strict=False):
        if type(value) not in types:
            raise VerificationError(
                f"was altered: {column.name} is {_what(value, types[0])}",
                place=place_of_row(table, row),
            )
    raise InvariantError("a row of the right types was taken for another")


def _what(value: Any, wanted: type) -> str:
    if wanted is str and isinstance(value, bytes):
        return "no text (it does not decode as UTF-8)"
    return f"{_WORDS.get(type(value), type(value).__name__)}, not {_WORDS.get(wanted, 'a number')}"


def key_name(table: Table) -> str:
    """The column that a row is named by."""
    (key,) = table.primary_key.columns
    return str(key.name)


def place_of_row(table: Table, row: Sequence[Any]) -> str:
    """A row for people: `transfers, seq 17`."""
    return table.name if table.name == "meta" else f"{table.name}, {key_name(table)} {row[0]}"


def pages(
    connection: Connection, asked: Select[Any], key: ColumnElement[int], start: int | None = 0
) -> Iterator[Sequence[Any]]:
    """Rows in the order of a key, so many at once, from a value of it on, or all; of one moment.

    There is no cursor that could stay open where somebody stops reading.

    Raises
    ------
    VerificationError
        They do not stand in that order, so that it would never end.
    """
    at = start
    while True:
        rest = asked if at is None else asked.where(key >= at)
        page = rest.order_by(key).limit(_PAGE).add_columns(key.label("page_key"))
        rows = connection.execute(page).all()
        if rows:
            yield rows
        if len(rows) < _PAGE:
            return
        if at is not None and rows[-1].page_key < at:
            raise VerificationError("stands out of order", place=f"the row of key {at}")
        at = rows[-1].page_key + 1


def in_order(connection: Connection, table: Table) -> Iterator[Any]:
    """All rows by their key, each of the types of its columns; the key stands at the end once more.

    Totals come as they are stored.

    Raises
    ------
    VerificationError
        Names a row with a value of another type, or after which row the table cannot be read.
    """
    (key,) = table.primary_key.columns
    columns = [
        type_coerce(c, Text).label(c.name) if isinstance(c.type, Total) else c
        for c in table.columns
    ]
    try:
        for rows in pages(connection, select(*columns), key, None):
            for row in rows:
                check_row(table, row[:-1])
                yield row
    except (DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        raise _unreadable(connection, table, error) from error


def one_head(connection: Connection) -> Any:
    """The row of `meta`.

    Raises
    ------
    VerificationError
        There is not just one.
    """
    rows = list(in_order(connection, meta))
    if len(rows) != 1 or rows[0].one != 1:
        raise VerificationError(f"has {len(rows)} rows, not one that says so", place="meta")
    return rows[0]._mapping


def _unreadable(connection: Connection, table: Table, error: Exception) -> VerificationError:
    """Where a table breaks off, as near as it can be told."""
    told, key, last = told_by(error), key_name(table), None
    names = ", ".join(column.name for column in table.columns)
    try:
        for row in connection.exec_driver_sql(f"SELECT {names} FROM {table.name} ORDER BY {key}"):
            last = row[0]
    except (DatabaseError, UnicodeDecodeError):
        pass
    where = "from its first row on" if last is None else f"after {key} {last}"
    return VerificationError(
        f"cannot be read {where}: the file is broken (SQLite: {told})", place=table.name
    )


def told_by(error: Exception) -> str:
    """What SQLite says of an error, on one line."""
    if isinstance(error, UnicodeDecodeError):
        return "it names what is no text"
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
