"""Certificates of a run: what its members claimed, hour by hour.

The chapter counts; the run's folder `certificates` holds the certificates themselves, and must say
the same. It writes no transfers. Spec: docs/spec/certificates.md, W21, W23 and W25.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from isojoule.apps.results.chapters.nouns import Chapter, Clock, Settling, Told
from isojoule.core.units import joules_text
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.certificates.hours import FATES, Hours
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.rules import Rules

if TYPE_CHECKING:
    from isojoule.apps.certificates import Claimed
    from isojoule.apps.certificates.flows import Source

NAME = "certificates"
FOLDER = "certificates"
"""Of a run, with its certificates."""


def source_of_settling(settling: Settling) -> Source:
    """What the certificates of a run follow from, while it is settled."""
    from isojoule.apps.certificates.flows import Source
    from isojoule.apps.certificates.run import stored_starts
    from isojoule.apps.results.store import Run
    from isojoule.settlement.certificates.asked import CertificateRules

    starts = settling.start_uj or stored_starts(Run(settling.folder))
    rules = settling.rules.certificates or CertificateRules()
    return Source(settling.run, settling.folder, settling.scenario, rules, starts)


def tell(claimed: Claimed, timezone: str) -> dict[str, Any]:
    """What was claimed, for `summary.json`."""
    from isojoule.apps.certificates.scores import COMMUNITY, scores_of

    scores = scores_of(claimed)
    together = scores.pop(COMMUNITY)
    return {
        "community": together.document(),
        "members": {member: score.document() for member, score in scores.items()},
        "periods": [
            {
                "name": name,
                "community": scores_of(claimed, name)[COMMUNITY].document(),
                **_fates(hours),
            }
            for name, hours in claimed.periods
        ],
        "hours_of_day": _hours_of_day([hours for _, hours in claimed.periods], timezone),
    }


def _fates(hours: Hours) -> dict[str, int]:
    """What became of certificates, Wh; what is left was not needed within its hour."""
    issued, reissued, stored = hours.fate_wh.sum(0).tolist()
    claimed = int(hours.claimed_wh.sum())
    found = dict(zip((f"{name}_wh" for name in FATES), (issued, reissued, stored), strict=True))
    return {**found, "claimed_wh": claimed, "left_wh": issued + reissued - stored - claimed}


def _hours_of_day(parts: list[Hours], timezone: str) -> list[dict[str, Any]]:
    """Consumption and what was claimed by hour of the local day."""
    zone = ZoneInfo(timezone)
    consumed, claimed = np.zeros(24, np.int64), np.zeros((24, 3), np.int64)
    for hours in parts:
        at = [datetime.fromtimestamp(t, zone).hour for t in hours.time_s.tolist()]
        np.add.at(consumed, at, hours.consumed_uj.sum(1))
        np.add.at(claimed, at, hours.claimed_wh.sum(1))
    return [
        {
            "hour": hour, "consumed_j": joules_text(int(consumed[hour])),
            "self_wh": int(claimed[hour, 0]), "local_wh": int(claimed[hour, 1]),
            "storage_wh": int(claimed[hour, 2]),
        }
        for hour in range(24)
    ]  # fmt: skip


def _asked(rules: Rules) -> bool:
    return rules.certificates is not None


def _write(settling: Settling, ledger: Ledger, clock: Clock) -> Told:
    from isojoule.apps.certificates import claimed_of

    claimed = claimed_of(source_of_settling(settling))
    return Told(tell(claimed, settling.scenario.timezone))


def _check(scenario: Scenario, rules: Rules) -> None:
    from isojoule.apps.certificates.flows import check_source

    if rules.certificates is not None:
        check_source(scenario, rules.certificates)


CERTIFICATES = Chapter(NAME, _asked, _write, _check)
