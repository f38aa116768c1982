"""The operator's line shared, and shared again by late readings. Spec: Y7, Y26 and Y27."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isojoule.settlement.booking import difference, with_readings
from isojoule.settlement.line_sums import paid_in, paid_in_all
from isojoule.settlement.operator_line import changed, share_line
from isojoule.settlement.rules import Fee, Imbalance, Rules
from isojoule.settlement.settle import OPERATOR, settle
from isojoule.settlement.shares import RULES
from isojoule.settlement.surplus import Shares, share_surplus
from tests.settlement.stretches import KWH_UJ, random_stretch


def test_the_example_on_the_page() -> None:
    """Y27: 90 by 2 and 4 kWh, then 60 by 3 and 3 kWh: Ada's share stays, Bo's falls by 30."""
    price, loss = np.full(1, 1e-7), np.zeros(1, np.int64)
    first, second = (
        share_surplus("energy", line, ("ada", "bo"), np.array([net]) * KWH_UJ, price, price, loss,
                      (0, 0), b"")
        for line, net in ((90, (-2, 4)), (60, (-3, 3)))
    )  # fmt: skip
    assert isinstance(first, Shares) and isinstance(second, Shares)
    assert (first.amount_nano, second.amount_nano) == ((30, 60), (30, 30))
    assert changed(first, second) == (0, -30)


@pytest.mark.parametrize("rule", RULES)
@settings(derandomize=True, deadline=None, max_examples=12)
@given(chance=st.integers(0, 30), late=st.lists(st.integers(-3, 3), min_size=3, max_size=3))
def test_what_is_shared_again_is_what_the_line_changed_by(
    rule: str, chance: int, late: list[int]
) -> None:
    """Y27: to the nano-unit, by every rule, fees left out, in pauses, losses below 0 or not."""
    fee = Fee("network fee", "bought", 1e-8, "grid")
    rules = Rules(Imbalance(payer="members"), fees=(fee,), surplus=rule, permutations=4)
    before = random_stretch(chance, members=3)
    metered = before.metered_uj.copy()
    metered[-1] = np.array(late) * KWH_UJ
    after = with_readings(before, metered)
    old, new = settle(before, rules), settle(after, rules)
    first, second = (share_line(*one, rules, 5) for one in ((before, old), (after, new)))
    assert isinstance(first, Shares) and isinstance(second, Shares)
    line = paid_in_all(difference(new, old).lines).get(OPERATOR, 0)
    assert sum(changed(first, second)) == (0 if rule == "keep" else -line)
    assert second.surplus_nano == -paid_in_all(new.lines).get(OPERATOR, 0)


def test_what_accounts_paid_sums_to_nothing() -> None:
    stretch = random_stretch(3)
    lines = settle(stretch, Rules()).lines
    groups = np.array([0, stretch.time_s.size // 2])
    parts, whole = paid_in(lines, groups), paid_in_all(lines)
    assert {name: int(nano.sum()) for name, nano in parts.items()} == whole
    assert not sum(parts.values(), np.zeros(2, np.int64)).any()
    assert any(whole.values())


@pytest.mark.parametrize("rule", [name for name, entry in RULES.items() if entry.compares])
def test_pauses_are_no_part_of_a_game(rule: str) -> None:
    """Z8: each has there what it has by the game of the rest, and an equal part of the losses."""
    s = random_stretch(1, intervals=6, members=3)
    rests = np.array([False, True, True, False, False, False])
    s = replace(s, paused=rests)
    rules = Rules(surplus=rule, permutations=4)
    shares = share_line(s, settle(s, rules), rules, 5)
    columns = ("time_s", "group_s", "cleared_uj", "payment_nano", "earned_nano", "worked_nano",
               "metered_uj", "utility_uj", "utility_nano", "tie_uj", "loss_uj", "sells_at_per_j",
               "buys_at_per_j", "paused")  # fmt: skip
    alone = replace(s, **{name: getattr(s, name)[~rests] for name in columns})
    game = share_line(alone, settle(alone, rules), rules, 5)
    assert isinstance(shares, Shares) and isinstance(game, Shares)
    rest = np.array(shares.amount_nano) - np.array(game.amount_nano)
    left = shares.surplus_nano - game.surplus_nano
    assert left < 0 and int(rest.sum()) == left and np.ptp(rest) <= 1
    assert all("What is left of pauses, -" in why for why in shares.why)
    all_rest = replace(s, paused=np.ones(6, bool))
    shares = share_line(all_rest, settle(all_rest, rules), rules, 5)
    assert isinstance(shares, Shares) and np.ptp(shares.amount_nano) <= 1
