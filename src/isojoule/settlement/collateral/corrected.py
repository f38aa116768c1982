"""Bonds settled again on late readings: what has to move besides, when the bonds are long returned.

A bond ends once. What it would have come to by the right readings, less what it came to, moves
between accounts, through escrow: so escrow keeps nothing, and no bond is opened again.
Spec: docs/spec/collateral.md, B34.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import Account, Transfer, stable_id
from isojoule.settlement.collateral.folded import Groups
from isojoule.settlement.collateral.nouns import ESCROW, Code, Terms


class Move(NamedTuple):
    """Money that moves, and why.

    Attributes
    ----------
    start_s
        Start of the group or block that it is for, s since 1970.
    code
        What it is for.
    debit, credit
        Names of accounts: who gives, and who gets.
    nano
        How much, above 0.
    """

    start_s: int
    code: IntEnum
    debit: str
    credit: str
    nano: int


def bond_moves(before: Groups, after: Groups, terms: Terms) -> Iterator[Move]:
    """What turns the end of the bonds of a run into what it would be by other readings.

    Parameters
    ----------
    before, after
        Of the same promises, so with the same bonds.

    Raises
    ------
    InvariantError
        The bonds differ, or escrow would keep something.
    """
    if not np.array_equal(before.bond, after.bond):
        raise InvariantError("late readings have changed what was promised")
    slashed = after.slashed - before.slashed
    made_good = after.made_good - before.made_good
    fines = after.fine.sum(1) - before.fine.sum(1)
    for at in np.flatnonzero(slashed.any(1) | made_good.any(1) | (fines != 0)).tolist():
        start_s, fine = int(before.start_s[at]), int(fines[at])
        owed = [(Code.SLASH, name, nano) for name, nano in _each(before, slashed[at].tolist())]
        owed += [(Code.HARM, name, -nano) for name, nano in _each(before, made_good[at].tolist())]
        owed += [(Code.FINE, terms.fines_to, -fine)] * bool(fine)
        if sum(nano for _, _, nano in owed):
            raise InvariantError("escrow would keep something of corrected bonds")
        # into escrow first
        for code, name, nano in sorted(owed, key=lambda row: row[2] < 0):
            ends = (name, ESCROW) if nano > 0 else (ESCROW, name)
            yield Move(start_s, code, *ends, abs(nano))


def _each(groups: Groups, amounts: list[int]) -> Iterator[tuple[str, int]]:
    return ((n, nano) for n, nano in zip(groups.members, amounts, strict=True) if nano)


def transfers_of(
    moves: Iterable[Move], currency: str, *, market: str, revision: int
) -> Iterator[tuple[Transfer, ...]]:
    """Moves as transfers; what follows one another for the same time is one chain.

    Parameters
    ----------
    market, revision
        From which, with what moves, ids follow: as the id of a run, and the number of the file.
    """
    for start_s, some in groupby(moves, key=lambda move: move.start_s):
        made = [
            Transfer(
                stable_id(
                    "isojoule.promises-corrected.1", market, revision, start_s,
                    int(move.code), move.debit, move.credit, place,
                ),
                Account(move.debit, currency).id, Account(move.credit, currency).id, move.nano,
                code=move.code, for_s=start_s, linked=True,
            )
            for place, move in enumerate(some)
        ]  # fmt: skip
        yield (*made[:-1], made[-1]._replace(linked=False))
