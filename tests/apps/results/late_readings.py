"""A run settled as if late readings had been there: what corrections must come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from isojoule.apps.results import settlement
from isojoule.apps.results.asked import read_asked
from isojoule.apps.results.correct import Written, read_readings, write_corrections
from isojoule.apps.results.settlement import SettledRun, settle_run
from isojoule.apps.results.store import Run
from isojoule.apps.results.stretch import stretches
from isojoule.core.transfer import ENERGY
from isojoule.settlement.booking import with_readings
from isojoule.settlement.ledger.port import Ledger, ReadLedger


def settled_by(run: Run, rules: str) -> SettledRun:
    """A run settled by other rules, which stand in its folder from now on."""
    (run.folder / "scenario" / "settlement.yaml").write_text(rules)
    asked = read_asked(run.folder / "scenario", run.manifest["arguments"])
    return settle_run(run.folder, asked.scenario, asked.rules, run.manifest["run"], 0)


def settled_rightly(run: Run, rules: str, files: Sequence[Path]) -> SettledRun:
    """The same on the readings of these files, the last of which counts."""

    def rightly(folder: Path, scenario: Any, *words: Any) -> Iterator[Any]:
        late = [read_readings(file, scenario) for file in files]
        for period, stretch in stretches(folder, scenario, *words):
            right = stretch.metered_uj.copy()
            for one in late:
                for time_s, who, uj in zip(one.time_s, one.member, one.metered_uj, strict=True):
                    right[stretch.time_s == time_s, who] = uj
            yield period, with_readings(stretch, right)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settlement, "stretches", rightly)
        return settled_by(run, rules)


def correct(run: Run, files: Sequence[Path], ledger: Ledger) -> Written:
    """Write corrections into a ledger that is open."""

    @contextmanager
    def opened() -> Iterator[Ledger]:
        yield ledger

    return write_corrections(run.folder, files, opened, lambda: 2 * 10**18)


def money(ledger: ReadLedger) -> dict[str, int]:
    """Balances of money that are not 0, by name."""
    net = {a.name: b.net for a, b in ledger.accounts() if a.unit != ENERGY}
    return {name: nano for name, nano in net.items() if nano}
