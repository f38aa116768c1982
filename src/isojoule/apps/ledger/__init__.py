"""The ledger that is kept: in a file of SQLite, or in a database of PostgreSQL.

`open_ledger(url)` writes and reads, `read_ledger(url)` reads, `verify_ledger(url)` believes
nothing.
What a transfer does is decided in `isojoule.settlement.ledger.rules`, here as in memory.
"""

from isojoule.apps.ledger.store import LedgerReader, StoredLedger, open_ledger, read_ledger
from isojoule.apps.ledger.verify import Verified, verify_ledger

__all__ = [
    "LedgerReader",
    "StoredLedger",
    "Verified",
    "open_ledger",
    "read_ledger",
    "verify_ledger",
]
