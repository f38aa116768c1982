"""Where ledgers of tests are kept: in memory, in a file, in a schema of a server.

The server is the one that the environment's ISOJOULE_TEST_POSTGRES names; `.ci/run` starts one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import need

KINDS = ("sqlite", "postgres")
SERVER = os.environ.get("ISOJOULE_TEST_POSTGRES", "")
NewUrl = Callable[[], str]


@pytest.fixture
def new_sqlite(tmp_path: Path) -> NewUrl:
    """Addresses of files that are not there yet."""
    return lambda: str(tmp_path / f"{uuid4().hex}.db")


@pytest.fixture
def new_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewUrl]:
    """Addresses of empty schemas of the server; they go with the test."""
    need(SERVER, "PostgreSQL (ISOJOULE_TEST_POSTGRES names none)")
    import psycopg

    monkeypatch.setenv("ISOJOULE_LEDGER_KEY", str(tmp_path / "server.key"))
    schemas: list[str] = []

    def new() -> str:
        schemas.append(f"test_{uuid4().hex}")
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schemas[-1]}")
        return f"{SERVER}?options=-csearch_path%3D{schemas[-1]}"

    yield new
    with psycopg.connect(SERVER, autocommit=True) as connection:
        for schema in schemas:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=KINDS)
def new_url(request: pytest.FixtureRequest) -> NewUrl:
    """Addresses on either."""
    found: NewUrl = request.getfixturevalue(f"new_{request.param}")
    return found


@pytest.fixture
def url(new_url: NewUrl) -> str:
    """One address, on either."""
    return new_url()
