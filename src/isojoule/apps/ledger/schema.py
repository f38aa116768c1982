"""The tables of a ledger, the same on SQLite and PostgreSQL.

The rules:

- An entry of the log, an account or a transfer, is one row whose key `seq` is its place in the log,
  from 0. Both tables together have each place once.
- Columns are the fields that the log's bytes are made of, so that people can ask with plain SQL.
  Accounts are referred to by their `seq`: half the size of an index of ids, and a plain join.
- `crc` is the CRC-32 of the place and the entry. It proves nothing (the tree does, and the signed
  checkpoints); it *names* the row that was altered.
- `balances` and `pendings` follow from the entries. They are kept so that nobody has to add up.
- `meta` has one row. Its version changes with these tables.

docs/ledger.md describes each column for those who ask questions in SQL.
"""

from __future__ import annotations

import zlib
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from isojoule.core.errors import VerificationError

FORMAT = "isojoule.ledger"
VERSION = 1


class Total(TypeDecorator[int]):
    """A whole number of up to 39 digits: NUMERIC(39) on PostgreSQL, decimal text on SQLite."""

    impl = Numeric(39, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in the database."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(39, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """On the way in."""
        return str(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> int:
        """On the way out."""
        try:
            return int(value)
        except (TypeError, ValueError):
            raise VerificationError("a total is no number", place="balances") from None


class Blob(LargeBinary):
    """Bytes, as the driver gives them: SQLAlchemy's own would make zeros of a number there."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Nothing is done on the way out."""


def _integer() -> TypeEngine[Any]:
    return BigInteger().with_variant(Integer(), "sqlite")


def _small() -> TypeEngine[Any]:
    return SmallInteger().with_variant(Integer(), "sqlite")


def _key(*more: Any) -> Any:
    return Column("seq", _integer(), *more, primary_key=True, autoincrement=False)


tables = MetaData()

meta = Table(
    "meta",
    tables,
    Column("one", _small(), CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("format", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("size", _integer(), nullable=False),
    Column("frontier", Blob, nullable=False),
    Column("clock_ns", _integer(), nullable=False),
    Column("checkpoints", _integer(), nullable=False),
    sqlite_strict=True,
)

accounts = Table(
    "accounts",
    tables,
    _key(),
    Column("id", Blob, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("limited", _small(), nullable=False),
    Column("at_ns", _integer(), nullable=False),
    Column("crc", _integer(), nullable=False),
    sqlite_strict=True,
)

transfers = Table(
    "transfers",
    tables,
    _key(),
    Column("id", Blob, nullable=False, unique=True),
    Column("debit", _integer(), ForeignKey(accounts.c.seq), nullable=False, index=True),
    Column("credit", _integer(), ForeignKey(accounts.c.seq), nullable=False, index=True),
    Column("amount", _integer(), nullable=False),
    Column("kind", _small(), nullable=False),
    Column("pending_id", Blob, ForeignKey("transfers.id")),
    Column("linked", _small(), nullable=False),
    Column("timeout_s", _integer(), nullable=False),
    Column("code", Integer, nullable=False),
    Column("for_s", _integer(), nullable=False),
    Column("ref", Blob),
    Column("at_ns", _integer(), nullable=False),
    Column("crc", _integer(), nullable=False),
    sqlite_strict=True,
)

balances = Table(
    "balances",
    tables,
    Column(
        "account", _integer(), ForeignKey(accounts.c.seq), primary_key=True, autoincrement=False
    ),
    Column("debits", Total, nullable=False),
    Column("credits", Total, nullable=False),
    Column("debits_pending", Total, nullable=False),
    Column("credits_pending", Total, nullable=False),
    sqlite_strict=True,
)

pendings = Table(
    "pendings",
    tables,
    _key(ForeignKey(transfers.c.seq)),
    Column("expires_ns", _integer()),
    Column("ended", _small()),
    Column("ended_by", _integer(), ForeignKey(transfers.c.seq)),
    sqlite_strict=True,
)
Index(
    "pendings_due",
    pendings.c.expires_ns,
    sqlite_where=pendings.c.ended.is_(None) & pendings.c.expires_ns.is_not(None),
    postgresql_where=pendings.c.ended.is_(None) & pendings.c.expires_ns.is_not(None),
)

checkpoints = Table(
    "checkpoints",
    tables,
    Column("number", _integer(), primary_key=True, autoincrement=False),
    Column("size", _integer(), nullable=False),
    Column("frontier", Blob, nullable=False),
    Column("note", Text, nullable=False),
    sqlite_strict=True,
)


def crc_of(seq: int, entry: bytes) -> int:
    """The check sum of a row: of its place (8 bytes, big-endian) and its entry of the log.

    >>> crc_of(0, b"T") != crc_of(1, b"T")
    True
    """
    return zlib.crc32(entry, zlib.crc32(seq.to_bytes(8, "big")))
