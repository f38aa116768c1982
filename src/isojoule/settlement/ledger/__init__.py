"""The ledger: immutable transfers between accounts, exact balances, a log that proves both.

`rules.py` is the one place that decides what a transfer does. It reads through a `View` and answers
with `Effects`, and does nothing itself; a store keeps the effects: `memory.py` here, a database in
`isojoule.apps.ledger`.
"""

from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.memory import MemoryLedger
from isojoule.settlement.ledger.port import Ledger

__all__ = ["Answer", "Balance", "Ledger", "MemoryLedger", "Status"]
