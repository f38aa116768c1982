"""Lines netted into groups of intervals, and the transfers that they become, as arrays.

An *exchange* is what one party of one line has with the other account in one group: energy, money,
or money for energy. Ways of energy are kept apart, so that what was bought and what was sold on one
day both stand in the ledger. Spec: docs/spec/settlement.md, Y21 to Y23.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InputError
from isojoule.core.transfer import ENERGY, MOST_AMOUNT, Account
from isojoule.settlement.ledger.columns import Records, blank, ids_column, numbered_ids
from isojoule.settlement.settle import Line

Ints = NDArray[np.int64]
WAYS = 3
"""Received energy, gave energy, money alone."""
UNITS = 2
"""Energy, money."""


class Exchanges(NamedTuple):
    """Exchanges of one line, N of them, ordered by group, party and way.

    Attributes
    ----------
    group
        Which group, (N,), rising.
    party
        Place of the party in its line, (N,).
    way
        0 received energy, 1 gave energy, 2 money alone, (N,).
    energy_uj
        Received by the party, (N,).
    money_nano
        Paid by the party, (N,).
    """

    group: Ints
    party: Ints
    way: Ints
    energy_uj: Ints
    money_nano: Ints


class Names(NamedTuple):
    """Account ids of a line, for energy and for money: its parties (Q,), its other account (1,)."""

    parties: tuple[NDArray[Any], ...]
    other: tuple[NDArray[Any], ...]


def names_of(line: Line, currency: str) -> Names:
    """The account ids that a line needs."""
    units = (ENERGY, currency)
    return Names(
        tuple(ids_column(Account(name, unit).id for name in line.parties) for unit in units),
        tuple(ids_column([Account(line.other, unit).id]) for unit in units),
    )


def net(line: Line, rows: slice, first: Ints) -> Exchanges:
    """Sum a line over the intervals of each group.

    Parameters
    ----------
    rows
        The intervals looked at.
    first
        Where in `rows` each group begins, (G,), from 0, rising.

    Raises
    ------
    InputError
        A sum that does not fit into 63 bits.
    """
    given = line.money_nano if line.energy_uj is None else line.energy_uj
    assert given is not None  # a line moves something
    nothing = np.zeros_like(given[rows])
    energy = nothing if line.energy_uj is None else line.energy_uj[rows]
    money = nothing if line.money_nano is None else line.money_nano[rows]
    sums = np.zeros((UNITS, first.size, energy.shape[1], WAYS), np.int64)
    for unit, part in enumerate((energy, money)):
        if first.size < part.shape[0]:
            sizes = np.add.reduceat(np.abs(part.astype(np.float64)), first)
            if np.any(sizes >= MOST_AMOUNT):
                raise InputError(
                    f"what {line.other!r} has in one group does not fit into 63 bits",
                    remedy="net by interval",
                )
        for way, there in enumerate((energy > 0, energy < 0, energy == 0)):
            sums[unit, :, :, way] = np.add.reduceat(np.where(there, part, 0), first)
    group, party, ways = np.nonzero((sums != 0).any(0))
    return Exchanges(group, party, ways, *sums[:, group, party, ways])


def transfers_for(
    nets: Sequence[Exchanges],
    names: Sequence[Names],
    stems: Sequence[Sequence[int]],
    group_s: Ints,
    refs: Sequence[bytes],
    codes: Sequence[int],
) -> Records:
    """The transfers of all lines in some groups: group by group, line by line; a group is a chain.

    Parameters
    ----------
    nets, names, codes
        For each line.
    stems
        An id for each line and group, of which the transfers take 96 bits.
    group_s, refs
        For each group.
    """
    moved = [[(part != 0).astype(np.int64) for part in one[-UNITS:]] for one in nets]
    groups, lines = group_s.size, len(nets)
    counts = np.zeros((groups, lines), np.int64)
    for at, (one, (has_energy, has_money)) in enumerate(zip(nets, moved, strict=True)):
        np.add.at(counts[:, at], one.group, has_energy + has_money)
    start = (counts.cumsum() - counts.ravel()).reshape(groups, lines)
    out = blank(int(counts.sum()))
    for at, (one, (has_energy, has_money)) in enumerate(zip(nets, moved, strict=True)):
        both = has_energy + has_money
        # the place of each exchange among those of its line, then among all
        place = both.cumsum() - both
        place += (start[:, at] - (counts[:, at].cumsum() - counts[:, at]))[one.group]
        sides = ((-one.energy_uj, place), (one.money_nano, place + has_energy))
        for unit, (amount, where) in enumerate(sides):
            some = np.flatnonzero(amount)
            where, amount, party = where[some], amount[some], one.party[some]
            # a party that pays gives; one that receives energy is given
            gives = amount > 0
            mine, other = names[at].parties[unit][party], names[at].other[unit]
            out["debit"][where] = np.where(gives, mine, other)
            out["credit"][where] = np.where(gives, other, mine)
            out["amount"][where] = np.abs(amount)
            number = UNITS * (WAYS * party + one.way[some]) + unit
            out["id"][where] = numbered_ids(ids_column(stems[at])[one.group[some]], number)
            out["code"][where] = codes[at]
    in_group = counts.sum(1)
    # a group is one chain: all of it is written, or nothing
    out["linked"] = 1
    out["linked"][in_group.cumsum()[in_group > 0] - 1] = 0
    out["for_s"] = np.repeat(group_s, in_group)
    out["ref"] = np.repeat(np.frombuffer(b"".join(refs), "V32"), in_group)
    return out
