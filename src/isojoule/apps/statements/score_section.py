"""The part of a page on the 24/7 score: how much was matched by certificates of its own hour.

Spec: docs/spec/certificates.md, W21 and W23.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isojoule.apps.certificates import Claimed, Score, claimed_of, scores_of
from isojoule.apps.report.words import percent
from isojoule.apps.results.chapters.certificates import source_of_settling
from isojoule.apps.results.settlement import SettledRun
from isojoule.apps.statements.sheet import Sheet, kwh, named, table
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.certificates.hours import Hours
from isojoule.settlement.certificates.nouns import LONGEST_S, WH_UJ

Ints = NDArray[np.int64]


class Scores(NamedTuple):
    """What the members claimed in a period.

    Attributes
    ----------
    hours
        Hour by hour.
    scores
        Of each member over the period.
    """

    hours: Hours
    scores: dict[str, Score]


def scores_by_period(settled: SettledRun) -> dict[str, Scores]:
    """By period; none where intervals are longer than an hour, since then nothing is granular."""
    scenario: Scenario = settled.settling.scenario
    if scenario.interval_s > LONGEST_S:
        return {}
    claimed: Claimed = claimed_of(source_of_settling(settled.settling))
    return {name: Scores(hours, scores_of(claimed, name)) for name, hours in claimed.periods}


def score_section(sheet: Sheet) -> str:
    """The score in a sentence, and its parts."""
    if sheet.facts.scores is None:
        return ""
    score = sheet.facts.scores.scores[sheet.facts.stretch.members[sheet.who]]
    if score.share is None:
        body = "<p>You used no electricity in this period, so there is no score.</p>"
    else:
        body = _parts(score, named(sheet.score_file, "holds every hour"))
    return f"<section><h2>Your 24/7 score</h2>{body}</section>"


def _parts(score: Score, file: str) -> str:
    rows = [
        _row("Your own production", score, score.self_wh * WH_UJ),
        _row("Your neighbours' production", score, score.local_wh * WH_UJ),
        _row("Out of storage", score, score.storage_wh * WH_UJ),
        _row("Without a certificate of its hour", score,
             score.consumed_uj - score.matched_wh * WH_UJ),
        _row("All that you used", score, score.consumed_uj, "sum"),
    ]  # fmt: skip
    return (
        f"<p>Of the {kwh(score.consumed_uj)} that you used, <b>{percent(score.share)}</b> was "
        "matched, hour by hour, by certificates of this community: for energy that "
        "was produced in the same hour, or taken out of storage in it.</p>"
        + table(["Where it came from", "Energy", "Part of what you used"], rows)
        + '<p class="soft">Sun of noon does not count for the night, but through storage. '
        f"Charging a battery is not use; what was in it before the period counts for nothing.{file}"
        "</p>"
    )


def _row(name: str, score: Score, energy_uj: int, mark: str = "") -> str:
    part = energy_uj / score.consumed_uj
    attribute = f' class="{mark}"' if mark else ""
    return (
        f'<tr{attribute}><th scope="row">{name}</th><td>{kwh(energy_uj)}</td>'
        f"<td>{percent(part)}</td></tr>"
    )
