"""Any way through a registry keeps its invariants, and goes as the model goes.

docs/spec/certificates.md, W5 to W17.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.settlement.certificates.walk import QUARTER, Walk


@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_random_ways(part: int) -> None:
    """1000 a part; seeds are numbers, so a failure names the way that led there."""
    for way in range(part * 1000, (part + 1) * 1000):
        random = Random(way)
        walk = Walk()
        if way % 16:
            walk.begin()
        try:
            for _ in range(random.randint(6, 16)):
                walk.step(random.randrange)
            walk.check_log()
        except AssertionError as error:
            raise AssertionError(f"way {way}") from error


def test_long_ways() -> None:
    """Deep splits, and storage that is filled and emptied many times."""
    for way in range(20):
        random = Random(f"long {way}")
        walk = Walk()
        walk.begin()
        for _ in range(150):
            walk.step(random.randrange)
        walk.check_log()


class Ways(RuleBasedStateMachine):
    """Ways which Hypothesis makes as short as they can be where something fails."""

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk()

    @initialize()
    def begin(self) -> None:
        self.walk.begin()

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        self.walk.run((self.walk.act(lambda n: data.draw(st.integers(0, n - 1))),))

    @rule(data=st.data())
    def meter(self, data: st.DataObject) -> None:
        self.walk.run((self.walk.meter(lambda n: data.draw(st.integers(0, n - 1))),))

    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        self.walk.again(lambda n: data.draw(st.integers(0, n - 1)))

    @rule(quarters=st.integers(-1, 6))
    def tick(self, quarters: int) -> None:
        self.walk.now += quarters * QUARTER

    def teardown(self) -> None:
        self.walk.check_log()


TestWays = Ways.TestCase
TestWays.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
