"""What stays unpaid in a ledger over several periods, as obligations.

A settlement leaves every party with a balance of the period: who is below zero has to pay, who is
above zero is to be paid, and the balances of a period sum to 0. Who owes whom is not in them. Here
debtors and creditors of a period are each put into the order of the hashes of their names, and the
first debtor owes the first creditor as much as both can, and so on: at most one obligation less
than there are parties. Over several periods such obligations form circles that can be cleared.
What was billed already has left the account of its party, and is not owed again.

Spec: docs/spec/obligations.md, O14.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from isojoule.core.chance import rank
from isojoule.core.errors import InputError
from isojoule.core.transfer import Kind
from isojoule.settlement.ledger.port import ReadLedger
from isojoule.settlement.netting.posting import ROOTS
from isojoule.settlement.obligations import Obligations

_TIES = b"isojoule.obligations.unpaid"


def unpaid(ledger: ReadLedger, currency: str, periods: Sequence[tuple[int, int]]) -> Obligations:
    """Obligations from what was posted for each period.

    Parameters
    ----------
    currency
        Accounts of other units do not count.
    periods
        Start and end of each, s since 1970: transfers whose `for_s` lies in it, the end excluded.

    Raises
    ------
    InputError
        Periods overlap: a balance would be owed twice.
    """
    ordered = sorted(periods)
    for (_, end), (start, _) in pairwise(ordered):
        if start < end:
            raise InputError("periods overlap", place=f"{start}", remedy="name each time once")
    names = {a.id: a.name for a, _ in ledger.accounts() if a.unit == currency}
    own = {name: not name.startswith(ROOTS) for name in names.values()}
    balances = [Counter[str]() for _ in periods]
    for t in ledger.transfers():
        if t.kind not in (Kind.POSTED, Kind.POST) or t.debit not in names:
            continue
        for balance, (start, end) in zip(balances, periods, strict=True):
            if start <= t.for_s < end:
                for account, amount in ((t.debit, -t.amount), (t.credit, t.amount)):
                    if own[names[account]]:
                        balance[names[account]] += amount
    return Obligations.of([row for balance in balances for row in matched(balance)])


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order in which debtors and creditors are matched."""
    return sorted(names, key=lambda name: rank(_TIES, name))


def matched(balance: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Debtors and creditors of one period, each in the order of hashes, matched in turn.

    Parameters
    ----------
    balance
        Of each account, nano-units; below 0: it owes. They sum to 0.

    Returns
    -------
    Debtor, creditor, amount.
    """
    order = in_order(balance)
    debtors = [name for name in order if balance[name] < 0]
    creditors = [name for name in order if balance[name] > 0]
    left = dict(balance)
    rows: list[tuple[str, str, int]] = []
    i = j = 0
    while i < len(debtors) and j < len(creditors):
        debtor, creditor = debtors[i], creditors[j]
        amount = min(-left[debtor], left[creditor])
        rows.append((debtor, creditor, amount))
        left[debtor] += amount
        left[creditor] -= amount
        i += not left[debtor]
        j += not left[creditor]
    return rows
