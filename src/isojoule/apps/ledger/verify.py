"""Check a whole ledger, believing nothing that is stored.

The rules:

- Every row is read in order, made into the bytes of the log, and compared with the row that those
  bytes give, its check sum included. The entries are applied again, by the rules that wrote them
  (`isojoule.settlement.ledger.replay`): what follows from them (balances, how pending transfers
  ended, the clock) must stand there, and nothing else.
- The tree is computed again. It must have the root of each signed checkpoint when it has its size,
  and in the end the stored frontier. Each checkpoint must be signed, and extend the one before.
- The first row that does not hold is named. Who alters a row *and* its check sum is found by the
  next checkpoint, which can only name the entries since the one before.

What this cannot find: entries after the last checkpoint that somebody who may write to the database
has replaced, with all that follows from them, by others that obey the rules; and whatever somebody
does who has the key. So keep checkpoints elsewhere, too, and give their key as `public_key`.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, select, type_coerce
from sqlalchemy.exc import DatabaseError

from isojoule.apps.ledger.database import reading_engine, storage_errors
from isojoule.apps.ledger.opening import is_in, may_be_there
from isojoule.apps.ledger.rows import (
    account_entry,
    account_of,
    account_row,
    id_bytes,
    transfer_of,
    transfer_rows,
)
from isojoule.apps.ledger.schema import accounts, balances, pendings, transfers
from isojoule.apps.ledger.signed import in_order, key_of, one_head, signed_frontiers
from isojoule.apps.ledger.store import no_ledger
from isojoule.apps.ledger.urls import place_of
from isojoule.core.errors import VerificationError
from isojoule.core.frontier import Frontier
from isojoule.core.transfer import Account, Kind, transfer_bytes
from isojoule.settlement.ledger.memory import TRANSFER_ENTRY, MemoryLedger
from isojoule.settlement.ledger.replay import replay

Progress = Callable[[int, int], None]
_HASH_AT_ONCE = 4096


class Verified(NamedTuple):
    """What was found to hold.

    Attributes
    ----------
    origin
        Name of the log.
    public_key
        Text of the key that signs it.
    size
        Entries.
    root
        Of the tree over them, 32 bytes.
    accounts, transfers, checkpoints
        How many there are.
    """

    origin: str
    public_key: str
    size: int
    root: bytes
    accounts: int
    transfers: int
    checkpoints: int


def verify_ledger(
    url: str, public_key: str | None = None, progress: Progress | None = None
) -> Verified:
    """Check a ledger; others may write to it meanwhile.

    Parameters
    ----------
    url
        See `open_ledger`.
    public_key
        Text of the key that must have signed it. If not given, the ledger's own word is taken.
    progress
        Is told how many entries are checked, and how many there are.

    Raises
    ------
    VerificationError
        Names the first row that does not hold.
    InputError
        There is no ledger of this version.
    StorageError
        The database fails.
    """
    return verified_copy(url, public_key, progress)[0]


def verified_copy(
    url: str, public_key: str | None = None, progress: Progress | None = None
) -> tuple[Verified, MemoryLedger]:
    """Check a ledger as `verify_ledger` does; also what its log makes, in memory."""
    place = place_of(url)
    if not may_be_there(place):
        raise no_ledger(place)
    engine = reading_engine(place)
    try:
        with storage_errors(place), engine.connect() as connection:
            try:
                if not is_in(connection, place):
                    raise no_ledger(place)
                return _Check(connection, progress or (lambda done, total: None)).run(public_key)
            except DatabaseError as error:
                if "malformed" not in str(error.orig):
                    raise
                told = VerificationError(f"the file is broken: {error.orig}", place=place.text)
                raise told from error
    finally:
        engine.dispose()


class _Check:
    """One check of one ledger, within one transaction."""

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self._connection = connection
        self._progress = progress
        self._frontier = Frontier()
        self._leaves: list[bytes] = []
        self._size = 0
        self._signed: dict[int, tuple[int, Frontier]] = {}
        """Checkpoints by size: number and frontier."""
        self._from = 0
        """Size of the last checkpoint that was reached."""
        self._accounts: dict[int, Account] = {}
        """By `seq`."""
        self._ids: dict[int, int] = {}
        """Ids of accounts, by `seq`."""
        self._begun: dict[int, tuple[int, int | None]] = {}
        """`seq` and expiry of pending transfers, by id."""
        self._ended: dict[int, tuple[int, int]] = {}
        """Kind and `seq` of what ended them, by id."""
        self._last_ns = 0

    def run(self, public_key: str | None) -> tuple[Verified, MemoryLedger]:
        head = one_head(self._connection)
        key = key_of(head, public_key)
        self._signed = signed_frontiers(self._connection, head, key)
        try:
            made = replay(self._entries(head))
        except VerificationError as error:
            raise self._named(error) from None
        self._check_end(head)
        self._check_balances(made)
        self._check_pendings()
        self._check_head(head)
        self._check_file()
        opened = len(self._accounts)
        found = Verified(
            head["origin"], key.text, self._size, self._frontier.root(), opened,
            self._size - opened, head["checkpoints"],
        )  # fmt: skip
        return found, made

    # --- the log ----------------------------------------------------------------------------

    def _entries(self, head: Any) -> Iterator[bytes]:
        """All entries of the log; each row is what its entry gives, and in its place."""
        total = head["size"]
        opened = ((row.seq, True, row) for row in in_order(self._connection, accounts))
        moved = ((row.seq, False, row) for row in in_order(self._connection, transfers))
        for seq, is_account, row in heapq.merge(opened, moved, key=lambda found: found[0]):
            place = f"{'accounts' if is_account else 'transfers'}, seq {seq}"
            if seq < self._size:
                raise VerificationError("this place of the log is taken twice", place=place)
            if seq > self._size:
                raise VerificationError("is missing", place=f"seq {self._size} of the log")
            try:
                entry = self._account(row) if is_account else self._transfer(row)
            except (struct.error, ValueError, KeyError, OverflowError):
                entry = b""
            if not entry:
                raise VerificationError("was altered: its check sum is another's", place=place)
            self._leaves.append(sha256(b"\0" + entry).digest())
            self._last_ns = row.at_ns
            self._size += 1
            if self._size in self._signed or len(self._leaves) >= _HASH_AT_ONCE:
                self._grow()
                self._progress(self._size, total)
            yield entry
        self._grow()
        self._progress(self._size, total)

    def _account(self, row: Any) -> bytes:
        """The entry of a row; none if the row is not that of its entry."""
        account = account_of(row)
        entry = account_entry(account, row.at_ns)
        if tuple(row)[:-1] != account_row(row.seq, account, row.at_ns, entry):
            return b""
        self._accounts[row.seq] = account
        self._ids[row.seq] = account.id
        return entry

    def _transfer(self, row: Any) -> bytes:
        """The entry of a row; none if the row is not that of its entry."""
        transfer = transfer_of(row, self._ids)
        seqs = {id_bytes(self._ids[seq]): seq for seq in (row.debit, row.credit)}
        packed = transfer_bytes(transfer)
        if [tuple(row)[:-1]] != transfer_rows(row.seq, [packed], seqs):
            return b""
        if transfer.kind is Kind.PENDING:
            self._begun[transfer.id] = (row.seq, transfer.expires_ns or None)
        if transfer.pending_id:
            self._ended[transfer.pending_id] = (int(transfer.kind), row.seq)
        return TRANSFER_ENTRY + packed

    def _named(self, error: VerificationError) -> VerificationError:
        """An error of the replay, with the row in the place of the entry's number."""
        what, _, number = error.place.partition(" ")
        if what != "entry":
            return error
        table = "accounts" if int(number) in self._accounts else "transfers"
        return VerificationError(error.message, place=f"{table}, seq {number}")

    def _grow(self) -> None:
        """Add leaves to the tree, and compare it with a checkpoint of its size."""
        self._frontier = self._frontier.extend(self._leaves)
        self._leaves.clear()
        number, signed = self._signed.get(self._size, (0, self._frontier))
        if signed != self._frontier:
            raise VerificationError(
                f"one was altered or moved: checkpoint {number} signed another root",
                place=f"entries {self._from} to {self._size - 1} of the log",
            )
        if number:
            self._from = self._size

    def _check_end(self, head: Any) -> None:
        """Whether the log ends where it should; a frontier holds its size, so tells who errs."""
        try:
            frontier = Frontier.from_bytes(head["frontier"])
        except VerificationError as error:
            raise VerificationError(error.message, place="meta, frontier") from None
        last = max(self._signed, default=0)
        if self._size < max(last, min(head["size"], frontier.size)):
            raise VerificationError("is missing", place=f"seq {self._size} of the log")
        if self._size > head["size"] and self._size > frontier.size:
            extra = head["size"]
            raise VerificationError(
                "stands after the end of the log", place=f"seq {extra} of the log"
            )

    # --- what follows from the log ----------------------------------------------------------

    def _check_balances(self, made: MemoryLedger) -> None:
        columns = [type_coerce(c, Text) for c in list(balances.c)[1:]]
        rows = self._connection.execute(select(balances.c.account, *columns))
        stored = {seq: tuple(map(str, totals)) for seq, *totals in rows}
        for seq, (_, balance) in zip(self._accounts, made.accounts(), strict=True):
            _compare(f"balances, account {seq}", stored.pop(seq, None), tuple(map(str, balance)))
        _nothing_left("balances, account", stored)

    def _check_pendings(self) -> None:
        rows = self._connection.execute(select(pendings))
        stored = {seq: tuple(rest) for seq, *rest in rows}
        for number, (seq, expires_ns) in self._begun.items():
            kind, by = self._ended.get(number, (None, None))
            _compare(f"pendings, seq {seq}", stored.pop(seq, None), (expires_ns, kind, by))
        _nothing_left("pendings, seq", stored)

    def _check_head(self, head: Any) -> None:
        facts = {
            "size": self._size,
            "frontier": self._frontier.to_bytes(),
            "clock_ns": self._last_ns,
        }
        for name, fact in facts.items():
            if head[name] != fact:
                raise VerificationError("does not follow from the log", place=f"meta, {name}")

    def _check_file(self) -> None:
        """SQLite's own check: indexes that answer for tables must hold what those hold."""
        if self._connection.dialect.name == "sqlite":
            told = self._connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            if told != "ok":
                raise VerificationError(f"SQLite finds the file broken: {told}", place="file")


def _compare(place: str, stored: tuple[Any, ...] | None, fact: tuple[Any, ...]) -> None:
    if stored is None:
        raise VerificationError("is missing", place=place)
    if stored != fact:
        raise VerificationError("does not follow from the log", place=place)


def _nothing_left(what: str, stored: dict[Any, Any]) -> None:
    for key in stored:
        raise VerificationError("belongs to nothing in the log", place=f"{what} {key}")
