"""Bills paid late and cleared, by hand. Spec: docs/spec/obligations.md, O17 to O25."""

from __future__ import annotations

import pytest

from isojoule.core.errors import InputError
from isojoule.settlement.payments.bills import Bill, Stretch
from isojoule.settlement.payments.figures import (
    figures_of,
    interest_nano,
    late_of,
    open_over_time,
)
from isojoule.settlement.payments.plan import Cleared, Interest, Paid, Plan, Redeemed, plan_of
from isojoule.settlement.payments.rules import Credit, Late, Payment, Way
from isojoule.settlement.payments.state import Event, states_of

DAY = 86400
WEEK = 7 * DAY
BILLS = [
    Bill(Stretch("one", 0, WEEK), (("ada", "bo", 10), ("bo", "cy", 4))),
    Bill(Stretch("two", WEEK, 2 * WEEK), (("bo", "ada", 6), ("cy", "ada", 5))),
]
RULES = Payment(due_s=3 * DAY, late=(Late(WEEK, ("ada",)),), interest_ppb=10**8)
CREDIT = dict.fromkeys(("ada", "bo", "cy"), Credit(3, 5))


def three(way: Way) -> Plan:
    """Three members, two weeks, due after three days; Ada pays a week late."""
    return plan_of(BILLS, RULES, {"ada": WEEK}, CREDIT, way)


def moves(plan: Plan) -> list[tuple[int, str, str, int, bool]]:
    """Payments: the day, who, to whom, how much, and whether it was late."""
    return [
        (s.time_s // DAY, plan.parties[plan.debtor[s.row]], plan.parties[plan.creditor[s.row]],
         s.amount_nano, s.late)
        for s in plan.steps
        if isinstance(s, Paid)
    ]  # fmt: skip


def clearings(plan: Plan) -> list[tuple[list[int], int, int]]:
    """What each sets off, what it would alone, and the credit that it moves."""
    return [
        (s.netted.set_off_nano.tolist(), s.alone_nano, s.netted.liquidity_used_nano)
        for s in plan.steps
        if isinstance(s, Cleared)
    ]


def test_without_clearing_each_pays() -> None:
    """O17, O20: 10 % a year on 10 for a week is less than 1, rounded up."""
    plan = three("none")
    assert moves(plan) == [
        (10, "bo", "cy", 4, False),
        (17, "ada", "bo", 10, True),
        (17, "bo", "ada", 6, False),
        (17, "cy", "ada", 5, False),
    ]
    assert clearings(plan) == []
    f = figures_of(plan)
    assert (f.total, f.net_internal_debt, f.cleared) == (25, 1, 0)
    assert (f.interest, f.paid_late, f.cash_moved, f.last_s) == (1, 10, 26, 17 * DAY)
    # bo is out 4 for a week; in the end cy is out 1
    assert (f.most_out, f.at_hand) == (4, 5)
    assert open_over_time(plan) == [(7 * DAY, 14), (10 * DAY, 10), (14 * DAY, 21), (17 * DAY, 0)]


def test_what_is_late_meets_the_next_bill() -> None:
    """O18: Ada's old debt and Bo's new one form a circle; interest is due on what was overdue."""
    plan = three("clearing")
    assert clearings(plan) == [([0, 0], 0, 0), ([6, 6, 0], 12, 0)]
    assert moves(plan) == [
        (10, "bo", "cy", 4, False),
        (17, "ada", "bo", 4, True),
        (17, "cy", "ada", 5, False),
    ]
    charged = [(s.time_s // DAY, s.amount_nano) for s in plan.steps if isinstance(s, Interest)]
    assert charged == [(14, 1), (17, 1)]
    f = figures_of(plan)
    assert (f.cleared, f.cash_moved, f.paid_late, f.interest) == (12, 15, 4, 2)
    assert f.cleared <= f.total - f.net_internal_debt
    assert late_of(plan) == {"ada": (4, 2)}
    assert interest_nano(plan) == {0: {"ada": 2, "bo": -2}}


def test_with_mutual_credit_nobody_pays_but_what_is_left_of_it() -> None:
    """O19, O21.

    In the first week Ada spends 3, Bo 1, and Cy takes 4. In the second 6 go in a circle between Ada
    and Bo, and Cy spends 5: 4 that she took and 1 of her own.
    """
    plan = three("credit")
    assert clearings(plan) == [([3, 4], 0, 4), ([7, 6, 5], 12, 5)]
    assert moves(plan) == []
    end = [s for s in plan.steps if isinstance(s, Redeemed)]
    left = dict(zip(plan.parties, end[0].credit_nano.tolist(), strict=True))
    assert left == {"ada": 1, "bo": 0, "cy": -1}
    f = figures_of(plan)
    assert (f.cleared, f.credit_used, f.redeemed, f.cash_moved, f.paid_late) == (25, 9, 1, 2, 0)


def test_the_state_of_a_bill() -> None:
    """O23: what was set off and paid sums to the bill, on both sides."""
    plan = three("clearing")
    states = states_of(plan, ["ada", "nobody"])
    [one], [two] = states["ada", "one"], states["ada", "two"]
    assert (one.end_s, one.due_s, one.owes_nano, one.owed_nano) == (WEEK, 10 * DAY, 10, 0)
    assert one.events == (
        Event("other bills", 14 * DAY, 6, 0),
        Event("interest", 14 * DAY, 1, 0),
        Event("paid late", 17 * DAY, 4, 0),
        Event("interest", 17 * DAY, 1, 0),
    )
    assert (two.owes_nano, two.owed_nano) == (0, 11)
    assert two.events == (Event("other bills", 14 * DAY, 0, 6), Event("paid", 17 * DAY, 0, 5))
    assert set(states) == {("ada", "one"), ("ada", "two")}


def test_what_becomes_of_mutual_credit_bill_by_bill() -> None:
    """O25: Ada's 3 of the first week are used by what she is owed then, of which 1 is left."""
    states = states_of(three("credit"), ["ada", "cy"])
    week, two, end = 7 * DAY, 14 * DAY, 14 * DAY
    told = {key: bills[0].events for key, bills in states.items()}
    assert told == {
        ("ada", "one"): (
            Event("credit", week, 3, 0),
            Event("credit used", two, 3, 0),
            Event("other bills", two, 7, 0),
            Event("interest", two, 1, 0),
        ),
        ("ada", "two"): (
            Event("other bills", two, 0, 10),
            Event("credit", two, 0, 1),
            Event("redeemed", end, 0, 1),
        ),
        ("cy", "one"): (Event("credit", week, 0, 4), Event("credit used", two, 0, 4)),
        ("cy", "two"): (
            Event("other bills", two, 4, 0),
            Event("credit", two, 1, 0),
            Event("redeemed", end, 1, 0),
        ),
    }
    assert [event.pays_nano for event in told["ada", "one"]] == [0, 3, 7, 1]
    assert [event.pays_nano for event in told["ada", "two"]] == [-10, 0, -1]


def test_what_is_due_at_once_is_cleared_first() -> None:
    """O18: with no days to pay, payments follow the clearing of their own bill."""
    bills = [Bill(Stretch("", 0, 9), (("a", "b", 3), ("b", "a", 5)))]
    plan = plan_of(bills, Payment(due_s=0), {}, {}, "clearing")
    assert clearings(plan) == [([3, 3], 6, 0)]
    assert moves(plan) == [(0, "b", "a", 2, False)]


def test_no_bills() -> None:
    assert plan_of([], Payment(), {}, {}, "credit").steps == ()
    nothing = [Bill(Stretch("", 0, 9), ())]
    assert figures_of(plan_of(nothing, Payment(), {}, {}, "clearing")).cash_moved == 0


def test_bills_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="out of order"):
        plan_of(BILLS[::-1], RULES, {}, {}, "none")
