"""Where a ledger is kept: a file of SQLite, or a database of PostgreSQL, as people write it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from isojoule.core.errors import InputError

URL_VARIABLE = "ISOJOULE_LEDGER"
"""Environment variable that names a ledger where none is given."""
_FORMS = "give a path, sqlite:///PATH, or postgresql://USER@HOST/DATABASE"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


class Place(NamedTuple):
    """Where a ledger is kept.

    Attributes
    ----------
    file
        The file of SQLite, resolved; None on PostgreSQL.
    url
        Of PostgreSQL, for SQLAlchemy; None on SQLite.
    text
        For people, without a password.
    """

    file: Path | None
    url: URL | None
    text: str

    @property
    def name(self) -> str:
        """A short name: of the file without its ending, or of the database."""
        if self.file is not None:
            return self.file.stem
        assert self.url is not None
        return self.url.database or "ledger"


def place_of(url: str) -> Place:
    """Read where a ledger is kept.

    Raises
    ------
    InputError
        It is none of the forms.

    >>> place_of("village.db").name, place_of("postgresql://ada:secret@db.local/coop").text
    ('village', 'postgresql://ada:***@db.local/coop')
    """
    if "://" not in url:
        return _file(url, url)
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise InputError("is no address of a database", place=url, remedy=_FORMS) from None
    if found.drivername in _POSTGRES:
        text = found.render_as_string(hide_password=True)
        return Place(None, found.set(drivername="postgresql+psycopg"), text)
    if found.drivername in ("sqlite", "sqlite+pysqlite"):
        return _file(found.database or "", url)
    raise InputError(f"{found.drivername} keeps no ledgers", place=url, remedy=_FORMS)


def _file(path: str, text: str) -> Place:
    if path in ("", ":memory:"):
        raise InputError("names no file", place=text or "ledger", remedy=_FORMS)
    return Place(Path(path).expanduser().resolve(), None, path)
