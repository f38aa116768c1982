"""What a plan of payments comes to: what is owed, cleared, paid in cash, and paid late.

Spec: docs/spec/obligations.md, O22.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from isojoule.core.errors import InvariantError
from isojoule.settlement.payments.plan import Arisen, Cleared, Interest, Paid, Plan, Redeemed, Step


class Figures(NamedTuple):
    """Sums over a plan, in nano-units.

    Attributes
    ----------
    total, net_internal_debt
        What all bills come to; what parties are owed by all of them more than they owe.
    cleared
        What was set off.
    credit_used, redeemed
        Mutual credit that clearings moved; what was left of it in the end and paid in cash.
    cash_moved
        All payments: of obligations, interest, and what redeemed credit.
    most_out
        The most cash that was out at once: what parties had paid more than they had got, added up
        after each moment at which something was paid.
    at_hand
        The cash that all need at hand, together: the most that each was out, each at its worst
        moment.
    interest, paid_late
        Interest; obligations that were paid late.
    last_s
        When all was resolved, s since 1970.
    """

    total: int
    net_internal_debt: int
    cleared: int
    credit_used: int
    redeemed: int
    cash_moved: int
    most_out: int
    at_hand: int
    interest: int
    paid_late: int
    last_s: int


def figures_of(plan: Plan) -> Figures:
    """Add up a plan, and assert that it leaves nothing open.

    Raises
    ------
    InvariantError
        A party's cash did not change by what it was billed, with its interest.
    """
    all_ = plan.obligations
    cash = np.zeros(len(plan.parties), np.int64)
    lowest = np.zeros_like(cash)
    due = all_.net_nano.copy()
    cleared = used = redeemed = moved = most = interest = late = last = 0
    for time_s, steps in groupby(plan.steps, key=lambda step: step.time_s):
        last = time_s
        for step in steps:
            match step:
                case Cleared():
                    cleared += step.netted.cleared_nano
                    used += step.netted.liquidity_used_nano
                case Paid():
                    late += step.amount_nano * step.late
                case Interest():
                    interest += step.amount_nano
                    due[plan.debtor[step.row]] -= step.amount_nano
                    due[plan.creditor[step.row]] += step.amount_nano
                case Redeemed():
                    redeemed = int(step.credit_nano.clip(0).sum())
            for who, nano in cash_of(plan, step):
                cash[who] += nano
                moved += max(nano, 0)
        most = max(most, int(cash.clip(0).sum()))
        lowest = np.minimum(lowest, cash)
    if not np.array_equal(cash, due):
        raise InvariantError("cash did not change by what was billed")
    return Figures(
        all_.total_nano, all_.net_internal_debt_nano, cleared, used, redeemed, moved, most,
        -int(lowest.sum()), interest, late, last,
    )  # fmt: skip


def cash_of(plan: Plan, step: Step) -> Iterator[tuple[int, int]]:
    """Whose cash a step changes, and by how much."""
    if isinstance(step, Paid | Interest):
        yield int(plan.debtor[step.row]), -step.amount_nano
        yield int(plan.creditor[step.row]), step.amount_nano
    elif isinstance(step, Redeemed):
        yield from (
            (p, int(step.credit_nano[p])) for p in np.flatnonzero(step.credit_nano).tolist()
        )


def open_over_time(plan: Plan) -> list[tuple[int, int]]:
    """What is open after each moment at which something happens."""
    level, path = 0, []
    for time_s, steps in groupby(plan.steps, key=lambda step: step.time_s):
        for step in steps:
            if isinstance(step, Arisen):
                level += int(plan.amount_nano[plan.of_bill(step.bill)].sum())
            elif isinstance(step, Cleared):
                level -= step.netted.cleared_nano
            elif isinstance(step, Paid):
                level -= step.amount_nano
        path.append((time_s, level))
    return path


def late_of(plan: Plan) -> dict[str, tuple[int, int]]:
    """What each late payer paid late, and its interest; by account, in the order of names."""
    late: dict[str, list[int]] = {}
    for step in plan.steps:
        if isinstance(step, Paid) and step.late:
            late.setdefault(plan.parties[plan.debtor[step.row]], [0, 0])[0] += step.amount_nano
        elif isinstance(step, Interest):
            late.setdefault(plan.parties[plan.debtor[step.row]], [0, 0])[1] += step.amount_nano
    return {name: (paid, interest) for name, (paid, interest) in sorted(late.items())}


def interest_nano(plan: Plan) -> dict[int, dict[str, int]]:
    """Interest that each account paid (negative: got), by bill."""
    found: dict[int, dict[str, int]] = {}
    for step in plan.steps:
        if isinstance(step, Interest):
            paid = found.setdefault(int(plan.bill[step.row]), {})
            for ends, nano in ((plan.debtor, step.amount_nano), (plan.creditor, -step.amount_nano)):
                name = plan.parties[ends[step.row]]
                paid[name] = paid.get(name, 0) + nano
    return found
