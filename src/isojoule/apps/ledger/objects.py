"""What stands in the file or schema besides rows: tables, indexes, triggers, views.

A trigger that somebody put there could alter what is written next, a table could be read in place
of another, and what an index was for goes slowly without it. So there must be just what
`isojoule.apps.ledger.schema` makes, and nothing else.

- SQLite keeps the statement that made each object: these are compared, apart from their spacing.
- PostgreSQL keeps columns, types and names: what it keeps is compared, with triggers, rules and
  policies, of which there must be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DatabaseError

from isojoule.apps.ledger.database import is_damage
from isojoule.apps.ledger.schema import tables
from isojoule.apps.ledger.stored import told_by
from isojoule.core.errors import VerificationError

_ROWS = "all rows were found right"


class Object(NamedTuple):
    """An object of a database: its kind, its name, and the table that it belongs to."""

    kind: str
    name: str
    table: str

    @property
    def words(self) -> str:
        """For people: `index pendings_due of pendings`."""
        return f"{self.kind} {self.name}" + (f" of {self.table}" if self.table != self.name else "")


def check_tables_made(connection: Connection) -> None:
    """Whether the tables are those of a ledger, so that their rows can be read.

    Raises
    ------
    VerificationError
        Names the one that is not.
    """
    found, expected = _found(connection), _expected(connection)
    for one, made in expected.items():
        if one.kind in ("table", "column") and found.get(one) != made:
            told = "is missing" if one not in found else "was altered: it is not a ledger's"
            raise VerificationError(told, place=one.words)


def check_objects(connection: Connection) -> None:
    """Whether nothing else lacks or is too many; to be called once all rows were found right.

    Raises
    ------
    VerificationError
        Names the first object, and says what to do.
    """
    found, expected = _found(connection), _expected(connection)
    for one, made in sorted(expected.items()):
        if found.get(one) != made:
            told = "is missing" if one not in found else "was altered"
            raise VerificationError(
                f"{told}; {_ROWS}. {_remedy(connection, one)}",
                place=one.words,
            )
    for one in sorted(found.keys() - expected.keys(), key=lambda o: (o.kind == "column", o)):
        harm = ": it can alter what is written next" if one.kind in ("trigger", "rule") else ""
        raise VerificationError(
            f"does not belong to a ledger{harm}; {_ROWS}. Find out who made it, and remove it",
            place=one.words,
        )


def check_file(connection: Connection) -> None:
    """SQLite's own check: indexes that answer for tables must hold what those hold.

    Raises
    ------
    VerificationError
        Says which index, or what of the file, and what to do.
    """
    if connection.dialect.name != "sqlite":
        return
    try:
        told = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
    except (DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        told = told_by(error)
    if told == "ok":
        return
    index = re.search(r"index (\w+)", told)
    known = _indexes().get(index[1]) if index else None
    if known is not None:
        raise VerificationError(
            f"does not hold what its table holds, so questions may go wrong; {_ROWS}. "
            f"`REINDEX` in `sqlite3 FILE` makes it again (SQLite: {told})",
            place=f"index of {known}",
        )
    raise VerificationError(
        f"is broken besides; {_ROWS}. Go back to a copy, or make one (`VACUUM INTO 'NEW.db'` "
        f"in `sqlite3 FILE`) and verify that (SQLite: {told})",
        place="file",
    )


def _remedy(connection: Connection, one: Object) -> str:
    sql = _statement(one) if connection.dialect.name == "sqlite" else ""
    return f"Make it again: `{sql}`" if sql else "Go back to a copy"


# --- what there should be, and what there is --------------------------------------------------


def _expected(connection: Connection) -> dict[Object, str]:
    if connection.dialect.name == "sqlite":
        return {one: _bare(sql) for one, sql in _made_on_sqlite().items()}
    return _made_on_postgres(connection)


def _found(connection: Connection) -> dict[Object, str]:
    if connection.dialect.name == "sqlite":
        return {one: _bare(sql) for one, sql in _sqlite_objects(connection).items()}
    return dict(_postgres_objects(connection))


def _bare(sql: str) -> str:
    """A statement without its spacing, quotes and capitals."""
    return re.sub(r"[\s\"`]", "", sql).lower()


def _sqlite_objects(connection: Connection) -> dict[Object, str]:
    """All objects of a file, with the statements that made them."""
    asked = "SELECT type, name, tbl_name, sql FROM sqlite_master"
    rows = [tuple(map(_word, row)) for row in connection.exec_driver_sql(asked)]
    return {
        Object(kind, name, table): sql
        for kind, name, table, sql in rows
        if not name.startswith("sqlite_stat")  # what ANALYZE keeps, which changes no answer
    }


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


@cache
def _made_on_sqlite() -> dict[Object, str]:
    """The objects of a new ledger."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            tables.create_all(connection, checkfirst=False)
            return _sqlite_objects(connection)
    finally:
        engine.dispose()


def _statement(one: Object) -> str:
    return re.sub(r"\s+", " ", _made_on_sqlite()[one]).strip()


@cache
def _indexes() -> dict[str, str]:
    """SQLite's indexes by name: `transfers by id`."""
    out = {
        index.name: (t.name, [c.name for c in index.columns])
        for t in _tables()
        for index in t.indexes
    }
    for table in _tables():
        unique = [c.name for c in table.columns if c.unique]
        out.update(
            (f"sqlite_autoindex_{table.name}_{i}", (table.name, [name]))
            for i, name in enumerate(unique, 1)
        )
    return {str(name): f"{table} by {', '.join(columns)}" for name, (table, columns) in out.items()}


def _tables() -> Iterator[Any]:
    yield from tables.sorted_tables


_ON_POSTGRES = """
SELECT 'column', a.attname, c.relname, format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = {schema} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
       WHEN 'f' THEN 'foreign table' ELSE 'relation' END, relname, relname, ''
FROM pg_class WHERE relnamespace = {schema} AND relkind NOT IN ('i', 'I', 't', 'c')
UNION ALL
SELECT 'index', i.relname, c.relname,
       CASE WHEN x.indisvalid THEN '' ELSE 'invalid ' END || x.indisunique || ' ' ||
       array_to_string(
           ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true)
                 FROM generate_series(1, x.indnatts) AS k), ', ')
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE i.relnamespace = {schema}
UNION ALL
SELECT 'trigger', t.tgname, c.relname, ''
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = {schema} AND NOT t.tgisinternal
UNION ALL
SELECT 'rule', r.rulename, c.relname, '' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = {schema} AND c.relkind = 'r'
UNION ALL
SELECT 'policy', p.polname, c.relname, '' FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = {schema}
"""


def _postgres_objects(connection: Connection) -> Iterator[tuple[Object, str]]:
    schema = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
    for kind, name, table, told in connection.execute(text(_ON_POSTGRES.format(schema=schema))):
        yield Object(kind, name, table), told


def _made_on_postgres(connection: Connection) -> dict[Object, str]:
    """The objects of a new ledger, by the names that PostgreSQL gives them."""
    out: dict[Object, str] = {}
    for table in _tables():
        name = table.name
        out[Object("table", name, name)] = ""
        for column in table.columns:
            kind = (
                column.type.compile(connection.dialect)
                .lower()
                .replace("numeric(39, 0)", "numeric(39,0)")
            )
            out[Object("column", column.name, name)] = f"{kind} {str(not column.nullable).lower()}"
            if column.unique:
                out[Object("index", f"{name}_{column.name}_key", name)] = f"true {column.name}"
        (key,) = table.primary_key.columns
        out[Object("index", f"{name}_pkey", name)] = f"true {key.name}"
        for index in table.indexes:
            columns = ", ".join(c.name for c in index.columns)
            out[Object("index", str(index.name), name)] = f"false {columns}"
    return out
