"""Plain transfers one at a time, beside a ledger in memory. docs/spec/ledger.md, J6 to J14."""

from __future__ import annotations

import pytest

from isojoule.apps.ledger import alone, open_ledger, verify_ledger, writer
from isojoule.core.errors import InputError
from isojoule.core.transfer import Account, Kind, Limit, Transfer
from isojoule.settlement.ledger import MemoryLedger

BANK, ADA, BO = (
    Account("bank", "EUR"),
    Account("member/ada", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS),
    Account("member/bo", "EUR"),
)
ELSE = Account("member/bo", "J")
BANK_ID, ADA_ID, BO_ID, ELSE_ID = BANK.id, ADA.id, BO.id, ELSE.id
ASKED = (
    Transfer(1, BANK_ID, ADA_ID, 50),
    Transfer(2, ADA_ID, BO_ID, 30),
    Transfer(3, ADA_ID, BO_ID, 30),  # more than is left
    Transfer(3, ADA_ID, BO_ID, 20),  # so the id was free
    Transfer(2, ADA_ID, BO_ID, 30),  # once more
    Transfer(2, ADA_ID, BO_ID, 31),  # once more, and another
    Transfer(4, BANK_ID, ELSE_ID, 1),  # another unit
    Transfer(5, BANK_ID, BANK_ID, 1),
    Transfer(6, BANK_ID, 7, 1),  # nobody's account
    Transfer(7, BANK_ID, BO_ID, 0),
    Transfer(8, BANK_ID, BO_ID, 5, Kind.PENDING, timeout_s=2),
    Transfer(9, BANK_ID, BO_ID, 2**63 - 1),
    Transfer(10, BANK_ID, BO_ID, 2**63 - 1),  # totals pass 64 bits
    Transfer(11, BANK_ID, BO_ID, 3, linked=True),  # linked to nothing
    Transfer(12, BO_ID, BANK_ID, 4, code=7, for_s=-1, ref=b"r" * 32),
)


def test_one_at_a_time_is_as_in_memory(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers, balances, roots; over checkpoints, and over an expiry that falls due."""
    monkeypatch.setattr(alone, "CHECKPOINT_EVERY", 5)
    monkeypatch.setattr(writer, "CHECKPOINT_EVERY", 5)
    memory = MemoryLedger()
    with open_ledger(url) as ledger:
        for kept in (ledger, memory):
            kept.open_accounts([BANK, ADA, BO, ELSE], 1)
        for turn in range(3):
            for at, asked in enumerate(ASKED):
                one = asked._replace(id=asked.id + 100 * turn)
                now_ns = (1 + at + 20 * turn) * 10**9 // 4
                assert ledger.post([one], now_ns) == memory.post([one], now_ns), (turn, one)
            assert ledger.head == memory.head
        assert list(ledger.accounts()) == list(memory.accounts())
        assert list(ledger.transfers()) == list(memory.transfers())
    assert verify_ledger(url).checkpoints > 4


def test_what_is_no_transfer_and_no_time_is_told(url: str) -> None:
    with open_ledger(url) as ledger:
        ledger.open_accounts([BANK, ADA, BO], 1)
        for number in (1, 2):
            ledger.post([Transfer(number, BANK_ID, BO_ID, 1)], 1)
        with pytest.raises(InputError, match="no time of a ledger"):
            ledger.post([Transfer(3, BANK_ID, BO_ID, 1)], -1)
        with pytest.raises(AttributeError):
            ledger.post(["ada pays bo"], 1)  # type: ignore[list-item]
        assert len(list(ledger.transfers())) == 2
    assert verify_ledger(url).transfers == 2
