"""What a chapter is, what it may read, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.results.settled import SettledPeriod
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.rules import Rules

Ints = NDArray[np.int64]
Clock = Callable[[int], int]
"""The time of writing, ns since 1970, of what happens at a time, s since 1970."""
Posting = Callable[[Ledger, Clock], object]
"""Writes the transfers of a chapter, which is worked out, into a ledger."""


@dataclass(frozen=True, eq=False)
class Settling:
    """All that a chapter may read.

    Attributes
    ----------
    folder
        Of the run, with its tables.
    scenario, rules
        As they were run.
    run, seed
        Name of the run, from which ids follow; and what chance follows from.
    periods
        As settled, in the order of time.
    start_uj
        In the batteries of the market at the start of each period; (): see the summary.
    told
        What the chapters before tell, by name.
    """

    folder: Path
    scenario: Scenario
    rules: Rules
    run: str
    seed: int
    periods: tuple[SettledPeriod, ...]
    start_uj: tuple[Ints, ...] = ()
    told: Mapping[str, Told] = field(default_factory=dict)

    def by_period(
        self, paid_in: Callable[[SettledPeriod], Mapping[str, int]]
    ) -> dict[str, dict[str, int]]:
        """For `Told.paid_nano`, by what accounts paid in a period; zeros are left out."""
        return {
            p.name: {name: nano for name, nano in paid_in(p).items() if nano} for p in self.periods
        }


@dataclass(frozen=True)
class Told:
    """What a chapter tells.

    Attributes
    ----------
    summary
        For `summary.json`; plain data.
    paid_nano
        By period: what accounts of money paid besides, by name. It counts as theirs in every
        comparison; what only changes when something is paid does not belong here.
    post
        Writes the same transfers into another ledger, without working them out again; None: it
        has none.
    """

    summary: dict[str, Any]
    paid_nano: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    post: Posting | None = field(default=None, compare=False)


class Chapter(NamedTuple):
    """A chapter.

    Attributes
    ----------
    name
        Its key in `settlement` of `summary.json`.
    asked
        Whether the rules ask for it.
    write
        Writes its transfers, and tells.
    check
        Raises `InputError` where scenario and rules do not fit it, before any work.
    """

    name: str
    asked: Callable[[Rules], bool]
    write: Callable[[Settling, Ledger, Clock], Told]
    check: Callable[[Scenario, Rules], None]
