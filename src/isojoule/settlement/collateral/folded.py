"""Bonds of a run, group by group: put up, lent, slashed, returned, as transfers.

What a member promises in the intervals of a group (as a day) has one bond, the sum of the bonds of
its promises, as all that is paid in a group is one transfer. Spec: docs/spec/collateral.md, B30 to
B32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.core.errors import InvariantError
from isojoule.core.transfer import Account, Kind, Transfer, stable_id
from isojoule.settlement.collateral.asked import Claim
from isojoule.settlement.collateral.columns import Promises, Slashed, frozen_cells
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
    FINES_SHARED = 29


class Frozen(NamedTuple):
    """A member's bond of a group, in dispute.

    Attributes
    ----------
    group, member
        Places among groups and members.
    until_s
        When the dispute ends, s since 1970.
    made_good
        What each member gets from it then, (P,).
    """

    group: int
    member: int
    until_s: int
    made_good: Ints


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
    frozen
        Bonds in dispute when their group ends.
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
    frozen: tuple[Frozen, ...] = ()

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


def fold(parts: Sequence[Part], terms: Terms, claims: Sequence[Claim] = ()) -> Groups:
    """Sum promises into groups, and lend by what was measured before each. B30, B31 and B33."""
    sums: dict[str, list[Ints]] = {name: [] for name in COLUMNS if name != "lent"}
    starts: list[Ints] = []
    ends: list[Ints] = []
    frozen: dict[tuple[int, int], Frozen] = {}
    for stretch, promises, slashed in parts:
        start, first = np.unique(stretch.group_s, return_index=True)
        last = np.append(first[1:], stretch.time_s.size) - 1
        before = sum(one.size for one in starts)
        for row in _frozen(stretch, slashed, claims, first):
            key = row.group + before, row.member
            # of two claims in one group the one that is decided last counts
            until_s = max(row.until_s, frozen[key].until_s if key in frozen else 0)
            frozen[key] = row._replace(group=key[0], until_s=until_s)
        starts.append(start)
        ends.append(stretch.time_s[last] + round(stretch.interval_s))
        for name, column in (
            ("bond", slashed.bond),
            ("harm", slashed.harm),
            ("fine", slashed.fine),
            ("made_good", slashed.made_good),
            ("promised_uj", promises.quantity_uj),
            ("short_uj", promises.short_uj),
            ("excused_uj", promises.excused_uj),
        ):
            sums[name].append(np.add.reduceat(column, first))
    joined = {name: np.concatenate(pieces) for name, pieces in sums.items()}
    start_s = np.concatenate(starts)
    lent = _lent(start_s, joined["bond"], joined["promised_uj"], joined["short_uj"], terms)
    members = tuple(member(name) for name in parts[0].stretch.members)
    return Groups(
        members, start_s, np.concatenate(ends), lent=lent, frozen=tuple(frozen.values()), **joined
    )


def chains(groups: Groups, terms: Terms, market: str) -> list[tuple[int, tuple[Transfer, ...]]]:
    """Transfers with the time at which they are written, s since 1970, in that order.

    First the bonds of a group, each member's by itself; at its end one chain: what is slashed, who
    gets it, and what is paid back to the fund. What is in dispute then has a chain of its own once
    the dispute has ended.
    """
    made = []
    for at, (start, end) in enumerate(
        zip(groups.start_s.tolist(), groups.end_s.tolist(), strict=True)
    ):
        book = _Book(groups, terms, market, at)
        later = [row for row in groups.frozen if row.group == at and row.until_s > end]
        made_good = groups.made_good[at] - sum(row.made_good for row in later)
        apart = {row.member for row in later}
        others = [who for who in range(len(groups.members)) if who not in apart]
        made += [(start, chain) for chain in book.pledged()]
        made += [(end, book.ended(others, made_good, ""))]
        made += [
            (row.until_s, book.ended([row.member], row.made_good, groups.members[row.member]))
            for row in later
        ]
    return sorted(((at, chain) for at, chain in made if chain), key=lambda row: row[0])


class _Book:
    """The transfers of one group."""

    def __init__(self, groups: Groups, terms: Terms, market: str, at: int) -> None:
        self.groups, self.terms, self.market, self.at = groups, terms, market, at
        self.start_s = int(groups.start_s[at])
        self.ids = {name: account.id for name, account in accounts(groups, terms).items()}

    def parts(self, who: int) -> list[tuple[str, int]]:
        """What a bond is made of: the member's own part, and the fund's."""
        bond, lent = int(self.groups.bond[self.at, who]), int(self.groups.lent[self.at, who])
        return [
            (source, nano)
            for source, nano in ((self.groups.members[who], bond - lent), (GUARANTEE, lent))
            if nano
        ]

    def pledged(self) -> Iterator[tuple[Transfer, ...]]:
        """The bonds, each member's a chain."""
        for who, name in enumerate(self.groups.members):
            yield _chain(
                Transfer(
                    self.id("pending", name, source), self.ids[source], self.ids[ESCROW], nano,
                    Kind.PENDING, code=BondCode.BOND, for_s=self.start_s,
                )
                for source, nano in self.parts(who)
            )  # fmt: skip

    def ended(self, whose: Sequence[int], made_good: Ints, word: str) -> tuple[Transfer, ...]:
        """The end of some bonds: slashed or returned, paid out, paid back; one chain.

        Parameters
        ----------
        made_good
            What each member gets from them, (P,).
        word
            Tells the payments of several such chains apart.
        """
        made: list[Transfer] = []
        groups, at = self.groups, self.at
        for who in whose:
            name, left = groups.members[who], int(groups.slashed[at, who])
            for source, nano in self.parts(who):
                taken = min(left, nano)
                left -= taken
                made.append(
                    Transfer(
                        self.id("end", name, source), 0, 0, taken,
                        Kind.POST if taken else Kind.VOID, self.id("pending", name, source),
                        code=BondCode.SLASH, for_s=self.start_s,
                    )
                )  # fmt: skip
            if left:
                raise InvariantError(f"more is slashed of {name!r} than its bond")
        rows: list[tuple[IntEnum, str, str, int]] = [
            (BondCode.HARM, ESCROW, name, nano)
            for name, nano in zip(groups.members, made_good.tolist(), strict=True)
        ]
        fines = sum(int(groups.fine[at, who]) for who in whose)
        rows.append((BondCode.FINE, ESCROW, self.terms.fines_to, fines))
        repaid = groups.repaid[at].tolist()
        rows += [(Code.REPAID, groups.members[who], GUARANTEE, repaid[who]) for who in whose]
        made += [
            Transfer(
                self.id(code.name, debit, credit, word), self.ids[debit], self.ids[credit], nano,
                code=code, for_s=self.start_s,
            )
            for code, debit, credit, nano in rows
            if nano
        ]  # fmt: skip
        return _chain(made)

    def id(self, *words: str) -> int:
        """The id of a transfer of this group."""
        return stable_id("isojoule.bonds.1", self.market, self.start_s, *words)


def accounts(groups: Groups, terms: Terms) -> dict[str, Account]:
    """The accounts that the transfers need, by name."""
    used = np.any(groups.bond, axis=0) | np.any(groups.made_good, axis=0)
    names = [ESCROW, GUARANTEE, terms.fines_to]
    names += [name for name, there in zip(groups.members, used.tolist(), strict=True) if there]
    return {name: Account(name, terms.currency) for name in dict.fromkeys(names)}


def _frozen(
    stretch: Stretch, slashed: Slashed, claims: Sequence[Claim], first: Ints
) -> Iterator[Frozen]:
    """The bonds that claims freeze, group by group."""
    for number, claim in enumerate(claims):
        cells = frozen_cells(stretch, claim)
        made = slashed.disputed[number] if number < len(slashed.disputed) else None
        sums = np.add.reduceat(np.zeros_like(slashed.bond) if made is None else made, first)
        groups = np.flatnonzero(np.add.reduceat(cells.any(1).astype(np.int64), first))
        for group in groups.tolist():
            who = stretch.members.index(claim.member)
            yield Frozen(group, who, claim.decided_s, sums[group])


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


def _chain(transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    made = list(transfers)
    return (*(t._replace(linked=True) for t in made[:-1]), *made[-1:])
