"""All errors of Isojoule, at a glance.

Three kinds of fault are told apart:

- the user's fault: `InputError` (bad file, bad option; `StorageError`, where a database fails) and
  `VerificationError` (a stored result does not hold). The command line prints them and ends with
  exit status 2.
- an answer that is a "no": a `Refusal` value (see `isojoule.market.contract`), never raised.
- our fault: `InvariantError`. It is a bug; please report it.
- nobody's fault: `Interrupted`, a `KeyboardInterrupt` that says what is kept.

Examples
--------
>>> print(InputError("unknown node 'hose'", place="book.yaml:12", remedy="did you mean 'home'?"))
book.yaml:12: unknown node 'hose'
  remedy: did you mean 'home'?
"""

from __future__ import annotations


class IsojouleError(Exception):
    """Base of all errors raised on purpose."""


class InputError(IsojouleError):
    """The input is wrong.

    Parameters
    ----------
    message
        What is wrong.
    place
        Where: `file:line`, or a path inside a document (`offers[2].price`).
    remedy
        What to do about it.
    """

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        self.message = message
        self.place = place
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text


class StorageError(InputError):
    """What keeps the data fails: the disk is full, the server is gone.

    Nothing is half-written. Ask again once it is mended.
    """


class VerificationError(IsojouleError):
    """A stored clearing or run fails its check.

    Parameters
    ----------
    message
        What does not hold.
    place
        The file, interval, node, link or offer where it fails.
    """

    def __init__(self, message: str, *, place: str = "") -> None:
        self.message = message
        self.place = place
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class InvariantError(IsojouleError):
    """Something that can never happen did. A bug in Isojoule, not in the input."""


class Interrupted(KeyboardInterrupt):
    """The user ended long work that can go on later; the message says how."""
