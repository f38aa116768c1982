"""One plain transfer that comes alone, decided straight from what the writer remembers.

Where a disk takes a tenth of a millisecond, what Python does around a transfer would be a third of
its time. So one that posts at once, is linked to nothing and moves accounts that are in memory does
without a `Draft`; the rules are the same (`isojoule.settlement.ledger.plain`). Anything else is
left to the draft: an expiry that is due, a checkpoint, a refusal. The id is taken for new, as
there.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from isojoule.apps.ledger.checkpoints import CHECKPOINT_EVERY
from isojoule.apps.ledger.draft import LEAF, State
from isojoule.apps.ledger.rows import Row, transfer_row
from isojoule.core.frontier import Frontier
from isojoule.core.transfer import Transfer, transfer_bytes
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.plain import apply_plain
from isojoule.settlement.ledger.rules import ledger_time


class Alone(NamedTuple):
    """What is to be written of one transfer, and remembered once it is.

    Attributes
    ----------
    transfer
        As written.
    row
        Of `transfers`.
    gives, gets
        Balances of its debit and its credit account then.
    frontier
        Of the log then.
    """

    transfer: Transfer
    row: Row
    gives: Balance
    gets: Balance
    frontier: Frontier


def decide_alone(state: State, t: Transfer, now_ns: int) -> Alone | None:
    """Decide on one transfer; None: it needs a draft."""
    before, due_ns = state.frontier, state.next_due_ns
    debit, credit = state.accounts.get(t.debit), state.accounts.get(t.credit)
    gives, gets = state.balances.get(t.debit), state.balances.get(t.credit)
    if debit is None or credit is None or gives is None or gets is None or due_ns is None:
        return None
    clock = ledger_time(now_ns, state.clock_ns)
    if clock >= due_ns or before.size + 1 - state.checkpointed >= CHECKPOINT_EVERY:
        return None
    done = apply_plain(t, debit[1], credit[1], gives, gets, clock)
    if done is None:
        return None
    written, gives, gets = done
    data = transfer_bytes(written)
    row = transfer_row(before.size, written, data, debit[0], credit[0])
    return Alone(written, row, gives, gets, before.append(sha256(LEAF + data).digest()))


def remember_alone(state: State, done: Alone) -> None:
    """Take up what is committed."""
    t = done.transfer
    state.frontier = done.frontier
    state.clock_ns = state.written_ns = t.at_ns
    state.balances[t.debit], state.balances[t.credit] = done.gives, done.gets
