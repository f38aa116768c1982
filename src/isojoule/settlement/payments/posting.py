"""The steps of a plan as transfers of a ledger.

A bill takes the balance of each party out of its account: what it owes goes into the accounts of
its obligations, what it is owed into its claims. All of a bill is one chain. A set-off is as in
`isojoule.settlement.netting.posting`. A payment ends an obligation and moves cash, in one chain;
interest is charged, billed and paid in another. Ids follow from the run, the bill and the place, so
writing a plan again writes nothing. What moves cash is for the moment of payment (`for_s`), what
makes a bill for the stretch that it bills: so the dates stand in a ledger, whenever it was written.

Spec: docs/spec/obligations.md, O16, O20 and O21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InputError, InvariantError
from isojoule.core.transfer import Account, stable_id
from isojoule.settlement.ledger.columns import RECORD, blank, ids_column, numbered_ids
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.netting import posting as netting
from isojoule.settlement.netting.posting import (
    CREDIT_CLEARING,
    Notices,
    cash_account,
    claims_account,
    credit_account,
    notices,
    obligation_account,
)
from isojoule.settlement.obligations import Netted, Obligations, digest
from isojoule.settlement.payments.plan import Arisen, Cleared, Interest, Paid, Plan, Redeemed, Step


class Code(IntEnum):
    """What a transfer is for."""

    BILL = 33
    PAYMENT = 34
    LATE_PAYMENT = 35
    INTEREST = 36
    CREDIT_END = 37


NO_COST = frozenset({*netting.Code, *Code} - {Code.INTEREST})
"""What only says how a bill is paid; interest alone is a cost of its own."""


def post(
    ledger: Ledger, plan: Plan, currency: str, *, run: str, clock: Callable[[int], int]
) -> None:
    """Write a plan, and assert that it leaves nothing open.

    Parameters
    ----------
    run
        From which ids follow.
    clock
        The time of writing, ns since 1970, of what happens at a time, s since 1970.

    Raises
    ------
    InputError
        The ledger refuses a transfer.
    InvariantError
        Something is left in the accounts of obligations or claims.
    """
    parts = list(transfers(plan, currency, run=run))
    accounts = tuple(dict.fromkeys(account for _, part in parts for account in part.accounts))
    before = _left(ledger)
    for time_s, part in [(parts[0][0], Notices(accounts, blank(0))), *parts] if parts else []:
        wanted = part.accounts if part.accounts is accounts else ()
        refused = netting.post(ledger, Notices(wanted, part.records), clock(time_s))
        if refused is not None:
            raise InputError(
                f"refused a payment: {refused.reason}",
                place=f"at {time_s} s since 1970",
                remedy="use another ledger, or a run with the same inputs and rules",
            )
    after, ours = _left(ledger), {account.id for account in accounts}
    for account, net in after.items():
        if account.id in ours and net not in (0, before.get(account, 0)):
            raise InvariantError(f"{account.name} is left open")


def transfers(plan: Plan, currency: str, *, run: str) -> Iterator[tuple[int, Notices]]:
    """The transfers of each moment, and the accounts that they need, in the order of time."""
    made = _Maker(plan, currency, run)
    for time_s, steps in groupby(plan.steps, key=lambda step: step.time_s):
        parts: list[Notices] = []
        for cleared, some in groupby(steps, key=lambda step: isinstance(step, Cleared)):
            if cleared:
                parts += [made.cleared(step) for step in some if isinstance(step, Cleared)]
            else:
                parts.append(made.records([leg for step in some for leg in made.legs(step)]))
        records = np.concatenate([part.records for part in parts]).astype(RECORD)
        accounts = dict.fromkeys(account for part in parts for account in part.accounts)
        yield time_s, Notices(tuple(accounts), records)


class _Leg(NamedTuple):
    """A transfer: its ends, what moves and why, of which bill, and its chain and place in it.

    `paid_s` is the date of a payment; None: it is for the stretch of the bill.
    """

    debit: Account
    credit: Account
    amount_nano: int
    code: Code
    bill: int
    chain: int
    place: int
    linked: bool
    paid_s: int | None


class _Maker:
    """Makes the transfers of steps."""

    def __init__(self, plan: Plan, currency: str, run: str) -> None:
        self.plan, self.currency, self.run = plan, currency, run
        self.first = np.searchsorted(plan.bill, np.arange(len(plan.bills))).tolist()
        self.refs = [self.digest(bill) for bill in range(len(plan.bills))]
        self.ids: dict[Account, int] = {}
        self.payments = [self.stem(bill, "payments") for bill in range(len(plan.bills))]

    def digest(self, bill: int) -> bytes:
        """What all transfers of a bill refer to."""
        o = Obligations.of(self.plan.bills[bill].rows)
        none, nobody = np.zeros_like(o.amount_nano), np.zeros(len(o.parties), np.int64)
        return digest(o, Netted(none, nobody, nobody, nobody), self.currency)

    def stem(self, bill: int, what: str, *more: int) -> int:
        """From which the ids of a chain follow."""
        start_s = self.plan.bills[bill].stretch.start_s
        return stable_id(f"isojoule.{what}.1", self.run, self.currency, start_s, *more)

    def cleared(self, step: Cleared) -> Notices:
        credit = self.plan.way == "credit"
        return notices(
            step.obligations,
            step.netted,
            self.currency,
            batch=f"{self.run} {self.plan.bills[step.bill].stretch.start_s}",
            for_s=step.time_s,
            purse=credit_account if credit else cash_account,
            middle=CREDIT_CLEARING if credit else netting.CLEARING,
        )

    def legs(self, step: Step) -> list[_Leg]:
        match step:
            case Arisen():
                return self.bill(step.bill)
            case Paid():
                return self.payment(step)
            case Interest():
                return self.interest(step)
            case Redeemed():
                return self.redeemed(step)
            case Cleared():
                raise TypeError("a clearing has notices of its own")

    def bill(self, bill: int) -> list[_Leg]:
        """Balances go into obligations and claims."""
        c = self.currency
        moves: list[_Move] = []
        claims: dict[str, int] = {}
        for debtor, creditor, nano in self.plan.bills[bill].rows:
            owed = obligation_account(debtor, creditor, c)
            moves.append((owed, Account(debtor, c), nano, Code.BILL))
            claims[creditor] = claims.get(creditor, 0) + nano
        for creditor, nano in claims.items():
            moves.append((Account(creditor, c), claims_account(creditor, c), nano, Code.BILL))
        return _chain(moves, bill, self.stem(bill, "bills"))

    def payment(self, step: Paid) -> list[_Leg]:
        debtor, creditor, bill = self.ends(step.row)
        code = Code.LATE_PAYMENT if step.late else Code.PAYMENT
        c, nano = self.currency, step.amount_nano
        owed = obligation_account(debtor, creditor, c)
        moves: list[_Move] = [
            (claims_account(creditor, c), owed, nano, code),
            (cash_account(debtor, c), cash_account(creditor, c), nano, code),
        ]
        first = 2 * self.place(step.row)
        return _chain(moves, bill, self.payments[bill], first, [step.time_s] * 2)

    def interest(self, step: Interest) -> list[_Leg]:
        debtor, creditor, bill = self.ends(step.row)
        c, nano = self.currency, step.amount_nano
        one, other = Account(debtor, c), Account(creditor, c)
        moves: list[_Move] = [
            (one, other, nano, Code.INTEREST),
            (other, one, nano, Code.BILL),
            (cash_account(debtor, c), cash_account(creditor, c), nano, Code.LATE_PAYMENT),
        ]
        stem = self.stem(bill, "interest", self.place(step.row), step.time_s)
        return _chain(moves, bill, stem, paid_s=[None, None, step.time_s])

    def redeemed(self, step: Redeemed) -> list[_Leg]:
        """Who is below 0 pays cash for it, who is above gets cash."""
        c = self.currency
        cash, credit = Account(netting.CLEARING, c), Account(CREDIT_CLEARING, c)
        moves: list[_Move] = []
        for p in np.argsort(step.credit_nano, kind="stable").tolist():
            name, nano = self.plan.parties[p], int(step.credit_nano[p])
            for give, take in ((cash_account(name, c), cash), (credit, credit_account(name, c))):
                ends = (give, take) if nano < 0 else (take, give)
                moves += [(*ends, abs(nano), Code.CREDIT_END)] if nano else []
        last = len(self.plan.bills) - 1
        stem = self.stem(last, "credit_end")
        return _chain(moves, last, stem, paid_s=[step.time_s] * len(moves))

    def records(self, legs: list[_Leg]) -> Notices:
        """Transfers as an array."""
        records = blank(len(legs))
        if legs:
            debit, credit, amount, code, bill, chain, place, linked, paid = zip(*legs, strict=True)
            records["id"] = numbered_ids(ids_column(chain), np.array(place, np.int64))
            records["debit"] = ids_column(map(self.id_of, debit))
            records["credit"] = ids_column(map(self.id_of, credit))
            records["amount"], records["code"], records["linked"] = amount, code, linked
            records["for_s"] = [
                self.plan.bills[one].stretch.start_s if time_s is None else time_s
                for one, time_s in zip(bill, paid, strict=True)
            ]
            records["ref"] = np.frombuffer(b"".join(self.refs[one] for one in bill), "V32")
        return Notices(tuple(dict.fromkeys(a for leg in legs for a in leg[:2])), records)

    def id_of(self, account: Account) -> int:
        if account not in self.ids:
            self.ids[account] = account.id
        return self.ids[account]

    def ends(self, row: int) -> tuple[str, str, int]:
        p = self.plan
        return p.parties[p.debtor[row]], p.parties[p.creditor[row]], int(p.bill[row])

    def place(self, row: int) -> int:
        """Of an obligation within its bill."""
        return row - int(self.first[int(self.plan.bill[row])])


_Move = tuple[Account, Account, int, Code]


def _chain(
    moves: list[_Move], bill: int, stem: int, first: int = 0, paid_s: Sequence[int | None] = ()
) -> list[_Leg]:
    """Transfers that stand or fall together; `paid_s` of each, if they are payments."""
    last = len(moves) - 1
    dates = paid_s or [None] * len(moves)
    return [
        _Leg(*move, bill, stem, first + at, at < last, date)
        for at, (move, date) in enumerate(zip(moves, dates, strict=True))
    ]


def _left(ledger: Ledger) -> dict[Account, int]:
    """What stands open between parties."""
    roots = ("obligation/", "claims/", "credit/")
    return {a: balance.net for a, balance in ledger.accounts() if a.name.startswith(roots)}


__all__ = ["NO_COST", "Code", "post", "transfers"]
