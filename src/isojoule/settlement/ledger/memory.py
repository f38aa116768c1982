"""A ledger in memory, for simulations: the same rules, log and answers as one that is kept."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from isojoule.core.merkle import Frontier, leaf_hash
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
from isojoule.settlement.ledger.columns import RECORD, Records, transfers_of
from isojoule.settlement.ledger.port import Head
from isojoule.settlement.ledger.rules import (
    Balance,
    Effects,
    apply_accounts,
    apply_transfers,
    ledger_time,
)

ACCOUNT_ENTRY, TRANSFER_ENTRY = b"A", b"T"
"""First byte of an entry of the log."""


class MemoryLedger:
    """A ledger in memory; implements `isojoule.settlement.ledger.port.Ledger`.

    Transfers are kept as the bytes of the log, 128 a transfer. `post_records` writes many plain ones
    at once: it does what `post` does, as a test shows, several times as fast.

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
        self._accounts: dict[int, Account] = {}
        self._order: list[tuple[int, Account, int]] = []
        """Where in the log an account was opened, the account, and when."""
        self._balances: dict[int, Balance] = {}
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
        answers, fresh = apply_accounts(self._accounts, accounts, clock)
        leaves = [ACCOUNT_ENTRY + account_bytes(account, clock) for account in fresh]
        for account in fresh:
            self._order.append((self.size, account, clock))
            self._accounts[account.id] = account
        self._frontier = self._frontier.extend(map(leaf_hash, leaves))
        self._clock_ns = clock
        return answers

    def post(self, transfers: Sequence[Transfer], now_ns: int) -> list[Answer]:
        """See `Ledger.post`."""
        effects = apply_transfers(_MemoryView(self), transfers, now_ns)
        self._keep(effects)
        return effects.answers

    def expire(self, now_ns: int) -> int:
        """See `Ledger.expire`."""
        effects = apply_transfers(_MemoryView(self), (), now_ns)
        self._keep(effects)
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
        """
        clock = ledger_time(now_ns, self._clock_ns)
        if not self._plain(records, clock):
            answers = self.post(transfers_of(records), now_ns)
            return {
                row: answer
                for row, answer in enumerate(answers)
                if answer.status is not Status.CREATED
            }
        dated = records.astype(
            RECORD
        )  # numpy turns what it joins into the byte order of the machine
        dated["at_ns"] = clock
        data = dated.tobytes()
        start = len(self._data) // TRANSFER_BYTES
        self._rows.update(
            zip(records["id"].tolist(), range(start, start + records.size), strict=True)
        )
        self._data += data
        self._add(records)
        self._frontier = self._frontier.extend_records(data, TRANSFER_BYTES, TRANSFER_ENTRY)
        self._clock_ns = clock
        return {}

    def account(self, account_id: int) -> tuple[Account, Balance] | None:
        """See `Ledger.account`."""
        account = self._accounts.get(account_id)
        return None if account is None else (account, self._balances.get(account_id, Balance()))

    def accounts(self) -> Iterator[tuple[Account, Balance]]:
        """See `Ledger.accounts`."""
        for account_id, account in self._accounts.items():
            yield account, self._balances.get(account_id, Balance())

    def transfer(self, transfer_id: int) -> Transfer | None:
        """See `Ledger.transfer`."""
        row = self._rows.get(transfer_id.to_bytes(16, "big"))
        return None if row is None else self._at(row)

    def transfers(self, account_id: int = 0) -> Iterator[Transfer]:
        """See `Ledger.transfers`."""
        for row in range(len(self._data) // TRANSFER_BYTES):
            transfer = self._at(row)
            if not account_id or account_id in (transfer.debit, transfer.credit):
                yield transfer

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

    def _at(self, row: int) -> Transfer:
        return transfer_from_bytes(
            bytes(self._data[row * TRANSFER_BYTES : (row + 1) * TRANSFER_BYTES])
        )

    def _keep(self, effects: Effects) -> None:
        leaves = []
        for t in effects.written:
            data = transfer_bytes(t)
            row = len(self._data) // TRANSFER_BYTES
            self._rows[data[:16]] = row
            self._data += data
            leaves.append(TRANSFER_ENTRY + data)
            if t.timeout_s:
                heapq.heappush(self._timed, (t.expires_ns, row, t.id))
        self._balances.update(effects.balances)
        self._ends.update(effects.ends)
        self._frontier = self._frontier.extend(map(leaf_hash, leaves))
        self._clock_ns = effects.clock_ns
        while self._timed and self._timed[0][0] <= self._clock_ns:
            heapq.heappop(self._timed)

    def _plain(self, records: Records, clock: int) -> bool:
        """Whether all rows can be written without looking at them one by one."""
        if not records.size or (self._timed and self._timed[0][0] <= clock):
            return False
        if records["kind"].any() or records["timeout_s"].any() or records["at_ns"].any():
            return False
        if bytes(records["pending_id"].tobytes()).strip(b"\0") or records["linked"][-1]:
            return False
        amount = records["amount"]
        if amount.min() == 0 or amount.max() >= 2**63:
            return False
        ids = records["id"].tolist()
        unique = set(ids)
        if len(unique) < len(ids) or bytes(16) in unique or not unique.isdisjoint(self._rows):
            return False
        debits, credits = records["debit"], records["credit"]
        known: dict[bytes, Account | None] = {}
        for pair in {*zip(debits.tolist(), credits.tolist(), strict=True)}:
            for key in pair:
                known.setdefault(key, self._accounts.get(int.from_bytes(key, "big")))
            one, other = known[pair[0]], known[pair[1]]
            if one is None or other is None or one is other or one.unit != other.unit:
                return False
        return all(account and account.limit is Limit.NONE for account in known.values())

    def _add(self, records: Records) -> None:
        """Add plain transfers to the balances, exactly: in halves of 32 bits that cannot overflow."""
        amount = records["amount"].astype(np.uint64)
        halves = (amount >> np.uint64(32), amount & np.uint64(0xFFFFFFFF))
        for side, field in ((0, "debit"), (1, "credit")):
            words = records[field].copy().view(">u8").reshape(-1, 2)
            keys, inverse = np.unique(words, axis=0, return_inverse=True)
            high, low = (np.zeros(len(keys), np.uint64) for _ in halves)
            np.add.at(high, inverse, halves[0])
            np.add.at(low, inverse, halves[1])
            for key, top, rest in zip(keys.tolist(), high.tolist(), low.tolist(), strict=True):
                account_id = (key[0] << 64) | key[1]
                totals = list(self._balances.get(account_id, Balance()))
                totals[side] += (top << 32) + rest
                self._balances[account_id] = Balance(*totals)


class _MemoryView:
    """What the rules read."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self.clock_ns = ledger._clock_ns

    def accounts(self, ids: Collection[int]) -> Mapping[int, Account]:
        there = self._ledger._accounts
        return {i: there[i] for i in ids if i in there}

    def balances(self, ids: Collection[int]) -> Mapping[int, Balance]:
        there = self._ledger._balances
        return {i: there[i] for i in ids if i in there}

    def transfers(self, ids: Collection[int]) -> Mapping[int, Transfer]:
        found = {i: self._ledger.transfer(i) for i in ids if 0 < i < 2**128}
        return {i: t for i, t in found.items() if t is not None}

    def ends(self, ids: Collection[int]) -> Mapping[int, Kind]:
        there = self._ledger._ends
        return {i: there[i] for i in ids if i in there}

    def due(self, now_ns: int) -> Sequence[Transfer]:
        ledger = self._ledger
        if not ledger._timed or ledger._timed[0][0] > now_ns:
            return ()
        out = sorted(entry for entry in ledger._timed if entry[0] <= now_ns)
        return [ledger._at(row) for _, row, pending in out if pending not in ledger._ends]
