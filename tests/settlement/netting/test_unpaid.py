"""What stays unpaid, as obligations. Spec: docs/spec/obligations.md, O14."""

from __future__ import annotations

from collections import Counter

import pytest

from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Kind, Transfer
from isojoule.settlement.ledger import MemoryLedger
from isojoule.settlement.netting.unpaid import unpaid
from isojoule.settlement.obligations import clear

NAMES = ("ada", "bo", "cy", "market")
EUR = {name: Account(name, "EUR") for name in NAMES}


def ledger_of(rows: list[tuple[str, str, int, int]]) -> MemoryLedger:
    """Who paid, who got, how much, in which period."""
    ledger = MemoryLedger()
    ledger.open_accounts([*EUR.values(), Account("ada", "J"), Account("bo", "J")], 1)
    for number, (payer, payee, amount, at_s) in enumerate(rows, 1):
        t = Transfer(number, EUR[payer].id, EUR[payee].id, amount, for_s=at_s)
        assert ledger.post([t], 1)[0].done
    return ledger


def test_each_period_balances_and_periods_form_circles() -> None:
    """O14: what one owes in one period and is owed in the next can be cleared."""
    ledger = ledger_of(
        [
            ("ada", "market", 8, 10),
            ("market", "bo", 8, 10),
            ("bo", "cy", 5, 20),
            ("cy", "ada", 9, 30),
        ]
    )
    energy = Transfer(99, Account("ada", "J").id, Account("bo", "J").id, 77, for_s=10)
    reserved = Transfer(98, EUR["ada"].id, EUR["cy"].id, 50, kind=Kind.PENDING, for_s=10)
    assert all(answer.done for answer in ledger.post([energy, reserved], 1))
    o = unpaid(ledger, "EUR", [(0, 15), (15, 25), (25, 35)])
    rows = {
        (o.parties[d], o.parties[c], int(a))
        for d, c, a in zip(o.debtor, o.creditor, o.amount_nano, strict=True)
    }
    assert rows == {("ada", "bo", 8), ("bo", "cy", 5), ("cy", "ada", 9)}
    assert clear(o).cleared_nano == 15


def test_many_debtors_and_creditors_owe_what_they_lack() -> None:
    """O14: sums are the balances, and there are fewer obligations than parties."""
    ledger = ledger_of([("ada", "market", 8, 10), ("bo", "market", 3, 10), ("market", "cy", 9, 10)])
    o = unpaid(ledger, "EUR", [(0, 100)])
    assert dict(zip(o.parties, o.net_nano.tolist(), strict=True)) == {
        "ada": -8, "bo": -3, "cy": 9, "market": 2,
    }  # fmt: skip
    assert o.amount_nano.size == 3
    assert Counter(o.parties)["ada"] == 1


def test_periods_that_overlap_are_refused() -> None:
    with pytest.raises(InputError, match="overlap"):
        unpaid(MemoryLedger(), "EUR", [(0, 10), (9, 20)])
