"""What a registry answers: done, done before, or a refusal with its reason."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from isojoule.settlement.certificates.nouns import Key


class Status(StrEnum):
    """Outcome of one request. All but the first two are refusals."""

    WRITTEN = "written"
    EXISTS = "exists"
    EXISTS_DIFFERENT = "exists_different"
    OUT_OF_RANGE = "out_of_range"
    RESERVED_STEP = "reserved_step"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_UNKNOWN = "account_unknown"
    DEVICE_EXISTS = "device_exists"
    DEVICE_UNKNOWN = "device_unknown"
    BUNDLE_UNKNOWN = "bundle_unknown"
    NOT_YOURS = "not_yours"
    NOT_ISSUER = "not_issuer"
    WRONG_STATE = "wrong_state"
    IN_STORAGE = "in_storage"
    NOT_ALLOWED = "not_allowed"
    QUANTITY = "quantity"
    INTERVAL = "interval"
    OUT_OF_ORDER = "out_of_order"
    STORAGE = "storage"
    NO_STORAGE = "no_storage"
    OTHER_HOUR = "other_hour"
    TOO_MANY = "too_many"
    EXPIRED = "expired"


REASONS = {
    Status.WRITTEN: "written",
    Status.EXISTS: "was written before, just so",
    Status.EXISTS_DIFFERENT: "this id was used for something else",
    Status.OUT_OF_RANGE: "a field is out of its range",
    Status.RESERVED_STEP: "only the registry lets bundles expire",
    Status.ACCOUNT_EXISTS: "there is such an account",
    Status.ACCOUNT_UNKNOWN: "there is no such account; open it first",
    Status.DEVICE_EXISTS: "there is such a device",
    Status.DEVICE_UNKNOWN: "there is no such device; register it first",
    Status.BUNDLE_UNKNOWN: "there is no bundle of this range",
    Status.NOT_YOURS: "the bundle lies in another account",
    Status.NOT_ISSUER: "only the issuing body may do this",
    Status.WRONG_STATE: "its state does not let this be done",
    Status.IN_STORAGE: "it was cancelled into storage, which issues others for it",
    Status.NOT_ALLOWED: "the account has not allowed this one to send certificates to it",
    Status.QUANTITY: "the bundle has not so many, or all of it is no part",
    Status.INTERVAL: "the interval ends before it begins, or lasts more than an hour",
    Status.OUT_OF_ORDER: "the device was metered beyond the start of the interval",
    Status.STORAGE: "storage does not produce; tell what it was charged with and discharged",
    Status.NO_STORAGE: "the device is no storage",
    Status.OTHER_HOUR: "it was produced in another hour than that of the charging",
    Status.TOO_MANY: "the certificates stand for more than was charged",
    Status.EXPIRED: "it would be expired at once",
}
"""Each status in words."""


class Answer(NamedTuple):
    """The answer to one request.

    Attributes
    ----------
    status
        See `Status`.
    about
        The field, bundle or account at fault, if there is one.
    bundles
        What it made: what was issued; of `Act` the bundle acted upon, then the rest, if any.
    """

    status: Status
    about: str = ""
    bundles: tuple[Key, ...] = ()

    @property
    def done(self) -> bool:
        """Whether it stands, written now or before."""
        return self.status in DONE

    @property
    def reason(self) -> str:
        """The answer in words."""
        text = REASONS[self.status]
        return f"{text}: {self.about}" if self.about else text


DONE = (Status.WRITTEN, Status.EXISTS)
