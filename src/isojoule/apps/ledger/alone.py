"""One plain transfer that comes alone, written straight from what the writer remembers.

Where a disk takes a tenth of a millisecond, what Python does around a transfer would be a third of
its time: after each wait for the disk, little of Python is left in the processor's caches, and each
call costs several times what it does in a loop. So one that posts at once, is linked to nothing and
moves accounts that are in memory does without a `Draft`, and in few calls; the rules are the same
(`isojoule.settlement.ledger.plain`). Anything else is left to the draft: an expiry that is due, a
checkpoint, a refusal. The id is taken for new, as there.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from isojoule.apps.ledger.checkpoints import CHECKPOINT_EVERY
from isojoule.apps.ledger.draft import LEAF, State
from isojoule.apps.ledger.rows import Row, transfer_row
from isojoule.core.transfer import Transfer, transfer_bytes
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.plain import is_plain
from isojoule.settlement.ledger.rules import ledger_time

Send = Callable[[Row, int, int, Row], None]
"""Sends and commits: the row of the transfer, the debits of the account that gives, the credits of
the account that gets, and the row of `Statements.update_meta`."""


def post_alone(state: State, t: Transfer, now_ns: int, send: Send) -> int | None:
    """Write one transfer, and remember it.

    Returns
    -------
    The time that it bears, ns since 1970; None: it needs a draft, and nothing was done.
    """
    before, due_ns, balances = state.frontier, state.next_due_ns, state.balances
    debit, credit = state.accounts.get(t.debit), state.accounts.get(t.credit)
    gives, gets = balances.get(t.debit), balances.get(t.credit)
    if debit is None or credit is None or gives is None or gets is None or due_ns is None:
        return None
    at_ns = ledger_time(now_ns, state.clock_ns)
    size = before.size + 1
    if at_ns >= due_ns or size - state.checkpointed >= CHECKPOINT_EVERY:
        return None
    if not is_plain(t, debit[1], credit[1], gives, gets):
        return None
    data = transfer_bytes(t, at_ns)
    after = before.append(sha256(LEAF + data).digest())
    given = tuple.__new__(Balance, (gives[0] + t.amount, *gives[1:]))
    taken = tuple.__new__(Balance, (gets[0], gets[1] + t.amount, *gets[2:]))
    row = transfer_row(before.size, t, data, debit[0], credit[0], at_ns)
    head = (before.size, size, after.to_bytes(), at_ns, state.checkpoints)
    send(row, given[0], taken[1], head)
    state.frontier = after
    state.clock_ns = state.written_ns = at_ns
    balances[t.debit], balances[t.credit] = given, taken
    return at_ns
