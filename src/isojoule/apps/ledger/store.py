"""A ledger that is kept in a database: open it, write to it, read from it.

    with open_ledger("village.db") as ledger:
        ledger.post(transfers, time.time_ns())

Both classes answer as `isojoule.settlement.ledger.port.Ledger` does; which of the two databases
keeps it is a matter of the address alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from isojoule.apps.ledger.database import FileLock, reading_engine, reading_errors
from isojoule.apps.ledger.draft import Draft
from isojoule.apps.ledger.gather import Gather
from isojoule.apps.ledger.keys import key_path, make_key, read_key
from isojoule.apps.ledger.lookups import (
    Accounts,
    read_account,
    read_accounts,
    read_checkpoint,
    read_entries,
    read_head,
    read_transfer,
    read_transfers,
)
from isojoule.apps.ledger.opening import is_there
from isojoule.apps.ledger.urls import Place, place_of
from isojoule.apps.ledger.writer import Request, Writer, closed
from isojoule.core.checkpoint import Signer
from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Transfer, check_account
from isojoule.settlement.ledger.answers import Answer
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.columns import Records, transfers_of
from isojoule.settlement.ledger.port import Head

T = TypeVar("T")


class LedgerReader:
    """Reads a ledger, also while somebody writes to it. Threads may share one."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._engine = reading_engine(place)
        self._known = Accounts()

    def account(self, account_id: int) -> tuple[Account, Balance] | None:
        """See `Ledger.account`."""
        with reading_errors(self.place), self._engine.connect() as connection:
            return read_account(connection, account_id)

    def accounts(self) -> Iterator[tuple[Account, Balance]]:
        """See `Ledger.accounts`; of one moment, whatever is written meanwhile."""
        with reading_errors(self.place), self._engine.connect() as connection:
            yield from read_accounts(connection)

    def transfer(self, transfer_id: int) -> Transfer | None:
        """See `Ledger.transfer`."""
        with reading_errors(self.place), self._engine.connect() as connection:
            return read_transfer(connection, self._known, transfer_id)

    def transfers(self, account_id: int = 0) -> Iterator[Transfer]:
        """See `Ledger.transfers`; of one moment, whatever is written meanwhile."""
        for _, transfer in self.placed(account_id):
            yield transfer

    def placed(self, account_id: int = 0, start: int = 0) -> Iterator[tuple[int, Transfer]]:
        """Transfers (of one account) from a place of the log on, each with its place."""
        with reading_errors(self.place), self._engine.connect() as connection:
            yield from read_transfers(connection, self._known, account_id, start)

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """The entries of the log in order, from the one numbered `start` (from 0)."""
        with reading_errors(self.place), self._engine.connect() as connection:
            yield from read_entries(connection, self._known, start)

    @property
    def head(self) -> Head:
        """See `Ledger.head`."""
        with reading_errors(self.place), self._engine.connect() as connection:
            return read_head(connection)

    def last_checkpoint(self) -> str:
        """The newest signed checkpoint, as a note."""
        with reading_errors(self.place), self._engine.connect() as connection:
            return read_checkpoint(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class StoredLedger(LedgerReader):
    """Writes to a ledger, and reads from it; made by `open_ledger`. Threads may share one.

    What is answered as written is on the disk. If the database fails, `StorageError` is raised and
    nothing is half-written; once the database is back, the ledger goes on by itself.
    """

    def __init__(self, place: Place, signer: Signer, origin: str, *, create: bool) -> None:
        self._lock = FileLock(place) if place.file is not None else None
        try:
            self._writer = Writer(place, signer)
            self._gather: Gather[Request[Any]] = Gather(self._writer.write)
            self._closed = False
            self._writer.open(origin=origin, create=create)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        super().__init__(place)

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        """See `Ledger.open_accounts`."""
        for account in accounts:
            check_account(account)
        return self._ask(lambda draft: draft.open_accounts(accounts, now_ns))

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        """See `Ledger.post`.

        A request is one transaction, and threads that ask at once share one. Each request keeps its
        own chains and its own answers.
        """
        only = None
        if len(transfers) == 1 and not self._closed:
            only = transfers[0]
            answers = self._gather.at_once(self._writer.post_alone, only, now_ns)
            if answers is not None:
                return answers
        return self._ask(lambda draft: draft.post(transfers, now_ns), only, now_ns)

    def post_records(self, records: Records, now_ns: int) -> dict[int, Answer]:
        """See `isojoule.settlement.ledger.memory.MemoryLedger.post_records`."""
        from isojoule.settlement.ledger.answers import Status

        answers = self.post(transfers_of(records), now_ns)
        return {row: a for row, a in enumerate(answers) if a.status is not Status.CREATED}

    def expire(self, now_ns: int) -> int:
        """See `Ledger.expire`."""
        return self._ask(lambda draft: draft.expire(now_ns))

    def checkpoint(self) -> str:
        """Sign a checkpoint of the log as it stands, unless there is one; returns the newest."""
        self._ask(lambda draft: draft.sign())
        return self.last_checkpoint()

    @property
    def clock_ns(self) -> int:
        """The latest time that the ledger has seen, ns since 1970; of its last entry, at first."""
        return self._ask(lambda draft: draft.clock_ns)

    def close(self) -> None:
        """Sign a last checkpoint, let go of the lock, and close all connections."""
        if self._closed:
            return
        try:
            self._ask(lambda draft: draft.sign())
        finally:
            self._closed = True
            super().close()
            self._writer.disconnect()  # last: SQLite then folds its log into the file
            if self._lock is not None:
                self._lock.release()

    def _ask(
        self, decide: Callable[[Draft], T], only: Transfer | None = None, now_ns: int = 0
    ) -> T:
        if self._closed:
            raise closed(self.place)
        request = Request(decide, only, now_ns)
        self._gather.submit(request)
        return request.answer  # type: ignore[return-value]


def open_ledger(
    url: str, *, key: str | Path | None = None, origin: str = "", create: bool = True
) -> StoredLedger:
    """Open a ledger for writing; make it if there is none.

    Parameters
    ----------
    url
        `village.db`, `sqlite:///village.db`, or `postgresql://user@host/database`.
    key
        File of the key that signs checkpoints. If not given: `village.db.key` beside SQLite; on
        PostgreSQL what the environment's `ISOJOULE_LEDGER_KEY` names, else `isojoule/ledger.key` in
        the user's folder of settings. Made together with the ledger if it is not there.
    origin
        Name of the log in its checkpoints, when it is made. If not given, the names of key and
        database, `isojoule-1a2b3c4d/village`.
    create
        Whether it may be made.

    Returns
    -------
    The ledger; closes at the end of a `with`.

    Raises
    ------
    InputError
        It is no ledger, or of another version; it has a writer; the key is missing or another's.
    StorageError
        The database fails.
    """
    place = place_of(url)
    there = is_there(place)
    if not there and not create:
        raise no_ledger(place)
    path = key_path(place, key)
    signer = read_key(path) if there or path.exists() else make_key(path)
    return StoredLedger(
        place, signer, origin or f"{signer.key.name}/{place.name}", create=not there
    )


def read_ledger(url: str) -> LedgerReader:
    """Open a ledger for reading alone.

    Raises
    ------
    InputError
        There is no ledger.
    StorageError
        The database fails.
    """
    place = place_of(url)
    if not is_there(place):
        raise no_ledger(place)
    return LedgerReader(place)


def no_ledger(place: Place) -> InputError:
    """What is answered where nothing stands."""
    return InputError(
        "there is no ledger", place=place.text, remedy="check the address; writing makes one"
    )
