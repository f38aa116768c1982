"""Accounts and transfers: the nouns of a double-entry ledger, and the bytes that stand for them.

The rules:

- An account counts one unit: nano-units of a currency, or microjoules. Its id is the first 128
  bits of SHA-256 over `isojoule.account.1`, the unit and the name (`stable_id`), so a name cannot
  be altered behind its id.
- A transfer moves a positive whole amount from one account (debit) to another (credit) of the same
  unit. What has been written is never altered; what was wrong is put right by another transfer.
- A transfer's id is chosen by who asks for it, 128 bits, not 0. The same id is the same transfer.
- A transfer takes effect at once (`POSTED`), or reserves its amount (`PENDING`) until it is posted
  (`POST`, at most the amount, the rest returns), voided (`VOID`) or its time has run out (`EXPIRE`,
  which only the ledger itself writes).
- A linked transfer stands or falls with the one after it.
- The bytes of both are fixed: big-endian, 128 bytes for a transfer. They are the entries of the
  ledger's log.

The semantics are those of TigerBeetle (https://docs.tigerbeetle.com/reference/transfer/), with
amounts of 63 bits, totals without a limit, and expiry as an entry of its own.
Spec: docs/spec/ledger.md, J1 to J5.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import NamedTuple

from isojoule.core.errors import InputError

MOST_AMOUNT = 2**63 - 1
"""Largest amount of one transfer."""
NO_REF = bytes(32)
ENERGY = "J"
"""Unit of accounts that count energy, in microjoules. Others are currencies, in 1e-9 of them."""


class Kind(IntEnum):
    """What a transfer does."""

    POSTED = 0
    PENDING = 1
    POST = 2
    VOID = 3
    EXPIRE = 4


class Limit(IntFlag):
    """What the totals of an account may not do, pending amounts counted."""

    NONE = 0
    DEBITS_MUST_NOT_EXCEED_CREDITS = 1
    CREDITS_MUST_NOT_EXCEED_DEBITS = 2


class Account(NamedTuple):
    """An account.

    Attributes
    ----------
    name
        For people; unique among the accounts of its unit. By custom a path, as `member/ada`.
    unit
        `J`, or a currency code, as `EUR`.
    limit
        What its totals may not do.
    """

    name: str
    unit: str
    limit: Limit = Limit.NONE

    @property
    def id(self) -> int:
        """128 bits that follow from unit and name."""
        return account_id(self.name, self.unit)


class Transfer(NamedTuple):
    """A transfer, as it is asked for and as it is written down.

    Attributes
    ----------
    id
        128 bits, not 0, chosen by who asks: the key that makes asking twice harmless.
    debit, credit
        Ids of the accounts that give and receive. 0 in `POST` and `VOID`: as in the pending one.
    amount
        Whole units, from 1 to 2**63 - 1. 0 in `POST` and `VOID`: all of the pending one.
    kind
        See `Kind`.
    pending_id
        Of the transfer that is posted, voided or expired; else 0.
    linked
        Stands or falls with the next one of the same request.
    timeout_s
        `PENDING`: expires so long after it was written; 0: never.
    code
        What it is for, a number that the user of the ledger gives a meaning, 0 to 65535.
    for_s
        The time that it is for, s since 1970, as the start of an interval; not when it was written.
    ref
        32 bytes that name a document, as the hash of an interval's results.
    at_ns
        When it was written, ns since 1970; given by the ledger.
    """

    id: int
    debit: int
    credit: int
    amount: int
    kind: Kind = Kind.POSTED
    pending_id: int = 0
    linked: bool = False
    timeout_s: int = 0
    code: int = 0
    for_s: int = 0
    ref: bytes = NO_REF
    at_ns: int = 0

    @property
    def expires_ns(self) -> int:
        """When a pending transfer runs out, ns since 1970; 0: never."""
        return self.at_ns + self.timeout_s * 10**9 if self.timeout_s else 0


_LIMITS = (
    Limit.NONE,
    Limit.DEBITS_MUST_NOT_EXCEED_CREDITS,
    Limit.CREDITS_MUST_NOT_EXCEED_DEBITS,
)
_ACCOUNT = struct.Struct(">16sQBB")
"""id, at_ns, limit, length of the unit; unit and name follow"""
_TRANSFER = struct.Struct(">16s16s16s16sQqQ32sIHBB")
"""id, debit, credit, pending id, amount, for_s, at_ns, ref, timeout_s, code, kind, linked"""
TRANSFER_BYTES = _TRANSFER.size
_ID_BYTES = 16


@lru_cache(maxsize=2**14)
def account_id(name: str, unit: str) -> int:
    """The id of an account; those that were asked for last are remembered.

    >>> hex(account_id("member/ada", "EUR"))
    '0xea2e4ee4d2494c8b1b964c584a6ce040'
    """
    return stable_id("isojoule.account.1", unit, name)


def stable_id(*words: str | int | bytes) -> int:
    """128 bits that follow from words: the same words give the same id, others another.

    Each word is preceded by a letter for its kind and its length, so that ("ab", "c") is not
    ("a", "bc"). Used as the id of a transfer, it makes writing the same thing twice harmless.

    >>> stable_id("fee", 1) == stable_id("fee", 1), stable_id("fee", 1) == stable_id("fee", "1")
    (True, False)
    """
    h = hashlib.sha256()
    for word in words:
        if isinstance(word, bytes):
            letter, data = b"b", word
        elif isinstance(word, str):
            letter, data = b"s", word.encode()
        else:
            letter, data = b"i", str(int(word)).encode()
        h.update(letter + len(data).to_bytes(8, "big") + data)
    return int.from_bytes(h.digest()[:_ID_BYTES], "big") or 1


def check_account(account: Account) -> None:
    """Refuse an account that cannot be.

    Raises
    ------
    InputError
        Names the account.
    """
    name, unit = account.name, account.unit
    place = f"account {name!r}"
    if not name or not name.isprintable() or name.strip() != name or len(name.encode()) > 500:
        raise InputError("is no name", place=place, remedy="1 to 500 bytes of printable text")
    if not (unit.isascii() and unit.isalnum() and len(unit) <= 12):
        raise InputError(
            f"unit {unit!r} is no unit", place=place, remedy="use J, or a currency code such as EUR"
        )
    if account.limit not in _LIMITS:
        raise InputError(
            "debits and credits may not limit each other", place=place, remedy="choose one limit"
        )


def account_bytes(account: Account, at_ns: int) -> bytes:
    """The bytes of an account as an entry of the log, and when it was opened, ns since 1970."""
    name, unit = account.name.encode(), account.unit.encode()
    head = _ACCOUNT.pack(
        account.id.to_bytes(_ID_BYTES, "big"), at_ns, int(account.limit), len(unit)
    )
    return head + unit + name


def account_from_bytes(data: bytes) -> tuple[Account, int]:
    """The account behind its bytes, and when it was opened, ns since 1970.

    Raises
    ------
    ValueError
        They are not the bytes of an account that can be.

    >>> account_from_bytes(account_bytes(Account("member/ada", "EUR"), 5))[1]
    5
    """
    if len(data) < _ACCOUNT.size:
        raise ValueError(f"{len(data)} bytes are no account")
    _, at_ns, limit, length = _ACCOUNT.unpack_from(data)
    middle = _ACCOUNT.size + length
    account = Account(data[middle:].decode(), data[_ACCOUNT.size : middle].decode(), Limit(limit))
    try:
        check_account(account)
    except InputError as error:
        raise ValueError(str(error)) from error
    if account_bytes(account, at_ns) != data:
        raise ValueError("the id of the account is not that of its unit and name")
    return account, at_ns


def transfer_bytes(transfer: Transfer, at_ns: int | None = None) -> bytes:
    """The bytes of a transfer as an entry of the log: 128.

    Parameters
    ----------
    at_ns
        When it is written, in place of its own `at_ns`.

    Examples
    --------
    >>> len(transfer_bytes(Transfer(1, 2, 3, 4)))
    128
    """
    t = transfer
    return _TRANSFER.pack(
        t.id.to_bytes(_ID_BYTES, "big"),
        t.debit.to_bytes(_ID_BYTES, "big"),
        t.credit.to_bytes(_ID_BYTES, "big"),
        t.pending_id.to_bytes(_ID_BYTES, "big"),
        t.amount,
        t.for_s,
        t.at_ns if at_ns is None else at_ns,
        t.ref,
        t.timeout_s,
        t.code,
        int(t.kind),
        t.linked,
    )


def transfer_from_bytes(data: bytes) -> Transfer:
    """The transfer behind its bytes.

    Raises
    ------
    ValueError
        They are not the bytes of a transfer.

    >>> transfer_from_bytes(transfer_bytes(Transfer(1, 2, 3, 4))) == Transfer(1, 2, 3, 4)
    True
    """
    if len(data) != TRANSFER_BYTES:
        raise ValueError(f"{len(data)} bytes are no transfer, {TRANSFER_BYTES} are")
    ids, rest = data[:64], _TRANSFER.unpack(data)[4:]
    i, debit, credit, pending = (
        int.from_bytes(ids[at : at + _ID_BYTES], "big") for at in range(0, 64, _ID_BYTES)
    )
    amount, for_s, at_ns, ref, timeout_s, code, kind, linked = rest
    if linked > 1:
        raise ValueError(f"{linked} is neither linked nor not")
    return Transfer(
        id=i,
        debit=debit,
        credit=credit,
        amount=amount,
        kind=Kind(kind),
        pending_id=pending,
        linked=bool(linked),
        timeout_s=timeout_s,
        code=code,
        for_s=for_s,
        ref=ref,
        at_ns=at_ns,
    )
