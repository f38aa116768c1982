"""Obligations and their set-offs as transfers of a ledger.

How an obligation stands in the books: `obligation/<debtor>/<creditor>` goes below zero by what the
debtor has to bring, and `claims/<creditor>` above zero by what the creditor is to get. So a debt
that arises moves its amount from the first to the second, and a set-off or a payment moves it back.
A party's net position is its claims less what stands open in the accounts of its obligations. One
notice alone would shift it, from the creditor to the debtor; all of them together shift nothing,
which is why they are one chain: all are written, or none. The ledger itself refuses to set off
more than is open, by the limits of these accounts.

Cash goes from `cash/<party>` over `clearing/cash`, which nothing stays in, in the same chain; just
so mutual credit, from `credit/<party>` over `clearing/credit`.

Spec: docs/spec/obligations.md, O10 to O12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from isojoule.core.transfer import Account, Limit, stable_id
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.columns import RECORD, Records, blank, ids_column, numbered_ids
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.obligations import Ints, Netted, Obligations, digest

CLEARING = "clearing/cash"
CREDIT_CLEARING = "clearing/credit"
ROOTS = ("obligation/", "claims/", "cash/", "credit/", "clearing/")
"""How the names of the accounts begin that say what is owed and paid, not what for."""
Purse = Callable[[str, str], Account]
"""The account of a party's liquidity in a currency."""


class Code(IntEnum):
    """What a transfer is for."""

    OBLIGATION = 30
    SET_OFF = 31
    CASH = 32


class Notices(NamedTuple):
    """Transfers, and the accounts that they need."""

    accounts: tuple[Account, ...]
    records: Records


def obligation_account(debtor: str, creditor: str, currency: str) -> Account:
    """What one party owes another.

    >>> obligation_account("north/ada", "bo", "EUR").name
    'obligation/north%2Fada/bo'
    """
    name = f"obligation/{_part(debtor)}/{_part(creditor)}"
    return Account(name, currency, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS)


def claims_account(party: str, currency: str) -> Account:
    """What a party is owed."""
    return Account(f"claims/{_part(party)}", currency, Limit.DEBITS_MUST_NOT_EXCEED_CREDITS)


def cash_account(party: str, currency: str) -> Account:
    """A party's cash: below zero by what it has paid more than it got."""
    return Account(f"cash/{_part(party)}", currency)


def credit_account(party: str, currency: str) -> Account:
    """A party's mutual credit: below zero by what it owes its community."""
    return Account(f"credit/{_part(party)}", currency)


def arising(obligations: Obligations, currency: str, *, batch: str, for_s: int = 0) -> Notices:
    """Transfers by which obligations come into being, each for itself.

    Parameters
    ----------
    batch
        Names this list of obligations: what was written of it is not written twice.
    for_s
        The time that they are for, s since 1970.
    """
    o = obligations
    some = np.flatnonzero(o.amount_nano)
    open_, claims = _accounts(o, some, currency)
    records = _rows(stable_id("isojoule.obligations.1", batch, currency), some, for_s)
    records["debit"], records["credit"] = _ids(open_), _ids(claims)
    records["amount"] = o.amount_nano[some]
    records["code"] = Code.OBLIGATION
    return Notices(_each(open_, claims), records)


def notices(
    obligations: Obligations,
    netted: Netted,
    currency: str,
    *,
    batch: str,
    for_s: int = 0,
    purse: Purse = cash_account,
    middle: str = CLEARING,
) -> Notices:
    """The set-offs and the cash of a clearing as one chain: all of it is written, or none.

    Every transfer carries `digest` of what was cleared.

    Parameters
    ----------
    batch, for_s
        As for `arising`; a batch is cleared once.
    purse, middle
        Where liquidity comes from and goes to, and the account that it passes.
    """
    o, n = obligations, netted
    some = np.flatnonzero(n.set_off_nano)
    open_, claims = _accounts(o, some, currency)
    spends, takes = np.flatnonzero(n.spent_nano), np.flatnonzero(n.received_nano)
    givers = [purse(o.parties[p], currency) for p in spends.tolist()]
    getters = [purse(o.parties[p], currency) for p in takes.tolist()]
    passed = Account(middle, currency)
    debit = [*claims, *givers, *([passed] * len(getters))]
    credit = [*open_, *([passed] * len(givers)), *getters]
    stem = stable_id("isojoule.set_offs.1", batch, currency)
    records = _rows(stem, np.arange(len(debit)), for_s)
    records["debit"], records["credit"] = _ids(debit), _ids(credit)
    records["amount"] = np.concatenate(
        [n.set_off_nano[some], n.spent_nano[spends], n.received_nano[takes]]
    )
    records["code"] = np.repeat([Code.SET_OFF, Code.CASH], [some.size, len(givers) + len(getters)])
    records["ref"] = np.frombuffer(digest(o, n, currency), "V32")
    records["linked"] = 1
    records["linked"][-1:] = 0
    return Notices(_each(debit, credit), records)


def together(*parts: Notices) -> Notices:
    """Several lists of transfers as one chain: all of them are written, or none."""
    records = np.concatenate([part.records for part in parts]).astype(RECORD)
    records["linked"] = 1
    records["linked"][-1:] = 0
    return Notices(_each(*(part.accounts for part in parts)), records)


def post(ledger: Ledger, given: Notices, now_ns: int) -> Answer | None:
    """Open the accounts and write the transfers.

    Returns
    -------
    The first answer that says why something was not written, or None: all of it stands.
    """
    for answer in ledger.open_accounts(given.accounts, now_ns):
        if not answer.done:
            return answer
    if not given.records.size:
        return None
    told = ledger.post_records(given.records, now_ns).values()
    refused = [answer for answer in told if not answer.done]
    causes = [answer for answer in refused if answer.status is not Status.LINKED_FAILED]
    return next(iter([*causes, *refused]), None)


def _accounts(o: Obligations, rows: Ints, currency: str) -> tuple[list[Account], list[Account]]:
    """Of each of these rows, the obligation and the creditor's claims."""
    pairs = list(zip(o.debtor[rows].tolist(), o.creditor[rows].tolist(), strict=True))
    return (
        [obligation_account(o.parties[d], o.parties[c], currency) for d, c in pairs],
        [claims_account(o.parties[c], currency) for _, c in pairs],
    )


def _rows(stem: int, numbers: Ints, for_s: int) -> Records:
    records = blank(numbers.size)
    if numbers.size:
        records["id"] = numbered_ids(stem, numbers)
    records["for_s"] = for_s
    return records


def _ids(accounts: list[Account]) -> object:
    known = {account: account.id for account in dict.fromkeys(accounts)}
    return ids_column([known[account] for account in accounts])


def _each(*sides: Iterable[Account]) -> tuple[Account, ...]:
    return tuple(dict.fromkeys(account for side in sides for account in side))


def _part(party: str) -> str:
    """A name as a part of a path, so that no two accounts share one."""
    return party.replace("%", "%25").replace("/", "%2F")
