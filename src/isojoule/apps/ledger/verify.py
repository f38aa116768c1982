"""Check a whole ledger, believing nothing that is stored.

The rules:

- Every row is read in order, made into the bytes of the log, and compared with the row that those
  bytes give, its check sum included. The entries are applied again, by the rules that wrote them
  (`isojoule.settlement.ledger.replay`): what follows from them (balances, how pending transfers
  ended, the clock) must stand there, and nothing else.
- The tree is computed again. It must have the root of each signed checkpoint when it has its size,
  and in the end the stored frontier. Each checkpoint must be signed, and extend the one before.
- A value of another type than its column's is an altered row, not an error (`stored.py`). Tables
  must be a ledger's before their rows are read, and in the end nothing else may stand there, and
  SQLite's indexes must hold what their tables do (`objects.py`).
- Notes that were kept elsewhere are asked for as if the ledger still had them: the log must extend
  each one.
- The first row that does not hold is named. Who alters a row *and* its check sum is found by the
  next checkpoint, which can only name the entries since the one before.

What this cannot find: entries after the last checkpoint that somebody who may write to the database
has replaced, with all that follows from them, by others that obey the rules; and whatever somebody
does who has the key; nor that entries and checkpoints were taken off the end. So keep checkpoints
elsewhere, too, give them as `kept`, and their key as `public_key`.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from isojoule.apps.ledger.database import is_damage, reading_engine, storage_errors
from isojoule.apps.ledger.objects import check_file, check_objects, check_tables_made
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
from isojoule.apps.ledger.signed import kept_checkpoints, key_of, signed_frontiers
from isojoule.apps.ledger.store import no_ledger
from isojoule.apps.ledger.stored import in_order, one_head, told_by
from isojoule.apps.ledger.urls import Place, place_of
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
    url: str,
    public_key: str | None = None,
    progress: Progress | None = None,
    *,
    kept: Mapping[str, bytes] | None = None,
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
    kept
        Checkpoints that were kept elsewhere, as signed notes, by the name to call each by: the log
        must still extend them.

    Raises
    ------
    VerificationError
        Names the first row that does not hold.
    InputError
        There is no ledger of this version.
    StorageError
        The database fails.
    """
    return verified_copy(url, public_key, progress, kept=kept)[0]


def verified_copy(
    url: str,
    public_key: str | None = None,
    progress: Progress | None = None,
    *,
    kept: Mapping[str, bytes] | None = None,
) -> tuple[Verified, MemoryLedger]:
    """Check a ledger as `verify_ledger` does; also what its log makes, in memory."""
    place = place_of(url)
    if not may_be_there(place):
        raise no_ledger(place)
    engine = reading_engine(place)
    try:
        with storage_errors(place), _broken_file(place), engine.connect() as connection:
            if not is_in(connection, place):
                raise no_ledger(place)
            tell = progress or (lambda done, total: None)
            return _Check(connection, tell).run(public_key, kept or {})
    finally:
        engine.dispose()


@contextmanager
def _broken_file(place: Place) -> Iterator[None]:
    """What SQLite cannot read, outside the rows of a table, is a broken file."""
    try:
        yield
    except (DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        told = (
            f"the file is broken, and cannot be read: go back to a copy (SQLite: {told_by(error)})"
        )
        raise VerificationError(told, place=place.text) from error


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
        self._kept: dict[int, list[tuple[str, bytes]]] = {}
        """Those kept elsewhere by size: names and roots."""
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

    def run(
        self, public_key: str | None, kept: Mapping[str, bytes]
    ) -> tuple[Verified, MemoryLedger]:
        check_tables_made(self._connection)
        head = one_head(self._connection)
        key = key_of(head, public_key)
        self._signed = signed_frontiers(self._connection, head, key)
        self._kept = kept_checkpoints(kept, head, key)
        try:
            made = replay(self._entries(head))
        except VerificationError as error:
            raise self._named(error) from None
        self._check_end(head)
        self._check_balances(made)
        self._check_pendings()
        self._check_head(head)
        check_objects(self._connection)
        check_file(self._connection)
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
                raise self._missing()
            try:
                entry = self._account(row) if is_account else self._transfer(row)
            except (struct.error, ValueError, KeyError, OverflowError):
                entry = b""
            if not entry:
                raise VerificationError("was altered: its check sum is another's", place=place)
            self._leaves.append(sha256(b"\0" + entry).digest())
            self._last_ns = row.at_ns
            self._size += 1
            if (
                self._size in self._signed
                or self._size in self._kept
                or len(self._leaves) >= _HASH_AT_ONCE
            ):
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
        for name, root in self._kept.pop(self._size, ()):
            if root != self._frontier.root():
                raise VerificationError(
                    f"the log does not extend it: its first {self._size} entries are others",
                    place=name,
                )
        if number:
            self._from = self._size

    def _missing(self) -> VerificationError:
        """A place of the log is empty; an account has left its balance."""
        asked = select(balances.c.account).where(balances.c.account == self._size)
        table = "transfers" if self._connection.scalar(asked) is None else "accounts"
        return VerificationError("is missing", place=f"{table}, seq {self._size}")

    def _check_end(self, head: Any) -> None:
        """Whether the log ends where it should; a frontier holds its size, so tells who errs."""
        try:
            frontier = Frontier.from_bytes(head["frontier"])
        except VerificationError as error:
            raise VerificationError(error.message, place="meta, frontier") from None
        last = max(self._signed, default=0)
        if self._size < max(last, min(head["size"], frontier.size)):
            raise self._missing()
        if self._size > head["size"] and self._size > frontier.size:
            extra = head["size"]
            raise VerificationError(
                "stands after the end of the log", place=f"seq {extra} of the log"
            )
        for size, notes in self._kept.items():
            raise VerificationError(
                f"it holds {size} entries, the ledger has {self._size}: its end was taken off",
                place=notes[0][0],
            )

    # --- what follows from the log ----------------------------------------------------------

    def _check_balances(self, made: MemoryLedger) -> None:
        rows = in_order(self._connection, balances)
        stored = {seq: tuple(map(str, totals)) for seq, *totals, _ in rows}
        for seq, (_, balance) in zip(self._accounts, made.accounts(), strict=True):
            _compare(f"balances, account {seq}", stored.pop(seq, None), tuple(map(str, balance)))
        _nothing_left("balances, account", stored)

    def _check_pendings(self) -> None:
        rows = in_order(self._connection, pendings)
        stored = {seq: tuple(rest) for seq, *rest, _ in rows}
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


def _compare(place: str, stored: tuple[Any, ...] | None, fact: tuple[Any, ...]) -> None:
    if stored is None:
        raise VerificationError("is missing", place=place)
    if stored != fact:
        raise VerificationError("does not follow from the log", place=place)


def _nothing_left(what: str, stored: dict[Any, Any]) -> None:
    for key in stored:
        raise VerificationError("belongs to nothing in the log", place=f"{what} {key}")
