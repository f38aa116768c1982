"""Random ways through a ledger, step by step beside the model, with every invariant checked.

`pick(n)` gives a number below n: from a seeded generator, or drawn by Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from isojoule.core.transfer import Account, Kind, Limit, Transfer, stable_id
from isojoule.settlement.ledger import Answer, MemoryLedger, Status
from tests.settlement.ledger import model
from tests.settlement.ledger.model import Model

Pick = Callable[[int], int]
SECOND = 10**9
ACCOUNTS = [
    Account("grid", "EUR"),
    Account("ada", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS),
    Account("bo", "EUR", Limit.CREDITS_MUST_NOT_EXCEED_DEBITS),
    Account("cy", "EUR"),
    Account("sun", "J"),
    Account("ada", "J", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS),
]
IDS = [
    *range(1, 10),
    *(stable_id("isojoule.expiry.1", i) for i in (1, 2, 3)),
    stable_id("isojoule.expiry.1", 1, 1),
]
"""Few, so that they meet again; among them those that expiries would have."""
AMOUNTS = [1, 2, 3, 5, 8, 2**63 - 1]
ODD = [
    {"id": 0}, {"id": 2**128}, {"amount": 0}, {"amount": -1}, {"amount": 2**63}, {"debit": -1},
    {"debit": 2**128}, {"credit": 7}, {"credit": -1}, {"debit": 7}, {"kind": Kind.EXPIRE},
    {"kind": Kind.EXPIRE, "pending_id": 1}, {"timeout_s": -1}, {"timeout_s": 2**32},
    {"pending_id": 1}, {"pending_id": -1}, {"code": 2**16}, {"for_s": 2**63}, {"ref": b""},
    {"at_ns": 1}, {"linked": 2}, {"kind": 9}, {"pending_id": 2**128},
]  # fmt: skip


class Asked(NamedTuple):
    """One request: accounts or transfers, and when."""

    accounts: tuple[Account, ...]
    transfers: tuple[Transfer, ...]
    now: int


class Walk:
    """A ledger and its model, asked the same."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.model = Model()
        self.history: list[Asked] = []
        self.now = 100 * SECOND

    def step(self, pick: Pick) -> None:
        """Something random happens."""
        what = pick(10)
        if what == 0:
            self.tick(pick)
        elif what == 1:
            self.open(pick)
        elif what == 2:
            self.expire(pick)
        elif what == 3:
            self.again(pick)
        else:
            self.ask(tuple(self.transfer(pick) for _ in range(1 + pick(4))))

    def tick(self, pick: Pick) -> None:
        """The clock goes on by half seconds, or back."""
        self.now += (pick(8) - 2) * (SECOND // 2)

    def open(self, pick: Pick) -> None:
        """Open accounts, also twice, also with another limit."""
        chosen = [ACCOUNTS[pick(len(ACCOUNTS))] for _ in range(pick(4))]
        if pick(4) == 0:
            chosen = [account._replace(limit=Limit(pick(3))) for account in chosen]
        self.run(Asked(tuple(chosen), (), self.now))

    def expire(self, pick: Pick) -> None:
        """Expire what has run out."""
        self.tick(pick)
        before = len(self.model.transfers)
        self.model.ask((), self.now)
        assert self.ledger.expire(self.now) == len(self.model.transfers) - before
        self.history.append(Asked((), (), self.now))
        self.check()

    def again(self, pick: Pick) -> None:
        """Ask something again: as it was, a part of it, or altered."""
        if self.history:
            asked = self.history[pick(len(self.history))]
            transfers = list(asked.transfers)
            how = pick(4)
            if transfers and how == 0:
                at = pick(len(transfers))
                transfers[at] = self.alter(transfers[at], pick)
            if transfers and how == 1:
                del transfers[pick(len(transfers))]
            if transfers and how == 2:
                transfers.append(self.transfer(pick))
            self.ask(tuple(transfers))

    def ask(self, transfers: tuple[Transfer, ...]) -> None:
        """Ask for transfers."""
        self.run(Asked((), transfers, self.now))

    def transfer(self, pick: Pick) -> Transfer:
        """A transfer that means something, more often than not."""
        kind = (Kind.POSTED, Kind.POSTED, Kind.PENDING, Kind.PENDING, Kind.POST, Kind.VOID)[pick(6)]
        t = Transfer(IDS[pick(len(IDS))], 0, 0, 0, kind, linked=pick(4) == 0)
        if kind in (Kind.POST, Kind.VOID):
            whole = pick(3)
            t = t._replace(pending_id=IDS[pick(len(IDS))], amount=0 if whole else AMOUNTS[pick(4)])
            pending = self.ledger.transfer(t.pending_id)
            if pending is not None and pick(3) == 0:
                t = t._replace(debit=pending.debit, credit=pending.credit)
        else:
            # Mostly from the grid to the others: who has a limit needs something to spend.
            debit, credit = (0, pick(4)) if pick(3) == 0 else (pick(6), pick(6))
            t = t._replace(
                debit=ACCOUNTS[debit].id, credit=ACCOUNTS[credit].id, amount=AMOUNTS[pick(6)]
            )
            if kind is Kind.PENDING:
                t = t._replace(timeout_s=pick(3))
        return self.alter(t, pick) if pick(16) == 0 else t

    def alter(self, t: Transfer, pick: Pick) -> Transfer:
        """Something else under the same id, sensible or not."""
        odd = pick(len(ODD) + 3)
        if odd < len(ODD):
            return t._replace(**ODD[odd])  # type: ignore[arg-type]
        return (t._replace(code=3), t._replace(for_s=9), t._replace(amount=4))[odd - len(ODD)]

    def run(self, asked: Asked) -> None:
        """Ask both, and check everything."""
        answers = apply(self.ledger, asked)
        if asked.accounts:
            assert answers == self.model.open(asked.accounts, asked.now)
        else:
            assert answers == self.model.ask(asked.transfers, asked.now)
            self.check_again(asked.transfers, answers)
            check_chains(asked.transfers, answers, self.ledger)
        self.history.append(asked)
        self.check()

    def check_again(self, transfers: tuple[Transfer, ...], answers: list[Answer]) -> None:
        """What stands, asked again by itself or as the chain that it is, stands as it did (5)."""
        head = self.ledger.head
        first = 0
        for last, t in enumerate(transfers):
            if t.linked:
                continue
            chain, said = transfers[first : last + 1], answers[first : last + 1]
            first = last + 1
            if all(answer.done for answer in said):
                for answer, then in zip(self.ledger.post(chain, self.now), said, strict=True):
                    assert answer == then._replace(status=Status.EXISTS)
                assert self.ledger.head == head

    def check(self) -> None:
        """The invariants, after every step."""
        ledger, written = self.ledger, list(self.ledger.transfers())
        assert written == self.model.transfers
        assert ledger.clock_ns == self.model.clock
        balances = model.fold(written)
        sums: dict[str, list[int]] = {}
        for account, balance in ledger.accounts():
            assert balance == balances.get(account.id, model.Balance())  # 8
            assert ledger.account(account.id) == (account, balance)
            assert min(balance) >= 0
            assert model.over(account, balance) == Limit.NONE  # 4
            total = sums.setdefault(account.unit, [0] * 4)
            sums[account.unit] = [a + b for a, b in zip(total, balance, strict=True)]
        for gave, got, gives, gets in sums.values():
            assert gave == got and gives == gets  # 1, 2
        assert len({t.id for t in written}) == len(written)
        check_ends(written, ledger.clock_ns)  # 6

    def check_log(self) -> None:
        """The log is what it stands for, and the same requests give the same one (23)."""
        entries = model.bytes_of(self.model.log)
        assert list(self.ledger.entries()) == entries
        assert self.ledger.head == (len(entries), model.root(entries))
        other = MemoryLedger()
        for asked in self.history:
            apply(other, asked)
        assert other.head == self.ledger.head


def apply(ledger: MemoryLedger, asked: Asked) -> list[Answer]:
    """Ask a ledger."""
    if asked.accounts:
        return ledger.open_accounts(asked.accounts, asked.now)
    return ledger.post(asked.transfers, asked.now)


def check_chains(
    transfers: tuple[Transfer, ...], answers: list[Answer], ledger: MemoryLedger
) -> None:
    """A chain stands whole or not at all (7)."""
    for (t, answer), (_, following) in pairwise(zip(transfers, answers, strict=True)):
        assert not t.linked or answer.done == following.done
    for t, answer in zip(transfers, answers, strict=True):
        if answer.status is Status.CREATED:
            there = ledger.transfer(t.id)
            assert there is not None and there.at_ns == answer.at_ns == ledger.clock_ns
    written = list(ledger.transfers())
    for t, following in pairwise(written):
        assert not t.linked or t.at_ns == following.at_ns
    assert not written or not written[-1].linked


def check_ends(written: list[Transfer], clock: int) -> None:
    """A pending transfer ends once, never early, never after it expired (6)."""
    for p in written:
        if p.kind is not Kind.PENDING:
            continue
        end = model.end_of(written, p.id)  # asserts that there is one at most
        expires = p.at_ns + p.timeout_s * SECOND if p.timeout_s else None
        if end is None:
            # Opening accounts moves the clock and writes no transfer; the next request expires.
            continue
        assert (end.debit, end.credit) == (p.debit, p.credit)
        if end.kind is Kind.EXPIRE:
            assert expires is not None and p.at_ns < expires <= end.at_ns <= clock
        else:
            assert p.at_ns <= end.at_ns and (expires is None or end.at_ns < expires)
