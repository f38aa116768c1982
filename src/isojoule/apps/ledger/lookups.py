"""Questions to the database: by id for the rules, in order for people."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from isojoule.apps.ledger.draft import Stored
from isojoule.apps.ledger.rows import account_entry, account_of, id_bytes, transfer_of
from isojoule.apps.ledger.schema import (
    accounts,
    balances,
    checkpoints,
    pendings,
    transfers,
)
from isojoule.apps.ledger.stored import check_row, one_head, pages
from isojoule.core.errors import VerificationError
from isojoule.core.frontier import Frontier
from isojoule.core.transfer import Account, Kind, Transfer, transfer_bytes
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.memory import TRANSFER_ENTRY
from isojoule.settlement.ledger.port import Head

_AT_ONCE = 1000
"""Ids asked for in one statement."""
_NO_ENTRY = (struct.error, ValueError, OverflowError)
"""What numbers that are out of their range raise as bytes of the log."""
_TOTALS = (
    balances.c.debits,
    balances.c.credits,
    balances.c.debits_pending,
    balances.c.credits_pending,
)
_STORED = select(transfers, pendings.c.ended).outerjoin(pendings, pendings.c.seq == transfers.c.seq)


class Accounts:
    """Ids of accounts by their `seq`, read once: accounts never change."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}

    def of(self, connection: Connection, rows: Sequence[Any]) -> Mapping[int, int]:
        """Ids by `seq`, with those that rows of transfers name."""
        lacking = {seq for row in rows for seq in row[2:4] if seq not in self._ids}
        for part in _parts(lacking):
            asked = select(accounts.c.seq, accounts.c.id).where(accounts.c.seq.in_(part))
            for seq, number in connection.execute(asked):
                check_row(accounts, (seq, number))
                self._ids[seq] = int.from_bytes(number, "big")
        return self._ids


class DatabaseLookups:
    """Answers the questions of a draft; implements `isojoule.apps.ledger.draft.Lookups`."""

    def __init__(self, connected: Callable[[], Connection], known: Accounts) -> None:
        self._connected = connected
        self._known = known

    @property
    def _connection(self) -> Connection:
        return self._connected()

    def accounts(self, ids: Collection[int]) -> Mapping[int, tuple[int, Account]]:
        """See `Lookups.accounts`."""
        out = {}
        for part in _parts(ids):
            asked = select(accounts).where(accounts.c.id.in_([id_bytes(i) for i in part]))
            for row in self._connection.execute(asked):
                account = account_of(row)
                out[int.from_bytes(row.id, "big")] = (row.seq, account)
        return out

    def balances(self, seqs: Mapping[int, int]) -> Mapping[int, Balance]:
        """See `Lookups.balances`."""
        back = {seq: number for number, seq in seqs.items()}
        out = {}
        for part in _parts(back):
            asked = select(balances.c.account, *_TOTALS).where(balances.c.account.in_(part))
            for seq, *totals in self._connection.execute(asked):
                out[back[seq]] = Balance(*totals)
        return out

    def transfers(self, ids: Collection[int]) -> Mapping[int, Stored]:
        """See `Lookups.transfers`."""
        out: dict[int, Stored] = {}
        for part in _parts(ids):
            found = self._stored(_STORED.where(transfers.c.id.in_([id_bytes(i) for i in part])))
            out.update((stored.transfer.id, stored) for stored in found)
        return out

    def due(self, now_ns: int) -> Sequence[Stored]:
        """See `Lookups.due`."""
        late = pendings.c.ended.is_(None) & (pendings.c.expires_ns <= now_ns)
        return self._stored(_STORED.where(late).order_by(pendings.c.expires_ns, transfers.c.seq))

    def next_due(self) -> int | None:
        """See `Lookups.next_due`."""
        open_ones = pendings.c.ended.is_(None) & pendings.c.expires_ns.is_not(None)
        found: int | None = self._connection.scalar(
            select(func.min(pendings.c.expires_ns)).where(open_ones)
        )
        if not isinstance(found, int | None):
            raise VerificationError("expires_ns is no whole number in a row", place="pendings")
        return found

    def _stored(self, asked: Select[Any]) -> list[Stored]:
        rows = self._connection.execute(asked).all()
        ids = self._known.of(self._connection, rows)
        return [
            Stored(row[0], transfer_of(row, ids), None if row[14] is None else _kind(row))
            for row in rows
        ]


def _kind(row: Any) -> Kind:
    """What ended a pending transfer."""
    try:
        return Kind(row[14])
    except ValueError:
        raise VerificationError("ended is no kind", place=f"pendings, seq {row[0]}") from None


def read_head(connection: Connection) -> Head:
    """What stands for the whole log."""
    frontier = Frontier.from_bytes(one_head(connection)["frontier"])
    return Head(frontier.size, frontier.root())


def read_account(connection: Connection, account_id: int) -> tuple[Account, Balance] | None:
    """An account with its balance."""
    if not 0 < account_id < 2**128:
        return None
    asked = _with_balance().where(accounts.c.id == id_bytes(account_id))
    row = connection.execute(asked).one_or_none()
    return None if row is None else (account_of(row), Balance(*row[5:9]))


def read_accounts(connection: Connection) -> Iterator[tuple[Account, Balance]]:
    """All accounts with their balances, in order, of one moment."""
    for rows in pages(connection, _with_balance(), accounts.c.seq):
        for row in rows:
            yield account_of(row), Balance(*row[5:9])


def read_transfer(connection: Connection, known: Accounts, transfer_id: int) -> Transfer | None:
    """A transfer."""
    found = DatabaseLookups(lambda: connection, known).transfers(
        [transfer_id] * (0 < transfer_id < 2**128)
    )
    return found[transfer_id].transfer if found else None


def read_checkpoint(connection: Connection) -> str:
    """The newest signed checkpoint."""
    asked = select(checkpoints.c.note).order_by(checkpoints.c.number.desc()).limit(1)
    return str(connection.scalars(asked).one())


def read_transfers(
    connection: Connection, known: Accounts, account_id: int = 0, start: int = 0
) -> Iterator[tuple[int, Transfer]]:
    """All transfers (of one account) with their places, in order, of one moment.

    Parameters
    ----------
    start
        The first place in the log.
    """
    asked = select(transfers)
    if account_id:
        number = id_bytes(account_id) if 0 < account_id < 2**128 else b""
        account = select(accounts.c.seq).where(accounts.c.id == number).scalar_subquery()
        asked = asked.where(or_(transfers.c.debit == account, transfers.c.credit == account))
    for rows in pages(connection, asked, transfers.c.seq, start):
        ids = known.of(connection, rows)
        for row in rows:
            yield row.seq, transfer_of(row, ids)


def read_entries(connection: Connection, known: Accounts, start: int = 0) -> Iterator[bytes]:
    """The entries of the log in order, from a place on."""
    opened = (
        (row.seq, _account_entry(row))
        for rows in pages(connection, select(accounts), accounts.c.seq, start)
        for row in rows
    )
    moved = (
        (seq, _transfer_entry(seq, t)) for seq, t in read_transfers(connection, known, start=start)
    )
    for _, entry in heapq.merge(opened, moved):
        yield entry


def _account_entry(row: Any) -> bytes:
    check_row(accounts, row[:-1])
    try:
        return account_entry(account_of(row), row.at_ns)
    except _NO_ENTRY:
        raise VerificationError("is no entry", place=f"accounts, seq {row.seq}") from None


def _transfer_entry(seq: int, t: Transfer) -> bytes:
    try:
        return TRANSFER_ENTRY + transfer_bytes(t)
    except _NO_ENTRY:
        raise VerificationError("is no entry", place=f"transfers, seq {seq}") from None


def _with_balance() -> Select[Any]:
    columns = (accounts.c.seq, accounts.c.id, accounts.c.name, accounts.c.unit, accounts.c.limited)
    joined = accounts.outerjoin(balances, balances.c.account == accounts.c.seq)  # none: damage
    return select(*columns, *_TOTALS).select_from(joined)


def _parts(ids: Collection[int]) -> Iterator[list[int]]:
    every = list(ids)
    for at in range(0, len(every), _AT_ONCE):
        yield every[at : at + _AT_ONCE]
