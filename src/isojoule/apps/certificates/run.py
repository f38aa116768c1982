"""The certificates of a run, and the Watt-hours of them alone.

`certify` asks a registry and knows every certificate; `claimed_of` counts what was claimed, to the
same Watt-hour, and much faster. Spec: docs/spec/certificates.md, W18 to W25.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isojoule.apps.certificates.flows import Source, certified_devices, check_source
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.store import Run
from isojoule.settlement.certificates.asked import CertificateRules
from isojoule.settlement.certificates.community import BATCH, Desk, Shelf
from isojoule.settlement.certificates.hours import Hours, joined
from isojoule.settlement.certificates.memory import MemoryRegistry
from isojoule.settlement.certificates.tally import Tally

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Claimed:
    """What the members of a run claimed.

    Attributes
    ----------
    members
        Names, (P,).
    periods
        Names of the periods, each with what was claimed in it.
    """

    members: tuple[str, ...]
    periods: tuple[tuple[str, Hours], ...]

    def same(self, other: Claimed) -> bool:
        """Whether both say the same to the last Watt-hour."""
        return self.members == other.members and all(
            a == b and all(np.array_equal(x, y) for x, y in zip(one, two, strict=True))
            for (a, one), (b, two) in zip(self.periods, other.periods, strict=True)
        )


@dataclass(frozen=True, eq=False)
class CertifiedRun(Claimed):
    """The certificates of a run.

    Attributes
    ----------
    run
        Its name.
    registry
        With everything that was issued, or with what has not ended, where the rest was shelved.
    """

    run: str
    registry: MemoryRegistry


def source_of(folder: str | Path) -> Source:
    """What the certificates of a run folder follow from.

    Raises
    ------
    InputError
        This is no run's folder, or its intervals are longer than an hour.
    """
    run = Run(folder)
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    rules = asked.rules.certificates or CertificateRules()
    check_source(asked.scenario, rules)
    return Source(run.manifest["run"], run.folder, asked.scenario, rules, stored_starts(run))


def stored_starts(run: Run) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], ...]:
    """Energy in the batteries at the start of each period, as the summary of a run has it."""
    return tuple(np.array(p["start_uj_market"], np.int64) for p in run.summary["periods"])


def certify_run(folder: str | Path, report: Report | None = None) -> CertifiedRun:
    """`certify` for the folder of a run, all in memory."""
    return certify(source_of(folder), report=report)


def certify(
    source: Source,
    *,
    shelf: Shelf | None = None,
    batch: int = BATCH,
    report: Report | None = None,
) -> CertifiedRun:
    """Issue, store, trade, claim, withdraw certificates, and let them expire.

    Parameters
    ----------
    shelf, batch
        See `isojoule.settlement.certificates.community.Desk`.
    report
        Told the stage, how many intervals are done, and of how many.
    """
    desk = Desk(
        source.run, source.scenario.participants, certified_devices(source.scenario)[0],
        rules=source.rules, shelf=shelf, batch=batch,
    )  # fmt: skip
    periods = _walk(source, desk, report)
    return CertifiedRun(source.scenario.participants, periods, source.run, desk.registry)


def claimed_of(source: Source) -> Claimed:
    """Count what was claimed, without a registry."""
    members = source.scenario.participants
    tally = Tally(members, certified_devices(source.scenario)[0])
    return Claimed(members, _walk(source, tally, None))


def _walk(source: Source, by: Desk | Tally, report: Report | None) -> tuple[tuple[str, Hours], ...]:
    periods, done = [], 0
    for period, parts in source.flows():
        pieces = []
        for flows in parts:
            for day in flows.days():
                pieces.append(by.certify(day))
                done += day.time_s.size
                if report is not None:
                    report("certifying intervals", done, source.intervals)
        periods.append((period.name, joined(pieces)))
    return tuple(periods)
