"""A log is checked by applying its own entries again, by the same rules.

    ledger = replay(entries)      # then compare ledger.head and balances with what is claimed

Theory of operation:

- `steps` cuts a log into steps: accounts, or transfers of one time. A step could have been one
  request, and deciding it in one request gives what several at that time gave.
- `check_step` asks the rules for the transfers of a step, but for its expiries, which the rules
  must write by themselves, there and then. What they write must be the step, entry by entry.
- Entries are read once, in order, and a step is all that is held of them; so a log may come from a
  file or a database, in batches (`itertools.chain`). What the rules look up comes from a `View`.
  `replay` keeps it in memory, about 260 bytes a transfer.

Spec: docs/spec/ledger.md, J16.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.transfer import TRANSFER_BYTES, Account, Kind, Transfer, account_from_bytes
from isojoule.settlement.ledger.answers import Status
from isojoule.settlement.ledger.columns import RECORD, Records, transfers_of
from isojoule.settlement.ledger.memory import ACCOUNT_ENTRY, TRANSFER_ENTRY, MemoryLedger
from isojoule.settlement.ledger.rules import Effects, View, apply_accounts, apply_transfers

_AT_NS = slice(1 + RECORD.fields["at_ns"][1], 1 + RECORD.fields["at_ns"][1] + 8)  # type: ignore[index]
_KIND, _LINKED = TRANSFER_BYTES - 1, TRANSFER_BYTES
"""Where they stand in an entry, behind its first byte."""


class Step(NamedTuple):
    """Entries of a log that one request could have written: accounts or transfers, of one time.

    Attributes
    ----------
    first
        Number of the first entry, from 0.
    at_ns
        Their time, ns since 1970.
    accounts
        Accounts that were opened.
    data
        The bytes of transfers, 128 each; accounts and data are never both there.
    """

    first: int
    at_ns: int
    accounts: list[Account]
    data: bytes

    @property
    def records(self) -> Records:
        """The transfers as an array, (transfers,)."""
        return np.frombuffer(self.data, RECORD)


def replay(entries: Iterable[bytes]) -> MemoryLedger:
    """Apply a log from its beginning.

    Parameters
    ----------
    entries
        All entries in order, as `MemoryLedger.entries` gives them.

    Returns
    -------
    The ledger that the log makes. Its balances and its head are counted, not read.

    Raises
    ------
    VerificationError
        Names the first entry that does not follow from those before it.
    """
    ledger = MemoryLedger()
    for step in steps(entries):
        if step.accounts:
            check_accounts(ledger.view, step)
            ledger.open_accounts(step.accounts, step.at_ns)
        elif not _write_plain(ledger, step):
            ledger.keep(check_step(ledger.view, step))
    return ledger


def steps(entries: Iterable[bytes], first: int = 0, most: int = 10_000) -> Iterator[Step]:
    """Cut a log into steps.

    Parameters
    ----------
    entries
        Entries in order.
    first
        Number of the first of them.
    most
        Transfers a step, about: expiries of one time and chains are not cut.

    Raises
    ------
    VerificationError
        An entry is neither an account nor a transfer.
    """
    parts: list[bytes] = []
    at_ns = b""
    start = first
    for number, entry in enumerate(entries, first):
        kind = entry[:1]
        if kind == TRANSFER_ENTRY and len(entry) == 1 + TRANSFER_BYTES:
            whole = len(parts) >= most and not parts[-1][-1] and parts[-1][-2] != Kind.EXPIRE
            if parts and (whole or entry[_AT_NS] != at_ns):
                yield _transfers(start, parts)
                parts = []
            if not parts:
                start, at_ns = number, entry[_AT_NS]
            parts.append(entry[1:])
            continue
        if kind != ACCOUNT_ENTRY:
            raise _wrong(number, "is neither an account nor a transfer")
        if parts:
            yield _transfers(start, parts)
            parts = []
        try:
            account, opened_ns = account_from_bytes(entry[1:])
        except ValueError as error:
            raise _wrong(number, str(error)) from error
        yield Step(number, opened_ns, [account], b"")
    if parts:
        yield _transfers(start, parts)


def check_accounts(view: View, step: Step) -> None:
    """Check that a step's accounts are opened as the rules open them.

    Raises
    ------
    VerificationError
        Names the entry that is not.
    """
    _check_time(view, step)
    known = view.accounts({account.id for account in step.accounts})
    answers, _ = apply_accounts(known, step.accounts, step.at_ns)
    for number, answer in enumerate(answers, step.first):
        if answer.status is not Status.CREATED:
            raise _wrong(number, f"the account {answer.reason}")


def check_step(view: View, step: Step) -> Effects:
    """Check that the rules write just the transfers of a step; return what they do.

    Raises
    ------
    VerificationError
        Names the first entry that they would not have written so.
    """
    _check_time(view, step)
    try:
        stored = transfers_of(step.records)
        asked = [t._replace(at_ns=0) for t in stored if t.kind is not Kind.EXPIRE]
        effects = apply_transfers(view, asked, step.at_ns)
    except (ValueError, InputError) as error:
        raise _wrong(step.first + _odd_row(step.records), str(error)) from error
    if effects.written == stored:
        return effects
    answers = iter(effects.answers)
    for number, t in enumerate(stored, step.first):
        if t.kind is Kind.EXPIRE:
            continue
        answer = next(answers)
        if answer.status not in (Status.CREATED, Status.LINKED_FAILED):
            raise _wrong(number, answer.reason)
    pairs = enumerate(zip_longest(effects.written, stored), step.first)
    number, mine, its = next((n, mine, its) for n, (mine, its) in pairs if mine != its)
    raise _wrong(number, _difference(mine, its))


def _difference(mine: Transfer | None, its: Transfer | None) -> str:
    if mine is not None and mine.kind is Kind.EXPIRE:
        return "a pending transfer has run out before this, and its expiry is not here"
    if its is not None and its.kind is Kind.EXPIRE:
        return "nothing runs out here"
    return "is not as the rules write it"


def _write_plain(ledger: MemoryLedger, step: Step) -> bool:
    """Write a step without expiries fast, if that is possible."""
    if step.at_ns < ledger.clock_ns:
        return False
    records = step.records.copy()
    records["at_ns"] = 0
    try:
        return ledger.post_plain(records, step.at_ns)
    except InputError as error:
        raise _wrong(step.first, str(error)) from error


def _transfers(first: int, parts: list[bytes]) -> Step:
    data = b"".join(parts)
    at = _AT_NS.start - 1
    return Step(first, int.from_bytes(data[at : at + 8], "big"), [], data)


def _odd_row(records: Records) -> int:
    """The first row that is no transfer, else 0."""
    odd = (records["kind"] > max(Kind)) | (records["linked"] > 1)
    return int(np.argmax(odd))


def _check_time(view: View, step: Step) -> None:
    if step.at_ns < view.clock_ns:
        raise _wrong(step.first, "is earlier than the entry before it")


def _wrong(number: int, message: str) -> VerificationError:
    return VerificationError(message, place=f"entry {number}")
