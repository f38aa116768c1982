"""Notices in a ledger. Spec: docs/spec/obligations.md, O10 to O12; invariant 10 as a machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from isojoule.settlement.ledger import MemoryLedger, Status
from isojoule.settlement.netting.posting import (
    CLEARING,
    arising,
    cash_account,
    claims_account,
    notices,
    obligation_account,
    post,
)
from isojoule.settlement.obligations import Liquidity, Obligations, clear

CHAIN = Obligations.of([("A", "B", 100), ("B", "C", 100)])
CASH = Liquidity(np.array([40, 0, 0], np.int64), np.array([0, 0, 1000], np.int64))


def net(ledger: MemoryLedger, name: str) -> int:
    return {account.name: balance.net for account, balance in ledger.accounts()}.get(name, 0)


def test_notices_with_cash_stand_in_the_ledger() -> None:
    """O10, O11."""
    ledger = MemoryLedger()
    assert post(ledger, arising(CHAIN, "EUR", batch="may"), 1) is None
    told = notices(CHAIN, clear(CHAIN, CASH), "EUR", batch="may")
    assert told.records["linked"].tolist() == [1, 1, 1, 0]
    assert post(ledger, told, 2) is None
    balances = {account.name: balance.net for account, balance in ledger.accounts()}
    assert balances == {
        "obligation/A/B": -60, "obligation/B/C": -60, "claims/B": 60, "claims/C": 60,
        "cash/A": -40, CLEARING: 0, "cash/C": 40,
    }  # fmt: skip


def test_posting_again_writes_nothing() -> None:
    """O12."""
    ledger = MemoryLedger()
    for _ in range(2):
        assert post(ledger, arising(CHAIN, "EUR", batch="may"), 1) is None
        assert post(ledger, notices(CHAIN, clear(CHAIN, CASH), "EUR", batch="may"), 2) is None
    assert net(ledger, "obligation/A/B") == -60


def test_one_that_is_refused_stops_all() -> None:
    """O11: the ledger refuses to set off more than is open, and then nothing is."""
    ring = Obligations.of([("A", "B", 5), ("B", "C", 5), ("C", "A", 5)])
    ledger = MemoryLedger()
    less = replace(ring, amount_nano=np.array([5, 5, 4], np.int64))
    assert post(ledger, arising(less, "EUR", batch="may"), 1) is None
    before = ledger.size
    answer = post(ledger, notices(ring, clear(ring), "EUR", batch="may"), 2)
    assert answer is not None
    assert answer.status in (Status.EXCEEDS_DEBITS, Status.EXCEEDS_CREDITS)
    assert (ledger.size, net(ledger, "obligation/A/B")) == (before, -5)


def test_names_with_slashes_have_accounts_of_their_own() -> None:
    """O10."""
    one, other = obligation_account("a/b", "c", "EUR"), obligation_account("a", "b/c", "EUR")
    assert one.id != other.id
    assert claims_account("a%2Fb", "EUR").id != claims_account("a/b", "EUR").id


def test_nothing_to_clear_needs_no_transfer() -> None:
    ledger = MemoryLedger()
    assert post(ledger, notices(CHAIN, clear(CHAIN), "EUR", batch="may"), 1) is None
    assert ledger.size == 0


NAMES = ("a", "b", "c/d", "e")


class Notices(RuleBasedStateMachine):
    """Debts arise and are cleared, with and without cash; positions move by cash alone."""

    @initialize()
    def begin(self) -> None:
        self.ledger = MemoryLedger()
        self.number = 0
        self.open: dict[tuple[str, str], int] = {}
        self.cash = dict.fromkeys(NAMES, 0)

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 9)).filter(
                lambda row: row[0] != row[1]
            ),
            max_size=8,
        )
    )
    def owe(self, rows: list[tuple[str, str, int]]) -> None:
        self.number += 1
        batch = arising(Obligations.of(rows), "EUR", batch=f"owe {self.number}")
        assert post(self.ledger, batch, self.number) is None
        for debtor, creditor, amount in rows:
            self.open[debtor, creditor] = self.open.get((debtor, creditor), 0) + amount

    @rule(spend=st.integers(0, 9), accept=st.integers(0, 9))
    def settle(self, spend: int, accept: int) -> None:
        self.number += 1
        o = Obligations.of([(*pair, amount) for pair, amount in self.open.items()])
        every = np.ones(len(o.parties), np.int64)
        liquidity = Liquidity(spend * every, accept * every)
        netted = clear(o, liquidity)
        before = self.positions()
        told = notices(o, netted, "EUR", batch=f"settle {self.number}")
        assert post(self.ledger, told, self.number) is None
        assert self.positions() == before
        for place, pair in enumerate(self.open):
            self.open[pair] -= int(netted.set_off_nano[place])
        for place, name in enumerate(o.parties):
            self.cash[name] += int(netted.received_nano[place] - netted.spent_nano[place])
        rest = Obligations.of([(*pair, amount) for pair, amount in self.open.items()])
        assert clear(rest).cleared_nano == 0

    def positions(self) -> list[int]:
        """Claims and cash of each party, less what it owes: what clearing must not change."""
        own = {account.name: balance.net for account, balance in self.ledger.accounts()}
        return [
            own.get(claims_account(p, "EUR").name, 0)
            + own.get(cash_account(p, "EUR").name, 0)
            + sum(own.get(obligation_account(p, q, "EUR").name, 0) for q in NAMES if q != p)
            for p in NAMES
        ]

    @invariant()
    def books_say_what_is_open(self) -> None:
        own = {account.name: balance.net for account, balance in self.ledger.accounts()}
        for (debtor, creditor), amount in self.open.items():
            assert own.get(obligation_account(debtor, creditor, "EUR").name, 0) == -amount
        for name in NAMES:
            due = sum(amount for (_, c), amount in self.open.items() if c == name)
            assert own.get(claims_account(name, "EUR").name, 0) == due
            assert own.get(cash_account(name, "EUR").name, 0) == self.cash[name]
        assert own.get(CLEARING, 0) == 0


TestNotices = Notices.TestCase
TestNotices.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


def test_a_currency_that_is_none_is_refused() -> None:
    from isojoule.core.errors import InputError

    with pytest.raises(InputError, match="no unit"):
        post(MemoryLedger(), arising(CHAIN, "E U", batch="may"), 1)
