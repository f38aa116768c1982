"""What a ledger can be asked, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from isojoule.core.transfer import Account, Transfer
from isojoule.settlement.ledger.answers import Answer
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.columns import Records


class Head(NamedTuple):
    """What stands for the whole log of a ledger.

    Attributes
    ----------
    size
        Entries: accounts and transfers.
    root
        Root of the Merkle tree over them (RFC 6962), 32 bytes.
    """

    size: int
    root: bytes


class ReadLedger(Protocol):
    """A ledger to look into."""

    def account(self, account_id: int) -> tuple[Account, Balance] | None:
        """An account with its balance."""
        ...

    def accounts(self) -> Iterator[tuple[Account, Balance]]:
        """All accounts with their balances, in the order in which they were opened."""
        ...

    def transfer(self, transfer_id: int) -> Transfer | None:
        """A transfer that was written."""
        ...

    def transfers(self, account_id: int = 0) -> Iterator[Transfer]:
        """All transfers (of one account), in the order in which they were written."""
        ...

    @property
    def head(self) -> Head:
        """What stands for the whole log."""
        ...


class Ledger(ReadLedger, Protocol):
    """A double-entry ledger. Spec: docs/spec/ledger.md.

    `now_ns` is the time of the request, ns since 1970. What has been answered as written is kept,
    whatever happens afterwards.
    """

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        """Open accounts; those that are there already are left as they are."""
        ...

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        """Write transfers of any kind; see `rules.apply_transfers`."""
        ...

    def post_records(self, records: Records, now_ns: int) -> dict[int, Answer]:
        """Write many, given as an array; answers of those rows alone that were not written now."""
        ...

    def expire(self, now_ns: int) -> int:
        """End what is pending and has run out. Returns how many."""
        ...
