"""Another hand in the database: alter, remove, add, swap rows behind the ledger's back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, create_engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from isojoule.apps.ledger import verify_ledger
from isojoule.apps.ledger.schema import tables
from isojoule.apps.ledger.urls import place_of
from isojoule.core.errors import InputError, VerificationError

Row = dict[str, Any]
Change = Callable[[Connection], None]


class Hand:
    """Can write whatever the database lets it, and put it back."""

    def __init__(self, url: str) -> None:
        self.url = url
        place = place_of(url)
        target = place.url or f"sqlite:///{place.file}"
        self._engine = create_engine(target, poolclass=NullPool)

    def rows(self, table: Table) -> list[Row]:
        with self._engine.connect() as connection:
            found = connection.execute(select(table).order_by(*table.primary_key))
            return [dict(row._mapping) for row in found]

    def do(self, change: Change) -> bool:
        """Change something; False if the database refuses."""
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                connection.exec_driver_sql("PRAGMA synchronous = OFF")
            else:
                connection.exec_driver_sql("SET session_replication_role = replica")
            try:
                change(connection)
            except DBAPIError:
                return False
            connection.commit()
            return True

    def restore(self, table: Table, rows: list[Row]) -> None:
        def back(connection: Connection) -> None:
            connection.execute(delete(table))
            if rows:
                connection.execute(insert(table), rows)

        assert self.do(back)

    def found(self) -> str:
        """What verify names; "" if it finds nothing."""
        try:
            verify_ledger(self.url)
        except VerificationError as error:
            return f"{error.place}: {error.message}"
        except InputError as error:
            return f"meta: {error.message}"
        return ""


def key_of(table: Table, row: Row) -> Row:
    return {c.name: row[c.name] for c in table.primary_key}


def where(table: Table, row: Row) -> Any:
    (column,) = table.primary_key
    return column == row[column.name]


def altered(value: Any, bit: int) -> Any:
    """The value with one bit turned over; what is not there becomes something."""
    if value is None:
        return 1
    if isinstance(value, int):
        return value ^ (1 << bit)
    if isinstance(value, bytes):
        at = bit % (8 * len(value))
        data = bytearray(value)
        data[at // 8] ^= 1 << (at % 8)
        return bytes(data)
    at = bit % len(value)
    return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


def alterations(bits: tuple[int, ...], hand: Hand) -> Iterator[tuple[str, Table, Row, Change]]:
    """Each column of each row of each table, by each of some bits, and set to nothing."""
    for table in tables.sorted_tables:
        for row in hand.rows(table):
            for column in table.columns:
                old = row[column.name]
                values = [altered(old, bit) for bit in bits]
                if isinstance(old, bytes) and old:
                    values.append(old[:-1])
                if old is None and str(column.type) in ("BLOB", "BYTEA"):
                    values = [b"\1" * 16]
                if old is not None and column.nullable:
                    values.append(None)
                for new in values:

                    def change(
                        connection: Connection,
                        table: Table = table,
                        row: Row = row,
                        name: str = column.name,
                        new: Any = new,
                    ) -> None:
                        told = connection.execute(
                            update(table).where(where(table, row)).values({name: new})
                        )
                        assert told.rowcount == 1

                    yield (
                        f"{table.name} {key_of(table, row)} {column.name}={new!r}",
                        table,
                        row,
                        change,
                    )
