"""From settled lines to transfers, netted into groups, and into a ledger.

    booked = book(stretch, settled, market="rural-equilibrium-1f2e3d4c")
    refused = list(write(ledger, booked, now_ns))

In each group (an interval, or a day) each line and party has at most three exchanges: for intervals
in which it received energy, for those in which it gave energy, and money alone. The transfers of a
group are one chain: all of them are written, or none, so money never moves without the energy that
it is for, and no account in the middle keeps anything. The ids follow from market, revision, group,
line and the party's place in it, so booking the same again writes nothing; every transfer carries
the hash of the group's results. A year of a street is millions of transfers: they are made block by
block, while they are written.

Corrections: `difference` settles late meter data against what was booked, as new lines.

Spec: docs/spec/settlement.md, Y21 to Y27.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import ENERGY, Account, stable_id
from isojoule.settlement.exchanges import names_of, net, transfers_for
from isojoule.settlement.ledger.answers import Answer, Status
from isojoule.settlement.ledger.columns import Records
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.settle import OPERATOR, Code, Line, Settled, member
from isojoule.settlement.stretch import Stretch, check_size

Ints = NDArray[np.int64]
_CELLS = 2**15
"""Amounts of members in intervals that become one block of transfers: some 8 MB, if by interval."""


@dataclass(frozen=True, eq=False)
class Booked:
    """Transfers of a stretch, and the accounts that they need.

    Attributes
    ----------
    accounts
        In order; energy and money are accounts of their own.
    groups
        Start of each group, s since 1970.
    blocks
        Makes the transfers, whole groups at a time, in the order of time, as arrays (see
        `isojoule.settlement.ledger.columns`). Each call makes them anew.
    """

    accounts: tuple[Account, ...]
    groups: tuple[int, ...]
    blocks: Callable[[], Iterator[Records]]

    @cached_property
    def count(self) -> int:
        """Transfers in all; makes them to count them, once."""
        return sum(block.size for block in self.blocks())


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

    Raises
    ------
    InputError
        While the blocks are made: a group's sum does not fit into 63 bits.
    """
    s, lines = stretch, settled.lines
    starts, first = np.unique(s.group_s, return_index=True)
    groups = tuple(starts.tolist())
    used = dict.fromkeys(_used(lines, s.currency))

    def blocks() -> Iterator[Records]:
        head = ("isojoule.settlement.1", market, revision)
        ends = np.append(first[1:], s.time_s.size)
        width = max(1, sum(len(line.parties) for line in lines))
        names = [names_of(line, s.currency) for line in lines]
        for begin, end in _spans(ends, max(1, _CELLS // width)):
            rows = slice(int(first[begin]), int(ends[end - 1]))
            stems = [
                [stable_id(*head, start, line.code, line.other) for start in groups[begin:end]]
                for line in lines
            ]
            yield transfers_for(
                [net(line, rows, first[begin:end] - first[begin]) for line in lines],
                names,
                stems,
                starts[begin:end],
                [s.results_hash(slice(int(first[g]), int(ends[g]))) for g in range(begin, end)],
                [int(line.code) for line in lines],
            )

    return Booked(tuple(used), groups, blocks)


def write(ledger: Ledger, booked: Booked, now_ns: int) -> Iterator[Refused]:
    """Open the accounts and write the transfers, block by block; yields what is refused, and why.

    Nothing is written before the iterator is consumed. What stands in the ledger already, just so,
    is not written twice. A group of which one transfer is refused is not written at all; those that
    failed with it are not told.

    Raises
    ------
    InvariantError
        An account of that name is there, with a limit.
    """
    for account, answer in zip(
        booked.accounts, ledger.open_accounts(booked.accounts, now_ns), strict=True
    ):
        if not answer.done:
            raise InvariantError(f"account {account.name!r} is there, but {answer.reason}")
    for block in booked.blocks():
        for row, answer in ledger.post_records(block, now_ns).items():
            if not (answer.done or answer.status is Status.LINKED_FAILED):
                group_s = int(block["for_s"][row])
                before = int(np.flatnonzero(block["for_s"] == group_s)[0])
                yield Refused(group_s, row - before, answer)


def difference(new: Settled, old: Settled) -> Settled:
    """Lines that turn what `old` booked into what `new` would have.

    Lines are matched by what they are for and by their accounts; one that is missing counts as
    nothing. Deliveries are those of `new`.
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
    at_s: int, ref: bytes, revision: int = 0,
) -> Booked:  # fmt: skip
    """Transfers that share the operator's line among members; a negative amount is paid in.

    Parameters
    ----------
    members, amounts_nano
        Who gets how much; of a correction how much more.
    market, period
        Name the period, so that it is shared once.
    at_s
        End of the period, s since 1970.
    ref
        Hash of what the shares follow from, 32 bytes.
    revision
        0 for what was shared first, then 1, 2, ... for corrections of the same period.
    """
    money = -np.array([amounts_nano], np.int64).reshape(1, len(members))
    check_size("the dividend", money)
    code = Code.DIVIDEND_CHANGE if revision else Code.DIVIDEND
    line = Line(code, tuple(map(member, members)), OPERATOR, money)
    again = (revision,) if revision else ()
    stem = stable_id("isojoule.dividend.1", market, period, code, OPERATOR, *again)

    def blocks() -> Iterator[Records]:
        one = slice(0, 1)
        yield transfers_for(
            [net(line, one, np.zeros(1, np.int64))],
            [names_of(line, currency)],
            [[stem]],
            np.array([at_s]),
            [ref],
            [int(line.code)],
        )

    return Booked(tuple(_used((line,), currency)), (at_s,), blocks)


def _used(lines: Sequence[Line], currency: str) -> Iterator[Account]:
    """Accounts that lines move anything on, money and energy apart."""
    for line in lines:
        units = [(ENERGY, line.energy_uj), (currency, line.money_nano)]
        moves = [(unit, np.any(part != 0, axis=0)) for unit, part in units if part is not None]
        yield from (Account(line.other, unit) for unit, some in moves if some.any())
        for at, name in enumerate(line.parties):
            yield from (Account(name, unit) for unit, some in moves if some[at])


def _spans(ends: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive groups of at most so many intervals together, or one group: from, to."""
    begin = 0
    while begin < ends.size:
        from_row = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, from_row + most, side="right")))
        yield begin, end
        begin = end


def _minus(new: Ints | None, old: Ints | None) -> Ints | None:
    if new is None:
        return None if old is None else -old
    return new if old is None else new - old
