"""One plain transfer, decided without the machinery for many. `rules` tells what is meant."""

from __future__ import annotations

from isojoule.core.transfer import MOST_AMOUNT, Account, Kind, Transfer
from isojoule.settlement.ledger.balance import Balance, refusal_of_accounts
from isojoule.settlement.ledger.ranges import MOST_ID

_POSTED = Kind.POSTED


def is_plain(t: Transfer, debit: Account, credit: Account, gives: Balance, gets: Balance) -> bool:
    """Whether a transfer posts at once, is linked to nothing, and is refused by nobody (J10).

    It is for a request of this transfer alone, while nothing runs out and its id is new. If it is
    not plain, `apply_transfers` has to answer.

    Parameters
    ----------
    debit, credit
        Its accounts, which are there.
    gives, gets
        Their balances.
    """
    number, from_, to, amount, kind, pending, linked, timeout_s, code, for_s, ref, at_ns = t
    return (
        kind is _POSTED
        and linked is False
        and pending == timeout_s == at_ns == 0
        and from_ != to
        and 0 < number <= MOST_ID
        and 0 < amount <= MOST_AMOUNT
        and 0 <= code < 1 << 16
        and -(1 << 63) <= for_s < 1 << 63
        and len(ref) == 32
        and refusal_of_accounts(t, debit, credit, gives, gets) is None
    )
