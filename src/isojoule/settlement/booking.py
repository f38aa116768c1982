"""From settled lines to transfers, netted into groups, and into a ledger.

    booked = book(stretch, settled, market="rural-equilibrium-1f2e3d4c")
    refused = write(ledger, booked, now_ns)

In each group (an interval, or a day) each line and party has at most three exchanges: for intervals
in which it received energy, for those in which it gave energy, and money alone. An exchange of money
for energy is two linked transfers. The ids follow from market, group, line and party, so booking the
same again writes nothing; every transfer carries the hash of the group's results.

Corrections: `difference` settles late meter data against what was booked, as new lines. Spec:
docs/spec/settlement.md, Y21 to Y27.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import ENERGY, MOST_AMOUNT, Account, stable_id
from isojoule.settlement.ledger.answers import Answer
from isojoule.settlement.ledger.columns import (
    RECORD,
    Records,
    blank,
    ids_column,
    numbered_ids,
    transfers_of,
)
from isojoule.settlement.ledger.memory import MemoryLedger
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.settle import Line, Settled
from isojoule.settlement.stretch import Stretch

Ints = NDArray[np.int64]
_WAYS = 3
"""Received energy, gave energy, money alone."""


@dataclass(frozen=True, eq=False)
class Booked:
    """Transfers of a stretch, and the accounts that they need.

    Attributes
    ----------
    accounts
        In order; energy and money are accounts of their own.
    groups
        Start of each group, s since 1970.
    records
        Transfers of each group; see `isojoule.settlement.ledger.columns`.
    """

    accounts: tuple[Account, ...]
    groups: tuple[int, ...]
    records: tuple[Records, ...]

    @property
    def count(self) -> int:
        """Transfers in all."""
        return sum(part.size for part in self.records)


class Refused(NamedTuple):
    """A transfer that the ledger refused: its group, its place there, and the answer."""

    group_s: int
    row: int
    answer: Answer


def book(stretch: Stretch, settled: Settled, market: str, *, revision: int = 0) -> Booked:
    """Transfers for settled lines.

    Parameters
    ----------
    market
        What sets these transfers apart from those of other markets in the same ledger, as the id
        of a run.
    revision
        0 for the first settlement, then 1, 2, ... for corrections of the same time.
    """
    s = stretch
    starts, first = np.unique(s.group_s, return_index=True)
    names = {name for line in settled.lines for name in (*line.parties, line.other)}
    order = list(dict.fromkeys(n for line in settled.lines for n in (*line.parties, line.other)))
    accounts = [Account(n, unit) for n in order for unit in (s.currency, ENERGY)]
    ids = {unit: {n: Account(n, unit).id for n in names} for unit in (s.currency, ENERGY)}
    nets = [_net(line, first) for line in settled.lines]
    used: set[int] = set()
    records = []
    ends = [*first[1:].tolist(), s.time_s.size]
    for at, (begin, end) in enumerate(zip(first.tolist(), ends, strict=True)):
        group_s = int(starts[at])
        stem = ("isojoule.settlement.1", market, revision, group_s)
        ref = s.results_hash(slice(begin, end))
        parts = [
            _records(line, net.energy_uj[at], net.money_nano[at], ids, s.currency, stem)
            for line, net in zip(settled.lines, nets, strict=True)
        ]
        rows = np.concatenate(parts).astype(RECORD) if parts else blank(0)
        rows["for_s"] = group_s
        rows["ref"] = np.frombuffer(ref, "V32")[0]
        records.append(rows)
        for field in ("debit", "credit"):
            used.update(int.from_bytes(i, "big") for i in set(rows[field].tolist()))
    return Booked(
        tuple(account for account in accounts if account.id in used),
        tuple(int(start) for start in starts),
        tuple(records),
    )


def write(ledger: Ledger, booked: Booked, now_ns: int) -> Iterator[Refused]:
    """Open the accounts and write the transfers, group by group; yields what is refused.

    Nothing is written before the iterator is consumed. What stands in the ledger already, just so,
    is not written twice.
    """
    for account, answer in zip(
        booked.accounts, ledger.open_accounts(booked.accounts, now_ns), strict=True
    ):
        if not answer.done:
            raise InvariantError(f"account {account.name!r} is there, but {answer.reason}")
    for group_s, rows in zip(booked.groups, booked.records, strict=True):
        if isinstance(ledger, MemoryLedger):
            answers = ledger.post_records(rows, now_ns)
        else:
            answers = dict(enumerate(ledger.post(transfers_of(rows), now_ns)))
        for row, answer in answers.items():
            if not answer.done:
                yield Refused(group_s, row, answer)


def difference(new: Settled, old: Settled) -> Settled:
    """Lines that turn what `old` booked into what `new` would have.

    Lines are matched by what they are for and by their other account; one that is missing counts
    as nothing. Deliveries are those of `new`.
    """
    lines = []
    before = {(line.code, line.other, line.parties): line for line in old.lines}
    after = {(line.code, line.other, line.parties): line for line in new.lines}
    for key in dict.fromkeys((*before, *after)):
        one, other = after.get(key), before.get(key)
        kind = one or other
        if kind is None:
            continue
        money = _minus(one and one.money_nano, other and other.money_nano)
        energy = _minus(one and one.energy_uj, other and other.energy_uj)
        if (money is not None and money.any()) or (energy is not None and energy.any()):
            lines.append(kind._replace(money_nano=money, energy_uj=energy))
    return new._replace(lines=tuple(lines))


def with_readings(stretch: Stretch, metered_uj: Ints) -> Stretch:
    """The stretch with other readings of the members' meters, (T, P); the utility's stays.

    What the readings together say was lost in the network changes with them.
    """
    return replace(stretch, metered_uj=metered_uj)


def dividends(
    currency: str, members: Sequence[str], amounts_nano: Sequence[int], *, market: str, period: str,
    at_s: int, ref: bytes,
) -> Booked:  # fmt: skip
    """Transfers that share the operator's line among members; a negative amount is paid in.

    Parameters
    ----------
    members, amounts_nano
        Who gets how much.
    market, period
        Name the period, so that it is shared once.
    at_s
        End of the period, s since 1970.
    ref
        Hash of what the shares follow from, 32 bytes.
    """
    from isojoule.settlement.settle import OPERATOR, Code, member

    names = tuple(member(name) for name in members)
    order = (OPERATOR, *names)
    ids = {currency: {n: Account(n, currency).id for n in order}}
    money = -np.array(amounts_nano, np.int64)
    nothing = np.zeros((_WAYS - 1, len(names)), np.int64)
    line = Line(Code.DIVIDEND, names, OPERATOR, money[None, :])
    rows = _records(
        line,
        np.zeros((_WAYS, len(names)), np.int64),
        np.vstack([nothing, money]),
        ids,
        currency,
        ("isojoule.dividend.1", market, period),
    )
    rows["for_s"] = at_s
    rows["ref"] = np.frombuffer(ref, "V32")[0]
    return Booked(tuple(Account(n, currency) for n in order), (at_s,), (rows,))


class _Net(NamedTuple):
    """A line netted into groups: by way, (G, 3, Q)."""

    energy_uj: Ints
    money_nano: Ints


def _net(line: Line, first: Ints) -> _Net:
    """Sums over the intervals of each group, apart for each way that energy went."""
    shape = next(part for part in (line.money_nano, line.energy_uj) if part is not None).shape
    energy = np.zeros(shape, np.int64) if line.energy_uj is None else line.energy_uj
    money = np.zeros(shape, np.int64) if line.money_nano is None else line.money_nano
    sums = []
    for way in (energy > 0, energy < 0, energy == 0):
        sums.append([np.add.reduceat(np.where(way, part, 0), first) for part in (energy, money)])
    return _Net(np.stack([pair[0] for pair in sums], 1), np.stack([pair[1] for pair in sums], 1))


def _records(
    line: Line,
    energy: Ints,
    money: Ints,
    ids: dict[str, dict[str, int]],
    currency: str,
    stem: tuple[str | int, ...],
) -> Records:
    """Transfers of one line in one group; energy and money are (3, Q)."""
    way, party = np.nonzero((energy != 0) | (money != 0))
    e, m = energy[way, party], money[way, party]
    # energy first, then the money for it: the two are linked
    order = np.lexsort((way, party))
    way, party, e, m = way[order], party[order], e[order], m[order]
    keep = np.stack([e != 0, m != 0], 1).ravel()
    rows = blank(2 * way.size)
    for at, (amount, unit) in enumerate(((-e, ENERGY), (m, currency))):
        if unit not in ids:
            continue
        mine = ids_column(ids[unit][name] for name in line.parties)[party]
        other = ids_column([ids[unit][line.other]])
        # a party that pays gives; one that receives energy is given
        gives = amount > 0
        part = rows[at::2]
        part["debit"] = np.where(gives, mine, other)
        part["credit"] = np.where(gives, other, mine)
        part["amount"] = np.abs(amount)
        part["code"] = int(line.code)
    rows["linked"][0::2] = (e != 0) & (m != 0)
    number = (2 * (_WAYS * party + way))[:, None] + np.arange(2)[None, :]
    rows["id"] = numbered_ids(stable_id(*stem, int(line.code), line.other), number.ravel())
    if way.size and max(int(np.abs(e).max()), int(np.abs(m).max())) > MOST_AMOUNT:
        raise InvariantError("an amount does not fit into 63 bits")
    return rows[keep]


def _minus(new: Ints | None, old: Ints | None) -> Ints | None:
    if new is None:
        return None if old is None else -old
    return new if old is None else new - old
