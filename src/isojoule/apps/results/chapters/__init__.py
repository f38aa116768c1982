"""What follows from a settled run beyond trade, imbalance, fees and dividends: its chapters.

A chapter is a part of `settlement.yaml` of its own, as bills that are paid late. It reads the
settled periods and writes further transfers, into the run's own ledger, and just so into one that
is kept, without working them out again: their ids follow from the run, so what stands there already
is not written twice. What it tells stands in `summary.json` under its name, and `isojoule verify`
has it told again.

Chapters are written in the order of `CHAPTERS`; each finds in the ledger what was written before,
and knows what those before it tell.
"""

from __future__ import annotations

from dataclasses import replace

from isojoule.apps.results.chapters import bonds, day_ahead, payments
from isojoule.apps.results.chapters.certificates import CERTIFICATES
from isojoule.apps.results.chapters.nouns import Chapter, Clock, Settling, Told
from isojoule.microworld.scenario import Scenario
from isojoule.settlement.ledger.port import Ledger
from isojoule.settlement.rules import Rules

__all__ = ["CHAPTERS", "Chapter", "Settling", "Told", "check_chapters", "write_chapters"]

CHAPTERS: tuple[Chapter, ...] = (CERTIFICATES, day_ahead.CHAPTER, bonds.CHAPTER, payments.CHAPTER)
"""Payments stand last: their bills hold what all others write."""


def write_chapters(settling: Settling, ledger: Ledger, clock: Clock) -> dict[str, Told]:
    """Work out all chapters that the rules ask for, and write them; by name."""
    told: dict[str, Told] = {}
    for chapter in CHAPTERS:
        if chapter.asked(settling.rules):
            told[chapter.name] = chapter.write(replace(settling, told=dict(told)), ledger, clock)
    return told


def check_chapters(scenario: Scenario, rules: Rules) -> None:
    """Refuse, before any work, chapters that do not fit.

    Raises
    ------
    InputError
        Says why.
    """
    for chapter in CHAPTERS:
        if chapter.asked(rules):
            chapter.check(scenario, rules)
