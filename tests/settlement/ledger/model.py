"""A ledger as a list, written as naively as its rules allow: everything is counted from scratch.

It shares nouns with the ledger (accounts, transfers, answers) and no rule.
Spec: docs/spec/ledger.md, J6 to J14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from isojoule.core.transfer import (
    Account,
    Kind,
    Limit,
    Transfer,
    account_bytes,
    stable_id,
    transfer_bytes,
)
from isojoule.settlement.ledger import Answer, Balance, Status

ENDS = {
    Kind.POST: Status.ALREADY_POSTED,
    Kind.VOID: Status.ALREADY_VOIDED,
    Kind.EXPIRE: Status.ALREADY_EXPIRED,
}
DONE = {Status.CREATED, Status.EXISTS}


class Model:
    """All that was written, in order, and the latest time."""

    def __init__(self) -> None:
        self.log: list[tuple[Account, int] | Transfer] = []
        self.clock = 0

    @property
    def accounts(self) -> dict[int, Account]:
        return {entry[0].id: entry[0] for entry in self.log if not isinstance(entry, Transfer)}

    @property
    def transfers(self) -> list[Transfer]:
        return [entry for entry in self.log if isinstance(entry, Transfer)]

    def open(self, accounts: Sequence[Account], now: int) -> list[Answer]:
        self.clock = max(now, self.clock)
        answers = []
        for account in accounts:
            there = self.accounts.get(account.id)
            if there is None:
                self.log.append((account, self.clock))
                answers.append(Answer(Status.CREATED, self.clock))
            elif there == account:
                answers.append(Answer(Status.EXISTS))
            else:
                answers.append(Answer(Status.EXISTS_DIFFERENT, about="limit"))
        return answers

    def ask(self, transfers: Sequence[Transfer], now: int) -> list[Answer]:
        """J6 to J14, one after the other."""
        self.clock = max(now, self.clock)
        self._expire()
        answers: list[Answer] = []
        chain: list[Transfer] = []
        for t in transfers:
            chain.append(t)
            if not t.linked:
                answers += self._chain(chain)
                chain = []
        if chain:
            answers += [Answer(Status.LINKED_FAILED)] * (len(chain) - 1)
            answers.append(Answer(Status.LINKED_OPEN))
        return answers

    def _expire(self) -> None:
        written = self.transfers
        out = [
            (p.at_ns + p.timeout_s * 10**9, place, p)
            for place, p in enumerate(written)
            if p.kind is Kind.PENDING and p.timeout_s and end_of(written, p.id) is None
        ]
        for when, _, p in sorted(out, key=lambda row: row[:2]):
            if when <= self.clock:
                own = stable_id("isojoule.expiry.1", p.id)
                turn = 0
                while own in {t.id for t in self.transfers}:
                    turn += 1
                    own = stable_id("isojoule.expiry.1", p.id, turn)
                self.log.append(
                    Transfer(
                        id=own, debit=p.debit, credit=p.credit, amount=p.amount,
                        kind=Kind.EXPIRE, pending_id=p.id, at_ns=self.clock,
                    )
                )  # fmt: skip

    def _chain(self, chain: Sequence[Transfer]) -> list[Answer]:
        before = list(self.log)
        answers = []
        for t in chain:
            answer, entry = self._judge(t)
            answers.append(answer)
            if entry is not None:
                self.log.append(entry)
        if len(chain) == 1:
            return answers
        refused = [n for n, answer in enumerate(answers) if answer.status not in DONE]
        if refused:
            self.log = before
            return [
                answer if n == refused[0] else Answer(Status.LINKED_FAILED)
                for n, answer in enumerate(answers)
            ]
        if {answer.status for answer in answers} == DONE:
            self.log = before
            return [
                Answer(
                    Status.EXISTS_APART if answer.status is Status.EXISTS else Status.LINKED_FAILED
                )
                for answer in answers
            ]
        return answers

    def _judge(self, t: Transfer) -> tuple[Answer, Transfer | None]:
        if t.kind == Kind.EXPIRE:
            return Answer(Status.KIND_RESERVED), None
        about = wrong_field(t)
        if about:
            return Answer(Status.OUT_OF_RANGE, about=about), None
        written = {w.id: w for w in self.transfers}
        p = written.get(t.pending_id)
        if p is not None and p.kind == Kind.PENDING:
            t = t._replace(
                debit=t.debit or p.debit, credit=t.credit or p.credit, amount=t.amount or p.amount
            )
        if t.id in written:
            there = written[t.id]
            other = [
                name
                for name in Transfer._fields
                if name != "at_ns" and getattr(t, name) != getattr(there, name)
            ]
            if other:
                return Answer(Status.EXISTS_DIFFERENT, about=other[0]), None
            return Answer(Status.EXISTS, there.at_ns), None
        status = self._refusal(t, p)
        if status is not None:
            return Answer(status), None
        return Answer(Status.CREATED, self.clock), t._replace(at_ns=self.clock)

    def _refusal(self, t: Transfer, p: Transfer | None) -> Status | None:
        if t.kind in (Kind.POST, Kind.VOID):
            if p is None or p.kind != Kind.PENDING:
                return Status.PENDING_NOT_FOUND
            end = end_of(self.transfers, p.id)
            if end is not None:
                return ENDS[end.kind]
            if t.debit != p.debit or t.credit != p.credit:
                return Status.PENDING_DIFFERENT
            if t.amount > p.amount:
                return Status.PENDING_EXCEEDED
            if t.kind == Kind.VOID and t.amount < p.amount:
                return Status.PENDING_DIFFERENT
            return None
        if t.debit == t.credit:
            return Status.ACCOUNTS_THE_SAME
        accounts = self.accounts
        if t.debit not in accounts:
            return Status.DEBIT_NOT_FOUND
        if t.credit not in accounts:
            return Status.CREDIT_NOT_FOUND
        if accounts[t.debit].unit != accounts[t.credit].unit:
            return Status.UNITS_DIFFER
        after = fold([*self.transfers, t])
        if over(accounts[t.debit], after[t.debit]) == Limit.DEBITS_MUST_NOT_EXCEED_CREDITS:
            return Status.EXCEEDS_CREDITS
        if over(accounts[t.credit], after[t.credit]) == Limit.CREDITS_MUST_NOT_EXCEED_DEBITS:
            return Status.EXCEEDS_DEBITS
        return None


def end_of(written: Iterable[Transfer], pending_id: int) -> Transfer | None:
    """What ended a pending transfer."""
    found = [t for t in written if t.kind in ENDS and t.pending_id == pending_id]
    assert len(found) <= 1, "a pending transfer ended twice"
    return found[0] if found else None


def fold(written: Sequence[Transfer]) -> dict[int, Balance]:
    """Balances from nothing but the transfers."""
    ended = {t.pending_id for t in written if t.kind in ENDS}
    out: dict[int, list[int]] = {}
    for t in written:
        debit, credit = out.setdefault(t.debit, [0] * 4), out.setdefault(t.credit, [0] * 4)
        if t.kind in (Kind.POSTED, Kind.POST):
            debit[0] += t.amount
            credit[1] += t.amount
        if t.kind == Kind.PENDING and t.id not in ended:
            debit[2] += t.amount
            credit[3] += t.amount
    return {i: Balance(*totals) for i, totals in out.items()}


def over(account: Account, balance: Balance) -> Limit:
    """The limit that is broken."""
    if account.limit == Limit.DEBITS_MUST_NOT_EXCEED_CREDITS:
        broken = balance.debits + balance.debits_pending > balance.credits
    elif account.limit == Limit.CREDITS_MUST_NOT_EXCEED_DEBITS:
        broken = balance.credits + balance.credits_pending > balance.debits
    else:
        broken = False
    return account.limit if broken else Limit.NONE


def wrong_field(t: Transfer) -> str:
    """The first field that is out of its range (J8)."""
    two_phase = t.kind in (Kind.POST, Kind.VOID)
    within = {
        "kind": isinstance(t.kind, Kind),
        "id": t.id in range(1, 2**128),
        "amount": t.amount in range(0 if two_phase else 1, 2**63),
        "debit": t.debit in range(2**128),
        "credit": t.credit in range(2**128),
        "timeout_s": t.timeout_s in range(2**32 if t.kind == Kind.PENDING else 1),
        "pending_id": t.pending_id in (range(1, 2**128) if two_phase else range(1)),
        "code": t.code in range(2**16),
        "linked": t.linked in (False, True),
        "for_s": t.for_s in range(-(2**63), 2**63),
        "ref": len(t.ref) == 32,
        "at_ns": t.at_ns == 0,
    }
    return next((name for name, fine in within.items() if not fine), "")


def root(entries: Sequence[bytes]) -> bytes:
    """Root of RFC 6962, straight from its definition."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\1" + root(entries[:split]) + root(entries[split:])).digest()


def bytes_of(log: Iterable[tuple[Account, int] | Transfer]) -> list[bytes]:
    """Entries of the log."""
    return [
        b"T" + transfer_bytes(entry)
        if isinstance(entry, Transfer)
        else b"A" + account_bytes(*entry)
        for entry in log
    ]
