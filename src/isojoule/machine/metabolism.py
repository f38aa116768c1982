"""Metabolism: how a machine lives by the free energy of its battery.

Level is F/F_max at the start of an interval, before anything is committed in it.

    level          stage      what it does
    above 50 %     NORMAL     takes any Order
    20 to 50 %     SAVING     Orders of others only up to (level - 20 %)/30 % of its operations
    5 to 20 %      CRITICAL   critical Orders only
    below 5 %      SHUTDOWN   asleep: state is on disk, neighbours know, nothing is drawn
    0              DEAD       asleep, and nothing is left

A machine that sleeps wakes when its level has come back to 20 %, and not before, so that it does
not fall asleep and wake in turns. While awake its idle draw is committed first; a machine whose
free energy does not cover it goes to sleep too, and does not wake until it does.

Everything is compared in integers. Spec: docs/spec/machine.md, X7 to X10.
"""

from __future__ import annotations

from enum import IntEnum

NORMAL_PERCENT = 50
SAVING_PERCENT = 20
CRITICAL_PERCENT = 5


class Stage(IntEnum):
    """How much a machine does; the higher the less."""

    NORMAL = 0
    SAVING = 1
    CRITICAL = 2
    SHUTDOWN = 3
    DEAD = 4

    @property
    def awake(self) -> bool:
        """Whether it computes and draws power at all."""
        return self < Stage.SHUTDOWN


def stage_of(free_uj: int, f_max_uj: int) -> Stage:
    """The stage that a level stands for, energies in microjoules.

    >>> [stage_of(level, 100).name for level in (51, 50, 19, 4, 0)]
    ['NORMAL', 'SAVING', 'CRITICAL', 'SHUTDOWN', 'DEAD']
    """
    if free_uj <= 0 or f_max_uj <= 0:
        return Stage.DEAD
    percent = 100 * free_uj
    if percent > NORMAL_PERCENT * f_max_uj:
        return Stage.NORMAL
    if percent >= SAVING_PERCENT * f_max_uj:
        return Stage.SAVING
    if percent >= CRITICAL_PERCENT * f_max_uj:
        return Stage.CRITICAL
    return Stage.SHUTDOWN


def next_stage(before: Stage, free_uj: int, f_max_uj: int, idle_uj: int) -> Stage:
    """The stage of the interval that begins.

    Parameters
    ----------
    before
        Stage of the interval before.
    free_uj, f_max_uj
        Free energy before new commitments, and at most.
    idle_uj
        What an interval awake draws.
    """
    by_level = stage_of(free_uj, f_max_uj)
    if by_level is Stage.DEAD:
        return Stage.DEAD
    wakes = 100 * free_uj >= SAVING_PERCENT * f_max_uj
    if idle_uj > free_uj or not (before.awake or wakes):
        return Stage.SHUTDOWN
    return by_level


def others_share(stage: Stage, free_uj: int, f_max_uj: int, capacity: int) -> int:
    """Operations of an interval that are open to Orders of others that are not critical.

    Parameters
    ----------
    stage
        Of the interval.
    free_uj, f_max_uj
        As for `next_stage`.
    capacity
        Operations that the machine can do in the interval.

    Examples
    --------
    >>> others_share(Stage.SAVING, 35, 100, 1000)  # half of the way from 20 to 50 %
    500
    """
    if stage is Stage.NORMAL:
        return capacity
    if stage is not Stage.SAVING:
        return 0
    above = 100 * free_uj - SAVING_PERCENT * f_max_uj
    return capacity * above // ((NORMAL_PERCENT - SAVING_PERCENT) * f_max_uj)
