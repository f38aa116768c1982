"""A group of requests while it is decided: what is stored, and what the group adds to it.

Theory of operation:

- `State` is what the one writer knows of what is committed. It may forget any of it and read again.
- A `Draft` is the `View` that the rules read. It looks into the group, then the state, then the
  database. Nothing of it is in the state before the group is committed.
- To look up a thousand ids only to find that they are new would be the dearest part of a batch. So
  they are at first taken for new. If then all transfers of the request are written, the unique
  index of the table says whether that was right; if it was not, the group is decided again with
  all ids looked up (`exact`). If anything else comes out, the request is decided again at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

from isojoule.apps.ledger.rows import (
    Row,
    account_entry,
    account_row,
    id_bytes,
    transfer_rows,
)
from isojoule.core.frontier import Frontier
from isojoule.core.transfer import Account, Kind, Transfer, transfer_bytes
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.memory import TRANSFER_ENTRY
from isojoule.settlement.ledger.rules import (
    Effects,
    apply_accounts,
    apply_transfers,
    ledger_time,
)

MOST_CACHED = 100_000
"""Accounts whose balances are kept in memory."""
_NOTHING = Balance()
_NEVER = 2**63
LEAF = b"\0" + TRANSFER_ENTRY
"""What comes before the bytes of a transfer in what is hashed as a leaf of the tree."""
_REPEATED = (Status.EXISTS, Status.EXISTS_DIFFERENT, Status.EXISTS_APART)


class Stored(NamedTuple):
    """A transfer in the database: its place, itself, and how it ended if it was pending."""

    seq: int
    transfer: Transfer
    ended: Kind | None


class Lookups(Protocol):
    """Questions to the database, each for many at once; what is not there is left out."""

    def accounts(self, ids: Collection[int]) -> Mapping[int, tuple[int, Account]]:
        """Accounts by id, each with its `seq`."""
        ...

    def balances(self, seqs: Mapping[int, int]) -> Mapping[int, Balance]:
        """Balances by account id, of accounts given as id and `seq`."""
        ...

    def transfers(self, ids: Collection[int]) -> Mapping[int, Stored]:
        """Transfers by id."""
        ...

    def due(self, now_ns: int) -> Sequence[Stored]:
        """Open pending transfers that have run out, by expiry, then by place."""
        ...

    def next_due(self) -> int | None:
        """When the next open pending transfer runs out, ns since 1970."""
        ...


class State:
    """What is committed, as far as the writer remembers it."""

    def __init__(
        self, frontier: Frontier, clock_ns: int, checkpoints: int, checkpointed: int
    ) -> None:
        self.frontier = frontier
        self.written_ns = clock_ns
        """Time of the last entry; what is stored."""
        self.clock_ns = clock_ns
        """The latest time seen, of requests that wrote nothing, too."""
        self.checkpoints = checkpoints
        """How many there are."""
        self.checkpointed = checkpointed
        """Size of the log in the last one."""
        self.accounts: dict[int, tuple[int, Account]] = {}
        self.balances: dict[int, Balance] = {}
        self.next_due_ns: int | None = None
        """Nothing runs out before; None: not known."""

    def shrink(self) -> None:
        """Forget accounts and balances where they are too many."""
        if len(self.accounts) > MOST_CACHED or len(self.balances) > MOST_CACHED:
            self.accounts.clear()
            self.balances.clear()


class Draft:
    """One group of requests; implements `isojoule.settlement.ledger.rules.View`."""

    __slots__ = (
        "_begun",
        "_due_ns",
        "_ended",
        "_exact",
        "_lookups",
        "_new",
        "_read",
        "_state",
        "_taken_for_new",
        "account_rows",
        "clock_ns",
        "end_rows",
        "leaves",
        "opened",
        "pending_rows",
        "repeated",
        "signing",
        "size",
        "touched",
        "transfer_rows",
        "written_ns",
    )  # fmt: skip

    def __init__(self, state: State, lookups: Lookups, *, exact: bool) -> None:
        self._state = state
        self._lookups = lookups
        self._exact = exact
        self._taken_for_new: Collection[int] = ()
        self._read: dict[int, Stored] = {}
        self._new: dict[int, Transfer] = {}
        self._begun: dict[int, int] = {}
        """`seq` of pending transfers of this group, by id."""
        self._ended: dict[int, Kind] = {}
        self._due_ns = state.next_due_ns
        self.clock_ns = state.clock_ns
        self.written_ns = state.written_ns
        self.size = state.frontier.size
        self.repeated = False
        """Whether something was asked for that was written before."""
        self.signing = False
        """Whether a checkpoint was asked for."""
        self.opened: dict[int, tuple[int, Account]] = {}
        """Accounts of this group, with their `seq`, by id."""
        self.touched: dict[int, Balance] = {}
        """New balances, by account id."""
        self.leaves: list[bytes] = []
        self.account_rows: list[Row] = []
        self.transfer_rows: list[Row] = []
        self.pending_rows: list[Row] = []
        self.end_rows: list[Row] = []
        """Kind, `seq` of what ended it, `seq` of the pending transfer."""

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        """Decide on accounts, and take them up."""
        clock = ledger_time(now_ns, self.clock_ns)
        answers, fresh = apply_accounts(self.accounts({a.id for a in accounts}), accounts, clock)
        for account in fresh:
            entry = account_entry(account, clock)
            self.account_rows.append(account_row(self.size, account, clock, entry))
            self.leaves.append(sha256(b"\0" + entry).digest())
            self.opened[account.id] = (self.size, account)
            self.size += 1
            self.written_ns = clock
        self.clock_ns = clock
        return answers

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        """Decide on transfers, and take up what is written."""
        if not self._exact:
            self._taken_for_new = {t.id for t in transfers}
            try:
                effects = apply_transfers(self, transfers, now_ns)
            finally:
                self._taken_for_new = ()
            if all(answer.status is Status.CREATED for answer in effects.answers):
                self._take(effects)
                return effects.answers
        effects = apply_transfers(self, transfers, now_ns)
        self._take(effects)
        self.repeated |= any(answer.status in _REPEATED for answer in effects.answers)
        return effects.answers

    def expire(self, now_ns: int) -> int:
        """End what has run out. Returns how many."""
        effects = apply_transfers(self, (), now_ns)
        self._take(effects)
        return len(effects.written)

    def sign(self) -> None:
        """Have a checkpoint signed once the group is written."""
        self.signing = True

    @property
    def due_ns(self) -> int | None:
        """Nothing runs out before, once this is committed; None: not known."""
        return self._due_ns

    # --- what the rules read ----------------------------------------------------------------

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        """See `View.accounts`."""
        return {i: found[1] for i, found in self._accounts(ids)}

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        """See `View.balances`."""
        kept, touched = self._state.balances, self.touched
        lacking = [i for i in ids if i not in touched and i not in kept and i not in self.opened]
        if lacking:
            asked = {i: found[0] for i, found in self._accounts(lacking)}
            kept.update(self._lookups.balances(asked))
        return {i: touched.get(i) or kept.get(i, _NOTHING) for i in ids}

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        """See `View.transfers`."""
        new, read, taken = self._new, self._read, self._taken_for_new
        out, asked = {}, []
        for i in ids:
            if i in new:
                out[i] = new[i]
            elif i in read:
                out[i] = read[i].transfer
            elif i not in taken and 0 < i < 2**128:
                asked.append(i)
        if asked:
            found = self._lookups.transfers(asked)
            read.update(found)
            out.update((i, stored.transfer) for i, stored in found.items())
        return out

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        """See `View.ends`; of transfers that the rules have asked for."""
        out = {}
        for i in ids:
            kind = self._ended.get(i) or (self._read[i].ended if i in self._read else None)
            if kind is not None:
                out[i] = kind
        return out

    def due(self, now_ns: int) -> Sequence[Transfer]:
        """See `View.due`."""
        if self._due_ns is None:
            first = self._lookups.next_due()
            mine = (self._new[i].expires_ns or _NEVER for i in self._begun)
            self._due_ns = min((_NEVER if first is None else first, *mine))
        if now_ns < self._due_ns:
            return ()
        self._due_ns = None
        stored = self._lookups.due(now_ns)
        self._read.update((s.transfer.id, s) for s in stored)
        found = [(s.transfer.expires_ns, s.seq, s.transfer) for s in stored]
        for i, seq in self._begun.items():
            t = self._new[i]
            if t.timeout_s and t.expires_ns <= now_ns:
                found.append((t.expires_ns, seq, t))
        return [t for _, _, t in sorted(found, key=lambda f: f[:2]) if t.id not in self._ended]

    # --- what is kept -----------------------------------------------------------------------

    def _accounts(self, ids: Iterable[int]) -> Iterator[tuple[int, tuple[int, Account]]]:
        """Accounts by id, with their `seq`."""
        opened, kept = self.opened, self._state.accounts
        asked = []
        for i in ids:
            found = kept.get(i) or opened.get(i)
            if found is not None:
                yield i, found
            elif 0 < i < 2**128:
                asked.append(i)
        if asked:
            there = self._lookups.accounts(asked)
            kept.update(there)
            yield from there.items()

    def _take(self, effects: Effects) -> None:
        """Take up what a request has done."""
        written = effects.written
        self.clock_ns = effects.clock_ns
        if not written:
            return
        self.written_ns = effects.clock_ns
        packed = [transfer_bytes(t) for t in written]
        seqs = {id_bytes(i): found[0] for i, found in self._accounts(effects.balances)}
        self.transfer_rows += transfer_rows(self.size, packed, seqs)
        self.leaves += [sha256(LEAF + data).digest() for data in packed]
        self._new.update((t.id, t) for t in written)
        for seq, t in enumerate(written, self.size):
            if t.kind is not Kind.POSTED:
                self._take_pending(seq, t)
        self.size += len(written)
        self.touched.update(effects.balances)

    def _take_pending(self, seq: int, t: Transfer) -> None:
        if t.kind is Kind.PENDING:
            self._begun[t.id] = seq
            self.pending_rows.append((seq, t.expires_ns or None, None, None))
            if t.timeout_s and self._due_ns is not None:
                self._due_ns = min(self._due_ns, t.expires_ns)
            return
        there = self._begun.get(t.pending_id)
        begun = self._read[t.pending_id].seq if there is None else there
        self._ended[t.pending_id] = t.kind
        self.end_rows.append((int(t.kind), seq, begun))
