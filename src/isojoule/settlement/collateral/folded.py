"""Bonds of a run, group by group: put up, lent, slashed, returned, as transfers.

What a member promises in the intervals of a group (as a day) has one bond, the sum of the bonds of
its promises, as all that is paid in a group is one transfer. Spec: docs/spec/collateral.md, B30 to
B32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import Account, Kind, Transfer, stable_id
from isojoule.settlement.collateral.columns import Promises, Slashed
from isojoule.settlement.collateral.nouns import ESCROW, GUARANTEE, Terms
from isojoule.settlement.collateral.nouns import Code as BondCode
from isojoule.settlement.collateral.sizes import credit_of_sums
from isojoule.settlement.settle import member
from isojoule.settlement.stretch import Stretch

Ints = NDArray[np.int64]
WINDOW_S = 28 * 86_400
"""So long a member's promises count for its credit."""
COLUMNS = ("bond", "lent", "harm", "fine", "made_good", "promised_uj", "short_uj", "excused_uj")


class Code(IntEnum):
    """What a transfer is for, besides those of bonds; the number in its `code`."""

    REPAID = 28


class Part(NamedTuple):
    """One period: what was settled, and what followed for its promises."""

    stretch: Stretch
    promises: Promises
    slashed: Slashed


@dataclass(frozen=True, eq=False)
class Groups:
    """Bonds of all groups, G of them, in the order of time; P members.

    Attributes
    ----------
    start_s, end_s
        Of each group, s since 1970, (G,).
    bond, lent
        Put up in all, and of it by the guarantee fund, nano-units, (G, P).
    harm, fine, made_good
        See `columns.Slashed`, (G, P).
    promised_uj, short_uj, excused_uj
        See `columns.Promises`, (G, P).
    """

    members: tuple[str, ...]
    start_s: Ints
    end_s: Ints
    bond: Ints
    lent: Ints
    harm: Ints
    fine: Ints
    made_good: Ints
    promised_uj: Ints
    short_uj: Ints
    excused_uj: Ints

    @property
    def slashed(self) -> Ints:
        """Taken from bonds, (G, P)."""
        return self.harm + self.fine

    @property
    def repaid(self) -> Ints:
        """What members pay back to the fund: slashed beyond their own part, (G, P)."""
        return np.maximum(self.slashed - (self.bond - self.lent), 0)

    def between(self, start_s: int, end_s: int) -> slice:
        """The groups that begin in some time."""
        first, last = np.searchsorted(self.start_s, [start_s, end_s])
        return slice(int(first), int(last))


def fold(parts: Sequence[Part], terms: Terms) -> Groups:
    """Sum promises into groups, and lend by what was measured before each. B30 and B31."""
    sums: dict[str, list[Ints]] = {name: [] for name in COLUMNS if name != "lent"}
    starts, ends = [], []
    for stretch, promises, slashed in parts:
        start, first = np.unique(stretch.group_s, return_index=True)
        last = np.append(first[1:], stretch.time_s.size) - 1
        starts.append(start)
        ends.append(stretch.time_s[last] + round(stretch.interval_s))
        for name, column in (
            *slashed._asdict().items(),
            ("promised_uj", promises.quantity_uj),
            ("short_uj", promises.short_uj),
            ("excused_uj", promises.excused_uj),
        ):
            sums[name].append(np.add.reduceat(column, first))
    joined = {name: np.concatenate(pieces) for name, pieces in sums.items()}
    start_s = np.concatenate(starts)
    lent = _lent(start_s, joined["bond"], joined["promised_uj"], joined["short_uj"], terms)
    members = tuple(member(name) for name in parts[0].stretch.members)
    return Groups(members, start_s, np.concatenate(ends), lent=lent, **joined)


def chains(groups: Groups, terms: Terms, market: str) -> Iterator[tuple[int, tuple[Transfer, ...]]]:
    """Transfers with the time at which they are written, s since 1970. B32.

    First the bonds of a group, each member's by itself; at its end one chain: what is slashed, who
    gets it, and what is paid back to the fund.
    """
    ids = {name: Account(name, terms.currency).id for name in accounts(groups, terms)}
    for at, (start, end) in enumerate(
        zip(groups.start_s.tolist(), groups.end_s.tolist(), strict=True)
    ):
        rows = zip(
            groups.members, groups.bond[at].tolist(), groups.lent[at].tolist(),
            groups.slashed[at].tolist(), strict=True,
        )  # fmt: skip
        ended: list[Transfer] = []
        for name, bond, lent, slashed in rows:
            pledged = []
            left = slashed
            for source, amount in ((name, bond - lent), (GUARANTEE, lent)):
                if not amount:
                    continue
                pending = _id(market, start, "pending", name, source)
                pledged.append(
                    Transfer(
                        pending, ids[source], ids[ESCROW], amount, Kind.PENDING,
                        code=BondCode.BOND, for_s=start,
                    )
                )  # fmt: skip
                taken = min(left, amount)
                left -= taken
                ended.append(
                    Transfer(
                        _id(market, start, "end", name, source), 0, 0, taken,
                        Kind.POST if taken else Kind.VOID, pending,
                        code=BondCode.SLASH, for_s=start,
                    )
                )  # fmt: skip
            if left:
                raise InvariantError(f"more is slashed of {name!r} than its bond")
            if pledged:
                yield start, _chain(pledged)
        ended += _paid(groups, terms, market, at, ids)
        if ended:
            yield end, _chain(ended)


def accounts(groups: Groups, terms: Terms) -> dict[str, Account]:
    """The accounts that the transfers need, by name."""
    used = np.any(groups.bond, axis=0) | np.any(groups.made_good, axis=0)
    names = [ESCROW, GUARANTEE, terms.fines_to]
    names += [name for name, there in zip(groups.members, used.tolist(), strict=True) if there]
    return {name: Account(name, terms.currency) for name in dict.fromkeys(names)}


def _paid(
    groups: Groups, terms: Terms, market: str, at: int, ids: dict[str, int]
) -> Iterator[Transfer]:
    """What escrow pays out, and what is paid back to the fund."""
    start = int(groups.start_s[at])
    rows = [
        (BondCode.HARM, ESCROW, name, nano)
        for name, nano in zip(groups.members, groups.made_good[at].tolist(), strict=True)
    ]
    rows.append((BondCode.FINE, ESCROW, terms.fines_to, int(groups.fine[at].sum())))
    for code, debit, credit, nano in rows:
        if nano:
            yield Transfer(
                _id(market, start, code.name, credit, debit), ids[debit], ids[credit], nano,
                code=code, for_s=start,
            )  # fmt: skip
    for name, nano in zip(groups.members, groups.repaid[at].tolist(), strict=True):
        if nano:
            yield Transfer(
                _id(market, start, "repaid", name, GUARANTEE), ids[name], ids[GUARANTEE], nano,
                code=Code.REPAID, for_s=start,
            )  # fmt: skip


def _lent(start_s: Ints, bond: Ints, promised_uj: Ints, short_uj: Ints, terms: Terms) -> Ints:
    """What the fund puts up, by what was promised and delivered in the four weeks before."""
    lent = np.zeros_like(bond)
    if not terms.most_credit_nano:
        return lent
    nothing = np.zeros((1, bond.shape[1]), np.int64)
    promised = np.concatenate([nothing, promised_uj.cumsum(0)])
    delivered = np.concatenate([nothing, (promised_uj - short_uj).cumsum(0)])
    since = np.searchsorted(start_s, start_s - WINDOW_S)
    for at, first in enumerate(since.tolist()):
        pairs = zip(
            (promised[at] - promised[first]).tolist(),
            (delivered[at] - delivered[first]).tolist(),
            strict=True,
        )
        credit = [min(credit_of_sums(p, d, terms), 2**62) for p, d in pairs]
        lent[at] = np.minimum(bond[at], np.array(credit, np.int64))
    return lent


def _chain(transfers: list[Transfer]) -> tuple[Transfer, ...]:
    return (*(t._replace(linked=True) for t in transfers[:-1]), transfers[-1])


def _id(market: str, start_s: int, what: str, who: str, source: str) -> int:
    return stable_id("isojoule.bonds.1", market, start_s, what, who, source)
