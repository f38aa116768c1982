"""Full disks, read-only files, servers that go and come back: one clear error, nothing half."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from isojoule.apps.ledger import StoredLedger, open_ledger, read_ledger, verify_ledger
from isojoule.core.errors import InputError, StorageError
from isojoule.settlement.ledger.answers import Status
from tests.apps.ledger.cluster import Cluster, programs
from tests.apps.ledger.conftest import NewUrl
from tests.apps.ledger.some import ACCOUNTS, contents, pay
from tests.conftest import need


def statuses(ledger: StoredLedger, *numbers: int) -> list[Status]:
    return [a.status for a in ledger.post([pay(n) for n in numbers], 1)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    need(programs(), "programs of a PostgreSQL server")
    found = Cluster()
    yield found
    found.remove()


def test_a_full_disk(new_sqlite: NewUrl) -> None:
    """The kernel lets no file grow beyond a limit: errors of writing, as of a full disk."""
    url = new_sqlite()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        before = contents(ledger)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (Path(f"{url}-wal").stat().st_size + 20_000, hard)
        )
        try:
            for _ in range(3):
                with pytest.raises(StorageError, match="make room") as told:
                    ledger.post([pay(n) for n in range(1, 2001)], 2)
                assert told.value.place == url
            now = contents(ledger)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert now == before, "half of it was written"
        assert set(statuses(ledger, *range(1, 2001))) == {Status.CREATED}
    assert verify_ledger(url).transfers == 2000


def test_a_database_that_may_not_grow(new_sqlite: NewUrl) -> None:
    """SQLite itself says that the database is full."""
    url = new_sqlite()
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        engine = ledger._writer._engine

        def limit(connection: sqlite3.Connection, _: Any) -> None:
            connection.execute("PRAGMA max_page_count = 40")

        event.listen(engine, "connect", limit)
        ledger._writer.disconnect()
        with pytest.raises(StorageError, match="full"):
            ledger.post([pay(n) for n in range(1, 2001)], 2)
        assert statuses(ledger, 1) == [Status.CREATED]  # there is room for one
        event.remove(engine, "connect", limit)
        ledger._writer.disconnect()
        assert statuses(ledger, *range(2, 2001))[-1] is Status.CREATED
    assert verify_ledger(url).transfers == 2000


def test_files_that_may_not_be_written() -> None:
    """In a process that is not root, whom nothing is forbidden."""
    folder = Path(tempfile.mkdtemp(prefix="isojoule-ledger-"))
    try:
        url = str(folder / "a.db")
        with open_ledger(url) as ledger:
            ledger.open_accounts(ACCOUNTS, 1)
            statuses(ledger, 1)
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o755)
        assert _as_nobody(lambda: _refused(url)) == 0
        folder.chmod(0o777)
        Path(f"{url}.lock").chmod(0o666)
        assert _as_nobody(lambda: _refused(url)) == 0
        verify_ledger(url)
        for path in folder.iterdir():
            path.chmod(0o644)
        with open_ledger(url) as ledger:
            assert statuses(ledger, 1, 2) == [Status.EXISTS, Status.CREATED]
    finally:
        shutil.rmtree(folder)


def _refused(url: str) -> bool:
    try:
        with open_ledger(url) as ledger:
            ledger.post([pay(2)], 2)
    except StorageError as error:
        return "writable" in error.remedy
    return False


def _as_nobody(ask: Any) -> int:
    """0 if it is so, asked by a process without rights."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            os._exit(0 if ask() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_server_that_goes_and_comes_back(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOJOULE_LEDGER_KEY", str(tmp_path / "key"))
    with open_ledger(cluster.url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        assert statuses(ledger, 1) == [Status.CREATED]
        cluster.stop()
        for _ in range(2):
            with pytest.raises(StorageError, match="server"):
                statuses(ledger, 2)
        with pytest.raises(StorageError, match="server"):
            ledger.account(ACCOUNTS[0].id)
        with pytest.raises(StorageError, match="server"):
            open_ledger(cluster.url)
        cluster.start()
        assert statuses(ledger, 1, 2) == [Status.EXISTS, Status.CREATED]
        assert ledger.account(ACCOUNTS[0].id) is not None
    assert verify_ledger(cluster.url).transfers == 2


def _lose_connection(ledger: StoredLedger) -> None:
    """The server ends the writer's session."""
    import psycopg

    assert ledger.place.url is not None
    server = ledger.place.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        pid = ledger._writer._raw.info.backend_pid
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_lost_connection_is_made_again(new_postgres: NewUrl) -> None:
    url = new_postgres()
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        assert statuses(ledger, 1) == [Status.CREATED]
        _lose_connection(ledger)
        assert statuses(ledger, 2, 1) == [Status.CREATED, Status.EXISTS]
        _lose_connection(ledger)
        assert statuses(ledger, 3) == [Status.CREATED]
    assert verify_ledger(url).transfers == 3


def test_who_lost_the_lock_writes_over_nobody(new_postgres: NewUrl) -> None:
    """Another writer came while the connection was lost: it is told; later it goes on after it."""
    url = new_postgres()
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        assert statuses(ledger, 1) == [Status.CREATED]
        _lose_connection(ledger)
        with open_ledger(url) as other:
            assert statuses(other, 2) == [Status.CREATED]
            with pytest.raises(InputError, match="has a writer"):
                statuses(ledger, 3)
            assert statuses(other, 4) == [Status.CREATED]
        assert statuses(ledger, 4, 5, 2) == [Status.EXISTS, Status.CREATED, Status.EXISTS]
    assert verify_ledger(url).transfers == 4


def test_two_who_write_without_a_lock_do_no_harm(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard behind the lock: the size of the log must be what the writer believes."""
    from isojoule.apps.ledger import store, writer

    monkeypatch.setattr(store, "FileLock", lambda place: None)
    monkeypatch.setattr(writer, "lock_session", lambda connection, place: None)
    with open_ledger(url) as one, open_ledger(url) as other:
        one.open_accounts(ACCOUNTS, 1)
        for number in range(1, 40, 4):
            assert statuses(other, number) == [Status.CREATED]
            assert statuses(one, number + 1, number) == [Status.CREATED, Status.EXISTS]
            assert statuses(one, number + 2) == [Status.CREATED]
            other.open_accounts([ACCOUNTS[0]._replace(name=f"n{number}")], 2)
    assert verify_ledger(url).transfers == 30


def test_two_writers_at_once(url: str) -> None:
    """The second one is refused, in this process and in another; readers are not."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        with pytest.raises(InputError, match="has a writer"):
            open_ledger(url)
        assert _as_nobody_but_me(lambda: _has_writer(url)) == 0
        with read_ledger(url) as reader:
            assert reader.head == ledger.head
            statuses(ledger, 1)
            assert reader.head == ledger.head and len(list(reader.transfers())) == 1
        verify_ledger(url)
    with open_ledger(url) as ledger:
        assert statuses(ledger, 1, 2) == [Status.EXISTS, Status.CREATED]
    with pytest.raises(StorageError, match="was closed"):
        statuses(ledger, 3)


def _has_writer(url: str) -> bool:
    try:
        open_ledger(url)
    except InputError as error:
        return "has a writer" in str(error)
    return False


def _as_nobody_but_me(ask: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if ask() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class _LostAfterCommit:
    """A connection whose commit goes through, and whose answer does not."""

    def __init__(self, raw: Any, error: type[Exception]) -> None:
        self._raw, self._error = raw, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def cursor(self) -> Any:
        raw, error = self._raw, self._error

        class Cursor:
            def __init__(self) -> None:
                self._cursor = raw.cursor()

            def executemany(self, *arguments: Any) -> None:
                self._cursor.executemany(*arguments)

            def execute(self, statement: str, *rest: Any) -> None:
                self._cursor.execute(statement, *rest)
                if statement == "COMMIT":
                    raise error("the answer was lost")

        return Cursor()

    def execute(self, statement: str, *rest: Any) -> None:
        self._raw.execute(statement, *rest)
        raise self._error("the answer was lost")


def test_a_commit_without_an_answer(url: str) -> None:
    """It may have gone through: what is remembered is thrown away, and asking again tells."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        writer = ledger._writer
        writer._raw = _LostAfterCommit(
            writer._raw, writer._engine.dialect.loaded_dbapi.OperationalError
        )
        with pytest.raises(StorageError, match="the answer was lost"):
            statuses(ledger, 1)
        writer.disconnect()
        again = ledger.post([pay(1), pay(2)], 9)
        assert again[1].status is Status.CREATED
    assert verify_ledger(url).transfers == 2


def test_one_alone_without_an_answer_is_looked_up(url: str) -> None:
    """Nothing is written twice, and nothing that is remembered is believed."""
    with open_ledger(url) as ledger:
        ledger.open_accounts(ACCOUNTS, 1)
        ledger.post([pay(1)], 1)  # now all that the next one needs is remembered
        writer = ledger._writer
        writer._raw = _LostAfterCommit(
            writer._raw, writer._engine.dialect.loaded_dbapi.OperationalError
        )
        assert [a.status for a in ledger.post([pay(2)], 2)] == [Status.EXISTS]
        assert [a.status for a in ledger.post([pay(3)], 3)] == [Status.CREATED]
        assert [t.id for t in ledger.transfers()] == [1, 2, 3]
    assert verify_ledger(url).transfers == 3
