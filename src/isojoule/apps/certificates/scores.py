"""The 24/7 score: how much of what was used was matched by certificates of the same hour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isojoule.apps.certificates.run import Claimed
from isojoule.core.units import joules_text
from isojoule.settlement.certificates.nouns import WH_UJ

COMMUNITY = ""
"""Under which `scores_of` gives the score of all together; no member has this name."""


class Score(NamedTuple):
    """How far consumption was matched, hour by hour. Spec: docs/spec/certificates.md, W21.

    Attributes
    ----------
    consumed_uj
        Consumption, without charging.
    self_wh, local_wh, storage_wh
        Claimed: of own production, of neighbours', out of storage.
    """

    consumed_uj: int
    self_wh: int
    local_wh: int
    storage_wh: int

    @property
    def matched_wh(self) -> int:
        """All that was claimed."""
        return self.self_wh + self.local_wh + self.storage_wh

    @property
    def share(self) -> float | None:
        """Matched share of consumption, 0 to 1; None where nothing was consumed.

        >>> Score(10 * WH_UJ, 1, 2, 3).share
        0.6
        """
        return self.part(self.matched_wh)

    def part(self, wh: int) -> float | None:
        """What so many Wh are of the consumption."""
        return wh * WH_UJ / self.consumed_uj if self.consumed_uj else None

    def document(self) -> dict[str, float | str | None]:
        """As JSON tells it."""
        return {
            "consumed_j": joules_text(self.consumed_uj),
            "self_wh": self.self_wh,
            "local_wh": self.local_wh,
            "storage_wh": self.storage_wh,
            "score": self.share,
            "self": self.part(self.self_wh),
            "local": self.part(self.local_wh),
            "storage": self.part(self.storage_wh),
        }


def scores_of(certified: Claimed, period: str | None = None) -> dict[str, Score]:
    """The score of each member, and under `COMMUNITY` that of all together.

    Parameters
    ----------
    certified
        What was claimed in a run, from `claimed_of` or `certify_run`.
    period
        Of this period alone.
    """
    people = len(certified.members)
    consumed = np.zeros(people, np.int64)
    claimed = np.zeros((people, 3), np.int64)
    for name, hours in certified.periods:
        if period in (None, name):
            consumed += hours.consumed_uj.sum(0)
            claimed += hours.claimed_wh.sum(0)
    rows = np.column_stack([consumed, claimed])
    found = {
        member: Score(*row) for member, row in zip(certified.members, rows.tolist(), strict=True)
    }
    return {**found, COMMUNITY: Score(*rows.sum(0).tolist())}
