"""A ledger in memory, for simulations: the same rules, log and answers as one that is kept."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence

from isojoule.core.errors import InputError
from isojoule.core.frontier import Frontier, leaf_hash
from isojoule.core.transfer import (
    TRANSFER_BYTES,
    Account,
    Kind,
    Limit,
    Transfer,
    account_bytes,
    transfer_bytes,
    transfer_from_bytes,
)
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.balance import Balance
from isojoule.settlement.ledger.columns import RECORD, Records, transfers_of
from isojoule.settlement.ledger.port import Head
from isojoule.settlement.ledger.rules import (
    Effects,
    View,
    apply_accounts,
    apply_transfers,
    ledger_time,
)

ACCOUNT_ENTRY, TRANSFER_ENTRY = b"A", b"T"
"""First byte of an entry of the log."""


class MemoryLedger:
    """A ledger in memory; implements `isojoule.settlement.ledger.port.Ledger`.

    Transfers are kept as the bytes of the log, 128 a transfer. `post_records` writes many plain
    ones at once: it does what `post` does, as a test shows, several times as fast.

    Examples
    --------
    >>> ledger = MemoryLedger()
    >>> ada, bo = Account("member/ada", "EUR"), Account("member/bo", "EUR")
    >>> [answer.status.value for answer in ledger.open_accounts([ada, bo], 0)]
    ['created', 'created']
    >>> ledger.post([Transfer(1, bo.id, ada.id, 250)], 5)[0].reason
    'written'
    >>> ledger.account(ada.id)[1].net
    250

    """

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}
        self._free: dict[bytes, _State] = {}
        """Those without a limit, by the bytes of their ids."""
        self._rows: dict[bytes, int] = {}
        self._data = bytearray()
        self._ends: dict[int, Kind] = {}
        self._timed: list[tuple[int, int, int]] = []
        """Heap of pending transfers with an expiry: (expires_ns, row, id)."""
        self._clock_ns = 0
        self._frontier = Frontier()

    def open_accounts(self, accounts: Sequence[Account], now_ns: int) -> list[Answer]:
        """See `Ledger.open_accounts`."""
        clock = ledger_time(now_ns, self._clock_ns)
        known = {i: state.account for i, state in self._states.items()}
        answers, fresh = apply_accounts(known, accounts, clock)
        for place, account in enumerate(fresh, self.size):
            state = self._states[account.id] = _State(account, clock, place)
            if account.limit is Limit.NONE:
                self._free[account.id.to_bytes(16, "big")] = state
        self._frontier = self._frontier.extend(
            leaf_hash(ACCOUNT_ENTRY + account_bytes(account, clock)) for account in fresh
        )
        self._clock_ns = clock
        return answers

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        """See `Ledger.post`."""
        effects = apply_transfers(self.view, transfers, now_ns)
        self.keep(effects)
        return effects.answers

    def expire(self, now_ns: int) -> int:
        """See `Ledger.expire`."""
        effects = apply_transfers(self.view, (), now_ns)
        self.keep(effects)
        return len(effects.written)

    def post_records(self, records: Records, now_ns: int) -> dict[int, Answer]:
        """Write many transfers given as an array.

        Parameters
        ----------
        records
            See `isojoule.settlement.ledger.columns`, (transfers,); `at_ns` is 0.
        now_ns
            Time of the request.

        Returns
        -------
        Answers by row, of those rows alone that were not written now.

        Raises
        ------
        InputError
            A row has a kind that there is none of, or is neither linked nor not; or `now_ns` is no
            time. Nothing is written.
        """
        if self.post_plain(records, now_ns):
            return {}
        try:
            transfers = transfers_of(records)
        except ValueError as error:
            raise InputError(str(error), place="records") from error
        answers = self.post(transfers, now_ns)
        return {
            row: answer for row, answer in enumerate(answers) if answer.status is not Status.CREATED
        }

    def post_plain(self, records: Records, now_ns: int) -> bool:
        """Write transfers given as an array, if all can be written without a look at one another.

        Returns
        -------
        Whether they were written; else nothing is.
        """
        clock = ledger_time(now_ns, self._clock_ns)
        pairs = self._plain_pairs(records, clock)
        if pairs is None:
            return False
        for (debit, credit), amount in zip(pairs, records["amount"].tolist(), strict=True):
            debit.totals[0] += amount
            credit.totals[1] += amount
        dated = records.astype(RECORD)  # numpy joins arrays in the byte order of the machine
        dated["at_ns"] = clock
        data = dated.tobytes()
        start = self._count
        self._rows.update(
            zip(records["id"].tolist(), range(start, start + records.size), strict=True)
        )
        self._data += data
        self._frontier = self._frontier.extend_records(data, TRANSFER_BYTES, TRANSFER_ENTRY)
        self._clock_ns = clock
        return True

    def account(self, account_id: int) -> tuple[Account, Balance] | None:
        """See `Ledger.account`."""
        state = self._states.get(account_id)
        return None if state is None else (state.account, state.balance)

    def accounts(self) -> Iterator[tuple[Account, Balance]]:
        """See `Ledger.accounts`."""
        for state in self._states.values():
            yield state.account, state.balance

    def transfer(self, transfer_id: int) -> Transfer | None:
        """See `Ledger.transfer`."""
        if not 0 < transfer_id < 2**128:
            return None
        row = self._rows.get(transfer_id.to_bytes(16, "big"))
        return None if row is None else self._at(row)

    def transfers(self, account_id: int = 0) -> Iterator[Transfer]:
        """See `Ledger.transfers`."""
        for row in range(self._count):
            transfer = self._at(row)
            if not account_id or account_id in (transfer.debit, transfer.credit):
                yield transfer

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """The entries of the log in order, from the one numbered `start` (from 0).

        Each is a byte for what it is, then the bytes of an account or a transfer.
        """
        row = number = 0
        for state in [*self._states.values(), None]:
            stop = self._count if state is None else row + state.place - number
            first = row + max(0, start - number)
            for at in range(first, stop):
                yield TRANSFER_ENTRY + self._bytes(at)
            number += stop - row
            row = stop
            if state is not None:
                if number >= start:
                    yield ACCOUNT_ENTRY + account_bytes(state.account, state.opened_ns)
                number += 1

    def keep(self, effects: Effects) -> None:
        """Keep what the rules decided."""
        leaves = []
        for row, t in enumerate(effects.written, self._count):
            data = transfer_bytes(t)
            self._rows[data[:16]] = row
            self._data += data
            leaves.append(leaf_hash(TRANSFER_ENTRY + data))
            if t.timeout_s:
                heapq.heappush(self._timed, (t.expires_ns, row, t.id))
        for account_id, balance in effects.balances.items():
            self._states[account_id].totals[:] = balance
        self._ends.update(effects.ends)
        self._frontier = self._frontier.extend(leaves)
        self._clock_ns = effects.clock_ns
        while self._timed and self._timed[0][0] <= self._clock_ns:
            heapq.heappop(self._timed)

    @property
    def view(self) -> View:
        """What the rules read of this ledger."""
        return _MemoryView(self)

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self._frontier.size

    @property
    def head(self) -> Head:
        """See `Ledger.head`."""
        return Head(self._frontier.size, self._frontier.root())

    @property
    def clock_ns(self) -> int:
        """The latest time that the ledger has seen, ns since 1970."""
        return self._clock_ns

    @property
    def _count(self) -> int:
        return len(self._data) // TRANSFER_BYTES

    def _bytes(self, row: int) -> bytes:
        return bytes(self._data[row * TRANSFER_BYTES : (row + 1) * TRANSFER_BYTES])

    def _at(self, row: int) -> Transfer:
        return transfer_from_bytes(self._bytes(row))

    def _plain_pairs(self, records: Records, clock: int) -> list[tuple[_State, _State]] | None:
        """The accounts of each row, if all rows can be written without a look at the others."""
        if not records.size or (self._timed and self._timed[0][0] <= clock):
            return None
        if records["kind"].any() or records["timeout_s"].any() or records["at_ns"].any():
            return None
        if records["pending_id"].tobytes().strip(b"\0") or records["linked"][-1]:
            return None
        amount = records["amount"]
        if records["linked"].max() > 1 or amount.min() == 0 or amount.max() >= 2**63:
            return None
        ids = records["id"].tolist()
        unique = set(ids)
        if len(unique) < len(ids) or bytes(16) in unique or not self._rows.keys().isdisjoint(ids):
            return None
        free = self._free.get
        pairs = []
        for debit_id, credit_id in zip(
            records["debit"].tolist(), records["credit"].tolist(), strict=True
        ):
            debit, credit = free(debit_id), free(credit_id)
            if debit is None or credit is None or debit is credit or debit.unit != credit.unit:
                return None
            pairs.append((debit, credit))
        return pairs


class _State:
    """An account as it stands: its totals change, all else stays."""

    __slots__ = ("account", "opened_ns", "place", "totals", "unit")

    def __init__(self, account: Account, opened_ns: int, place: int) -> None:
        self.account = account
        self.unit = account.unit
        self.opened_ns = opened_ns
        self.place = place
        """Number of its entry in the log, from 0."""
        self.totals = [0, 0, 0, 0]
        """In the order of `Balance`."""

    @property
    def balance(self) -> Balance:
        return Balance(*self.totals)


class _MemoryView:
    """What the rules read."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    @property
    def clock_ns(self) -> int:
        return self._ledger._clock_ns

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        there = self._ledger._states
        return {i: there[i].account for i in ids if i in there}

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        there = self._ledger._states
        return {i: there[i].balance for i in ids if i in there}

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        found = {i: self._ledger.transfer(i) for i in ids}
        return {i: t for i, t in found.items() if t is not None}

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        there = self._ledger._ends
        return {i: there[i] for i in ids if i in there}

    def due(self, now_ns: int) -> Sequence[Transfer]:
        timed, ended = self._ledger._timed, self._ledger._ends
        found, look = [], [0]
        while look:  # what is below an entry of a heap is not before it
            at = look.pop()
            if at < len(timed) and timed[at][0] <= now_ns:
                found.append(timed[at])
                look += (2 * at + 1, 2 * at + 2)
        return [self._ledger._at(row) for _, row, pending in sorted(found) if pending not in ended]
