"""Rows of the database and the values behind them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from isojoule.apps.ledger.schema import accounts, crc_of, transfers
from isojoule.apps.ledger.stored import check_row
from isojoule.core.errors import VerificationError
from isojoule.core.transfer import NO_REF, Account, Kind, Limit, Transfer, account_bytes
from isojoule.settlement.ledger.memory import ACCOUNT_ENTRY, TRANSFER_ENTRY

Row = Sequence[Any]
_NO_ID = bytes(16)
_TRANSFER = struct.Struct(">16s16s16s16sQqQ32sIHBB")
"""As `isojoule.core.transfer` packs one."""


def id_bytes(number: int) -> bytes:
    """An id as it is stored."""
    return number.to_bytes(16, "big")


def account_entry(account: Account, at_ns: int) -> bytes:
    """An account as an entry of the log."""
    return ACCOUNT_ENTRY + account_bytes(account, at_ns)


def account_row(seq: int, account: Account, at_ns: int, entry: bytes) -> Row:
    """An account as a row of `accounts`."""
    return (
        *(seq, id_bytes(account.id), account.name, account.unit),
        *(int(account.limit), at_ns, crc_of(seq, entry)),
    )


def account_of(row: Row) -> Account:
    """The account of a row of `accounts`.

    Raises
    ------
    VerificationError
        No account has such a row.
    """
    check_row(accounts, row[:5])
    seq, number, name, unit, limit = row[:5]
    try:
        account = Account(name, unit, Limit(limit))
    except ValueError:
        raise VerificationError("is no account", place=f"accounts, seq {seq}") from None
    if id_bytes(account.id) != number:
        raise VerificationError(
            "was altered: its id is not that of its name and unit", place=f"accounts, seq {seq}"
        )
    return account


def transfer_rows(
    start: int, packed: Iterable[bytes], account_seq: Mapping[bytes, int]
) -> list[Row]:
    """Transfers, as the bytes of the log, as rows of `transfers`.

    Parameters
    ----------
    start
        Place of the first in the log.
    packed
        Their bytes, 128 each.
    account_seq
        `seq` of each account, by the bytes of its id.
    """
    out: list[Row] = []
    seq = start
    for data in packed:
        (
            number,
            debit,
            credit,
            pending,
            amount,
            for_s,
            at_ns,
            ref,
            timeout_s,
            code,
            kind,
            linked,
        ) = _TRANSFER.unpack(data)
        out.append(
            (
                seq,
                number,
                account_seq[debit],
                account_seq[credit],
                amount,
                kind,
                None if pending == _NO_ID else pending,
                linked,
                timeout_s,
                code,
                for_s,
                None if ref == NO_REF else ref,
                at_ns,
                crc32(data, crc32(seq.to_bytes(8, "big") + TRANSFER_ENTRY)),  # crc_of, in place
            )
        )
        seq += 1
    return out


def transfer_row(seq: int, t: Transfer, data: bytes, debit: int, credit: int, at_ns: int) -> Row:
    """One transfer as `transfer_rows` makes it.

    Parameters
    ----------
    seq
        Its place in the log.
    t, data
        Itself, and its bytes.
    debit, credit
        `seq` of its accounts.
    at_ns
        When it is written.
    """
    pending = t.pending_id
    return (
        seq, data[:16], debit, credit, t.amount, int(t.kind),
        id_bytes(pending) if pending else None,
        int(t.linked), t.timeout_s, t.code, t.for_s, None if t.ref == NO_REF else t.ref, at_ns,
        crc32(data, crc32(seq.to_bytes(8, "big") + TRANSFER_ENTRY)),
    )  # fmt: skip


def transfer_of(row: Row, account_id: Mapping[int, int]) -> Transfer:
    """The transfer of a row of `transfers`.

    Parameters
    ----------
    row
        Its columns, in the order of the table; further ones may follow.
    account_id
        Ids of accounts by their `seq`.

    Raises
    ------
    VerificationError
        No transfer has such a row.
    """
    check_row(transfers, row[:13])
    seq, number, debit, credit, amount, kind, pending = row[:7]
    linked, timeout_s, code, for_s, ref, at_ns = row[7:13]
    try:
        return Transfer(
            int.from_bytes(number, "big"),
            account_id[debit],
            account_id[credit],
            amount,
            Kind(kind),
            0 if pending is None else int.from_bytes(pending, "big"),
            bool(linked),
            timeout_s,
            code,
            for_s,
            NO_REF if ref is None else ref,
            at_ns,
        )
    except (ValueError, KeyError):
        raise VerificationError("is no transfer", place=f"transfers, seq {seq}") from None
