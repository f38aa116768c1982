"""What a ledger answers: done, done before, or a refusal with its reason."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """Outcome of asking for one account or one transfer. All but the first two are refusals."""

    CREATED = "created"
    EXISTS = "exists"
    EXISTS_DIFFERENT = "exists_different"
    EXISTS_APART = "exists_apart"
    LINKED_FAILED = "linked_failed"
    LINKED_OPEN = "linked_open"
    OUT_OF_RANGE = "out_of_range"
    ACCOUNTS_THE_SAME = "accounts_the_same"
    DEBIT_NOT_FOUND = "debit_not_found"
    CREDIT_NOT_FOUND = "credit_not_found"
    UNITS_DIFFER = "units_differ"
    EXCEEDS_CREDITS = "exceeds_credits"
    EXCEEDS_DEBITS = "exceeds_debits"
    KIND_RESERVED = "kind_reserved"
    PENDING_NOT_FOUND = "pending_not_found"
    PENDING_DIFFERENT = "pending_different"
    PENDING_EXCEEDED = "pending_exceeded"
    ALREADY_POSTED = "already_posted"
    ALREADY_VOIDED = "already_voided"
    ALREADY_EXPIRED = "already_expired"


REASONS = {
    Status.CREATED: "written",
    Status.EXISTS: "was written before, just so",
    Status.EXISTS_DIFFERENT: "this id was used for something else",
    Status.EXISTS_APART: "was written before, but not in this chain",
    Status.LINKED_FAILED: "another one of its chain was refused",
    Status.LINKED_OPEN: "the last one of a request is linked to nothing",
    Status.OUT_OF_RANGE: "a field is out of its range",
    Status.ACCOUNTS_THE_SAME: "debit and credit are one account",
    Status.DEBIT_NOT_FOUND: "there is no such debit account",
    Status.CREDIT_NOT_FOUND: "there is no such credit account",
    Status.UNITS_DIFFER: "the two accounts count different units",
    Status.EXCEEDS_CREDITS: "the debit account has not so much left",
    Status.EXCEEDS_DEBITS: "the credit account may not receive so much",
    Status.KIND_RESERVED: "only the ledger writes expiries",
    Status.PENDING_NOT_FOUND: "there is no such pending transfer",
    Status.PENDING_DIFFERENT: "the pending transfer has other accounts",
    Status.PENDING_EXCEEDED: "the pending transfer holds less",
    Status.ALREADY_POSTED: "the pending transfer was posted before",
    Status.ALREADY_VOIDED: "the pending transfer was voided before",
    Status.ALREADY_EXPIRED: "the pending transfer has expired",
}
"""Each status in words."""


class Answer(NamedTuple):
    """The answer to one request.

    Attributes
    ----------
    status
        See `Status`.
    at_ns
        When it was written, ns since 1970; 0 for refusals.
    about
        The field at fault, if there is one.
    """

    status: Status
    at_ns: int = 0
    about: str = ""

    @property
    def done(self) -> bool:
        """Whether it stands in the ledger, written now or before."""
        return self.status in DONE

    @property
    def reason(self) -> str:
        """The answer in words."""
        text = REASONS[self.status]
        return f"{text}: {self.about}" if self.about else text


DONE = (Status.CREATED, Status.EXISTS)
