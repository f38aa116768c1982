"""The life of a bundle: which step may be taken from which state, and by whom.

Spec: docs/spec/certificates.md, W8.
"""

from __future__ import annotations

from typing import NamedTuple

from isojoule.settlement.certificates.nouns import State
from isojoule.settlement.certificates.operations import Step

_A, _R, _L, _C = State.ACTIVE, State.RESERVED, State.LOCKED, State.CANCELLED


class Rule(NamedTuple):
    """When a step may be taken.

    Attributes
    ----------
    before
        The states from which.
    after
        The state to which; None: as it is.
    issuer
        Whether the issuing body takes it, and not the account.
    """

    before: tuple[State, ...]
    after: State | None
    issuer: bool = False


STEPS = {
    Step.TRANSFER: Rule((_A,), _A),
    Step.RESERVE: Rule((_A,), _R),
    Step.RELEASE: Rule((_R,), _A),
    Step.CANCEL: Rule((_A, _R), _C),
    Step.CLAIM: Rule((_C,), State.CLAIMED),
    Step.LOCK: Rule((_A, _R), _L, issuer=True),
    Step.UNLOCK: Rule((_L,), _A, issuer=True),
    Step.WITHDRAW: Rule((_A, _R, _L), State.WITHDRAWN, issuer=True),
    Step.SPLIT: Rule((_A, _R, _C), None),
    Step.EXPIRE: Rule((_A, _R, _L), State.EXPIRED, issuer=True),
}
"""The life of a bundle."""
MORTAL = frozenset(STEPS[Step.EXPIRE].before)
"""States that end with time."""
