"""Obligations: who owes whom, and what of it needs no payment.

    netted = clear(obligations, liquidity)
    check(obligations, liquidity, netted)        # isojoule.settlement.netting.proof

The rules:

- An obligation is set off only together with others, in circles: what a party is let off equals
  what it lets others off. With liquidity, who spends cash is let off so much more than it lets
  others off, and who takes cash so much less.
- Of all such set-offs the one is taken that clears most, and of those one that uses least cash.
- The best is not unique. Ties follow from the names of the parties: they are put into the order of
  their hashes, obligations into that of debtor, then creditor, and then the search is the same for
  everybody. The order of the input does not matter.
- Between the same two parties the smallest obligation is set off first, so that most of them are
  closed; equal ones in the order in which they stand.
- Potentials prove the optimum: integers, one a party.

Source: Fleischman, Dini, Littera 2020, https://doi.org/10.3390/jrfm13120295; with liquidity:
Fleischman, Dini 2021, https://doi.org/10.3390/jrfm14090452.
Spec: docs/spec/obligations.md, O1 to O9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isojoule.core.chance import rank
from isojoule.core.errors import InputError, InvariantError
from isojoule.core.units import money_text
from isojoule.kernels.obligations import CASH, OPEN, move_all, residual
from isojoule.kernels.obligations_parts import lift, rows_of, strong_parts

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
MOST_NANO = 2**62
"""What is owed in all stays below this, 4.6 billion units, so that no sum wraps around."""
_TIES = b"isojoule.obligations"


@dataclass(frozen=True, eq=False)
class Obligations:
    """Who owes whom how much.

    Attributes
    ----------
    parties
        Their names, (P,), each once.
    debtor, creditor
        Places among the parties, (N,).
    amount_nano
        At least 0, (N,). Several obligations may stand between the same two.

    Raises
    ------
    InputError
        A party owes itself, an amount is below 0, or all together reach `MOST_NANO`. The place is
        `obligations[i]`.
    """

    parties: tuple[str, ...]
    debtor: Places
    creditor: Places
    amount_nano: Ints

    def __post_init__(self) -> None:
        count = self.amount_nano.size
        if not count == self.debtor.size == self.creditor.size:
            raise InputError("columns of obligations have different lengths")
        if len(set(self.parties)) < len(self.parties):
            raise InputError("a party stands twice", remedy="name each party once")
        for side in (self.debtor, self.creditor):
            if count and not (side.min() >= 0 and side.max() < len(self.parties)):
                raise InputError("a place is beyond the parties")
        for bad, words, remedy in (
            (self.debtor == self.creditor, "the party owes itself", "leave the row out"),
            (self.amount_nano < 0, "the amount is negative", "exchange debtor and creditor"),
            (
                _beyond(self.amount_nano),
                f"what is owed up to here reaches {money_text(MOST_NANO)}",
                "clear in a larger unit, or in parts",
            ),
        ):
            if bad.any():
                raise InputError(words, place=f"obligations[{int(np.argmax(bad))}]", remedy=remedy)

    @staticmethod
    def of(rows: Sequence[tuple[str, str, int]]) -> Obligations:
        """From debtor, creditor and amount in nano-units.

        >>> Obligations.of([("a", "b", 5), ("b", "a", 3)]).net_nano.tolist()
        [-2, 2]
        """
        names = dict.fromkeys(name for row in rows for name in row[:2])
        at = {name: place for place, name in enumerate(names)}
        return Obligations(
            tuple(names),
            np.array([at[row[0]] for row in rows], np.int32),
            np.array([at[row[1]] for row in rows], np.int32),
            np.array([row[2] for row in rows], np.int64),
        )

    @cached_property
    def owes_nano(self) -> Ints:
        """What each party owes, (P,)."""
        return _sums(self.debtor, self.amount_nano, len(self.parties))

    @cached_property
    def due_nano(self) -> Ints:
        """What each party is owed, (P,)."""
        return _sums(self.creditor, self.amount_nano, len(self.parties))

    @property
    def net_nano(self) -> Ints:
        """What each party is owed less what it owes, (P,)."""
        return self.due_nano - self.owes_nano

    @property
    def total_nano(self) -> int:
        """What is owed in all."""
        return int(self.amount_nano.sum())

    @property
    def net_internal_debt_nano(self) -> int:
        """What must be paid at the least, whatever is set off: the net positions above 0."""
        return int(np.maximum(self.net_nano, 0).sum())


@dataclass(frozen=True, eq=False)
class Liquidity:
    """What parties can spend, and what they take.

    Attributes
    ----------
    can_spend_nano
        A balance, or unused credit, at least 0, (P,).
    accepts_nano
        The most cash, or credit of others, that the party takes, at least 0, (P,).
    """

    can_spend_nano: Ints
    accepts_nano: Ints

    @staticmethod
    def none(parties: int) -> Liquidity:
        """Nobody has any."""
        return Liquidity(np.zeros(parties, np.int64), np.zeros(parties, np.int64))

    def usable(self, obligations: Obligations) -> Liquidity:
        """What can be of use: nobody spends more than it owes, nor takes more than it is owed."""
        return Liquidity(
            np.minimum(self.can_spend_nano, obligations.owes_nano),
            np.minimum(self.accepts_nano, obligations.due_nano),
        )


@dataclass(frozen=True, eq=False)
class Netted:
    """What is set off.

    Attributes
    ----------
    set_off_nano
        Of each obligation, (N,).
    spent_nano, received_nano
        Cash of each party, (P,).
    potential
        A proof of the optimum, (P,): it falls by `OPEN` or more along every obligation that is
        not wholly set off, and by `OPEN` or less along every one that is set off in part. See
        `isojoule.settlement.netting.proof`.
    """

    set_off_nano: Ints
    spent_nano: Ints
    received_nano: Ints
    potential: Ints

    @property
    def cleared_nano(self) -> int:
        """What is set off in all."""
        return int(self.set_off_nano.sum())

    @property
    def liquidity_used_nano(self) -> int:
        """The cash that moves."""
        return int(self.spent_nano.sum())


def clear(obligations: Obligations, liquidity: Liquidity | None = None) -> Netted:
    """The most that can be set off, with the least cash.

    Parameters
    ----------
    liquidity
        None: there is no cash.

    Examples
    --------
    >>> rows = [("A", "B", 100), ("B", "C", 80), ("C", "A", 70)]
    >>> clear(Obligations.of(rows)).set_off_nano.tolist()
    [70, 70, 70]
    """
    o = obligations
    parties = len(o.parties)
    cash = (liquidity or Liquidity.none(parties)).usable(o)
    to_old = np.array(
        sorted(range(parties), key=lambda p: rank(_TIES, o.parties[p])), np.int64
    ).reshape(parties)
    place = np.empty(parties, np.int64)
    place[to_old] = np.arange(parties)

    # between two parties there is one arc, whatever many obligations
    key = place[o.debtor] * parties + place[o.creditor]
    order = np.lexsort((o.amount_nano, key))
    key, amounts = key[order], o.amount_nano[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    owed = np.add.reduceat(amounts, first) if first.size else amounts
    spend, accept = cash.can_spend_nano[to_old], cash.accepts_nano[to_old]
    spenders, takers = np.flatnonzero(spend), np.flatnonzero(accept)
    source = parties
    tail = np.concatenate([key[first] // max(parties, 1), np.full(spenders.size, source), takers])
    head = np.concatenate([key[first] % max(parties, 1), spenders, np.full(takers.size, source)])
    capacity = np.concatenate([owed, spend[spenders], accept[takers]])
    flow, potential = _circulate(
        parties + 1, tail.astype(np.int32), head.astype(np.int32), capacity, owed.size
    )
    potential -= potential[source]

    pair = np.repeat(np.arange(first.size), np.diff(first, append=key.size))
    before = np.cumsum(amounts) - amounts  # the smaller ones of the same two come first
    before -= before[first][pair] if first.size else 0
    set_off = np.empty_like(amounts)
    set_off[order] = np.clip(flow[: owed.size][pair] - before, 0, amounts)
    spent, received = np.zeros(parties, np.int64), np.zeros(parties, np.int64)
    spent[to_old[spenders]] = flow[owed.size : owed.size + spenders.size]
    received[to_old[takers]] = flow[owed.size + spenders.size :]
    return Netted(set_off, spent, received, potential[:parties][place])


def digest(obligations: Obligations, netted: Netted, currency: str = "") -> bytes:
    """SHA-256 of what is owed and what is set off, 32 bytes, as transfers refer to it.

    Over `isojoule.obligations.1`, the currency and the parties (each preceded by its length, 8
    bytes, an empty one at the end), then debtors, creditors, amounts and set-offs, cash spent and
    received: numbers of 8 bytes. All big-endian.
    """
    h = hashlib.sha256()
    for word in ("isojoule.obligations.1", currency, *obligations.parties, ""):
        data = word.encode()
        h.update(len(data).to_bytes(8, "big") + data)
    columns: tuple[NDArray[Any], ...] = (
        obligations.debtor, obligations.creditor, obligations.amount_nano,
        netted.set_off_nano, netted.spent_nano, netted.received_nano,
    )  # fmt: skip
    for column in columns:
        h.update(column.astype(">i8").tobytes())
    return h.digest()


def _circulate(
    nodes: int, tail: Places, head: Places, capacity: Ints, owed: int
) -> tuple[Ints, Ints]:
    """What flows on each arc, and potentials. The first `owed` arcs are obligations."""
    cost = np.where(np.arange(tail.size) < owed, -OPEN, CASH)
    start, arcs = rows_of(nodes, tail)
    part = strong_parts(start, arcs, head)
    inside = np.flatnonzero((part[tail] == part[head]) & (capacity > 0))
    is_owed = inside < owed
    debts = inside[is_owed]
    # all is set off at first; what then is in excess goes back from the creditor to its debtor
    excess = _sums(head[debts], capacity[debts], nodes) - _sums(tail[debts], capacity[debts], nodes)
    graph = residual(
        nodes,
        np.where(is_owed, head[inside], tail[inside]),
        np.where(is_owed, tail[inside], head[inside]),
        capacity[inside],
        np.abs(cost[inside]),
    )
    label = move_all(graph, excess)
    if excess.any():
        raise InvariantError("obligations do not balance after they were cleared")
    left = graph.left[graph.place]
    flow = np.zeros_like(capacity)
    flow[inside] = np.where(is_owed, left, capacity[inside] - left)
    potential = -label
    some = np.flatnonzero(capacity > 0)
    start, arcs = rows_of(nodes, tail[some])
    lift(start, arcs, head[some], cost[some], part, potential)
    return flow, potential


def _beyond(amounts: Ints) -> NDArray[np.bool_]:
    """Where the running total reaches `MOST_NANO`."""
    rough = np.cumsum(amounts.astype(np.float64))
    far = rough >= 1.5 * MOST_NANO  # there, whole numbers might have wrapped around
    return far if far.any() else np.cumsum(amounts) >= MOST_NANO


def _sums(at: NDArray[Any], amounts: Ints, count: int) -> Ints:
    out = np.zeros(count, np.int64)
    np.add.at(out, at, amounts)
    return out
