"""How the operator's line of a run is shared, or why it cannot be."""

from __future__ import annotations

from isojoule.core.errors import InputError
from isojoule.settlement.operator_line import share_line
from isojoule.settlement.refused import Refused
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import Settled
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares


def shares_of(stretch: Stretch, settled: Settled, rules: Rules, seed: int) -> Shares:
    """The shares of one period.

    Raises
    ------
    InputError
        The rule of surplus does not fit.
    """
    shares = share_line(stretch, settled, rules, seed)
    if isinstance(shares, Refused):
        raise cannot_share(rules, shares)
    return shares


def cannot_share(rules: Rules, refused: Refused) -> InputError:
    """The rule of surplus does not fit; says why, and what would."""
    return InputError(
        f"the surplus cannot be shared by {rules.surplus!r}: {refused.reason}",
        place="settlement rules: surplus",
        remedy=refused.remedy,
    )
