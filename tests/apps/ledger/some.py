"""A small ledger with something of everything in it."""

from __future__ import annotations

from isojoule.core.transfer import Account, Kind, Limit, Transfer
from isojoule.settlement.ledger.port import Ledger

SECOND = 10**9
BANK, ADA, BO = Account("bank", "EUR"), Account("ada", "EUR"), Account("bo", "EUR")
SUN = Account("sun", "J")
SAVER = Account("saver", "EUR", Limit.DEBITS_MUST_NOT_EXCEED_CREDITS)
ACCOUNTS = [BANK, ADA, BO, SUN, SAVER]


def pay(number: int, amount: int = 5, **more: object) -> Transfer:
    """A transfer from the bank to Ada."""
    return Transfer(number, BANK.id, ADA.id, amount, **more)  # type: ignore[arg-type]


def fill(ledger: Ledger) -> None:
    """Accounts at two times, chains, pending transfers of every end, an expiry, large totals."""
    ledger.open_accounts(ACCOUNTS[:3], 1 * SECOND)
    ledger.post([pay(1, 2**63 - 1), pay(2, 2**63 - 1), pay(3, 7, code=9, for_s=-4)], 2 * SECOND)
    ledger.post(
        [
            pay(4, 8, linked=True, ref=bytes(range(32))),
            Transfer(5, ADA.id, BO.id, 3),
            pay(6, 20, kind=Kind.PENDING, timeout_s=10),
            pay(7, 20, kind=Kind.PENDING),
            pay(8, 20, kind=Kind.PENDING, timeout_s=2**32 - 1),
            pay(9, 20, kind=Kind.PENDING, timeout_s=1),
        ],
        3 * SECOND,
    )
    ledger.open_accounts(ACCOUNTS, 5 * SECOND)
    ledger.post(
        [Transfer(10, 0, 0, 15, Kind.POST, 6), Transfer(11, 0, 0, 0, Kind.VOID, 7)], 6 * SECOND
    )
    ledger.post([pay(12), Transfer(13, BANK.id, SAVER.id, 50)], 6 * SECOND)


def contents(ledger: Ledger) -> tuple[object, ...]:
    """All that a ledger holds."""
    return (ledger.head, list(ledger.accounts()), list(ledger.transfers()))
