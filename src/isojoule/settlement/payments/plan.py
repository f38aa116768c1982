"""What happens to bills, step by step: they arise, are cleared, are paid, some of them late.

Spec: docs/spec/obligations.md, O17 to O21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InputError, InvariantError
from isojoule.settlement.netting.proof import check
from isojoule.settlement.obligations import Ints, Liquidity, Netted, Obligations, Places, clear
from isojoule.settlement.payments.bills import Bill
from isojoule.settlement.payments.rules import DAY_S, PARTS, Credit, Payment, Way

YEAR_S = 365 * DAY_S


class Arisen(NamedTuple):
    """The obligations of a bill come into being."""

    time_s: int
    bill: int


class Cleared(NamedTuple):
    """What was open was cleared.

    Attributes
    ----------
    time_s, bill
        When; after which bill.
    rows
        Places of what was open among the obligations of the plan, (N,).
    obligations, netted
        What was open, and what was set off of it.
    alone_nano
        What clearing without mutual credit would set off of the same.
    """

    time_s: int
    bill: int
    rows: Ints
    obligations: Obligations
    netted: Netted
    alone_nano: int


class Paid(NamedTuple):
    """What was left of an obligation was paid in cash."""

    time_s: int
    row: int
    amount_nano: int
    late: bool


class Interest(NamedTuple):
    """On a part of an obligation that was overdue when it was paid or set off."""

    time_s: int
    row: int
    amount_nano: int


class Redeemed(NamedTuple):
    """What is left of mutual credit is paid in cash; the balances of all parties, (P,)."""

    time_s: int
    credit_nano: Ints


Step = Arisen | Cleared | Paid | Interest | Redeemed


@dataclass(frozen=True, eq=False)
class Plan:
    """All steps, and what they are about.

    Attributes
    ----------
    bills
        In the order of their dates.
    way
        How they are settled.
    parties
        Names of accounts, (P,).
    debtor, creditor
        Of each obligation, places among the parties, (N,).
    amount_nano
        As it arose, (N,).
    bill
        Which bill it is of, (N,).
    due_s
        When each is due, (N,), s since 1970.
    steps
        In the order of time.
    """

    bills: tuple[Bill, ...]
    way: Way
    parties: tuple[str, ...]
    debtor: Places
    creditor: Places
    amount_nano: Ints
    bill: Places
    due_s: Ints
    steps: tuple[Step, ...]

    @property
    def obligations(self) -> Obligations:
        """All of them, as if none had been paid before the last arose."""
        return Obligations(self.parties, self.debtor, self.creditor, self.amount_nano)

    def of_bill(self, bill: int) -> Ints:
        """Places of the obligations of a bill."""
        return np.flatnonzero(self.bill == bill)


def plan_of(
    bills: Sequence[Bill],
    payment: Payment,
    delays: Mapping[str, int],
    credits_: Mapping[str, Credit],
    way: Way,
) -> Plan:
    """What happens to bills.

    Parameters
    ----------
    bills
        In the order of what they add up, and of their dates.
    payment
        The rules.
    delays
        By how many seconds an account pays late.
    credits_
        The mutual credit of accounts; counts if the way is `credit`.
    way
        How they are settled, whatever the rules ask for.

    Raises
    ------
    InputError
        Bills are out of order.
    """
    for before, after in pairwise(bills):
        one, other = before.stretch, after.stretch
        in_order = one.end_s <= other.start_s < other.end_s and before.date_s <= after.date_s
        if not in_order:
            raise InputError("bills overlap or are out of order", remedy="list them by date")
    return _Work(bills, payment, delays, credits_, way).plan()


class _Work:
    """What is open, as bills arise and are paid."""

    def __init__(
        self,
        bills: Sequence[Bill],
        payment: Payment,
        delays: Mapping[str, int],
        credits_: Mapping[str, Credit],
        way: Way,
    ) -> None:
        rows = [row for bill in bills for row in bill.rows]
        all_ = Obligations.of(rows)
        self.bills, self.payment, self.way, self.all = tuple(bills), payment, way, all_
        self.bill = np.repeat(
            np.arange(len(bills), dtype=np.int32), [len(bill.rows) for bill in bills]
        )
        dates = np.array([bill.date_s for bill in bills], np.int64)
        self.due_s = dates[self.bill] + payment.due_s
        late = np.array([delays.get(name, 0) for name in all_.parties], np.int64)
        self.pays_s = self.due_s + late[all_.debtor]
        self.order = np.lexsort((np.arange(self.bill.size), self.bill, self.pays_s)).tolist()
        self.next = 0
        self.open = np.zeros(self.bill.size, np.int64)
        self.credit = np.zeros(len(all_.parties), np.int64)
        granted = [credits_.get(name) or Credit(0, 0) for name in all_.parties]
        self.limit = np.array([one.limit_nano for one in granted], np.int64)
        self.accepts = np.array([one.accepts_nano for one in granted], np.int64)
        self.steps: list[Step] = []

    def plan(self) -> Plan:
        for at, bill in enumerate(self.bills):
            now_s = bill.date_s
            self.pay(now_s, at)
            mine = self.bill == at
            self.open[mine] = self.all.amount_nano[mine]
            self.steps.append(Arisen(now_s, at))
            if self.way != "none":
                self.clear(now_s, at)
        self.pay(None, len(self.bills))
        if self.credit.any():
            self.steps.append(Redeemed(self.steps[-1].time_s, self.credit.copy()))
        if self.open.any() or self.credit.sum():
            raise InvariantError("bills are left open")
        o = self.all
        return Plan(
            self.bills, self.way, o.parties, o.debtor, o.creditor, o.amount_nano, self.bill,
            self.due_s, tuple(self.steps),
        )  # fmt: skip

    def pay(self, until_s: int | None, bill: int) -> None:
        """Pay what is to be paid until then, of bills before this one."""
        while self.next < len(self.order):
            row = self.order[self.next]
            now_s = int(self.pays_s[row])
            if self.bill[row] >= bill or (until_s is not None and now_s > until_s):
                return
            self.next += 1
            amount = int(self.open[row])
            if amount:
                self.open[row] = 0
                self.steps.append(Paid(now_s, row, amount, bool(now_s > self.due_s[row])))
                self.charge(now_s, row, amount)

    def clear(self, now_s: int, bill: int) -> None:
        """Set off what goes in circles, with mutual credit if there is any."""
        rows = np.flatnonzero(self.open)
        a = self.all
        there, ends = np.unique(np.r_[a.debtor[rows], a.creditor[rows]], return_inverse=True)
        places = ends.astype(np.int32)
        o = Obligations(
            tuple(a.parties[p] for p in there.tolist()),
            places[: rows.size],
            places[rows.size :],
            self.open[rows],
        )
        netted = clear(o)
        alone, cash = netted.cleared_nano, None
        if self.way == "credit":
            balance = self.credit[there]
            cash = Liquidity(self.limit[there] + balance, self.accepts[there] - balance)
            netted = clear(o, cash)
        check(o, cash, netted)
        self.open[rows] -= netted.set_off_nano
        self.credit[there] += netted.received_nano - netted.spent_nano
        self.steps.append(Cleared(now_s, bill, rows, o, netted, alone))
        for at in np.flatnonzero((self.due_s[rows] < now_s) & (netted.set_off_nano > 0)).tolist():
            self.charge(now_s, int(rows[at]), int(netted.set_off_nano[at]))

    def charge(self, now_s: int, row: int, amount_nano: int) -> None:
        """Interest on a part that ends now. Spec: O20."""
        over_s = now_s - int(self.due_s[row])
        if over_s > 0 and amount_nano and self.payment.interest_ppb:
            nano = -(-amount_nano * self.payment.interest_ppb * over_s // (PARTS * YEAR_S))
            self.steps.append(Interest(now_s, row, nano))
