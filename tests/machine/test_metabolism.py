"""docs/spec/machine.md, X7 to X10: stages by level, hysteresis, idle draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.machine import Host, Stage
from isojoule.machine.metabolism import next_stage, others_share, stage_of
from tests.machine.worlds import DT, battery, machine

levels = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("free", "stage"),
    [
        (1000, Stage.NORMAL), (501, Stage.NORMAL), (500, Stage.SAVING), (200, Stage.SAVING),
        (199, Stage.CRITICAL), (50, Stage.CRITICAL), (49, Stage.SHUTDOWN), (1, Stage.SHUTDOWN),
        (0, Stage.DEAD), (-5, Stage.DEAD),
    ],
)  # fmt: skip
def test_stages_by_hand(free: int, stage: Stage) -> None:
    """X7: above 50 %, 20 to 50, 5 to 20, below 5, nothing."""
    assert stage_of(free, 1000) is stage


def test_a_battery_that_is_all_reserve_feeds_nothing() -> None:
    """X7."""
    assert stage_of(0, 0) is Stage.DEAD


@given(levels, levels, st.sampled_from(Stage), st.integers(0, 1000))
def test_more_energy_never_means_less_life(a: int, b: int, before: Stage, idle: int) -> None:
    """X7, X9: the stage falls as the level rises, whatever it was before."""
    low, high = sorted((a, b))
    assert next_stage(before, high, 1000, idle) <= next_stage(before, low, 1000, idle)
    assert others_share(stage_of(high, 1000), high, 1000, 777) >= others_share(
        stage_of(low, 1000), low, 1000, 777
    )


@given(st.lists(levels, min_size=1, max_size=30), st.integers(0, 100))
def test_hysteresis(path: list[int], idle: int) -> None:
    """X9: asleep it stays until 20 %, awake until below 5 % or short of its idle draw."""
    stage = Stage.NORMAL
    for free in path:
        after = next_stage(stage, free, 1000, idle)
        if stage.awake:
            assert after.awake == (free >= 50 and free >= idle)
        else:
            assert after.awake == (free >= 200)
        assert (after is Stage.DEAD) == (free == 0)
        stage = after


def test_the_band_between_does_not_flap() -> None:
    """X9: 4 % sleeps; 6, 19, 19.9 % sleep on; 20 % wakes; 19 and 5 % stay awake; 4.9 % sleeps."""
    stages, stage = [], Stage.NORMAL
    for free in (40, 60, 190, 199, 200, 190, 50, 49):
        stage = next_stage(stage, free, 1000, 0)
        stages.append(stage.awake)
    assert stages == [False, False, False, False, True, True, True, False]


def test_an_idle_draw_that_is_not_covered_keeps_it_asleep() -> None:
    """X10: even at a high level, so that it does not wake to sleep at once."""
    assert next_stage(Stage.NORMAL, 600, 1000, 601) is Stage.SHUTDOWN
    assert next_stage(Stage.SHUTDOWN, 600, 1000, 601) is Stage.SHUTDOWN
    assert next_stage(Stage.SHUTDOWN, 601, 1000, 601) is Stage.NORMAL


def test_share_of_others_by_hand() -> None:
    """X8: (level - 20 %)/30 % of 1000 operations, rounded down; all above, none below."""
    share = [others_share(stage_of(f, 1000), f, 1000, 1000) for f in (199, 200, 300, 499, 500, 501)]
    assert share == [0, 0, 333, 996, 1000, 1000]


def test_the_idle_draw_is_committed_first() -> None:
    """X10: 3 W for 100 s are 300 J; asleep nothing is drawn."""
    awake = Host.begin(machine(idle_w=3.0), "bo", battery(0.5), Stage.NORMAL, 0, DT)
    assert awake.battery.committed_uj == 300_000_000
    asleep = Host.begin(machine(idle_w=3.0), "bo", battery(0.1), Stage.SHUTDOWN, 0, DT)
    assert asleep.battery.committed_uj == 0
    assert asleep.room == 0


def test_the_level_is_that_before_new_commitments() -> None:
    """X7: 51 % less an idle draw of 5 % is still NORMAL in this interval."""
    h = Host.begin(machine(idle_w=500.0), "bo", battery(0.51), Stage.NORMAL, 0, DT)
    assert h.stage is Stage.NORMAL
    assert h.free_uj == 460_000_000_000
