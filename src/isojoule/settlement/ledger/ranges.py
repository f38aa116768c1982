"""Which numbers a request may hold. Spec: docs/spec/ledger.md, J2 to J3 and J8."""

from __future__ import annotations

from collections.abc import Iterable

from isojoule.core.transfer import MOST_AMOUNT, Kind, Transfer

MOST_ID = 2**128 - 1
"""Largest id of an account or a transfer."""


def possible_ids(numbers: Iterable[int]) -> set[int]:
    """Those that can be ids; a store need not stand others."""
    return {i for i in numbers if 0 < i <= MOST_ID}


def fault(t: Transfer) -> str:
    """The field of a request that is out of its range; empty if there is none."""
    if not isinstance(t.kind, Kind):
        return "kind"
    ending = t.kind is Kind.POST or t.kind is Kind.VOID
    if not 0 < t.id <= MOST_ID:
        return "id"
    if not (0 if ending else 1) <= t.amount <= MOST_AMOUNT:
        return "amount"
    if not 0 <= t.debit <= MOST_ID:
        return "debit"
    if not 0 <= t.credit <= MOST_ID:
        return "credit"
    if t.timeout_s and not (t.kind is Kind.PENDING and 0 < t.timeout_s < 2**32):
        return "timeout_s"
    if not (0 < t.pending_id <= MOST_ID if ending else t.pending_id == 0):
        return "pending_id"
    if not 0 <= t.code < 2**16:
        return "code"
    if t.linked not in (False, True):
        return "linked"
    if not -(2**63) <= t.for_s < 2**63:
        return "for_s"
    if len(t.ref) != 32:
        return "ref"
    return "at_ns" if t.at_ns else ""
