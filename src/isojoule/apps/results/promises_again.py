"""Contracts and bonds of a run, settled again on late readings: what moves besides, file by file.

What was agreed, put up, called and lent stands: it followed from what was known. What a contract or
a bond came to in the end is counted again by each file, and so are the fines that are shared. The
difference is written as transfers of its own. Spec: docs/spec/collateral.md, B34 and B35.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from isojoule.apps.results.chapters import bonds
from isojoule.apps.results.chapters.day_ahead import hold_run, seen_by
from isojoule.apps.results.chapters.nouns import Settling
from isojoule.apps.results.correct import Correction
from isojoule.apps.results.settled import SettledPeriod
from isojoule.apps.results.stretch import stretches
from isojoule.core.transfer import Account, Transfer
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.collateral.corrected import Move, bond_moves, transfers_of
from isojoule.settlement.collateral.fines import fine_moves
from isojoule.settlement.collateral.folded import Groups
from isojoule.settlement.day_ahead.blocks import blocks_of
from isojoule.settlement.day_ahead.corrected import contract_moves, dues
from isojoule.settlement.rules import Rules
from isojoule.settlement.settle import settle
from isojoule.settlement.stretch import Stretch
from isojoule.settlement.surplus import Shares


class Again(NamedTuple):
    """What a file of readings changes about contracts and bonds.

    Attributes
    ----------
    accounts
        That the transfers need.
    chains
        Transfers; each chain stands whole or not at all.
    paid_nano
        What accounts pay by them, by period and name.
    """

    accounts: tuple[Account, ...]
    chains: tuple[tuple[Transfer, ...], ...]
    paid_nano: dict[str, dict[str, int]]


def promises_again(
    folder: Path, scenario: Scenario, rules: Rules, run: str, seed: int, found: Sequence[Correction]
) -> dict[int, Again]:
    """What each file changes about contracts and bonds, by its number.

    Parameters
    ----------
    folder, scenario, rules, run, seed
        Of the run.
    found
        All its corrections.
    """
    if not found or (rules.day_ahead is None and rules.collateral is None):
        return {}
    periods = tuple(
        _period(period.name, period.end_s, stretch, rules)
        for period, stretch in stretches(folder, scenario, rules.netting)
    )
    settling = Settling(folder, scenario, rules, run, seed, periods)
    book = _Book(settling)
    before, made = book.outcome(settling), {}
    for number in sorted({one.number for one in found}):
        late = {one.period.name: one.stretch for one in found if one.number == number}
        settling = replace(
            settling,
            periods=tuple(
                _period(p.name, p.end_s, late[p.name], rules) if p.name in late else p
                for p in settling.periods
            ),
        )
        after = book.outcome(settling)
        made[number] = _again(settling, list(book.moves(before, after)), number)
        before = after
    return made


class _Outcome(NamedTuple):
    """What contracts and bonds come to by some readings."""

    dues: list[int]
    groups: Groups | None
    fines: dict[int, dict[str, int]]
    """By the start of the period, s since 1970: what each account gets of them."""


class _Book:
    """What was agreed and put up by the first readings."""

    def __init__(self, first: Settling) -> None:
        rules = first.rules
        self.held = None if rules.day_ahead is None else hold_run(first)
        self.terms = None if rules.collateral is None else bonds.terms_of(first)

    def outcome(self, settling: Settling) -> _Outcome:
        """By the readings of these periods."""
        owed: list[int] = []
        rules = settling.rules
        if self.held is not None and rules.day_ahead is not None:
            seen = seen_by(settling, rules.day_ahead)
            owed = dues(self.held, blocks_of(seen, rules.day_ahead))
        if self.terms is None:
            return _Outcome(owed, None, {})
        groups = bonds.fold_run(settling, self.terms)
        shared = bonds.shares_by_period(settling, groups, self.terms)
        starts = {p.name: p.start_s for p in settling.periods}
        return _Outcome(owed, groups, {starts[name]: mine for name, mine in shared.items()})

    def moves(self, before: _Outcome, after: _Outcome) -> Iterator[Move]:
        """What turns one outcome into the other."""
        if self.held is not None:
            yield from contract_moves(self.held, before.dues, after.dues)
        if self.terms is not None and before.groups is not None and after.groups is not None:
            yield from bond_moves(before.groups, after.groups, self.terms)
        for start_s, shared in after.fines.items():
            yield from fine_moves(before.fines[start_s], shared, start_s)


def _period(name: str, end_s: int, stretch: Stretch, rules: Rules) -> SettledPeriod:
    """A period of which nothing but its settlement is asked."""
    nothing = Shares(rules.surplus, 0, (), (), 0, ())
    return SettledPeriod(name, end_s, stretch, settle(stretch, rules), (), {}, {}, nothing)


def _again(settling: Settling, moves: list[Move], number: int) -> Again:
    currency = settling.scenario.currency
    names = dict.fromkeys(name for move in moves for name in (move.debit, move.credit))
    paid: dict[str, dict[str, int]] = {}
    for move in moves:
        period = next(p for p in settling.periods if move.start_s < p.end_s)
        sums = paid.setdefault(period.name, {})
        sums[move.debit] = sums.get(move.debit, 0) + move.nano
        sums[move.credit] = sums.get(move.credit, 0) - move.nano
    chains = transfers_of(moves, currency, market=settling.run, revision=number)
    return Again(tuple(Account(name, currency) for name in names), tuple(chains), paid)
