"""Totals of an account, and when two accounts refuse a transfer. Spec: docs/spec/ledger.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from isojoule.core.transfer import Account, Limit, Transfer
from isojoule.settlement.ledger.answers import Status

_DEBITS, _CREDITS = Limit.DEBITS_MUST_NOT_EXCEED_CREDITS, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS


class Balance(NamedTuple):
    """Totals of an account, whole units, without a limit of size.

    Attributes
    ----------
    debits, credits
        Posted.
    debits_pending, credits_pending
        Reserved, not yet posted.
    """

    debits: int = 0
    credits: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def net(self) -> int:
        """Posted credits less posted debits."""
        return self.credits - self.debits


def refusal_of_accounts(
    t: Transfer, debit: Account, credit: Account, gives: Sequence[int], gets: Sequence[int]
) -> Status | None:
    """Why its two accounts refuse a transfer that takes or reserves, from their totals (J10)."""
    if debit.unit != credit.unit:
        return Status.UNITS_DIFFER
    if debit.limit == _DEBITS:
        gave, got, reserved, _ = gives
        if gave + reserved + t.amount > got:
            return Status.EXCEEDS_CREDITS
    if credit.limit == _CREDITS:
        gave, got, _, reserved = gets
        if got + reserved + t.amount > gave:
            return Status.EXCEEDS_DEBITS
    return None
