"""One plain transfer, decided without the machinery for many. `rules` tells what is meant."""

from __future__ import annotations

from isojoule.core.transfer import Account, Kind, Transfer
from isojoule.settlement.ledger.balance import Balance, refusal_of_accounts
from isojoule.settlement.ledger.ranges import fault

_POSTED = Kind.POSTED


def apply_plain(
    t: Transfer, debit: Account, credit: Account, gives: Balance, gets: Balance, clock_ns: int
) -> tuple[Transfer, Balance, Balance] | None:
    """Decide one transfer that posts at once and is linked to nothing, at a fraction of the cost.

    It is for a request of this transfer alone, while nothing runs out and its id is new.

    Parameters
    ----------
    debit, credit
        Its accounts.
    gives, gets
        Their balances.
    clock_ns
        The ledger's time.

    Returns
    -------
    What is written and both balances then; None: `apply_transfers` has to answer.
    """
    if t.kind is not _POSTED or t.linked or fault(t) or t.debit == t.credit:
        return None
    if refusal_of_accounts(t, debit, credit, gives, gets) is not None:
        return None
    gave, got, reserved, awaited = gives
    given = Balance(gave + t.amount, got, reserved, awaited)
    gave, got, reserved, awaited = gets
    taken = Balance(gave, got + t.amount, reserved, awaited)
    return Transfer._make((*t[:-1], clock_ns)), given, taken
