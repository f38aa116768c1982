"""Any way through the ledger keeps its invariants, and goes as the model goes.

docs/spec/ledger.md, J6 to J14. ISOJOULE_EXAMPLES says how many ways Hypothesis tries; 10,000 take
some minutes:

    ISOJOULE_EXAMPLES=10000 pytest tests/settlement/ledger/test_walk.py -k TestWays \
        --hypothesis-show-statistics
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.settlement.ledger.walk import ACCOUNTS, Asked, Pick, Walk

EXAMPLES = int(os.environ.get("ISOJOULE_EXAMPLES", "60"))


@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_random_ways(part: int) -> None:
    """1000 a part; seeds are numbers, so a failure names the way that led there."""
    for way in range(part * 1000, (part + 1) * 1000):
        random = Random(way)
        walk = Walk()
        if way % 8:
            walk.run(Asked(tuple(ACCOUNTS), (), walk.now))
        try:
            for _ in range(random.randint(2, 9)):
                walk.step(random.randrange)
            walk.check_log()
        except AssertionError as error:
            raise AssertionError(f"way {way}") from error


def picks(data: st.DataObject) -> Pick:
    """Numbers that Hypothesis draws."""
    return lambda below: data.draw(st.integers(0, below - 1))


class Ways(RuleBasedStateMachine):
    """Longer ways, which Hypothesis makes as short as they can be where something fails."""

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk()

    @initialize(all_of_them=st.booleans())
    def begin(self, all_of_them: bool) -> None:
        if all_of_them:
            self.walk.run(Asked(tuple(ACCOUNTS), (), self.walk.now))

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        pick = picks(data)
        self.walk.ask(tuple(self.walk.transfer(pick) for _ in range(1 + pick(4))))

    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        self.walk.open(picks(data))

    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        self.walk.again(picks(data))

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self.walk.expire(picks(data))

    @rule(half_seconds=st.integers(-2, 6))
    def tick(self, half_seconds: int) -> None:
        self.walk.now += half_seconds * 500_000_000

    def teardown(self) -> None:
        self.walk.check_log()


TestWays = Ways.TestCase
TestWays.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
