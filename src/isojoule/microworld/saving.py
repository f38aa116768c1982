"""What was saved: the one definition, for a community and for each of its members.

    saving = Cost(...without the market...).total - Cost(...with the market...).total
    share_of_cost(saving, cost_without)

A community pays the cash across its boundary, and fees; a member pays its bill. To both comes need
that is not served and work that is not done, at what they count; from both is taken what
batteries hold more at the end than at the start. Without the market the same assets behave as well
as they can by themselves. Whoever tells what was saved, or in percent, asks here.

In plain words: docs/saving.md. Spec: docs/spec/audit.md, A2 and A5.
"""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """What one world costs a community, or one of its members, money.

    Attributes
    ----------
    cash
        Of a community: across its boundary, and the fees. Of a member: its bill, less its share of
        what the operator is left with.
    unserved
        Need that is not served, at its stated cost.
    undone
        Orders that are not finished, at their worth.
    stored
        Worth of what batteries hold more at the end than at the start; it is taken from the cost.
    """

    cash: float
    unserved: float = 0.0
    undone: float = 0.0
    stored: float = 0.0

    @property
    def total(self) -> float:
        """The cost.

        >>> Cost(8.0, unserved=1.5, stored=0.5).total
        9.0
        """
        return self.cash + self.unserved + self.undone - self.stored


def share_of_cost(saving: float, cost: float) -> float | None:
    """A saving as a share of the cost without the market: the percentage that is told everywhere.

    None where it would say nothing: the cost is not above 0, as where more is earned by exports
    than paid, or it is smaller than the saving itself. There the two costs say more.

    >>> share_of_cost(2.0, 8.0), share_of_cost(-2.0, 8.0), share_of_cost(0.0, 8.0)
    (0.25, -0.25, 0.0)
    >>> [share_of_cost(2.0, cost) for cost in (1.0, 0.0, -8.0)]
    [None, None, None]
    """
    return saving / cost if cost > 0 and abs(saving) <= cost else None
