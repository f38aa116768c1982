"""The entries of a log, applied again: whether each follows from those before it, by the rules.

Entries that were written at one time are one request here, whatever they were then: requests of one
time, one after the other, do what all of them do as one. Expiries are not asked for; they must come
about by themselves, in their places.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from isojoule.core.errors import InputError, VerificationError
from isojoule.core.transfer import Account, Kind, Transfer
from isojoule.settlement.ledger.answers import Status
from isojoule.settlement.ledger.rules import (
    Balance,
    Effects,
    apply_accounts,
    apply_transfers,
)

_AT_ONCE = 5000
"""Entries of one request, if no chain needs more."""


class Entry(NamedTuple):
    """A transfer and its place in the log."""

    seq: int
    transfer: Transfer


class Replay:
    """A ledger made of a log; implements `isojoule.settlement.ledger.rules.View`."""

    def __init__(self) -> None:
        self.clock_ns = 0
        self.account_seq: dict[int, int] = {}
        """Place of each account in the log, by id."""
        self.totals: dict[int, Balance] = {}
        self.begun: dict[int, Entry] = {}
        """Pending transfers, by id."""
        self.ended: dict[int, tuple[Kind, int]] = {}
        """How pending transfers ended, and where."""
        self._accounts: dict[int, Account] = {}
        self._ids: set[int] = set()
        self._timed: list[tuple[int, int, int]] = []
        """Heap of expiry, place and id."""
        self._waiting: list[Entry] = []

    def add_account(self, seq: int, account: Account, at_ns: int) -> None:
        """The next entry of the log is an account.

        Raises
        ------
        VerificationError
            Names the row that does not follow.
        """
        self.settle()
        place = f"accounts, seq {seq}"
        self._forward(at_ns, place)
        try:
            answers, _ = apply_accounts(self._accounts, [account], at_ns)
        except InputError as error:
            raise VerificationError(f"is no account ({error.message})", place=place) from None
        if answers[0].status is not Status.CREATED:
            raise VerificationError("was opened before", place=place)
        self._accounts[account.id] = account
        self.account_seq[account.id] = seq
        self.clock_ns = at_ns

    def add_transfer(self, seq: int, transfer: Transfer) -> None:
        """The next entry of the log is a transfer. It is applied with others of its time.

        Raises
        ------
        VerificationError
            Names the row that does not follow.
        """
        waiting = self._waiting
        if waiting and waiting[-1].transfer.at_ns != transfer.at_ns:
            self.settle()
        if len(waiting) >= _AT_ONCE and not waiting[-1].transfer.linked:
            self.settle()
        self._waiting.append(Entry(seq, transfer))

    def settle(self) -> None:
        """Apply what waits; at last, when the log ends.

        Raises
        ------
        VerificationError
            Names the row that does not follow.
        """
        if not self._waiting:
            return
        there, self._waiting = self._waiting, []
        now_ns = there[0].transfer.at_ns
        self._forward(now_ns, f"transfers, seq {there[0].seq}")
        asked = [e for e in there if e.transfer.kind is not Kind.EXPIRE]
        effects = apply_transfers(self, [e.transfer._replace(at_ns=0) for e in asked], now_ns)
        for entry, answer in zip(asked, effects.answers, strict=True):
            if answer.status is not Status.CREATED:
                raise VerificationError(
                    f"the rules refuse it: {answer.reason}", place=f"transfers, seq {entry.seq}"
                )
        for entry, due in zip(there, effects.written, strict=False):
            if entry.transfer != due:
                what = "an expiry is due here" if due.kind is Kind.EXPIRE else "does not follow"
                raise VerificationError(what, place=f"transfers, seq {entry.seq}")
        if len(there) != len(effects.written):
            where = min(len(there), len(effects.written))
            seq = there[where].seq if where < len(there) else there[-1].seq + 1
            raise VerificationError("an expiry too many or too few", place=f"transfers, seq {seq}")
        self._keep(there, effects)

    def _forward(self, at_ns: int, place: str) -> None:
        if not self.clock_ns <= at_ns < 2**62:
            raise VerificationError("was written at an impossible time", place=place)

    def _keep(self, there: Sequence[Entry], effects: Effects) -> None:
        for entry in there:
            t = entry.transfer
            self._ids.add(t.id)
            if t.kind is Kind.PENDING:
                self.begun[t.id] = entry
                if t.timeout_s:
                    heapq.heappush(self._timed, (t.expires_ns, entry.seq, t.id))
            if t.pending_id:
                self.ended[t.pending_id] = (t.kind, entry.seq)
        self.totals.update(effects.balances)
        self.clock_ns = effects.clock_ns
        while self._timed and self._timed[0][0] <= self.clock_ns:
            heapq.heappop(self._timed)

    # --- what the rules read ----------------------------------------------------------------

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        """See `View.accounts`."""
        return {i: self._accounts[i] for i in ids if i in self._accounts}

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        """See `View.balances`."""
        return {i: self.totals[i] for i in ids if i in self.totals}

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        """See `View.transfers`.

        Of those that are not pending the id alone is remembered: that it was used is all that is
        asked about it here.
        """
        return {
            i: self.begun[i].transfer if i in self.begun else Transfer(i, 0, 0, 0)
            for i in ids
            if i in self._ids
        }

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        """See `View.ends`."""
        return {i: self.ended[i][0] for i in ids if i in self.ended}

    def due(self, now_ns: int) -> Sequence[Transfer]:
        """See `View.due`."""
        if not self._timed or self._timed[0][0] > now_ns:
            return ()
        late = sorted(timed for timed in self._timed if timed[0] <= now_ns)
        return [self.begun[i].transfer for _, _, i in late if i not in self.ended]
